//! The ways in which people write jobs, through the webhook: what is stored is as documented, and nothing flaps.

use e2e::{Crds, KubectlOutput};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::fko::Fko;
use crate::hooked::Hooked;
use crate::support::{job, record};

const PORT: &str = "metrics.reporter.prom.port";
const INCREMENTAL: &str = "state.backend.incremental";

/// A team with a manifest and kubectl.
struct Team<'a> {
    hooked: &'a Hooked,
    manifest: Value,
}

impl<'a> Team<'a> {
    fn new(hooked: &'a Hooked, name: &str) -> Self {
        Self { hooked, manifest: job(name) }
    }

    fn name(&self) -> &str {
        self.manifest["metadata"]["name"].as_str().unwrap()
    }

    /// Runs kubectl on the manifest; it has to end with this code.
    async fn kubectl(&self, args: &[&str], code: i32) -> KubectlOutput {
        let namespace = ["-n", &self.hooked.scene.namespace];
        let output =
            self.hooked.scene.plane.run_kubectl(&[args, &namespace].concat(), &self.manifest.to_string()).await;
        assert_eq!(output.status.code(), Some(code), "kubectl {args:?}: {output:#?}");
        output
    }

    async fn live(&self) -> DynamicObject {
        self.hooked.scene.job(self.name()).await
    }

    /// The job runs, stable, and is filled; its generation then.
    async fn settled(&self) -> i64 {
        let live = self.hooked.scene.now_stable(Fko::V1_15, self.name()).await;
        assert_eq!(live.data["spec"]["flinkConfiguration"][PORT], "9249", "{live:#?}");
        assert!(!record(&live).is_null());
        live.metadata.generation.unwrap()
    }

    /// The same write once more, as a dry run and for good, leaves the spec as it is; with another image it changes only that.
    async fn writes_again(&mut self, write: &[&str]) {
        let before = self.settled().await;
        let specs = self.live().await.data["spec"].clone();
        self.kubectl(&[write, &["--dry-run=server"]].concat(), 0).await;
        for _ in 0..2 {
            self.kubectl(write, 0).await;
            let live = self.live().await;
            assert_eq!((live.metadata.generation, &live.data["spec"]), (Some(before), &specs), "{write:?}");
        }
        self.manifest["spec"]["image"] = json!("flink:1.18-java11");
        self.kubectl(&[write, &["--dry-run=server"]].concat(), 0).await;
        assert_eq!(self.live().await.metadata.generation, Some(before));
        self.kubectl(write, 0).await;
        let mut expected = specs;
        expected["image"] = json!("flink:1.18-java11");
        let live = self.live().await;
        assert_eq!((live.metadata.generation, &live.data["spec"]), (Some(before + 1), &expected), "{write:?}");
    }
}

#[tokio::test]
async fn every_way_to_write_a_job_keeps_what_was_filled() {
    let hooked = Hooked::new(Crds::Typed, "clients").await;
    let operator = hooked.start(&[]).await;
    let ways: [(&str, &[&str], &[&str]); 3] = [
        ("client-side", &["apply", "-f", "-"], &["apply", "-f", "-"]),
        (
            "server-side",
            &["apply", "--server-side", "--field-manager=team", "-f", "-"],
            &["apply", "--server-side", "--field-manager=team", "-f", "-"],
        ),
        ("replaced", &["create", "-f", "-"], &["replace", "-f", "-"]),
    ];
    for (name, create, write) in ways {
        let mut team = Team::new(&hooked, name);
        team.kubectl(&[create, &["--dry-run=server"]].concat(), 0).await;
        assert!(hooked.scene.jobs().get_opt(name).await.unwrap().is_none());
        team.kubectl(create, 0).await;
        team.writes_again(write).await;
    }
    hooked.scene.settle(&operator, 3).await;
    assert!(hooked.scene.patches().is_empty(), "{:#?}", hooked.scene.patches());
}

#[tokio::test]
async fn kubectl_diff_shows_what_its_owner_changes_and_nothing_of_ours() {
    let hooked = Hooked::new(Crds::Typed, "clients-diff").await;
    let _operator = hooked.start(&[]).await;
    for (name, how) in [("client-side", &[][..]), ("server-side", &["--server-side", "--field-manager=team"])] {
        let mut team = Team::new(&hooked, name);
        team.kubectl(&[&["apply", "-f", "-"], how].concat(), 0).await;
        team.settled().await;
        let diff = [&["diff", "-f", "-"], how].concat();
        assert_eq!(team.kubectl(&diff, 0).await.stdout, "");
        team.manifest["spec"]["job"]["parallelism"] = json!(3);
        let shown = team.kubectl(&diff, 1).await.stdout;
        assert!(shown.contains("parallelism: 3") && !shown.contains("metrics.reporter"), "{shown}");
    }
}

#[tokio::test]
async fn a_json_patch_is_filled_like_every_other_change() {
    let hooked = Hooked::new(Crds::Typed, "clients-patch").await;
    let _operator = hooked.start(&[]).await;
    let team = Team::new(&hooked, "j");
    team.kubectl(&["create", "-f", "-"], 0).await;
    let before = team.settled().await;
    let patch = |operation: Value| {
        ["patch".to_owned(), "flinkdeployment".into(), "j".into(), "--type=json".into(), format!("-p=[{operation}]")]
    };
    let label = patch(json!({ "op": "add", "path": "/metadata/labels", "value": { "team": "a" } }));
    team.kubectl(&label.each_ref().map(String::as_str), 0).await;
    assert_eq!(team.live().await.metadata.generation, Some(before));
    // Taken out by hand it is put back in the same request, and said so: the job does not restart.
    let take_out = patch(json!({ "op": "remove", "path": format!("/spec/flinkConfiguration/{INCREMENTAL}") }));
    let output = team.kubectl(&take_out.each_ref().map(String::as_str), 0).await;
    assert!(
        output.stderr.contains(&format!("Warning: flink-remedy puts back {INCREMENTAL}; to keep it out, annotate")),
        "{output:?}"
    );
    assert_eq!(team.settled().await, before);
}

#[tokio::test]
async fn kubectl_shows_urgent_advice_once_and_in_few_lines() {
    let hooked = Hooked::new(Crds::Typed, "clients-warn").await;
    let _operator = hooked.start(&[]).await;
    let mut team = Team::new(&hooked, "j");
    let conf = team.manifest["spec"]["flinkConfiguration"].as_object_mut().unwrap();
    for gone in ["state.checkpoints.dir", "high-availability.type", "high-availability.storageDir"] {
        conf.remove(gone);
    }
    for bad in ["s3.secret-key", "s3.other.secret-key", "web.port.typo"] {
        conf.insert(bad.into(), json!("hunter2"));
    }
    let output = team.kubectl(&["apply", "-f", "-"], 0).await;
    let warnings: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("Warning: ")).collect();
    assert_eq!(warnings.len(), 3, "{output:#?}");
    assert!(
        warnings[0].starts_with("Warning: CKP002: ") && warnings[0].ends_with("; see flink-remedy explain CKP002"),
        "{warnings:#?}"
    );
    assert!(warnings.iter().all(|line| line.len() <= 270 && !line.contains("hunter2")), "{warnings:#?}");
    let label = ["label", "flinkdeployment", "j", "team=a"];
    assert_eq!(team.kubectl(&label, 0).await.stderr, "");
}
