use std::fmt;

use serde::Deserialize;

use super::schema::written_as_text;
use crate::Labels;

/// Where the object's namespace and name and the platform's cluster name come in.
const PLACEHOLDERS: &[&str] = &["cluster", "namespace", "name"];
/// What a placeholder for a label begins with.
const LABEL: &str = "label:";

/// A directory with `{cluster}`, `{namespace}`, `{name}` and `{label:NAME}` in it, such as
/// `s3://bucket/{cluster}/{namespace}/{name}/checkpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathTemplate(String);

/// Why a text is no template, or gives no directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not an absolute URI.
    #[error(
        "`{0}` is no directory that all nodes reach; write a URI such as s3://bucket/{{cluster}}/{{namespace}}/{{name}}"
    )]
    NoUri(String),
    /// A name in braces that means nothing.
    #[error("`{{{0}}}` is no placeholder; there are {{cluster}}, {{namespace}}, {{name}} and {{label:NAME}}")]
    Placeholder(String),
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner")]
    Brace(String),
    /// Two jobs would share one directory.
    #[error("`{0}` is the same for every job; it needs {{namespace}} and {{name}}")]
    Shared(String),
    /// Two jobs may share one directory.
    #[error(
        "`{text}` may be the same for two jobs: nothing but `{between}` stands between {{{one}}} and {{{other}}}; put a `/` there"
    )]
    Ambiguous {
        /// The template.
        text: String,
        /// What stands between the two.
        between: String,
        /// A placeholder.
        one: String,
        /// The next one.
        other: String,
    },
    /// It leads out of where it begins.
    #[error("`{0}` leads out of its own directory by `..`")]
    Outside(String),
    /// It begins elsewhere than the platform allows.
    #[error("`{0}` is in none of the allowed places ({1})")]
    NotAllowed(String, String),
    /// The job has no such label.
    #[error("`{0}` needs the job's label {1}, which it does not have")]
    NoLabel(String, String),
    /// A user and a password where everybody reads them.
    #[error("a storage template must hold no credentials; give them to Flink's file system by a secret")]
    Credentials,
    /// An object without a name or namespace would share its directory with others.
    #[error("`{0}` needs the job's name and namespace, and it does not name both")]
    Nameless(String),
    /// The platform gave the cluster no name.
    #[error("`{0}` needs the cluster's name; set `cluster` in the policy")]
    NoCluster(String),
}

impl TryFrom<String> for PathTemplate {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if crate::storage::has_credentials(&text) {
            return Err(TemplateError::Credentials);
        }
        if scheme.is_empty() || !scheme.chars().all(is_scheme) || text.contains(char::is_whitespace) {
            return Err(TemplateError::NoUri(text));
        }
        let used = placeholders(&text)?;
        let is_known = |name: &&&str| PLACEHOLDERS.contains(*name) || label(name).is_some();
        if let Some(unknown) = used.iter().find(|name| !is_known(name)) {
            return Err(TemplateError::Placeholder((*unknown).to_owned()));
        }
        if text.split('/').any(|part| part == "..") {
            return Err(TemplateError::Outside(text));
        }
        for pair in used.windows(2) {
            let [one, other] = pair else { continue };
            let between = between(&text, one, other);
            if !between.contains('/') {
                let (between, one, other) = (between.to_owned(), (*one).to_owned(), (*other).to_owned());
                return Err(TemplateError::Ambiguous { text, between, one, other });
            }
        }
        if !used.contains(&"namespace") || !used.contains(&"name") {
            return Err(TemplateError::Shared(text));
        }
        Ok(Self(text))
    }
}

impl PathTemplate {
    /// The directory of one job.
    ///
    /// # Errors
    /// The template needs a cluster name that the policy does not give, or a label that the job does not have, or the job has no
    /// name yet.
    pub fn path(
        &self,
        cluster: Option<&str>,
        namespace: &str,
        name: &str,
        labels: &Labels,
    ) -> Result<String, TemplateError> {
        if namespace.is_empty() || name.is_empty() {
            return Err(TemplateError::Nameless(self.0.clone()));
        }
        let mut path = self.0.replace("{namespace}", namespace).replace("{name}", name);
        for placeholder in placeholders(&self.0)? {
            let Some(key) = label(placeholder) else { continue };
            let value = labels.get(key).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| TemplateError::NoLabel(self.0.clone(), key.to_owned()))?;
            path = path.replace(&format!("{{{placeholder}}}"), value);
        }
        match cluster {
            Some(cluster) => Ok(path.replace("{cluster}", cluster)),
            None if path.contains("{cluster}") => Err(TemplateError::NoCluster(self.0.clone())),
            None => Ok(path),
        }
    }
}

impl PathTemplate {
    /// Whether jobs of two clusters that share a policy get different directories.
    pub fn tells_clusters_apart(&self) -> bool {
        self.0.contains("{cluster}")
    }

    /// What stands before the first placeholder.
    fn literal(&self) -> &str {
        self.0.split('{').next().unwrap_or_default()
    }

    /// Whether every directory of it lies below one of these; anywhere where there are none.
    ///
    /// # Errors
    /// It does not.
    pub fn within(&self, prefixes: &[AllowedPrefix]) -> Result<(), TemplateError> {
        let is_below = |prefix: &AllowedPrefix| self.literal().starts_with(prefix.as_str());
        if prefixes.is_empty() || prefixes.iter().any(is_below) {
            return Ok(());
        }
        let allowed: Vec<&str> = prefixes.iter().map(AllowedPrefix::as_str).collect();
        Err(TemplateError::NotAllowed(self.0.clone(), allowed.join(", ")))
    }
}

