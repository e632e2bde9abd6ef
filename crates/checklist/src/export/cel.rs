//! Text of expressions in CEL, as the API server reads them.

use std::fmt::{Display, Write};

use flink_conf::{FlinkOption, FlinkVersion};

use super::derive::grouped;

/// A text between quotes.
pub(super) fn text(value: &str) -> String {
    let mut quoted = "'".to_owned();
    for c in value.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "'"
}

/// A list of texts.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| text(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// A map from texts to expressions.
pub(super) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("\n  {}: {value}", text(key))).collect();
    format!("{{{}}}", entries.join(","))
}

/// What is true where all parts are, each on a line of its own.
pub(super) fn all(parts: &[String]) -> String {
    parts.join("\n&& ")
}

/// Whether the job's Flink is one of these.
pub(super) fn is_version(versions: &[FlinkVersion]) -> String {
    format!("variables.version in {}", list(versions))
}

/// An expression that depends on the version, one branch for each group; a version of no group takes the last.
pub(super) fn by_version(groups: &[(Vec<FlinkVersion>, String)]) -> String {
    let Some(((_, last), before)) = groups.split_last() else { return "{}".to_owned() };
    let branches = before.iter().map(|(versions, branch)| format!("{}\n? {branch}\n: ", is_version(versions)));
    branches.chain([last.clone()]).collect()
}

/// Whether none of these keys has a value.
pub(super) fn absent<T: Display>(keys: impl IntoIterator<Item = T>) -> String {
    format!("{}.all(k, !(k in variables.flat))", list(keys))
}

/// Whether an option is unset in every spelling of every version.
pub(super) fn unset(option: &FlinkOption) -> String {
    absent(option.spellings())
}

/// The value of an option as the job's Flink reads it, as an optional one.
pub(super) fn value(option: &FlinkOption) -> String {
    let read = |version| {
        let mut keys = option.read_as(version);
        let first = keys.next().map_or_else(|| "optional.none()".to_owned(), entry);
        keys.fold(first, |before, key| format!("{before}.or({})", entry(key)))
    };
    let groups = grouped(FlinkVersion::known().map(|version| (version, read(version))));
    format!("({})", by_version(&groups))
}

fn entry(key: &str) -> String {
    format!("variables.flat[?{}]", text(key))
}

#[cfg(test)]
mod tests {
    use flink_conf::options::{RUNTIME_MODE, STATE_BACKEND};

    use super::*;

    #[test]
    fn a_text_ends_where_it_should() {
        assert_eq!(text("it's \\ \n"), r"'it\'s \\ \u000a'");
        assert_eq!(list(["a", "b"]), "['a', 'b']");
    }

    #[test]
    fn an_option_is_read_as_its_flink_reads_it() {
        assert_eq!(value(&RUNTIME_MODE), "(variables.flat[?'execution.runtime-mode'])");
        assert_eq!(
            value(&STATE_BACKEND),
            "(variables.version in ['v1_13', 'v1_14', 'v1_15', 'v1_16']\n? variables.flat[?'state.backend']\n: \
             variables.flat[?'state.backend.type'].or(variables.flat[?'state.backend']))"
        );
        assert_eq!(unset(&STATE_BACKEND), "['state.backend', 'state.backend.type'].all(k, !(k in variables.flat))");
    }
}
