//! `policy export --as mutating-admission-policy` in a real API server: it fills what the planner would, or nothing.

#[path = "../../../crates/checklist/tests/fixture/mod.rs"]
pub(crate) mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use checklist::{PlannedFill, RULES, Target};
use e2e::{Crds, apply_yaml, await_condition, binary};
use flink_conf::options::every_spelling;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Scene, annotated, job};
use fixture::{Fixture, every_fixture, fixtures_dir};

/// Fixtures that a covered rule would fill, and that the export says it passes over.
const PASSED_OVER: &[(&str, &str)] = &[
    // A port for Prometheus, or the annotation with it, but no reporter.
    ("CFG001/pass.options-of-others", "MET001"),
    ("MET001/gap.annotated-port-v1_20", "MET001"),
    ("MET001/gap.port-only-v2_3", "MET001"),
    // A key in two spellings.
    ("CFG003/advice.flat-beside-nested", "JOB002"),
    ("CFG003/advice.flat-beside-nested", "MET001"),
    ("CFG003/advice.flat-beside-nested", "RST001"),
    // Checkpoints on a volume of the pods, or on the default file system; without an interval there is no restart.
    ("CKP001/gap.volume-claim-v1_15", "CKP001"),
    ("CKP001/gap.volume-claim-v1_15", "RST001"),
    ("CKP002/pass.default-file-system", "CKP001"),
    ("CKP002/pass.default-file-system", "RST001"),
    ("CKP002/pass.nfs-volume", "CKP001"),
    ("CKP002/pass.nfs-volume", "RST001"),
    // Services of high availability without their directory.
    ("HA001/gap.services-only-v1_17", "HA001"),
    // A parallelism that is not spec.job.parallelism.
    ("JOB002/gap.override-v1_18", "JOB002"),
    ("JOB002/gap.replicas-v1_18", "JOB002"),
];

/// The rule of the platform's settings.
const SETTINGS: &str = "PLT001";

/// Targets with their values.
pub(crate) type Fills = BTreeMap<String, String>;

/// Options and pod annotations of a spec, by target.
pub(crate) fn values(spec: &Value) -> Fills {
    let options = spec["flinkConfiguration"].as_object();
    let annotations = spec["podTemplate"]["metadata"]["annotations"].as_object();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let option = |(key, value): (&String, &Value)| (Target::option(key).to_string(), text(value));
    let annotation = |(key, value): (&String, &Value)| (Target::PodAnnotation(key.clone()).to_string(), text(value));
    let annotations = annotations.into_iter().flatten().map(annotation);
    options.into_iter().flatten().map(option).chain(annotations).collect()
}

/// A namespace for which an export is in force.
pub(crate) struct Exported {
    scene: Scene,
    covered: BTreeSet<String>,
}

impl Exported {
    /// Exports by the built binary and puts the export in force in a namespace of its own, and nowhere else.
    pub(crate) async fn new(args: &[String]) -> Self {
        Self::on(Crds::Untyped, args).await
    }

    /// The same on the control plane with those CRDs.
    async fn on(crds: Crds, args: &[String]) -> Self {
        let scene = Scene::on(crds, "export").await;
        let mut command = Command::new(binary());
        command.args(["policy", "export", "--as", "mutating-admission-policy"]).args(args);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let namespace = scene.namespace.as_str();
        let own = text.replace("\n  name: flink-remedy\n", &format!("\n  name: {namespace}\n")).replace(
            "\n  policyName: flink-remedy\n",
            &format!(
                "\n  policyName: {namespace}\n  matchResources:\n    namespaceSelector:\n      matchLabels:\n        \
                     kubernetes.io/metadata.name: {namespace}\n"
            ),
        );
        apply_yaml(&scene.admin, &own).await;
        let covered = covered(&text);
        let exported = Self { scene, covered };
        exported.wait().await;
        exported
    }

    /// Returns when the API server fills what lacks everything.
    async fn wait(&self) {
        await_condition("the exported policy to be in force", PATIENCE, async || {
            let mut probe = job("probe");
            probe["spec"]["flinkConfiguration"] = json!({"state.backend.type": "rocksdb", "probe": "1"});
            let (filled, _) = self.filled(&probe).await.map_err(|error| error.to_string())?;
            if filled.is_empty() { Err("nothing is filled".to_owned()) } else { Ok(()) }
        })
        .await;
    }

