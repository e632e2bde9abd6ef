//! The Helm chart: the same result as the kustomizations, whatever its values are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::artifacts::gitops_program;
use e2e::binary;
use serde_json::{Value, json};

use crate::programs::{MANIFESTS, TURN, by_name, differences, kubectl, kustomize, namespace, objects, plane};

/// What `helm template` prints with these values, or what it complains of.
fn template(values: &Value, release: &[&str]) -> Result<String, String> {
    let helm = gitops_program("helm").unwrap();
    let chart = format!("{MANIFESTS}/chart");
    let mut command = Command::new(helm);
    command.args(["template", "flink-remedy", &chart, "--namespace", "flink-remedy", "-f", "-"]).args(release);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(values.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn render(values: &Value) -> Vec<Value> {
    objects(&template(values, &[]).unwrap_or_else(|error| panic!("{values}: {error}")))
}

/// What the chart makes with all it has.
fn everything() -> Value {
    let issuer = json!({ "group": "cert-manager.io", "kind": "ClusterIssuer", "name": "platform" });
    let policy = |name: &str| {
        json!({ "apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy", "metadata": { "name": name },
                "spec": { "mode": "Apply", "rollout": { "operatorVersion": "1.15", "perHour": 2 } } })
    };
    json!({
        "image": { "repository": "registry.example.com/flink-remedy", "digest": format!("sha256:{}", "a".repeat(64)),
                   "pullPolicy": "Always" },
        "imagePullSecrets": [{ "name": "registry" }],
        "replicas": 3, "dryRun": true, "openReports": true,
        "policies": [policy("platform"), policy("second")],
        "watchNamespaces": ["team-a", "team-b"],
        "flinkOperator": { "config": { "namespace": "fko", "name": "its-config" }, "version": "1.15",
                           "accounts": ["flink-operator", "fko/other"] },
        "webhook": { "certManager": { "enabled": true, "issuerRef": issuer } },
        "guardrail": { "enabled": true, "settings": ["acme.audit.level"] }, "monitoring": { "enabled": true },
        "networkPolicy": { "apiServerPorts": [6443], "apiServerCIDRs": ["10.0.0.1/32", "fd00::1/128"] },
        "log": { "level": "info,controller=debug", "format": "text" },
        "extraArgs": ["--concurrency=8"],
        "priorityClassName": "system-cluster-critical",
        "podLabels": { "team": "platform" }, "podAnnotations": { "example.com/a": "1" },
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "tolerations": [{ "key": "spot", "operator": "Exists", "effect": "NoSchedule" }],
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
            { "matchExpressions": [{ "key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"] }] }] } } },
    })
}

/// And with as little as it can have.
fn nothing() -> Value {
    json!({
        "replicas": 1, "mode": "Advise", "webhook": { "enabled": false }, "crds": { "install": false },
        "networkPolicy": { "enabled": false }, "podDisruptionBudget": { "enabled": false },
        "flinkOperator": { "config": { "enabled": false } },
    })
}

/// The arguments of the operator among objects.
fn arguments(objects: &[Value]) -> Vec<String> {
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").expect("a Deployment");
    let args = deployment.pointer("/spec/template/spec/containers/0/args").unwrap();
    serde_json::from_value(args.clone()).unwrap()
}

#[tokio::test]
async fn the_chart_makes_what_kustomize_makes() {
    let plane = plane().await;
    // With `keep` the kinds have an annotation for Helm.
    let crds = json!({ "keep": false });
    let cert_manager = json!({ "crds": crds, "webhook": { "certManager": { "enabled": true } } });
    for (folder, values) in [("", json!({ "crds": crds })), ("webhook-cert-manager", cert_manager)] {
        let mut built = kustomize(plane, &Path::new(MANIFESTS).join(folder)).await;
        // Helm makes no namespace: `--create-namespace` does, and the notes say which label it wants.
        built.retain(|object| object["kind"] != "Namespace");
        let (expected, rendered) = (by_name(built), by_name(render(&values)));
        let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&rendered), names(&expected), "{folder}");
        for (name, object) in expected {
            assert_eq!(differences(&rendered[&name], &object, ""), [""; 0], "{folder}: {name}");
        }
    }
    let kept = render(&json!({}));
    let kept: Vec<_> = kept.iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect();
    assert!(kept.iter().all(|kind| kind["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"), "{kept:#?}");
    assert_eq!(kept.len(), 2);
}

