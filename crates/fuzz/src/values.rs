use std::sync::LazyLock;

use flink_conf::options::{OPTIONS, ValueType, closest, known};
use flink_conf::{FlinkVersion, flatten, masked, parse_flat_file, spelled_twice};

/// Every type that an option has, once.
static TYPES: LazyLock<Vec<ValueType>> = LazyLock::new(|| {
    let mut types = Vec::new();
    for era in OPTIONS.iter().flat_map(|option| option.eras) {
        if !types.contains(&era.value_type) {
            types.push(era.value_type);
        }
    }
    types
});

/// Any text as a value of every type, as a key, as a file of the Flink operator, and as JSON as a configuration.
pub fn values(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (key, value) = text.split_once('=').unwrap_or((text, text));
    for version in [FlinkVersion::new(1, 15), FlinkVersion::new(1, 19), FlinkVersion::new(2, 3)] {
        if let Some(meant) = closest(key, version) {
            assert!(known(key, version).is_none() && known(meant, version).is_some(), "{key} is no {meant}");
        }
        for kind in TYPES.iter() {
            if let Err(error) = kind.check(value, version) {
                assert!(error.to_string().len() < 1_000, "{error}");
            }
        }
    }
    // Masking a masked value changes nothing.
    let once = masked(key, value);
    assert_eq!(masked(key, once), once);
    if let Ok(settings) = parse_flat_file(text) {
        assert!(settings.values().all(|value| !value.is_empty()));
    }
    if let Ok(document) = serde_json::from_str(text)
        && let Ok(flat) = flatten(&document)
    {
        assert!(spelled_twice(&document).iter().all(|key| flat.contains_key(key)));
    }
}