    /// What a job is created as, in a dry run.
    async fn created(&self, job: &Value) -> Result<Value, kube::Error> {
        let mut job = job.clone();
        job["metadata"]["namespace"] = json!(self.scene.namespace);
        let object: DynamicObject = serde_json::from_value(job).unwrap();
        let params = PostParams { dry_run: true, ..PostParams::default() };
        self.scene.jobs().create(&params, &object).await.map(|created| serde_json::to_value(created).unwrap())
    }

    /// What a job gets beyond what its owner wrote, which has to stay as it was, and the owner's spec as the API server
    /// takes it: a field that the CRD does not have is gone.
    pub(crate) async fn filled(&self, job: &Value) -> Result<(Fills, Value), kube::Error> {
        let mut spec = self.created(job).await?["spec"].take();
        let before = values(&job["spec"]);
        let mut filled = values(&spec);
        for (target, value) in &before {
            assert_eq!(filled.remove(target).as_ref(), Some(value), "{target} of {}", job["metadata"]["name"]);
        }
        for target in filled.keys() {
            let Ok(target) = target.parse::<Target>();
            *target.place(&mut spec) = Value::Null;
        }
        Ok((filled, without_nulls(spec)))
    }

    fn covers(&self, rule: &str, target: &Target) -> bool {
        let is_setting = |key: &String| every_spelling(key).iter().any(|spelling| *spelling == target.to_string());
        if rule == SETTINGS { self.covered.iter().any(is_setting) } else { self.covered.contains(rule) }
    }

