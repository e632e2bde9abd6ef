//! Whatever the checklist fills, in every fixture, passes the guardrail, and so does taking it out again.

use std::collections::BTreeSet;

use checklist::annotations::FILLED;
use checklist::{Filled, FilledValue, Plan, RULES, Target};
use e2e::Crds;
use flink_conf::FlinkVersion;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use crate::fixture::{Fixture, every_fixture};
use crate::refused::{guarded, list};
use crate::support::{OPERATOR, Scene};

/// Settings of the fixtures' policies, under the names of every version.
fn settings(fixtures: &[Fixture]) -> BTreeSet<String> {
    let policies = fixtures.iter().map(Fixture::policy);
    let written = |setting: &checklist::policy::PlatformSetting| -> Vec<String> {
        FlinkVersion::known().map(|version| setting.written(version).to_string()).collect()
    };
    policies.flat_map(|policy| policy.settings.iter().flat_map(written).collect::<Vec<_>>()).collect()
}

/// The fixture's object under a name of its own, if the API server takes it at all.
async fn created(scene: &Scene, api: &Api<DynamicObject>, fixture: &Fixture, name: &str) -> Option<DynamicObject> {
    let mut object = fixture.object.clone();
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(scene.namespace);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    api.create(&kube::api::PostParams::default(), &object).await.ok()
}

/// What is applied: these values, with their record.
fn body(live: &DynamicObject, plan: &Plan, values: bool) -> Value {
    let record = plan.fills.iter().map(|(target, fill)| {
        let value = FilledValue::remembered(target, &fill.value);
        (target.clone(), FilledValue { value, rule: fill.rule.to_owned(), change: plan.hash.clone() })
    });
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    let record = Filled::new(plan.hash.clone(), at, if values { record.collect() } else { [].into() });
    let mut spec = json!({});
    for (target, fill) in plan.fills.iter().filter(|_| values) {
        *target.place(&mut spec) = json!(fill.value);
    }
    let types = live.types.as_ref().expect("types");
    json!({
        "apiVersion": types.api_version, "kind": types.kind,
        "metadata": { "name": live.metadata.name, "uid": live.metadata.uid, "annotations": { FILLED: record.to_text() } },
        "spec": spec,
    })
}

/// What the object has at these places.
fn present<'a>(object: &DynamicObject, plan: &'a Plan) -> Vec<&'a Target> {
    plan.fills.keys().filter(|target| target.find(&object.data["spec"]).is_some_and(|value| !value.is_null())).collect()
}

#[tokio::test]
async fn what_is_planned_for_any_fixture_is_written_and_taken_out_again() {
    let scene = guarded(Crds::Untyped, "fixtures").await;
    let fixtures = every_fixture();
    let listed = settings(&fixtures);
    list(&scene, &listed.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let operator = scene.plane.almighty(OPERATOR).await;
    let (mut filled, mut targets, mut refused) = (0, BTreeSet::new(), Vec::new());
    for (index, fixture) in fixtures.iter().enumerate() {
        let kind = fixture.object["kind"].as_str().unwrap();
        let resource = GroupVersionKind::gvk("flink.apache.org", "v1beta1", kind);
        let resource = ApiResource::from_gvk_with_plural(&resource, &format!("{}s", kind.to_lowercase()));
        let [admin, operator] = [&scene.admin, &operator]
            .map(|client| Api::<DynamicObject>::namespaced_with(client.clone(), &scene.namespace, &resource));
        let name = format!("f-{index}");
        let Some(live) = created(&scene, &admin, fixture, &name).await else {
            refused.push(fixture.name());
            continue;
        };
        let plan = fixture.plan(RULES);
        if plan.fills.is_empty() {
            continue;
        }
        let apply = PatchParams::apply("flink-remedy");
        let step = async |values| {
            let patch = Patch::Apply(body(&live, &plan, values));
            operator.patch(&name, &apply, &patch).await.unwrap_or_else(|error| panic!("{}: {error}", fixture.name()))
        };
        let written = step(true).await;
        // A session job's CRD has no files and no pods.
        let there = present(&written, &plan);
        assert!(!there.is_empty(), "{}: {:?}", fixture.name(), plan.fills);
        targets.extend(there.into_iter().cloned());
        let left = step(false).await;
        assert_eq!(present(&left, &plan), Vec::<&Target>::new(), "{}", fixture.name());
        filled += 1;
    }
    // The CRD ends at a Flink before theirs.
    assert_eq!(refused, ["CFG002/pass.unknown-newer-flink", "CFG006/pass.newer-than-the-catalogue"]);
    assert!(filled > 100 && targets.len() > 30, "{filled} fixtures, {} places", targets.len());
}
