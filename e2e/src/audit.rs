//! The API server's own account of what was asked of it.
//!
//! The server writes an entry before it ends its answer (`--audit-log-mode=blocking`), so a request whose
//! answer a caller has read to its end is in the log. A watch is entered when it starts.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// One request, as the API server saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Who authenticated.
    pub user: String,
    /// Whom that user asked to act as.
    pub impersonated_user: Option<String>,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The plural, empty for requests that concern no resource.
    pub resource: String,
    /// For example `status`; empty for the object itself.
    pub subresource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty for collections.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// The body, for writes at the audit level that keeps it; otherwise null.
    pub request_object: Value,
    /// The `fieldManager` of the query.
    pub field_manager: Option<String>,
    /// Whether the request was a dry run.
    pub dry_run: bool,
    /// Path and query.
    pub uri: String,
    /// The client program.
    pub user_agent: String,
    /// When the request arrived, RFC 3339 with microseconds.
    pub received: String,
    /// When the answer had ended, in the same form.
    pub completed: String,
}

impl AuditEntry {
    /// Who acted in the end: the impersonated user, otherwise the one who authenticated.
    pub fn acting_user(&self) -> &str {
        self.impersonated_user.as_deref().unwrap_or(&self.user)
    }

    /// Whether the verb changes something and the request was no dry run.
    pub fn is_write(&self) -> bool {
        WRITES.contains(&self.verb.as_str()) && !self.dry_run
    }

    /// `None` for entries that would count a request twice.
    fn parse(line: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("unreadable audit entry: {e}\n{line}"));
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        // A long-running request has two entries, of which the second comes when it ends.
        let long_running = text("/verb") == "watch";
        if (text("/stage") == "ResponseStarted") != long_running {
            return None;
        }
        let uri = text("/requestURI");
        let code = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
        Some(Self {
            user: text("/user/username"),
            impersonated_user: Some(text("/impersonatedUser/username")).filter(|name| !name.is_empty()),
            verb: text("/verb"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: u16::try_from(code).unwrap_or_default(),
            request_object: event.get("requestObject").cloned().unwrap_or_default(),
            field_manager: query_value(&uri, "fieldManager").map(str::to_owned),
            dry_run: query_value(&uri, "dryRun").is_some(),
            uri,
            user_agent: text("/userAgent"),
            received: text("/requestReceivedTimestamp"),
            completed: text("/stageTimestamp"),
        })
    }
}

/// The plain text of a parameter; names of managers and verbs need no decoding.
fn query_value<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    let pairs = uri.split_once('?')?.1.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
}

/// A place in the log; what is written later lies behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The audit log of one control plane.
#[derive(Debug, Clone)]
pub struct AuditLog {
    file: PathBuf,
}

impl AuditLog {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// The end of the log as it is now.
    pub fn mark(&self) -> Mark {
        let mut file = File::open(&self.file).expect("the control plane runs");
        let mut end = file.seek(SeekFrom::End(0)).expect("a file can be sought");
        // An entry may be half written: the mark is the end of the last whole one.
        let mut chunk = [0; 4096];
        while end > 0 {
            let start = end.saturating_sub(chunk.len() as u64);
            let part = &mut chunk[..usize::try_from(end - start).expect("at most a chunk")];
            file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(part)).expect("the log only grows");
            if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
                return Mark(start + newline as u64 + 1);
            }
            end = start;
        }
        Mark(0)
    }

    /// A question to the log; without conditions it yields everything.
    pub fn query(&self) -> AuditQuery {
        AuditQuery { log: self.clone(), since: Mark(0), conditions: Vec::new() }
    }

    /// Everything behind the mark.
    pub fn since(&self, mark: Mark) -> Vec<AuditEntry> {
        self.query().since(mark).entries()
    }

    fn text_since(&self, mark: Mark) -> String {
        let mut text = Vec::new();
        let mut file = File::open(&self.file).expect("the control plane runs");
        file.seek(SeekFrom::Start(mark.0)).expect("a file can be sought");
        file.read_to_end(&mut text).expect("a file can be read");
        // The last line may still be on its way.
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        String::from_utf8(text).expect("JSON is UTF-8")
    }
}

type Condition = Box<dyn Fn(&AuditEntry) -> bool + Send>;

/// A question to the log: every condition narrows it.
#[must_use]
pub struct AuditQuery {
    log: AuditLog,
    since: Mark,
    conditions: Vec<Condition>,
}

impl AuditQuery {
    /// Only what was written after the mark.
    pub fn since(mut self, mark: Mark) -> Self {
        self.since = mark;
        self
    }

    /// Only requests that fulfil the condition.
    pub fn filter(mut self, condition: impl Fn(&AuditEntry) -> bool + Send + 'static) -> Self {
        self.conditions.push(Box::new(condition));
        self
    }

    /// Only requests of that user, impersonation disregarded.
    pub fn user(self, user: &str) -> Self {
        let user = user.to_owned();
        self.filter(move |entry| entry.user == user)
    }

    /// Only requests made as that user, directly or by impersonation.
    pub fn acting_user(self, user: &str) -> Self {
        let user = user.to_owned();
        self.filter(move |entry| entry.acting_user() == user)
    }

    /// Only requests with that verb.
    pub fn verb(self, verb: &str) -> Self {
        let verb = verb.to_owned();
        self.filter(move |entry| entry.verb == verb)
    }

    /// Only requests that change something: no reads, no dry runs.
    pub fn writes(self) -> Self {
        self.filter(AuditEntry::is_write)
    }

    /// Only requests for that resource (plural), subresources included.
    pub fn resource(self, resource: &str) -> Self {
        let resource = resource.to_owned();
        self.filter(move |entry| entry.resource == resource)
    }

    /// Only requests for that subresource; the empty name means the object itself.
    pub fn subresource(self, subresource: &str) -> Self {
        let subresource = subresource.to_owned();
        self.filter(move |entry| entry.subresource == subresource)
    }

    /// Only requests in that namespace.
    pub fn namespace(self, namespace: &str) -> Self {
        let namespace = namespace.to_owned();
        self.filter(move |entry| entry.namespace == namespace)
    }

    /// Only requests for the object of that name.
    pub fn name(self, name: &str) -> Self {
        let name = name.to_owned();
        self.filter(move |entry| entry.name == name)
    }

    /// The entries, in the order in which the server answered.
    pub fn entries(&self) -> Vec<AuditEntry> {
        let text = self.log.text_since(self.since);
        let entries = text.lines().filter_map(AuditEntry::parse);
        entries.filter(|entry| self.conditions.iter().all(|holds| holds(entry))).collect()
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.entries().len()
    }
}