    async fn annotate_namespace(&self, key: &str, value: Option<&str>) {
        let api: Api<Namespace> = Api::all(self.scene.admin.clone());
        let patch = json!({"metadata": {"annotations": {key: value}}});
        api.patch(&self.scene.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
}

fn without_nulls(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let fields = fields.into_iter().filter(|(_, field)| !field.is_null());
    Value::Object(fields.map(|(key, field)| (key, without_nulls(field))).collect())
}

/// The codes of the rules that an export says it fills; a setting of the platform by its key.
fn covered(text: &str) -> BTreeSet<String> {
    let lines = text.lines().skip_while(|line| *line != "# Filled:").skip(1).take_while(|line| *line != "#");
    let key = |line: &str| line.split_once(" (").and_then(|(_, key)| Some(key.split_once(')')?.0.to_owned()));
    let code = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let lines = lines.filter_map(|line| line.strip_prefix("#   "));
    lines.map(|line| if line.starts_with(SETTINGS) { key(line).unwrap() } else { code(line) }).collect()
}

/// How an export is called for what a fixture is judged upon.
fn args_of(fixture: &Fixture) -> Vec<String> {
    let file = |path: PathBuf| path.to_str().unwrap().to_owned();
    let mut args = Vec::new();
    if let Some(policy) = &fixture.policy {
        args.extend(["--policy".to_owned(), file(fixtures_dir().join(format!("policy/{policy}.yaml")))]);
    }
    if let Some(config) = &fixture.operator_config {
        let own = fixtures_dir().join(fixture.rule.code).join(config);
        let directory = if own.is_dir() { own } else { fixtures_dir().join("platform").join(config) };
        args.extend(["--operator-config".to_owned(), file(directory)]);
    }
    args
}

#[tokio::test]
async fn every_fixture_gets_what_the_planner_would_give_or_nothing() {
    let mut groups: BTreeMap<Vec<String>, Vec<Fixture>> = BTreeMap::new();
    for fixture in every_fixture().into_iter().filter(|fixture| fixture.object["kind"] == "FlinkDeployment") {
        groups.entry(args_of(&fixture)).or_default().push(fixture);
    }
    let (mut equal, mut refused, mut passed_over) = (0, Vec::new(), BTreeSet::new());
    for (args, fixtures) in groups {
        let exported = Exported::new(&args).await;
        for fixture in fixtures {
            let mut fixture = fixture;
            fixture.object["metadata"]["namespace"] = json!(exported.scene.namespace);
            let Ok((filled, accepted)) = exported.filled(&fixture.object).await else {
                refused.push(fixture.name());
                continue;
            };
            fixture.object["spec"] = accepted;
            if fixture.object.get("status").is_some() {
                assert_eq!(filled, Fills::new(), "{} is a copy of a job that FKO has seen", fixture.name());
                continue;
            }
            let planned = fixture.plan(RULES).fills;
            let expected: Fills =
                planned.iter().map(|(target, fill)| (target.to_string(), fill.value.clone())).collect();
            for (target, value) in &filled {
                assert_eq!(expected.get(target), Some(value), "{target} of {}", fixture.name());
            }
            let is_missing = |(target, fill): &(&Target, &PlannedFill)| {
                exported.covers(fill.rule, target) && !filled.contains_key(&target.to_string())
            };
            let missing: BTreeSet<_> = planned.iter().filter(is_missing).map(|(_, fill)| fill.rule).collect();
            equal += usize::from(missing.is_empty() && !filled.is_empty());
            passed_over.extend(missing.into_iter().map(|rule| (fixture.name(), rule.to_owned())));
        }
    }
    let reviewed: BTreeSet<_> =
        PASSED_OVER.iter().map(|(fixture, rule)| ((*fixture).to_owned(), (*rule).to_owned())).collect();
    assert_eq!(passed_over, reviewed);
    // The CRD ends at a Flink before theirs.
    assert_eq!(refused, ["CFG002/pass.unknown-newer-flink", "CFG006/pass.newer-than-the-catalogue"]);
    assert!(equal > 100, "{equal}");
}

/// A job whose gaps are CKP003, RST001 and MET001.
fn lacking() -> Value {
    let mut lacking = job("lacking");
    lacking["spec"]["flinkVersion"] = json!("v1_20");
    lacking
}

const OPT_OUT: &str = "flink-remedy.dev/opt-out";
const MODE: &str = "flink-remedy.dev/mode";

#[tokio::test]
async fn who_opts_out_or_is_another_s_is_left_alone() {
    let exported = Exported::on(Crds::Typed, &[]).await;
    let full = exported.filled(&lacking()).await.unwrap().0;
    let of_rules = ["execution.checkpointing.incremental", "restart-strategy.type", "metrics.reporter.prom.port"];
    assert!(of_rules.iter().all(|key| full.contains_key(*key)), "{full:?}");
    for (key, value, is_filled) in [
        (OPT_OUT, "true", false),
        (OPT_OUT, "CKP003", false),
        (OPT_OUT, "nonsense", false),
        (OPT_OUT, " false ", true),
        ("flink-remedy.dev/opt-out-until", "2020-01-01", false),
        (MODE, "Advise", false),
        (MODE, "Off", false),
        (MODE, "apply", false),
        (MODE, "NextDeploy", true),
        ("flink-remedy.dev/approve", " ", false),
        ("flink-remedy.dev/approve", "now", true),
        ("team", "shop", true),
    ] {
        let filled = exported.filled(&annotated(lacking(), key, value)).await.unwrap().0;
        assert_eq!(filled, if is_filled { full.clone() } else { Fills::new() }, "{key}: {value}");
    }
    let mut child = lacking();
    child["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkBlueGreenDeployment", "name": "p", "uid": "u",
    }]);
    let mut canary = lacking();
    canary["metadata"]["labels"] = json!({"flink.apache.org/canary": "true"});
    let mut copied = lacking();
    copied["status"] = json!({"lifecycleState": "STABLE"});
    for other in [child, canary, copied] {
        assert_eq!(exported.filled(&other).await.unwrap().0, Fills::new(), "{other}");
    }
    // What is missing on the way to a value is made.
    let mut bare = lacking();
    bare["spec"].as_object_mut().unwrap().remove("flinkConfiguration");
    let filled = exported.filled(&bare).await.unwrap().0;
    let annotation = "podTemplate.metadata.annotations:prometheus.io/port";
    assert_eq!((filled["metrics.reporter.prom.port"].as_str(), filled[annotation].as_str()), ("9249", "9249"));
}

#[tokio::test]
async fn a_namespace_opts_out_and_in_again() {
    let exported = Exported::new(&[]).await;
    let full = exported.filled(&lacking()).await.unwrap().0;
    for (key, value, is_filled) in [
        (OPT_OUT, "true", false),
        (OPT_OUT, "MET001", false),
        (OPT_OUT, "false", true),
        ("flink-remedy.dev/opt-out-until", "2020-01-01", false),
        (MODE, "Advise", false),
        (MODE, "Apply", true),
    ] {
        exported.annotate_namespace(key, Some(value)).await;
        exported.await_fills(&lacking(), if is_filled { &full } else { &NONE }, &format!("{key}: {value}")).await;
        exported.annotate_namespace(key, None).await;
        exported.await_fills(&lacking(), &full, "no annotation").await;
    }
}

