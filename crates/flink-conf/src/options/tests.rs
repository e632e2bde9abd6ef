use super::*;

const V1_16: FlinkVersion = FlinkVersion::new(1, 16);
const V1_19: FlinkVersion = FlinkVersion::new(1, 19);
const V1_20: FlinkVersion = FlinkVersion::new(1, 20);
const V9_9: FlinkVersion = FlinkVersion::new(9, 9);

fn conf(pairs: &[(&str, &str)]) -> EffectiveConf {
    EffectiveConf::of_resource(pairs.iter().map(|(key, value)| (Key::from(key), (*value).to_owned())).collect())
}

#[test]
fn the_key_to_write_follows_the_version() {
    assert_eq!(INCREMENTAL_CHECKPOINTS.key(V1_19).as_str(), "state.backend.incremental");
    assert_eq!(INCREMENTAL_CHECKPOINTS.key(V1_20).as_str(), "execution.checkpointing.incremental");
    assert_eq!(RESTART_STRATEGY.key(V1_16).as_str(), "restart-strategy");
    assert_eq!(RESTART_STRATEGY.key(V9_9).as_str(), "restart-strategy.type");
    assert_eq!(STATE_BACKEND.key(FlinkVersion::new(1, 13)).as_str(), "state.backend");
}

#[test]
fn the_primary_key_wins_over_an_alias() {
    let conf = conf(&[("state.backend", "hashmap"), ("state.backend.type", "rocksdb")]);
    assert_eq!(STATE_BACKEND.find(&conf, V1_20).value(), Some("rocksdb"));
    assert_eq!(STATE_BACKEND.find(&conf, V1_16).value(), Some("hashmap"));
}

#[test]
fn a_newer_spelling_is_a_choice_without_effect() {
    let conf = conf(&[("execution.checkpointing.incremental", "true")]);
    assert!(matches!(INCREMENTAL_CHECKPOINTS.find(&conf, V1_19), Lookup::Ignored { .. }));
    assert_eq!(INCREMENTAL_CHECKPOINTS.find(&conf, V1_20).value(), Some("true"));
    assert_eq!(RESTART_STRATEGY.find(&conf, V1_20), Lookup::Unset);
}

#[test]
fn eras_ascend_and_spellings_belong_to_one_option() {
    let mut seen = Vec::new();
    for option in ALL {
        assert!(option.eras.is_sorted_by_key(|era| era.from) && !option.eras.is_empty());
        for key in option.spellings() {
            assert!(!seen.contains(&key), "{key} spells two options");
            seen.push(key);
        }
    }
    assert_eq!(spelled("state.backend").map(FlinkOption::spellings), Some(STATE_BACKEND.spellings()));
    assert!(spelled("no.such.option").is_none());
}

const V1_15: FlinkVersion = FlinkVersion::new(1, 15);
const V1_17: FlinkVersion = FlinkVersion::new(1, 17);
const V2_0: FlinkVersion = FlinkVersion::new(2, 0);
const V2_3: FlinkVersion = FlinkVersion::new(2, 3);

fn role(key: &str, version: FlinkVersion) -> Option<Role> {
    known(key, version).map(|info| info.role)
}

#[test]
fn the_catalogue_is_sorted_without_overlap() {
    assert!(OPTIONS.len() > 800, "{}", OPTIONS.len());
    assert!(OPTIONS.windows(2).all(|pair| pair[0].newest_key() < pair[1].newest_key()));
    assert!(generated::OLDER_SPELLINGS.is_sorted());
    for option in OPTIONS {
        assert!(option.eras.windows(2).all(|pair| pair[0].until.is_some_and(|until| until < pair[1].from)));
        assert!(option.eras.iter().all(|era| era.until.is_none_or(|until| era.from <= until)));
    }
}

#[test]
fn every_spelling_is_known_where_it_is_read() {
    for option in OPTIONS.iter().filter(|option| !option.newest_key().contains('<')) {
        for era in option.eras {
            for version in [era.from, era.until.unwrap_or(V9_9)] {
                assert_eq!(role(era.key, version), Some(Role::Primary), "{} in {version}", era.key);
                for alias in era.aliases {
                    assert_eq!(role(alias, version), Some(Role::Alias), "{alias} in {version}");
                }
            }
        }
    }
}

#[test]
fn every_default_is_a_value_of_its_type() {
    for option in OPTIONS {
        for era in option.eras {
            let Some(default) = era.default else { continue };
            assert_eq!(era.value_type.check(default, era.from), Ok(()), "{} in {}", era.key, era.from);
        }
    }
}

