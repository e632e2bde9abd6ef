//! A cache may keep less of an object than the API server sends: nothing that is decided or told may depend on the rest.

use checklist::annotations::{FILLED, OPT_OUT};
use checklist::{Holdings, Obedience, RULES, Situation, Target, trimmed};
use flink_api::{FlinkDeployment, ManagedByReport};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};

use crate::cases::{Case, any_case, deployment};
use crate::ownership::owned_and_filled;
use crate::{said, written};

/// Who else has a hand in the object, and what they wrote last.
#[derive(Clone, Debug)]
struct Others {
    /// Of our values, those that another manager owns as well.
    shared: usize,
    /// Of our values, those in the manifest that was last applied.
    pinned: usize,
    annotations: Vec<(&'static str, &'static str)>,
    takes_record: bool,
}

fn others() -> impl Strategy<Value = Others> {
    let annotations = subsequence(
        vec![
            ("argocd.argoproj.io/tracking-id", "orders:flink.apache.org/FlinkDeployment:payments/app"),
            ("meta.helm.sh/release-name", "r"),
            ("meta.helm.sh/release-namespace", "n"),
            ("contact", "#payments"),
            (OPT_OUT, "CKP003"),
        ],
        0..=5,
    );
    (0_usize..3, 0_usize..4, annotations, any::<bool>()).prop_map(|(shared, pinned, annotations, takes_record)| {
        Others { shared, pinned, annotations, takes_record: takes_record && shared == 2 }
    })
}

fn meddled(mut object: Value, others: &Others) -> Value {
    let ours: Vec<Target> = Holdings::of(&deployment(&object)).ours.into_keys().collect();
    for (name, value) in &others.annotations {
        object["metadata"]["annotations"][*name] = json!(value);
    }
    if others.pinned > 0 {
        let mut manifest = json!({"spec": {"image": "x", "flinkConfiguration": {"somebody.elses": "value"}}});
        for target in ours.iter().take(others.pinned - 1) {
            *target.place(&mut manifest["spec"]) = json!("pinned");
        }
        object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            json!(manifest.to_string());
    }
    let mut owned = json!({"f:spec": {"f:image": {}, "f:flinkConfiguration": {"f:somebody.elses": {}}}});
    for target in ours.iter().take(others.shared) {
        let text = target.to_string();
        if let Target::Option(_) = target {
            owned["f:spec"]["f:flinkConfiguration"][format!("f:{text}")] = json!({});
        }
    }
    if others.takes_record {
        owned["f:metadata"]["f:annotations"][format!("f:{FILLED}")] = json!({});
    }
    let entry = json!({"manager": "argocd-controller", "operation": "Apply", "time": "2026-06-01T00:00:00Z", "fieldsV1": owned});
    object["metadata"]["managedFields"].as_array_mut().expect("managers").push(entry);
    object
}

fn told(case: &Case, object: &FlinkDeployment) -> impl PartialEq + std::fmt::Debug {
    let empty = std::collections::BTreeMap::new();
    let annotations = object.metadata.annotations.as_ref().unwrap_or(&empty);
    let obedience = Obedience::read(annotations, &empty, "2026-06-15T12:00:00Z".parse().expect("a time"));
    let subject = checklist::Subject::new(object, &case.platform()).expect("a generated deployment is well-formed");
    let (situation, holdings) = (Situation::of(object), Holdings::of(object));
    let plan = checklist::plan_with(RULES, &subject, &situation, &holdings, &obedience, &case.policy());
    ((said(&plan), written(&plan), plan.timing), (situation, holdings, obedience, ManagedByReport::of(object)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 1 << 20, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_of_an_object_is_judged_like_the_whole(case in any_case(), others in others()) {
        let (_, filled) = owned_and_filled(&case);
        let whole = deployment(&meddled(filled, &others));
        let kept = trimmed(whole.clone());
        prop_assert!(kept.to_kept().unwrap().len() <= whole.to_kept().unwrap().len());
        let kept = FlinkDeployment::from_kept(&kept.to_kept().unwrap()).unwrap();
        prop_assert_eq!(told(&case, &whole), told(&case, &kept));
    }
}