/// Where directories may be: a URI that ends in `/`, such as `s3://acme-state/`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AllowedPrefix(String);

impl AllowedPrefix {
    fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AllowedPrefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains("://") && text.ends_with('/') && !text.contains('{') {
            Ok(Self(text))
        } else {
            Err(format!("`{text}` is no place for directories: write a URI that ends in `/`, such as s3://acme-state/"))
        }
    }
}

impl fmt::Display for AllowedPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

written_as_text!(AllowedPrefix, "AllowedPrefix", {
    "type": "string",
    "maxLength": 1024,
    "pattern": r"^[A-Za-z0-9+.-]+://[^{\s]*/$",
});

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

written_as_text!(PathTemplate, "PathTemplate", {
    "type": "string",
    "maxLength": 1024,
    "pattern": r"^[A-Za-z0-9+.-]+://[^\s]+$",
    "x-kubernetes-validations": [{
        "rule": "self.contains('{namespace}') && self.contains('{name}')",
        "message": "a directory that is the same for every job: it needs {namespace} and {name}",
    }],
});

/// The label that a placeholder is for.
fn label(placeholder: &str) -> Option<&str> {
    placeholder.strip_prefix(LABEL).filter(|key| !key.is_empty())
}

/// What stands between two placeholders that follow each other.
fn between<'a>(text: &'a str, one: &str, other: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("{{{one}}}")).unwrap_or_default();
    after.split_once(&format!("{{{other}}}")).map_or(after, |(between, _)| between)
}

fn placeholders(text: &str) -> Result<Vec<&str>, TemplateError> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| TemplateError::Brace(text.to_owned()))?;
        if before.contains('}') || name.contains('{') {
            return Err(TemplateError::Brace(text.to_owned()));
        }
        names.push(name);
        rest = after;
    }
    if rest.contains('}') { Err(TemplateError::Brace(text.to_owned())) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<PathTemplate, TemplateError> {
        PathTemplate::try_from(text.to_owned())
    }

    #[test]
    fn a_template_gives_each_job_its_own_directory() {
        let template = template("s3://acme/{cluster}/{namespace}/{name}/checkpoints").unwrap();
        let none = Labels::new();
        let path = |cluster, namespace, name| template.path(cluster, namespace, name, &none);
        assert_eq!(path(Some("eu"), "shop", "orders").unwrap(), "s3://acme/eu/shop/orders/checkpoints");
        assert!(matches!(path(None, "shop", "orders"), Err(TemplateError::NoCluster(_))));
        assert!(matches!(path(Some("eu"), "", "orders"), Err(TemplateError::Nameless(_))));
        assert!(matches!(path(Some("eu"), "shop", ""), Err(TemplateError::Nameless(_))));
    }

    #[test]
    fn a_label_of_the_job_may_be_part_of_it() {
        let template = template("s3://acme/{label:acme.io/team}/{namespace}/{name}").unwrap();
        let team = |value: &str| Labels::from([("acme.io/team".to_owned(), value.to_owned())]);
        let path = |labels: &Labels| template.path(None, "shop", "orders", labels);
        assert_eq!(path(&team("web")).unwrap(), "s3://acme/web/shop/orders");
        for labels in [Labels::new(), team("")] {
            assert!(path(&labels).unwrap_err().to_string().contains("needs the job's label acme.io/team"));
        }
    }

    #[test]
    fn every_directory_lies_where_the_platform_allows() {
        let prefix = |text: &str| AllowedPrefix::try_from(text.to_owned());
        let allowed = [prefix("s3://acme-state/").unwrap(), prefix("s3://acme-old/flink/").unwrap()];
        for (text, is_within) in [
            ("s3://acme-state/{namespace}/{name}", true),
            ("s3://acme-old/flink/eu/{namespace}/{name}", true),
            ("s3://acme-old/{namespace}/{name}", false),
            ("s3://acme-state2/{namespace}/{name}", false),
            ("s3://{namespace}/{name}", false),
        ] {
            let template = template(text).unwrap();
            assert_eq!(template.within(&allowed).is_ok(), is_within, "{text}");
            assert!(template.within(&[]).is_ok());
        }
        for text in ["acme/", "s3://acme", "s3://{namespace}/"] {
            assert!(prefix(text).unwrap_err().contains("is no place for directories"), "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, expected) in [
            ("/data/{namespace}/{name}", "no directory that all nodes reach"),
            ("s3://acme/{namespace}/{name} x", "no directory that all nodes reach"),
            ("s3://acme/{namespace}", "the same for every job"),
            ("s3://acme/{namespace}/{name}/{team}", "`{team}` is no placeholder"),
            ("s3://acme/{namespace}/{name}/{label:}", "`{label:}` is no placeholder"),
            // a-b/c and a/b-c
            ("s3://acme/{namespace}-{name}", "nothing but `-` stands between {namespace} and {name}"),
            ("s3://acme/{label:team}{namespace}/{name}", "nothing but `` stands between {label:team} and {namespace}"),
            ("s3://acme/{namespace}/../{name}", "leads out of its own directory"),
            ("s3://acme/{namespace}/{name}/{", "a brace without its partner"),
            ("s3://acme/{namespace}/{name}/}", "a brace without its partner"),
            ("s3://key:hunter2@acme/{namespace}/{name}", "must hold no credentials"),
            ("s3://key:hunter2@acme/{namespace} {name}", "must hold no credentials"),
        ] {
            let error = template(text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