/// What a value of its name switches on.
#[tokio::test]
async fn a_part_that_is_switched_on_is_what_kustomize_makes_of_its_folder() {
    let plane = plane().await;
    let without = by_name(render(&json!({})));
    for part in ["guardrail", "monitoring"] {
        let folder = Path::new(MANIFESTS).join(part);
        if !folder.is_dir() {
            continue;
        }
        let mut rendered = by_name(render(&json!({ part: { "enabled": true } })));
        rendered.retain(|name, _| !without.contains_key(name));
        let expected = by_name(kustomize(plane, &folder).await);
        assert_eq!(rendered.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{part}");
        for (name, object) in expected {
            assert_eq!(differences(&rendered[&name], &object, ""), [""; 0], "{part}: {name}");
        }
    }
}

/// Nothing of it is bound to the namespace that the manifests name.
#[test]
fn in_another_namespace_nothing_is_left_of_the_first() {
    let text = template(&json!({ "webhook": { "certManager": { "enabled": true } } }), &["--namespace", "platform"]);
    let text = text.unwrap();
    for object in objects(&text) {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        assert!(namespace.is_none_or(|name| name == "platform" || name == "flink-operator"), "{object:#}");
        for pointer in ["/subjects/0/namespace", "/webhooks/0/clientConfig/service/namespace"] {
            assert!(object.pointer(pointer).is_none_or(|name| name == "platform"), "{object:#}");
        }
    }
    for words in ["flink-remedy-webhook.platform.svc", "inject-ca-from: platform/"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.contains(":flink-remedy:flink-remedy"), "{text}");
}

#[tokio::test]
async fn what_it_renders_is_taken_strictly_and_leaves_no_difference() {
    let (plane, _turn) = (plane().await, TURN.lock().await);
    for name in ["flink-remedy", "fko", "team-a", "team-b"] {
        namespace(plane, name).await;
    }
    for values in [json!({}), everything(), nothing()] {
        let rendered = template(&values, &[]).unwrap();
        kubectl(plane, &["apply", "--validate=strict", "-f", "-"], &rendered).await;
        let difference = plane.run_kubectl(&["diff", "-f", "-"], &rendered).await;
        assert_eq!(difference.status.code(), Some(0), "{values}: {}{}", difference.stdout, difference.stderr);
    }
}

/// What stands after `--help` is not looked at, so that this asks whether everything before is understood.
#[tokio::test]
async fn every_argument_is_one_that_the_operator_knows() {
    let plane = plane().await;
    let mut commands =
        vec![arguments(&render(&json!({}))), arguments(&render(&everything())), arguments(&render(&nothing()))];
    for folder in ["operator", "tenant", "webhook-cert-manager"] {
        commands.push(arguments(&kustomize(plane, &Path::new(MANIFESTS).join(folder)).await));
    }
    let sidecar = objects(&fs::read_to_string(format!("{MANIFESTS}/sidecar/values.yaml")).unwrap()).remove(0);
    commands.push(
        serde_json::from_value(sidecar.pointer("/operatorPod/sidecarContainers/0/args").unwrap().clone()).unwrap(),
    );
    let run = |args: &[String]| Command::new(binary()).args(args).arg("--help").output().unwrap();
    for args in &commands {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let unknown = [commands[0].clone(), vec!["--webhok".to_owned()]].concat();
    assert!(!run(&unknown).status.success());
}

#[test]
fn with_everything_on_each_value_arrives() {
    let rendered = render(&everything());
    let expected = [
        "run",
        "--policy=/etc/flink-remedy/policies/policies.yaml",
        "--operator-config=fko/its-config",
        "--webhook=0.0.0.0:9443",
        "--log-format=text",
        "--webhook-certificate=/etc/flink-remedy/webhook",
        "--log-level=info,controller=debug",
        "--dry-run",
        "--open-reports",
        "--watch-namespaces=team-a,team-b",
        "--operator-version=1.15",
        "--operator-account=flink-operator,fko/other",
        "--concurrency=8",
    ];
    assert_eq!(arguments(&rendered), expected);
    let rendered = by_name(rendered);
    let find = |name: &str| rendered.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", rendered.keys()));
    let deployment = find("apps/v1 Deployment flink-remedy flink-remedy");
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["image"], format!("registry.example.com/flink-remedy@sha256:{}", "a".repeat(64)));
    for (pointer, value) in [
        ("/tolerations/0/key", "spot"),
        ("/nodeSelector/kubernetes.io~1os", "linux"),
        ("/imagePullSecrets/0/name", "registry"),
        ("/priorityClassName", "system-cluster-critical"),
        ("/containers/0/imagePullPolicy", "Always"),
    ] {
        assert_eq!(spec.pointer(pointer), Some(&json!(value)), "{pointer}");
    }
    assert!(spec.pointer("/affinity/nodeAffinity").is_some());
    assert_eq!(deployment["spec"]["replicas"], 3);
    // What selects the pods never changes with the values.
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], json!({ "app.kubernetes.io/name": "flink-remedy" }));

    let webhook = find("admissionregistration.k8s.io/v1 MutatingWebhookConfiguration  flink-remedy");
    let namespaces = webhook.pointer("/webhooks/0/namespaceSelector/matchExpressions/0/values");
    assert_eq!(namespaces, Some(&json!(["team-a", "team-b"])));
    let condition = webhook.pointer("/webhooks/0/matchConditions/2/expression").unwrap().as_str().unwrap();
    assert!(condition.contains("endsWith(':fko:other') && "), "{condition}");
    let certificate = find("cert-manager.io/v1 Certificate flink-remedy flink-remedy-webhook");
    assert_eq!(certificate["spec"]["issuerRef"]["name"], "platform");
    assert!(
        !rendered.keys().any(|name| name.contains(" Issuer ") || name.contains("authority")),
        "{:#?}",
        rendered.keys()
    );
    let peers =
        find("networking.k8s.io/v1 NetworkPolicy flink-remedy flink-remedy").pointer("/spec/egress/1/to").unwrap();
    assert_eq!(peers, &json!([{ "ipBlock": { "cidr": "10.0.0.1/32" } }, { "ipBlock": { "cidr": "fd00::1/128" } }]));
    find("rbac.authorization.k8s.io/v1 Role fko flink-remedy-operator-config");

    // The file is one that the operator reads, and another one starts other pods.
    let file = find("v1 ConfigMap flink-remedy flink-remedy-policies")["data"]["policies.yaml"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policies.yaml"), file).unwrap();
    let mut validate = Command::new(binary());
    let validated = validate.args(["policy", "validate"]).arg(folder.path().join("policies.yaml")).output().unwrap();
    assert!(validated.status.success(), "{file}{}", String::from_utf8_lossy(&validated.stderr));
    assert_eq!(file.matches("kind: RemediationPolicy").count(), 2, "{file}");
    let mut changed = everything();
    changed["policies"][0]["spec"]["mode"] = json!("Advise");
    let digest = "/spec/template/metadata/annotations/flink-remedy.dev~1policies";
    let changed = by_name(render(&changed));
    assert_ne!(changed["apps/v1 Deployment flink-remedy flink-remedy"].pointer(digest), deployment.pointer(digest));
}

