use flink_conf::is_credential;
use flink_conf::options::ValueType;

use crate::storage::{has_credentials, shown};
use crate::{Check, Judgement, OwnOption, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # A credential stands in plain text
    ///
    /// ## What it checks
    /// Keys of `flinkConfiguration` whose values are credentials by their name (`s3.secret-key`,
    /// `security.ssl.rest.key-password`, account keys, API keys, tokens), and values that are a URI with user and
    /// password. Empty values and placeholders such as `${S3_SECRET}` are let be. No value is ever printed.
    ///
    /// ## Why it matters
    /// Whoever may read the resource reads the credential, and so does whoever reads the ConfigMap that the Flink operator
    /// makes of it, a backup of etcd, or the repository that it was applied from.
    ///
    /// ## What is filled
    /// Nothing: a Secret has to be made, and the credential replaced, as it is known by now.
    ///
    /// ## What it costs
    /// Nothing is filled. A job that reads its credentials from its environment restarts once for the change.
    ///
    /// ## When to switch it off
    /// When the value stands for something that is filled in later by a tool whose placeholders are not recognised.
    ///
    /// ## Source
    /// Flink documentation, "Amazon S3", "Azure Blob Storage" and "SSL Setup"; Kubernetes documentation, "Good practices
    /// for Kubernetes Secrets".
    pub static SECRET_IN_PLAIN_TEXT = {
        code: "CFG007",
        name: "secret-in-plain-text",
        scope: Scope::Cluster,
        check: Check::Keys(check),
    }
}

fn check(_: &Subject, own: &[OwnOption<'_>], _: &Policy) -> Vec<Judgement> {
    let plain = own.iter().filter_map(|&OwnOption { key, value, known }| {
        let is_text = || known.is_none_or(|option| matches!(option.era.value_type, ValueType::Text | ValueType::Map));
        let what = if is_placeholder(value) {
            return None;
        } else if is_text() && is_credential(key.as_str()) {
            "holds a credential"
        } else if is_uri_with_password(value) {
            "holds a URI with a password"
        } else {
            return None;
        };
        let name = shown(key.as_str());
        let why = format!(
            "{name} {what} in plain text; give it by a Secret (environment or volume of the pod template) or by the pods' \
             own identity, and replace it"
        );
        Some(Judgement::advice_about(key.clone(), why))
    });
    plain.collect()
}

/// Empty, or filled in by a tool before Flink reads it.
fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let is_between = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close);
    value.is_empty() || is_between("${", "}") || is_between("$(", ")") || is_between("{{", "}}") || is_between("<", ">")
}

/// `https://user:password@host/path`.
fn is_uri_with_password(value: &str) -> bool {
    let uri = value.split(['?', '#']).next().unwrap_or_default();
    uri.contains("://") && !uri.contains(char::is_whitespace) && has_credentials(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_whole() {
        for value in ["", " ", "${S3}", "$(S3)", "{{ s3 }}", "<secret>"] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in ["${S3", "S3)", "<s3", "s3>", "{{s3", "hunter2"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn a_port_is_no_password() {
        for uri in ["https://u:hunter2@repo.acme/a.jar", "s3://AKIA:hunter2@acme/state"] {
            assert!(is_uri_with_password(uri), "{uri}");
        }
        for uri in [
            "s3://acme/state",
            "hdfs://namenode:8020/flink",
            "abfs://state@acme.dfs.core.windows.net/flink",
            "-Dproxy=http://proxy:3128 -Dx=a@b",
            "local:///opt/flink/a.jar?x=a:b@c",
        ] {
            assert!(!is_uri_with_password(uri), "{uri}");
        }
    }
}
