use std::fmt::{self, Write};
use std::io;
use std::path::Path;

use flink_conf::{MASK, is_secret};

use super::node::Broken;

/// Where something stands in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file as the user named it, or standard input.
    pub(crate) file: String,
    /// The document's number in the file, from 1.
    pub(crate) document: usize,
    /// The line of the file, from 1.
    pub(crate) line: usize,
}

impl Place {
    /// The place of a line of the document that begins here, from 1.
    pub(crate) fn below(&self, line: usize) -> Self {
        Self { line: self.line + line.saturating_sub(1), ..self.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {}, line {}", self.file, self.document, self.line)
    }
}

/// A part of the input that cannot be judged. It tells where it stands, what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InputError {
    /// A file or directory that cannot be read.
    #[error("{file}: {problem}")]
    Unreadable {
        /// The path as the user named it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A document that is no YAML.
    #[error("{place}{}: {problem}\n{snippet}  {hint}", of_column(*column))]
    Syntax {
        /// The line.
        place: Place,
        /// The column, if known.
        column: Option<usize>,
        /// What is wrong.
        problem: String,
        /// The lines about it, secrets masked.
        snippet: String,
        /// What to do.
        hint: &'static str,
    },
    /// A document that is no object to judge.
    #[error("{place}: {problem}")]
    Document {
        /// The line.
        place: Place,
        /// What is wrong and what to do.
        problem: String,
    },
    /// An object that cannot be judged.
    #[error("{place}: {kind} {name}: {problem}")]
    Object {
        /// The line.
        place: Place,
        /// Its kind.
        kind: &'static str,
        /// Its namespace and name.
        name: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

fn of_column(column: Option<usize>) -> String {
    column.map_or_else(String::new, |column| format!(", column {column}"))
}

impl InputError {
    /// The file, and the line where it is known.
    pub(crate) fn location(&self) -> (&str, Option<usize>) {
        match self {
            Self::Unreadable { file, .. } => (file, None),
            Self::Syntax { place, .. } | Self::Document { place, .. } | Self::Object { place, .. } => {
                (&place.file, Some(place.line))
            }
        }
    }

    /// A path that the system does not let us read.
    pub(super) fn unreadable(file: &str, error: &io::Error) -> Self {
        let problem = if error.kind() == io::ErrorKind::NotFound {
            "no such file or directory; check the path".to_owned()
        } else {
            format!("cannot be read: {error}")
        };
        Self::Unreadable { file: file.to_owned(), problem }
    }

    /// A directory that the system does not let us list.
    pub(super) fn unlisted(directory: &Path, error: &io::Error) -> Self {
        Self::unreadable(&directory.display().to_string(), error)
    }

    /// Bytes that are no text.
    pub(super) fn not_utf8(place: Place) -> Self {
        Self::Document { place, problem: "the text is not UTF-8; save the file as UTF-8".to_owned() }
    }

    /// A document that the parser refuses.
    pub(super) fn syntax(document: &Place, broken: &Broken, text: &str) -> Self {
        let (line, column) = broken.place.map_or((1, None), |(line, column)| (line.max(1), Some(column)));
        let templated = text.lines().nth(line - 1).is_some_and(|text| text.contains("{{") || text.contains("{%"));
        Self::Syntax {
            place: document.below(line),
            column,
            problem: broken.problem.clone(),
            snippet: snippet(text, document.line, line, column),
            hint: if templated {
                "this looks like a template: render it first, such as `helm template . | flink-remedy check -`"
            } else if broken.problem.contains(" tab") {
                "YAML is indented by spaces only: replace the tabs and check again"
            } else {
                "correct this document and check again; the others are checked all the same"
            },
        }
    }
}

/// The line in question between its neighbours, numbered as in the file, with a mark below the column.
fn snippet(text: &str, first: usize, line: usize, column: Option<usize>) -> String {
    let mut snippet = String::new();
    let (from, until) = (line.saturating_sub(2), line + 1);
    let mut before = text.lines().nth(from.saturating_sub(1)).filter(|_| from > 0).unwrap_or_default();
    for (index, source) in text.lines().enumerate().take(until).skip(from) {
        let _ = writeln!(snippet, "  {:>5} | {}", first + index, shown(source, before));
        before = source;
        if let Some(column) = column.filter(|_| index + 1 == line) {
            let _ = writeln!(snippet, "        | {}^", " ".repeat(column.saturating_sub(1).min(MAX_WIDTH)));
        }
    }
    snippet
}

/// Longer lines are cut: a line of JSON can be a whole cluster.
const MAX_WIDTH: usize = 120;

/// A line as it may be printed: masked where it or the line before it names a secret
/// (`- name: PASSWORD` above `value: ...`).
fn shown(source: &str, before: &str) -> String {
    let visible = match source.split_once([':', '=']) {
        _ if !is_secret(source) && !is_secret(before) => source.to_owned(),
        // What stands before the first `:` of a flow or a text may be the secret itself.
        Some((key, _)) if key.trim_start_matches(['-', ' ']).bytes().all(is_of_key) => format!("{key}: {MASK}"),
        _ => MASK.to_owned(),
    };
    visible.chars().take(MAX_WIDTH).map(|c| if flink_conf::is_steering(c) { ' ' } else { c }).collect()
}

fn is_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, place: (usize, usize)) -> String {
        let document = Place { file: "app.yaml".into(), document: 3, line: 10 };
        InputError::syntax(&document, &Broken { place: Some(place), problem: "bad".into() }, text).to_string()
    }

    #[test]
    fn a_syntax_error_shows_the_lines_of_the_file() {
        let expected = "app.yaml: document 3, line 12, column 5: bad\n     11 | s3.secret-key: ******\n     12 | ******\n        |     ^\n     13 | d: 1\n  correct this document and check again; the others are checked all the same";
        assert_eq!(error("---\ns3.secret-key: hunter2\na b: c: d\nd: 1\ne: 2\n", (3, 5)), expected);
    }

    #[test]
    fn no_secret_is_shown() {
        for (text, place) in [
            ("{password: hunter2, s: x", (1, 2)),
            ("hunter2 password", (1, 1)),
            ("- name: DB_PASSWORD\n  value: hunter2\na: b: c", (3, 2)),
            ("- name: DB_PASSWORD\n  value: hunter2\n  - x", (2, 2)),
            ("a: b: c\ns3.secret-key: hunter2", (1, 5)),
        ] {
            assert!(!error(text, place).contains("hunter2"), "{}", error(text, place));
        }
    }

    #[test]
    fn a_template_is_recognised() {
        assert!(error("a: {{ .Values.x }}", (1, 5)).ends_with("flink-remedy check -`"));
        assert!(error("a: 1\n\tb: 2", (1, 5)).contains("     11 |  b: 2\n"), "{}", error("a: 1\n\tb: 2", (1, 5)));
    }
}
