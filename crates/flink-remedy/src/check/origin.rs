use super::report::{Finding, Job};
use crate::input::Node;

/// The part of a resource that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The option, log file or annotation, if it is one that the resource sets.
    pub(super) key: Option<String>,
    /// Its line of the file, or the first line of the object, from 1.
    pub(super) line: usize,
}

impl Origin {
    /// Where a finding points: at the key that it is about, else at the first key of the resource that its message
    /// names. What is absent has no line, so a gap points at the object.
    pub(super) fn of(finding: &Finding, job: &Job, object: &Node) -> Self {
        let spec = job.spec.iter().try_fold(object, |node, key| node.get(key));
        let named = finding
            .key
            .as_deref()
            .into_iter()
            .chain(words(&finding.message))
            .find_map(|word| Some((word, line(spec?, word)?)));
        let first = job.source.line;
        match named {
            Some((key, line)) => Self { key: Some(key.to_owned()), line: first + line.saturating_sub(object.line) },
            None => Self { key: None, line: first },
        }
    }
}

/// The line of the document on which the resource sets this.
fn line(spec: &Node, word: &str) -> Option<usize> {
    let below = |path: &[&str]| path.iter().try_fold(spec, |node, key| node.get(key));
    let option = || below(&["flinkConfiguration"])?.dotted(word);
    let log_file = || below(&["logConfiguration"])?.get(word);
    let annotation = || below(&["podTemplate", "metadata", "annotations"])?.get(word);
    let field = || spec.dotted(word.strip_prefix("spec.")?);
    option().or_else(log_file).or_else(annotation).or_else(field).map(|node| node.key_line)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_of_key = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    text.split(move |c| !is_of_key(c)).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty())
}
