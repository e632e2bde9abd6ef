use super::*;

/// Written by `e2e/flink/options/FlinkParsers.java`: what Flink's own classes make of texts.
const TABLE: &str = include_str!("../../fixtures/flink-parsers.tsv");

const CONSTRAINTS: &[&str] = &["ALL_PRODUCERS_FINISHED", "ONLY_FINISHED_PRODUCERS", "UNFINISHED_PRODUCERS"];

fn schedulers(version: FlinkVersion) -> &'static [&'static str] {
    let scheduler = crate::options::known("jobmanager.scheduler", version).unwrap();
    let ValueType::Enum(values) = scheduler.era.value_type else { panic!("{:?} is no enum", scheduler.era) };
    values
}

/// What this crate makes of a text, in the words of the table.
fn read(kind: &str, text: &str, version: FlinkVersion) -> Option<String> {
    let yes = || "read".to_owned();
    match kind {
        "bool" => parse_bool(text).ok().map(|value| value.to_string()),
        "int" => ValueType::Int.check(text, version).ok().map(|()| yes()),
        "long" => ValueType::Long.check(text, version).ok().map(|()| yes()),
        "double" => ValueType::Double.check(text, version).ok().map(|()| yes()),
        "duration" => parse_duration_ms(text, version).ok().map(|ms| ms.to_string()),
        "memory" => parse_memory_bytes(text).ok().map(|bytes| bytes.to_string()),
        "constraint" => parse_enum(text, CONSTRAINTS).ok().map(str::to_owned),
        "scheduler" => parse_enum(text, schedulers(version)).ok().map(str::to_owned),
        other => panic!("{other} is no type of the table"),
    }
}

#[test]
fn values_are_read_as_flink_reads_them() {
    let mut lines = TABLE.lines();
    let versions: Vec<FlinkVersion> = lines
        .next()
        .unwrap()
        .split('\t')
        .skip(2)
        .map(|minor| format!("v{}", minor.replace('.', "_")).parse().unwrap())
        .collect();
    assert!(versions.len() >= 3);
    let mut wrong = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let text = fields[1].replace("\\t", "\t").replace("\\n", "\n");
        assert_eq!(fields.len(), versions.len() + 2, "{line}");
        for (version, flink) in versions.iter().zip(&fields[2..]) {
            let expected = Some(*flink).filter(|value| !["error", "too long"].contains(value));
            let found = read(fields[0], &text, *version);
            if found.as_deref() != expected {
                wrong.push(format!("{} `{text}` in {version}: {found:?}, Flink: {flink}", fields[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_error_says_what_to_write() {
    let v1 = FlinkVersion::new(1, 20);
    let error = ValueType::Memory.check("2Gi", v1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`2Gi` is no memory size that Flink reads: write a number and a unit, such as `2g` or `2048 mb`"
    );
    let error = ValueType::Enum(&["EXACTLY_ONCE", "AT_LEAST_ONCE"]).check("exactly-once", v1).unwrap_err();
    assert_eq!(error.to_string(), "`exactly-once` is not one of EXACTLY_ONCE, AT_LEAST_ONCE");
    assert_eq!(ValueType::Text.check("anything", v1), Ok(()));
}
