use std::collections::{BTreeMap, BTreeSet};

use flink_conf::FlinkVersion;
use flink_conf::options::{Era, OPTIONS, ValueType};

use super::row::Row;

/// How the catalogue that is compiled in differs from what the jars of a version declare.
pub(crate) fn differences(version: FlinkVersion, rows: &BTreeMap<String, Row>) -> Vec<String> {
    let compiled: BTreeMap<String, Row> = OPTIONS
        .iter()
        .flat_map(|option| option.eras)
        .filter(|era| era.from <= version && era.until.is_none_or(|until| version <= until))
        .map(|era| (era.key.to_owned(), row(era)))
        .collect();
    let keys: BTreeSet<&String> = compiled.keys().chain(rows.keys()).collect();
    keys.into_iter()
        .filter_map(|key| match (compiled.get(key), rows.get(key)) {
            (Some(ours), Some(theirs)) if ours == theirs => None,
            (Some(ours), Some(theirs)) => Some(format!("{key}: the catalogue has {ours:?}, the jars {theirs:?}")),
            (Some(_), None) => Some(format!("{key}: in the catalogue only")),
            (None, _) => Some(format!("{key}: in the jars only")),
        })
        .collect()
}

fn row(era: &Era) -> Row {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let (kind, values) = kind(&era.value_type);
    Row {
        key: era.key.to_owned(),
        kind,
        default: era.default.map(str::to_owned),
        aliases: owned(era.aliases),
        fallbacks: owned(era.fallbacks),
        values: owned(values),
    }
}

fn kind(value_type: &ValueType) -> (String, &'static [&'static str]) {
    let name = match value_type {
        ValueType::Bool => "bool",
        ValueType::Int => "int",
        ValueType::Long => "long",
        ValueType::Float => "float",
        ValueType::Double => "double",
        ValueType::Text => "string",
        ValueType::Duration => "duration",
        ValueType::Memory => "memory",
        ValueType::Map => "map",
        ValueType::Enum(values) => return ("enum".to_owned(), values),
        ValueType::List(item) => {
            let (name, values) = kind(item);
            return (format!("{name}[]"), values);
        }
    };
    (name.to_owned(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named() {
        let version = FlinkVersion::new(1, 20);
        let rows = super::super::row::parse("parallelism.default\tint\t=2\t\t\t\nno.such\tbool\t\t\t\t\n").unwrap();
        let found = differences(version, &rows);
        assert!(found.iter().any(|line| line.starts_with("parallelism.default: the catalogue has ")), "{found:?}");
        assert!(found.contains(&"no.such: in the jars only".to_owned()));
        assert!(found.contains(&"rest.port: in the catalogue only".to_owned()));
    }
}
