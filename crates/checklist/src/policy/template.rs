use std::fmt;

use serde::Deserialize;

use super::schema::written_as_text;

/// Where the object's namespace and name and the platform's cluster name come in.
const PLACEHOLDERS: &[&str] = &["cluster", "namespace", "name"];

/// A directory with `{cluster}`, `{namespace}` and `{name}` in it, such as
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
    #[error("`{{{0}}}` is no placeholder; there are {{cluster}}, {{namespace}} and {{name}}")]
    Placeholder(String),
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner")]
    Brace(String),
    /// Two jobs would share one directory.
    #[error("`{0}` is the same for every job; it needs {{namespace}} and {{name}}")]
    Shared(String),
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
        if let Some(unknown) = used.iter().find(|name| !PLACEHOLDERS.contains(name)) {
            return Err(TemplateError::Placeholder((*unknown).to_owned()));
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
    /// The template needs a cluster name that the policy does not give, or the job has no name yet.
    pub fn path(&self, cluster: Option<&str>, namespace: &str, name: &str) -> Result<String, TemplateError> {
        if namespace.is_empty() || name.is_empty() {
            return Err(TemplateError::Nameless(self.0.clone()));
        }
        let path = self.0.replace("{namespace}", namespace).replace("{name}", name);
        match cluster {
            Some(cluster) => Ok(path.replace("{cluster}", cluster)),
            None if path.contains("{cluster}") => Err(TemplateError::NoCluster(self.0.clone())),
            None => Ok(path),
        }
    }
}

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
        assert_eq!(template.path(Some("eu"), "shop", "orders").unwrap(), "s3://acme/eu/shop/orders/checkpoints");
        assert!(matches!(template.path(None, "shop", "orders"), Err(TemplateError::NoCluster(_))));
        assert!(matches!(template.path(Some("eu"), "", "orders"), Err(TemplateError::Nameless(_))));
        assert!(matches!(template.path(Some("eu"), "shop", ""), Err(TemplateError::Nameless(_))));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, expected) in [
            ("/data/{namespace}/{name}", "no directory that all nodes reach"),
            ("s3://acme/{namespace}/{name} x", "no directory that all nodes reach"),
            ("s3://acme/{namespace}", "the same for every job"),
            ("s3://acme/{namespace}/{name}/{team}", "`{team}` is no placeholder"),
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