static NONE: Fills = Fills::new();

impl Exported {
    /// Waits until the API server has seen the namespace as it is now.
    async fn await_fills(&self, job: &Value, expected: &Fills, what: &str) {
        await_condition(what, PATIENCE, async || {
            let (filled, _) = self.filled(job).await.map_err(|error| error.to_string())?;
            if filled == *expected { Ok(()) } else { Err(format!("{filled:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_there_in_any_spelling_is_not_filled() {
    let exported = Exported::new(&[]).await;
    let with = |version: &str, conf: Value| {
        let mut job = lacking();
        job["spec"]["flinkVersion"] = json!(version);
        job["spec"]["flinkConfiguration"] = conf;
        job
    };
    for (version, conf, absent, present) in [
        // Nested, at once and in parts.
        (
            "v1_20",
            json!({"state": {"backend": {"type": "rocksdb", "incremental": false}}, "restart-strategy": {"type": "none"},
                   "execution": {"checkpointing.interval": "1 min"}, "metrics": {"reporter.x": {"factory": {"class": "X"}}},
                   "pipeline": {"max-parallelism": 64}}),
            &[
                "execution.checkpointing.incremental",
                "restart-strategy.type",
                "metrics.reporter.prom.port",
                "pipeline.max-parallelism",
            ][..],
            &[][..],
        ),
        // Flink 2 under its own names.
        (
            "v2_1",
            json!({"state": {"backend": {"type": "rocksdb"}}, "execution": {"checkpointing": {"interval": "1 min"}}}),
            &["state.backend.incremental", "restart-strategy"],
            &["execution.checkpointing.incremental", "restart-strategy.type", "metrics.reporter.prom.factory.class"],
        ),
        // Flink 2 under names of old: a delay in place of the strategies would stop the job.
        (
            "v2_0",
            json!({"state.backend": "rocksdb", "execution.checkpointing.interval": "1 min", "restart-strategy.type.x": "y"}),
            &["restart-strategy.type", "state.backend.incremental"],
            &["execution.checkpointing.incremental"],
        ),
        // A document in the place of the key that this Flink reads.
        (
            "v1_16",
            json!({"restart-strategy": {"exponential-delay": {"jitter-factor": 0.2}}, "execution.checkpointing.interval": "1 min"}),
            &["restart-strategy", "restart-strategy.type", "restart-strategy.exponential-delay.max-backoff"],
            &["metrics.reporter.prom.port"],
        ),
        // One key in two spellings: nothing at all.
        (
            "v1_20",
            json!({"a": {"b": 1}, "a.b": 2, "state.backend.type": "rocksdb"}),
            &["execution.checkpointing.incremental", "metrics.reporter.prom.port"],
            &[],
        ),
    ] {
        let filled = exported.filled(&with(version, conf.clone())).await.unwrap().0;
        assert!(absent.iter().all(|key| !filled.contains_key(*key)), "{version} {conf}: {filled:?}");
        assert!(present.iter().all(|key| filled.contains_key(*key)), "{version} {conf}: {filled:?}");
    }
    let mut restored = with("v1_20", json!({}));
    restored["spec"]["job"]["initialSavepointPath"] = json!("s3://flink/savepoints/1");
    assert!(!exported.filled(&restored).await.unwrap().0.contains_key("pipeline.max-parallelism"));
    let mut batch = with("v1_18", json!({"execution.checkpointing.interval": "1 min"}));
    batch["spec"]["job"]["args"] = json!(["--execution-mode", "BATCH"]);
    let filled = exported.filled(&batch).await.unwrap().0;
    assert!(filled.keys().all(|target| target.contains("reporter") || target.contains("prometheus")), "{filled:?}");
}

/// The API server bounds what an expression may cost.
#[tokio::test]
async fn a_job_with_many_options_is_filled() {
    let exported = Exported::new(&[]).await;
    let mut large = lacking();
    large["spec"]["flinkVersion"] = json!("v2_1");
    let conf = large["spec"]["flinkConfiguration"].as_object_mut().unwrap();
    conf.insert("high-availability.type".to_owned(), json!("kubernetes"));
    conf.extend((0..500).map(|number| (format!("acme.team.option-with-a-long-name.number-{number}"), json!(number))));
    let filled = exported.filled(&large).await.unwrap().0;
    assert!(filled.contains_key("execution.checkpointing.incremental"), "{filled:?}");
}
