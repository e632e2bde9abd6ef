//! What is no policy: refused by the API server, by the webhook, or found broken by the operator.

use e2e::Operator;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::hooked::Hooked;
use crate::policies::{kind, policy};
use crate::support::{Scene, job};

#[tokio::test]
async fn the_api_server_refuses_what_is_no_policy_in_words() {
    let scene = Scene::new("refused").await;
    for (spec, expected) in [
        ("mode: apply", "spec.mode: Unsupported value: \"apply\": supported values: \"Off\", \"Advise\""),
        ("mod: Apply", "unknown field \"spec.mod\""),
        ("mode: Off", "spec.mode: Invalid value: \"boolean\""),
        (
            "rollout: {maxConcurrent: 0}",
            "spec.rollout.maxConcurrent: Invalid value: 0: spec.rollout.maxConcurrent in body should be greater than or equal to 1",
        ),
        ("rollout: {quietPeriod: soon}", "spec.rollout.quietPeriod: Invalid value: \"soon\""),
        (
            "rollout: {windows: [{schedule: '0 2 * *', duration: 2 h, timeZone: UTC}]}",
            "spec.rollout.windows[0].schedule: Invalid value",
        ),
        (
            "storage: {checkpoints: 's3://acme/all'}",
            "a directory that is the same for every job: it needs {namespace} and {name}",
        ),
        ("storage: {savepoints: '/data/{namespace}/{name}'}", "spec.storage.savepoints: Invalid value"),
        ("settings: [{key: env.java.opts, value: x}]", "no platform sets this for all its jobs"),
        ("settings: [{key: a.b}]", "spec.settings[0].value: Required value"),
        ("ruleModes: {CKP009: 'Off'}", "a rule by its code or name, as `flink-remedy rules` lists them"),
        ("mandatory: [everything]", "spec.mandatory[0]: Unsupported value: \"everything\""),
        ("selector: {flinkVersions: {min: '1.18'}}", "spec.selector.flinkVersions.min: Invalid value: \"1.18\""),
        ("selector: {kinds: [Deployment]}", "spec.selector.kinds[0]: Unsupported value: \"Deployment\""),
        ("rules: {no-restart-backoff: {jitter: 2}}", "spec.rules.no-restart-backoff.jitter: Invalid value: 2"),
    ] {
        let name = scene.policy_name("bad");
        let yaml = format!(
            "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        );
        let applied = scene.plane.run_kubectl(&["apply", "-f", "-"], &yaml).await;
        assert!(!applied.status.success(), "{spec} was taken");
        assert!(applied.stderr.contains(expected), "{spec}: {}", applied.stderr);
    }
    // What is taken has the defaults of single values written out, within what is there.
    scene.policy("good", json!({ "rollout": { "perHour": 2 } })).await;
    let api: Api<DynamicObject> = Api::all_with(scene.admin.clone(), &kind());
    let stored = api.get(&scene.policy_name("good")).await.unwrap();
    assert_eq!(stored.data["spec"]["mode"], "NextDeploy");
    let rollout = &stored.data["spec"]["rollout"];
    assert_eq!(
        (&rollout["perHour"], &rollout["maxConcurrent"], &rollout["quietPeriod"]),
        (&json!(2), &json!(1), &json!("10 min"))
    );
    assert!(stored.data["spec"]["breaker"].is_null());
}

#[tokio::test]
async fn under_a_policy_that_only_the_operator_finds_broken_nothing_is_written() {
    let scene = Scene::new("broken").await;
    let broken = json!({ "key": "execution.checkpointing.timeout", "value": "soon" });
    scene.policy("wide", json!({ "mode": "Apply" })).await;
    let selector = json!({ "kinds": ["FlinkDeployment"] });
    scene.policy("p", json!({ "mode": "Apply", "selector": selector, "settings": [broken] })).await;
    scene.create(job("j")).await;
    let operator = scene.start_under_policies().await;
    let report = scene.report("j", |report| !report["policy"]["problem"].is_null()).await;
    assert_eq!(report["policy"]["name"], scene.policy_name("p"));
    assert!(
        report["policy"]["problem"]
            .as_str()
            .unwrap()
            .contains("the setting execution.checkpointing.timeout is refused")
    );
    scene.note("j", "RemediationAdvised", "the mode is Advise").await;
    assert!(
        scene.patches().is_empty() && operator.logs().contains("no policy, so that nothing is written to its jobs")
    );
    scene.policy("p", json!({ "mode": "Apply", "selector": selector })).await;
    scene.filled("j").await;
    let healed = scene.report("j", |report| report["policy"]["problem"].is_null()).await;
    assert_eq!(healed["standing"], "Remediated");
}

#[tokio::test]
async fn with_the_webhook_a_policy_that_only_flink_remedy_finds_broken_is_refused() {
    let hooked = Hooked::new(e2e::Crds::Typed, "verdict").await;
    let (scene, name) = (&hooked.scene, hooked.scene.policy_name("p"));
    let operator = Operator::start(&hooked.options(&[]).await.policies_of_cluster());
    hooked.serves(&operator).await;
    let of_test = |settings: Value, storage: Value| {
        let mut policy = policy(
            &name,
            &json!({ "settings": settings, "storage": storage,
            "selector": { "namespaces": { "matchLabels": { "kubernetes.io/metadata.name": scene.namespace } } } }),
        );
        policy["metadata"]["labels"]["e2e"] = json!(scene.namespace);
        policy.to_string()
    };
    let setting = |when: &str| json!([{ "key": "rest.flamegraph.enabled", "value": "true", "when": when }]);
    let deep = format!("{}true{}", "(".repeat(200), ")".repeat(200));
    for (settings, storage, expected) in [
        (setting("job.state = 'x'"), json!({}), "is no CEL expression"),
        (setting("name == 'x'"), json!({}), "cannot be told of any job"),
        (setting("1 + 1"), json!({}), "is neither true nor false"),
        (setting(&deep), json!({}), "is no CEL expression"),
        (json!([{ "key": "execution.checkpointing.timeout", "value": "soon" }]), json!({}), "no duration"),
        (json!([]), json!({ "checkpoints": "s3://a/{namespace}-{name}" }), "nothing but `-` stands between"),
    ] {
        let applied = scene.plane.run_kubectl(&["apply", "-f", "-"], &of_test(settings, storage)).await;
        assert!(!applied.status.success() && applied.stderr.contains(expected), "{expected}: {applied:?}");
        assert!(applied.stderr.contains("denied the request"), "{}", applied.stderr);
    }
    let taken = of_test(setting("kind == 'Application'"), json!({ "checkpoints": "s3://a/{namespace}/{name}" }));
    let applied = scene.plane.run_kubectl(&["apply", "-f", "-"], &taken).await;
    assert!(applied.status.success(), "{applied:?}");
    assert!(applied.stderr.contains("Warning: storage.checkpoints has no {cluster}"), "{}", applied.stderr);
}
