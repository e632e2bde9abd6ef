use std::collections::BTreeMap;

use checklist::Platform;
use flink_conf::{FlattenError, Key, LayerError, PlatformLayers, flatten, parse_flat_file};
use serde_json::Value;

/// FKO's configuration as Flink 1.x wrote it; it wins over [`CONFIG_YAML`] where both are there.
pub const FLINK_CONF: &str = "flink-conf.yaml";
/// FKO's configuration as YAML, flat or nested.
pub const CONFIG_YAML: &str = "config.yaml";
/// The log4j file that FKO gives to Flink's pods.
pub const LOG_FILE: &str = "log4j-console.properties";

/// Why FKO's files say nothing that jobs could be judged upon. No variant ever holds a value: credentials
/// stand in these files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Neither configuration file is there.
    #[error(
        "neither flink-conf.yaml nor config.yaml is among the Flink operator's files (found: {found}); \
         point --operator-config at the operator's configuration, or say `none` if it has none"
    )]
    Missing {
        /// The names that are there.
        found: String,
    },
    /// A line of the flat file is no setting.
    #[error("{FLINK_CONF}: {0}")]
    Flat(#[from] LayerError),
    /// The YAML file is no YAML.
    #[error("{CONFIG_YAML}: {problem}")]
    Yaml {
        /// What is wrong, with line and column.
        problem: String,
    },
    /// Somebody gave a manifest in its place.
    #[error(
        "{CONFIG_YAML} is a Kubernetes manifest of kind {kind}; give the text below its `data` as a file of its own"
    )]
    Manifest {
        /// Its kind.
        kind: String,
    },
    /// The YAML file holds something else than options.
    #[error("{CONFIG_YAML} must be a map of options, but it is {found}; write `key: value` lines")]
    NotAMap {
        /// The kind of thing that stands there.
        found: &'static str,
    },
    /// The YAML file nests its keys out of all proportion.
    #[error("{CONFIG_YAML} nests so many options below such long keys that they cannot be kept; shorten the keys")]
    TooLarge,
}

/// Reads FKO's own configuration from its files by name. Where both configuration files are there, as in the
/// ConfigMap of FKO's chart, which of them FKO mounts is not to be seen: a setting in either counts, and
/// `flink-conf.yaml` wins as it does for Flink. Without a log file the platform has none.
///
/// # Errors
/// Neither file is there, or one cannot be read.
pub fn platform_from_files(files: &BTreeMap<String, String>) -> Result<Platform, PlatformError> {
    if !files.contains_key(FLINK_CONF) && !files.contains_key(CONFIG_YAML) {
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(PlatformError::Missing { found });
    }
    let mut settings = BTreeMap::new();
    if let Some(text) = files.get(CONFIG_YAML) {
        settings = parse_config_yaml(text)?;
    }
    if let Some(text) = files.get(FLINK_CONF) {
        settings.extend(parse_flat_file(text)?);
    }
    Ok(Platform { layers: PlatformLayers::new(settings), log_file: files.get(LOG_FILE).cloned().map(Into::into) })
}

/// Flink reads this file by YAML 1.2's core schema (snakeyaml-engine): `yes`, `010` and `1_000` mean what
/// they spell, unlike in a manifest that kubectl sends.
fn parse_config_yaml(text: &str) -> Result<BTreeMap<Key, String>, PlatformError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::AsOrdinary,
    };
    let document: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| PlatformError::Yaml { problem: problem(&error) })?;
    if let (Some(_), Some(kind)) = (document.get("apiVersion"), document.get("kind").and_then(Value::as_str)) {
        return Err(PlatformError::Manifest { kind: kind.to_owned() });
    }
    flatten(&document).map_err(|error| match error {
        FlattenError::NotAMap { found } => PlatformError::NotAMap { found },
        FlattenError::TooLarge => PlatformError::TooLarge,
    })
}

/// The plain error: a snippet would print neighbouring values.
fn problem(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::MultipleDocuments { location, .. } = error.without_snippet() {
        return format!("a second document begins at line {}; FKO reads one only", location.line());
    }
    plain_words(error)
}

/// What the reader of YAML says, without a snippet and without advice on options that are not the user's.
pub fn plain_words(error: &serde_saphyr::Error) -> String {
    error.without_snippet().to_string().replace(", set DuplicateKeyPolicy in Options if acceptable", "")
}

#[cfg(test)]
mod tests {
    use flink_conf::FlinkVersion;

    use super::*;

    const V1_20: FlinkVersion = FlinkVersion::new(1, 20);

    fn read(files: &[(&str, &str)]) -> Result<Platform, PlatformError> {
        platform_from_files(&files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn effective(platform: &Platform) -> BTreeMap<String, String> {
        let settings = platform.layers.effective("default", V1_20);
        settings.into_iter().map(|(key, setting)| (key.to_string(), setting.value)).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_setting_in_either_file_counts_and_the_flat_file_wins() {
        let files = [(FLINK_CONF, "a: flat\nb: flat\n"), (CONFIG_YAML, "a: yaml\nc: yaml\n"), (LOG_FILE, "x")];
        let platform = read(&files).unwrap();
        assert_eq!(effective(&platform), pairs(&[("a", "flat"), ("b", "flat"), ("c", "yaml")]));
        assert_eq!(platform.log_file.as_deref(), Some("x"));
    }

    #[test]
    fn the_yaml_file_is_flat_or_nested_and_its_scalars_are_what_they_spell() {
        let platform = read(&[(CONFIG_YAML, "a.b: 1\nc:\n  d: yes\n  e: 010\n  f: true\n  g: 1_000\n")]).unwrap();
        let expected = pairs(&[("a.b", "1"), ("c.d", "yes"), ("c.e", "010"), ("c.f", "true"), ("c.g", "1_000")]);
        assert_eq!(effective(&platform), expected);
        assert_eq!(platform.log_file, None);
    }

    #[test]
    fn an_empty_file_has_no_layers() {
        for text in ["", "# nothing\n"] {
            assert_eq!(effective(&read(&[(CONFIG_YAML, text)]).unwrap()), BTreeMap::new());
            assert_eq!(effective(&read(&[(FLINK_CONF, text)]).unwrap()), BTreeMap::new());
        }
    }

    #[test]
    fn what_is_there_instead_is_named() {
        let error = read(&[("flink-config.yaml", ""), (LOG_FILE, "")]).unwrap_err();
        assert!(error.to_string().contains("found: flink-config.yaml, log4j-console.properties"), "{error}");
        assert!(read(&[]).unwrap_err().to_string().contains("found: none"));
    }

    #[test]
    fn errors_name_file_and_line_and_print_no_value() {
        for (name, text, line) in [
            (FLINK_CONF, "a: 1\ns3.secret-key hunter2\n", "line 2"),
            (CONFIG_YAML, "a: 1\ns3.secret-key: hunter2: x\n", "line 2"),
            (CONFIG_YAML, "s3.secret-key: hunter2\na: 1\na: 2\n", "line 3"),
        ] {
            let error = read(&[(name, text)]).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(line), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let manifest = "apiVersion: v1\nkind: ConfigMap\ndata: {}\n";
        assert_eq!(read(&[(CONFIG_YAML, manifest)]), Err(PlatformError::Manifest { kind: "ConfigMap".into() }));
        let two = read(&[(CONFIG_YAML, "a: 1\n---\nb: 1\n")]).unwrap_err().to_string();
        assert_eq!(two, "config.yaml: a second document begins at line 3; FKO reads one only");
        assert_eq!(read(&[(CONFIG_YAML, "- a\n")]), Err(PlatformError::NotAMap { found: "a list" }));
    }
}
