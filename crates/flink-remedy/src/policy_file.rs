//! Files that say what the platform wants, as documents of the kind `RemediationPolicy`.

use std::path::Path;

use checklist::Policy;
use checklist::policy::{NamedPolicy, OperatorVersion, Policies, PolicyDocument};
use controller::operator_config::plain_words;

/// Why a policy file is of no use. Nothing runs upon half a policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// The system does not let us read it.
    #[error("policy file {path}: cannot be read: {source}; give a file of kind RemediationPolicy")]
    Unreadable {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that is no policy.
    #[error("policy file {path}: {problem}; nothing runs upon half a policy")]
    Invalid {
        /// Where.
        path: String,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// It holds several where one is meant.
    #[error("policy file {path}: it has {number} policies; give a file with the one that is meant")]
    Several {
        /// Where.
        path: String,
        /// How many.
        number: usize,
    },
}

/// The policies of a command: its file's, else the built-in one. A version of the Flink operator that the command gives wins
/// over theirs.
///
/// # Errors
/// A file that cannot be read, or holds something else than policies.
pub(crate) fn policies_of(file: Option<&Path>, operator: Option<OperatorVersion>) -> Result<Policies, PolicyFileError> {
    let policies =
        file.map_or_else(|| Ok(Policies::default()), |file| Ok(Policies::new(load(file)?, Policy::default())))?;
    Ok(policies.under_operator(operator))
}

/// The one policy of a command: its file's, else the built-in one.
///
/// # Errors
/// A file that cannot be read, or does not hold exactly one policy.
pub(crate) fn policy_of(file: Option<&Path>) -> Result<Policy, PolicyFileError> {
    let Some(file) = file else { return Ok(Policy::default()) };
    let mut policies = load(file)?;
    match (policies.pop(), policies.len()) {
        (Some(named), 0) => Ok(named.policy),
        (_, others) => Err(PolicyFileError::Several { path: file.display().to_string(), number: others + 1 }),
    }
}

/// The policies of a file, at least one.
///
/// # Errors
/// It cannot be read, or holds something else.
pub(crate) fn load(path: &Path) -> Result<Vec<NamedPolicy>, PolicyFileError> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) => return Err(PolicyFileError::Unreadable { path: name, source }),
    };
    read(&text).map_err(|problem| PolicyFileError::Invalid { path: name, problem })
}

fn read(text: &str) -> Result<Vec<NamedPolicy>, String> {
    let documents: Vec<PolicyDocument> = serde_saphyr::from_multiple(text).map_err(|error| plain_words(&error))?;
    let is_one = documents.len() == 1;
    let mut policies: Vec<NamedPolicy> = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let name = document.metadata.name;
        if name.is_empty() && !is_one {
            return Err(format!(
                "the policy in document {} has no metadata.name, which tells it from the others",
                index + 1
            ));
        }
        if policies.iter().any(|other| other.name == name) {
            return Err(format!("the policy in document {} is a second one by the name {name}", index + 1));
        }
        policies.push(NamedPolicy { name, policy: document.spec, problem: None });
    }
    if policies.is_empty() { Err("it has no document of kind RemediationPolicy".to_owned()) } else { Ok(policies) }
}

#[cfg(test)]
mod tests {
    use checklist::Mode;

    use super::*;

    const HEAD: &str = "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {name: p}\nspec:\n";

    #[test]
    fn a_policy_is_read() {
        let text = format!("{HEAD}  mode: Apply\n  rules:\n    no-metrics-reporter:\n      port: 9250\n");
        let policies = read(&text).unwrap();
        let policy = &policies[0].policy;
        assert_eq!((policy.mode, policy.rules.no_metrics_reporter.port.get()), (Mode::Apply, 9250));
        let nameless = read(&text.replace("metadata: {name: p}\n", "")).unwrap();
        assert_eq!((nameless.len(), nameless[0].name.as_str()), (1, ""));
    }

    #[test]
    fn a_file_may_hold_several() {
        let other = HEAD.replace("name: p", "name: q");
        let text = format!("{HEAD}  mode: Apply\n---\n{other}  selector: {{kinds: [FlinkSessionJob]}}\n");
        let names: Vec<String> = read(&text).unwrap().into_iter().map(|named| named.name).collect();
        assert_eq!(names, ["p", "q"]);
    }

    #[test]
    fn what_is_no_policy_is_told_with_its_line() {
        let second = |text: &str| format!("{HEAD}  mode: Apply\n---\n{text}");
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
            (String::new(), &["no document of kind RemediationPolicy"]),
            (second(&format!("{HEAD}  mod: Off\n")), &["unknown field `mod`", "line 11"]),
            (second(&format!("{HEAD}  mode: Off\n")), &["document 2 is a second one by the name p"]),
            (
                second(&format!("{}  mode: Off\n", HEAD.replace("{name: p}", "{}"))),
                &["document 2 has no metadata.name"],
            ),
            (format!("{HEAD}  ruleModes:\n    CKP009: Apply\n"), &["`CKP009` is no rule", "line 6"]),
        ] {
            let error = read(&text).unwrap_err();
            assert!(expected.iter().all(|part| error.contains(part)), "{text}{error}");
        }
        assert!(load(Path::new("/does/not/exist")).unwrap_err().to_string().contains("cannot be read: No such file"));
    }
}
