use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};

/// What one version of Flink declares of one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: String,
    /// `bool`, `duration[]`, .. as `e2e/flink/options/FlinkOptions.java` writes it.
    pub(crate) kind: String,
    pub(crate) default: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) fallbacks: Vec<String>,
    /// The values of an enum.
    pub(crate) values: Vec<String>,
}

/// The options of one version by key, without those that are only an old name of another one: Flink keeps a
/// deprecated field for some keys that it also reads as alias of their successor.
pub(crate) fn parse(text: &str) -> anyhow::Result<BTreeMap<String, Row>> {
    let mut rows = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let row = row(line).with_context(|| format!("line {}: {line}", index + 1))?;
        rows.insert(row.key.clone(), row);
    }
    ensure!(!rows.is_empty(), "no options");
    let aliases: BTreeSet<String> = rows.values().flat_map(|row| row.aliases.iter().cloned()).collect();
    rows.retain(|key, _| !aliases.contains(key));
    Ok(rows)
}

fn row(line: &str) -> anyhow::Result<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [key, kind, default, aliases, fallbacks, values] = fields[..] else {
        anyhow::bail!("{} fields instead of 6", fields.len());
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Ok(Row {
        key: key.to_owned(),
        kind: kind.to_owned(),
        default: default.strip_prefix('=').map(unescaped),
        aliases: words(aliases),
        fallbacks: words(fallbacks),
        values: words(values),
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                other => other.unwrap_or('\\'),
            },
            other => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_option_and_an_old_name_is_none() {
        let text = "new.key\tduration\t=10 min\told.key older.key\tother.key\t\n\
                    old.key\tlong\t=600000\t\t\t\n\
                    text\tstring\t=a\\tb\\\\c\\n\t\t\t\n\
                    mode\tenum[]\t\t\t\tA B\n";
        let rows = parse(text).unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["mode", "new.key", "text"]);
        assert_eq!(rows["new.key"].aliases, ["old.key", "older.key"]);
        assert_eq!(rows["new.key"].fallbacks, ["other.key"]);
        assert_eq!(rows["new.key"].default.as_deref(), Some("10 min"));
        assert_eq!(rows["text"].default.as_deref(), Some("a\tb\\c\n"));
        assert_eq!((rows["mode"].default.as_deref(), rows["mode"].values.len()), (None, 2));
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        assert!(parse("").is_err());
        assert_eq!(parse("a\tbool").unwrap_err().to_string(), "line 1: a\tbool");
    }
}
