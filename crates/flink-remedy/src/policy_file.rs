//! `--policy FILE`: what the platform wants, as a document of the kind `RemediationPolicy`.

use std::path::Path;

use checklist::Policy;
use checklist::policy::{OperatorVersion, PolicyDocument};
use controller::operator_config::plain_words;

/// Why a policy file is of no use. Nothing runs upon half a policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// The system does not let us read it.
    #[error("--policy {path}: cannot be read: {source}; give a file of kind RemediationPolicy")]
    Unreadable {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that is no policy.
    #[error("--policy {path}: {problem}; nothing runs upon half a policy")]
    Invalid {
        /// Where.
        path: String,
        /// What is wrong, with line and column.
        problem: String,
    },
}

/// The policy of a command: its file, else the default one. A version of the Flink operator that the command gives wins over
/// the policy's.
///
/// # Errors
/// A file that cannot be read, or is no policy.
pub(crate) fn policy_of(file: Option<&Path>, operator: Option<OperatorVersion>) -> Result<Policy, PolicyFileError> {
    let mut policy = file.map_or_else(|| Ok(Policy::default()), load)?;
    policy.rollout.operator_version = operator.or(policy.rollout.operator_version);
    Ok(policy)
}

fn load(path: &Path) -> Result<Policy, PolicyFileError> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) => return Err(PolicyFileError::Unreadable { path: name, source }),
    };
    match serde_saphyr::from_str::<PolicyDocument>(&text) {
        Ok(document) => Ok(document.spec),
        Err(error) => Err(PolicyFileError::Invalid { path: name, problem: plain_words(&error) }),
    }
}

#[cfg(test)]
mod tests {
    use checklist::Mode;

    use super::*;

    fn read(text: &str) -> Result<Policy, String> {
        let file = std::env::temp_dir().join(format!("policy-{}-{:x}.yaml", std::process::id(), text.len()));
        std::fs::write(&file, text).unwrap();
        let policy = load(&file).map_err(|error| error.to_string());
        std::fs::remove_file(&file).unwrap();
        policy
    }

    const HEAD: &str = "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {name: p}\nspec:\n";

    #[test]
    fn a_policy_is_read() {
        let text = format!("{HEAD}  mode: Apply\n  rules:\n    no-metrics-reporter:\n      port: 9250\n");
        let policy = read(&text).unwrap();
        assert_eq!((policy.mode, policy.rules.no_metrics_reporter.port.get()), (Mode::Apply, 9250));
    }

    #[test]
    fn what_is_no_policy_is_told_with_its_line() {
        for (text, expected) in [
            (format!("{HEAD}  mod: Apply\n"), &["unknown field `mod`", "line 5"][..]),
            (format!("{HEAD}  mode: Apply\n  mode: Off\n"), &["duplicate", "line 6"]),
            (format!("{HEAD}  rules:\n    no-metrics-reporter:\n      port: 0\n"), &["line 7"]),
            (format!("{HEAD}  rules:\n    no-checkpoint-interval: {{min: PT1M}}\n"), &["is no duration", "line 6"]),
            (
                format!("{HEAD}  settings:\n    - {{key: a.b, value: x}}\n    - {{key: env.java.opts, value: x}}\n"),
                &["env.java.opts is refused: it runs code", "line 7"],
            ),
            (
                format!("{HEAD}  settings:\n    - key: a.b\n      value: x\n      when: job.state = 'x'\n"),
                &["no CEL expression", "line 8"],
            ),
            (HEAD.replace("RemediationPolicy", "Policy"), &["unknown variant `Policy`", "line 2"]),
            ("mode: Apply\n".to_owned(), &["unknown field `mode`"]),
        ] {
            let error = read(&text).unwrap_err();
            assert!(expected.iter().all(|part| error.contains(part)), "{text}{error}");
        }
        assert!(load(Path::new("/does/not/exist")).unwrap_err().to_string().contains("cannot be read: No such file"));
    }
}
