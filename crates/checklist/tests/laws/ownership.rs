//! What becomes of our values when the owner changes the object later on, at a moment that costs nothing.

use std::collections::{BTreeMap, BTreeSet};

use checklist::annotations::FILLED;
use checklist::{Filled, FilledValue, Holdings, Obedience, Plan, RULES, Target, Timing};
use flink_api::Field;
use flink_conf::options::{ALL, spelled};
use flink_conf::{FlinkOption, FlinkVersion};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::cases::{Case, Shape, deployment, filled, tidy, tidy_on_flink_1};
use crate::{FLINK_2, configuration, overlaps};

type Ours = BTreeMap<Target, String>;

/// The object after the plan's server-side apply: what leaves is gone, and the record and the owners say which
/// values are ours.
fn applied(object: &Value, plan: &Plan) -> Value {
    let mut ours = ours(object);
    ours.retain(|target, _| !plan.leaving.contains(target));
    ours.extend(plan.fills.iter().map(|(target, fill)| (target.clone(), fill.value.clone())));
    let mut object = filled(object, plan);
    for target in &plan.leaving {
        object["spec"]["flinkConfiguration"].as_object_mut().expect("a map").remove(&target.to_string());
    }
    record(&mut object, &ours);
    object
}

fn ours(object: &Value) -> Ours {
    Holdings::of(&deployment(object)).ours
}

fn record(object: &mut Value, ours: &Ours) {
    let remembered = |(target, value): (&Target, &String)| {
        let value = FilledValue::remembered(target, value);
        (target.clone(), FilledValue { value, rule: "TST001".into(), change: "c1".into() })
    };
    let filled = Filled::new(
        "c1".into(),
        "2026-06-01T00:00:00Z".parse().expect("a time"),
        ours.iter().map(remembered).collect(),
    );
    let mut owned = json!({"f:metadata": {"f:annotations": {format!("f:{FILLED}"): {}}}});
    for target in ours.keys() {
        let spec = &mut owned["f:spec"];
        match target.field() {
            Field::Option(key) => spec["f:flinkConfiguration"][format!("f:{key}")] = json!({}),
            Field::LogFile(name) => spec["f:logConfiguration"][format!("f:{name}")] = json!({}),
            Field::PodAnnotation(key) => {
                spec["f:podTemplate"]["f:metadata"]["f:annotations"][format!("f:{key}")] = json!({});
            }
            Field::Annotation(key) => owned["f:metadata"]["f:annotations"][format!("f:{key}")] = json!({}),
        }
    }
    object["metadata"]["annotations"][FILLED] = json!(filled.to_text());
    object["metadata"]["managedFields"] = json!([{"manager": "flink-remedy", "operation": "Apply", "fieldsV1": owned}]);
}

fn plan(case: &Case, object: &Value) -> Plan {
    case.plan(RULES, object, &Obedience::default())
}

/// The case's object as its owner wrote it, and as it is once we have filled it.
pub(crate) fn owned_and_filled(case: &Case) -> (Value, Value) {
    let object = case.undeployed(Shape::Mixed);
    let fixed = applied(&object, &plan(case, &object));
    (object, fixed)
}

fn with_version(object: &Value, version: FlinkVersion) -> Value {
    let mut object = object.clone();
    object["spec"]["flinkVersion"] = json!(version.to_string());
    object
}

/// A later choice of the owner's: an option in one of its spellings.
fn choices() -> impl Strategy<Value = (&'static FlinkOption, &'static str)> {
    let all = ALL.iter().flat_map(|option| option.spellings().into_iter().map(|key| (*option, key)));
    select(all.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 1 << 20, ..ProptestConfig::default() })]

    #[test]
    fn what_we_filled_is_ours_and_stays(case in tidy()) {
        let (object, fixed) = owned_and_filled(&case);
        prop_assert_eq!(ours(&fixed).into_keys().collect::<Vec<_>>(), plan(&case, &object).fills.into_keys().collect::<Vec<_>>());
        let again = plan(&case, &fixed);
        prop_assert!(again.is_empty() && again.timing == Timing::Nothing, "{:?} {:?}", again.fills, again.leaving);
    }

    /// Whoever raises only `flinkVersion` gets a job that FKO accepts, if the webhook sees it: what we filled
    /// under a name that would overlap on Flink 2 is filled again under its present name.
    #[test]
    fn raising_the_version_leaves_an_acceptable_object(case in tidy_on_flink_1(), minor in 0_u16..=4) {
        let version = FlinkVersion::new(2, minor);
        let (object, fixed) = owned_and_filled(&case);
        let (owned, raised) = (with_version(&object, version), with_version(&fixed, version));
        prop_assume!(overlaps(&case.subject(&owned)).is_empty());
        let admitted = applied(&raised, &plan(&case, &raised));
        prop_assert_eq!(overlaps(&case.subject(&admitted)), BTreeSet::new());
        let after = configuration(&admitted);
        for (key, value) in configuration(&owned) {
            prop_assert_eq!(after.get(&key), Some(&value), "{}", key);
        }
        let again = plan(&case, &admitted);
        prop_assert!(again.is_empty(), "{:?} {:?}", again.fills, again.leaving);
    }

    /// An option that the owner sets later, in any spelling, is the owner's alone, and no value of ours stands
    /// above or below it on Flink 2.
    #[test]
    fn a_later_choice_of_the_owner_wins(case in tidy(), (option, key) in choices()) {
        let (object, mut changed) = owned_and_filled(&case);
        prop_assume!(!ours(&changed).contains_key(&Target::option(key)) && !configuration(&object).contains_key(key));
        prop_assume!(!case.subject(&object).containers.contains(key));
        let mut owned = object;
        for object in [&mut owned, &mut changed] {
            object["spec"]["flinkConfiguration"][key] = json!("chosen");
        }
        let admitted = applied(&changed, &plan(&case, &changed));
        let left = ours(&admitted);
        let of_option = left.keys().filter(|target| matches!(target, Target::Option(key) if option.is_spelled(key.as_str())));
        prop_assert_eq!(of_option.count(), 0);
        prop_assert_eq!(&configuration(&admitted)[key], "chosen");
        if case.version >= FLINK_2 {
            prop_assert_eq!(overlaps(&case.subject(&admitted)), overlaps(&case.subject(&owned)));
        }
        prop_assert!(left.keys().all(|target| !matches!(target, Target::Option(key) if spelled(key.as_str()).is_some() && configuration(&owned).contains_key(key))));
        prop_assert!(plan(&case, &admitted).is_empty());
    }
}