#[test]
fn with_everything_off_it_is_the_loop_alone() {
    let rendered = render(&nothing());
    assert_eq!(arguments(&rendered), ["run", "--mode=Advise", "--operator-config=none", "--log-format=json"]);
    let kinds: BTreeSet<_> = rendered.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect();
    let expected = ["ClusterRole", "ClusterRoleBinding", "Deployment", "Role", "RoleBinding", "ServiceAccount"];
    assert_eq!(kinds, expected.map(str::to_owned).into());
    let ports = |objects: &[Value]| {
        let policy = objects.iter().find(|object| object["kind"] == "NetworkPolicy").unwrap();
        policy.pointer("/spec/ingress").unwrap().as_array().unwrap().len()
    };
    let without_webhook = render(&json!({ "webhook": { "enabled": false } }));
    assert_eq!((ports(&render(&json!({}))), ports(&without_webhook)), (2, 1));
}

/// A typing error is told by its place, and nothing is installed.
#[test]
fn a_value_that_is_none_is_refused_with_its_place() {
    for (values, words) in [
        (json!({ "mode": "Sometimes" }), ["mode", "one of 'Off', 'Advise', 'NextDeploy', 'Apply'"]),
        (json!({ "replica": 3 }), ["additional properties", "'replica'"]),
        (json!({ "webhook": { "enable": false } }), ["webhook", "'enable'"]),
        (json!({ "flinkOperator": { "version": 1.15 } }), ["flinkOperator/version", "want string"]),
        (json!({ "watchNamespaces": "team-a" }), ["watchNamespaces", "want array"]),
        (json!({ "watchNamespaces": ["Team A"] }), ["watchNamespaces/0", "pattern"]),
        (json!({ "policies": [{ "kind": "RemediationPolicy" }] }), ["policies/0", "missing properties"]),
        (json!({ "image": { "digest": "abc" } }), ["image/digest", "pattern"]),
        (json!({ "resources": { "limit": {} } }), ["resources", "'limit'"]),
        (
            json!({ "webhook": { "certManager": { "issuerRef": { "kind": "ClusterIssuer" } } } }),
            ["issuerRef", "'name'"],
        ),
    ] {
        let error = template(&values, &[]).expect_err("a value that is none");
        for word in words {
            assert!(error.contains(word), "{values} is refused without `{word}`: {error}");
        }
    }
    // A chart of charts passes values of its own to all of them.
    render(&json!({ "global": { "region": "eu" } }));
}

/// Every name that the schema knows, by the path to it.
fn of_schema(schema: &Value, at: &str, into: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            for (name, schema) in properties {
                of_schema(schema, &format!("{at}/{name}"), into);
            }
        }
        None => drop(into.insert(at.to_owned())),
    }
}

#[test]
fn values_and_their_schema_name_the_same() {
    let read = |file: &str| fs::read_to_string(format!("{MANIFESTS}/chart/{file}")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let values = objects(&read("values.yaml")).remove(0);
    let mut known = BTreeSet::new();
    of_schema(&schema, "", &mut known);
    for path in &known {
        // What a chart of charts or somebody's own issuer brings has no default.
        if path != "/global" && !path.contains("/issuerRef/") {
            assert!(values.pointer(path).is_some(), "values.yaml has no {path}");
        }
    }
    let helm = gitops_program("helm").unwrap();
    let lint = Command::new(helm).args(["lint", "--strict", &format!("{MANIFESTS}/chart")]).output().unwrap();
    assert!(
        lint.status.success(),
        "{}{}",
        String::from_utf8_lossy(&lint.stdout),
        String::from_utf8_lossy(&lint.stderr)
    );
}