#[test]
fn named_options_exist_in_every_version() {
    for option in ALL {
        let mut minors: Vec<FlinkVersion> = (13..=20).map(|minor| FlinkVersion::new(1, minor)).collect();
        minors.extend((0..=9).map(|minor| FlinkVersion::new(2, minor)));
        for version in minors {
            assert!(option.read_as(version).next().is_some(), "{} in {version}", option.newest_key());
        }
    }
}

#[test]
fn a_role_follows_the_version() {
    assert_eq!(role("state.backend", FlinkVersion::new(1, 13)), Some(Role::Primary));
    assert_eq!(role("state.backend", V1_17), Some(Role::Alias));
    assert_eq!(role("state.backend", V9_9), Some(Role::Alias));
    assert_eq!(role("execution.checkpointing.dir", V1_19), Some(Role::Unread));
    assert_eq!(role("execution.checkpointing.dir", V1_20), Some(Role::Primary));
    assert_eq!(role("recovery.mode", V2_3), Some(Role::Alias));
    assert_eq!(role("state.backend.async", V2_0), Some(Role::Unread));
    assert_eq!(role("no.such.option", V2_0), None);
}

#[test]
fn an_option_says_since_when_and_until_when() {
    let info = known("execution.checkpointing.file-merging.enabled", V1_15).unwrap();
    assert_eq!((info.role, info.first, info.last), (Role::Unread, V1_20, None));
    let info = known("high-availability.use-old-ha-services", V2_3).unwrap();
    assert_eq!((info.role, info.first, info.last), (Role::Unread, V1_15, Some(V1_15)));
    let info = known("jobmanager.heap.size", V1_20).unwrap();
    assert_eq!((info.role, info.last), (Role::Primary, Some(V1_20)));
}

#[test]
fn type_default_and_values_are_those_of_the_version() {
    let scheduler = |version| known("jobmanager.scheduler", version).unwrap().era;
    assert_eq!(scheduler(V1_15).default, Some("Ng"));
    assert_eq!(scheduler(V2_0).default, Some("Default"));
    assert_eq!(scheduler(V2_0).value_type, ValueType::Enum(&["Default", "Adaptive", "AdaptiveBatch"]));
    let heartbeat = |version| known("heartbeat.timeout", version).unwrap().era;
    assert_eq!((heartbeat(V1_19).value_type, heartbeat(V1_19).default), (ValueType::Long, Some("50000")));
    assert_eq!((heartbeat(V1_20).value_type, heartbeat(V1_20).default), (ValueType::Duration, Some("50 s")));
    assert_eq!(known("rest.bind-port", V2_0).unwrap().era.fallbacks, ["rest.port"]);
}

#[test]
fn an_option_that_was_split_is_known_by_its_old_name() {
    let old = "state.backend.local-recovery";
    assert_eq!(role(old, V1_19), Some(Role::Primary));
    assert_eq!(role(old, V1_20), Some(Role::Alias));
}

#[test]
fn names_within_keys_and_entries_of_maps_are_known() {
    let interval = known("metrics.reporter.prom.interval", V2_0).unwrap();
    assert_eq!((interval.role, interval.era.value_type), (Role::Primary, ValueType::Duration));
    let parameter = known("metrics.reporter.prom.anything", V2_0).unwrap();
    assert_eq!(parameter.era.key, "metrics.reporter.<name>.<parameter>");
    assert_eq!(known("metrics.reporter.prom.a.b", V2_0).unwrap().era.key, parameter.era.key);
    assert!(known("metrics.reporter.prom", V2_0).is_none());
    assert!(known("metrics.reporter.prom.interval.more", V2_0).is_some_and(|info| info.era.key == parameter.era.key));
    let label = known("kubernetes.jobmanager.labels.team", V2_0).unwrap();
    assert_eq!((label.era.key, label.era.value_type), ("kubernetes.jobmanager.labels", ValueType::Map));
}

#[test]
fn a_version_without_the_option_reads_nothing() {
    let option = OPTIONS.iter().find(|option| option.newest_key() == "state.backend.async").unwrap();
    let conf = conf(&[("state.backend.async", "true")]);
    assert!(matches!(option.find(&conf, V1_20), Lookup::Set { .. }));
    assert!(matches!(option.find(&conf, V2_0), Lookup::Ignored { .. }));
    assert_eq!((option.default(V2_0), option.key(V2_0).as_str()), (None, "state.backend.async"));
}
