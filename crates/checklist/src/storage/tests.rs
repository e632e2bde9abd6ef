use flink_api::FlinkDeployment;
use serde_json::{Value, json};

use super::*;
use crate::Platform;

const PVC: &str = r#"{"name": "state", "persistentVolumeClaim": {"claimName": "state"}}"#;

fn subject(version: &str, conf: &Value, spec: &Value) -> Subject {
    let mut object = json!({"metadata": {"name": "orders", "namespace": "shop"}, "spec": spec});
    object["spec"]["flinkVersion"] = json!(version);
    object["spec"]["flinkConfiguration"] = conf.clone();
    object["spec"]["job"] = json!({});
    let deployment: FlinkDeployment = serde_json::from_value(object).unwrap();
    Subject::new(&deployment, &Platform::stock()).unwrap()
}

/// A pod template that mounts volumes into the main container, and declares these.
fn template(mounts: &[(&str, &str)], volumes: &[&str]) -> Value {
    let mounts: Vec<Value> = mounts.iter().map(|(name, path)| json!({"name": name, "mountPath": path})).collect();
    let volumes: Vec<Value> = volumes.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    json!({"spec": {
        "containers": [{"name": "sidecar"}, {"name": "flink-main-container", "volumeMounts": mounts}], "volumes": volumes,
    }})
}

fn place(directory: &str, spec: &Value) -> Place {
    Place::of(directory, &subject("v1_20", &json!({}), spec), ALL)
}

fn lost(place: Place) -> String {
    match place {
        Place::Lost(why) => why,
        durable @ (Place::Shared(_) | Place::Volume(..)) => panic!("{durable:?} is durable"),
    }
}

#[test]
fn a_durable_volume_makes_a_path_durable() {
    let on_state = |kind: &str| Place::Volume("state".to_owned(), kind.to_owned());
    for (kind, volume) in [
        ("persistentVolumeClaim", PVC),
        ("nfs", r#"{"name": "state", "nfs": {"server": "filer", "path": "/x"}}"#),
        ("csi", r#"{"name": "state", "csi": {"driver": "efs.csi.aws.com"}}"#),
        ("cephfs", r#"{"name": "state", "emptyDir": null, "cephfs": {}}"#),
        ("glusterfs", r#"{"name": "state", "glusterfs": {}}"#),
        ("azureFile", r#"{"name": "state", "azureFile": {}}"#),
    ] {
        let common = json!({"podTemplate": template(&[("state", "/mnt/state")], &[volume])});
        for directory in ["file:///mnt/state/checkpoints", "/mnt/state", "/mnt//state/./x/"] {
            assert_eq!(place(directory, &common), on_state(kind), "{directory}");
        }
    }
    let apart = json!({"jobManager": {"podTemplate": template(&[("state", "/mnt")], &[PVC])},
                       "taskManager": {"podTemplate": template(&[("state", "/mnt")], &[])},
                       "podTemplate": template(&[], &[PVC])});
    assert_eq!(place("/mnt/state", &apart), on_state("persistentVolumeClaim"));
}

#[test]
fn any_other_path_is_lost() {
    let local = |source: &str| {
        let volume = format!(r#"{{"name": "state", "{source}": {{}}}}"#);
        json!({"podTemplate": template(&[("state", "/mnt")], &[&volume])})
    };
    for source in ["emptyDir", "hostPath", "ephemeral", "configMap", "tomorrowsVolume"] {
        assert!(
            lost(place("/mnt/state", &local(source))).contains(&format!("volume state of the JobManager ({source})"))
        );
    }
    let claim = json!({"podTemplate": template(&[("state", "/mnt/state")], &[PVC])});
    for path in ["/mnt/statement", "/mnt", "/tmp", "/mnt/state/../tmp"] {
        assert_eq!(lost(place(path, &claim)), "is on no volume of the JobManager", "{path}");
    }
    assert_eq!(lost(place("state", &claim)), "is no absolute URI");
    let undeclared = json!({"podTemplate": template(&[("state", "/mnt")], &[])});
    assert!(lost(place("/mnt/state", &undeclared)).contains("(not in the pod template)"));
    let of_one = json!({"jobManager": {"podTemplate": template(&[("state", "/mnt")], &[PVC])}});
    assert_eq!(lost(place("/mnt/state", &of_one)), "is on no volume of the TaskManager");
    let mut of_sidecar = json!({"podTemplate": template(&[("state", "/mnt")], &[PVC])});
    of_sidecar["podTemplate"]["spec"]["containers"][1]["name"] = json!("log-shipper");
    assert!(!place("/mnt/state", &of_sidecar).is_durable());
}

#[test]
fn of_volumes_mounted_above_each_other_the_nearest_counts() {
    let cache = r#"{"name": "cache", "emptyDir": {}}"#;
    let both = json!({"podTemplate": template(&[("state", "/mnt"), ("cache", "/mnt/cache")], &[PVC, cache])});
    assert!(place("/mnt/checkpoints", &both).is_durable());
    assert!(!place("/mnt/cache/checkpoints", &both).is_durable());
}

#[test]
fn the_high_availability_directory_is_needed_by_the_job_manager_only() {
    let spec = json!({"jobManager": {"podTemplate": template(&[("state", "/mnt")], &[PVC])}});
    let subject = subject("v1_20", &json!({}), &spec);
    assert!(Place::of("/mnt/ha", &subject, &[Process::JobManager]).is_durable());
}

#[test]
fn checkpoint_storage_is_what_the_version_makes_of_it() {
    let storage = |version: &str, conf: Value| {
        let subject = subject(version, &conf, &json!({}));
        match CheckpointStorage::of(&subject) {
            CheckpointStorage::Heap(key, _) => format!("heap by {key}"),
            CheckpointStorage::Custom(key, _) => format!("custom by {key}"),
            CheckpointStorage::Directory(key, _) => format!("directory by {key}"),
            CheckpointStorage::Ignored(key, _, right) => format!("{key} ignored, not {right}"),
            CheckpointStorage::Unset => "unset".to_owned(),
        }
    };
    let dir = "s3://acme/checkpoints";
    for (version, conf, expected) in [
        ("v1_20", json!({}), "unset"),
        ("v1_20", json!({"state.checkpoints.dir": dir}), "directory by state.checkpoints.dir"),
        ("v2_3", json!({"state.backend.fs.checkpointdir": dir}), "directory by state.backend.fs.checkpointdir"),
        (
            "v1_19",
            json!({"execution.checkpointing.dir": dir}),
            "execution.checkpointing.dir ignored, not state.checkpoints.dir",
        ),
        (
            "v1_16",
            json!({"state.checkpoint-storage": "JobManager", "state.checkpoints.dir": dir}),
            "heap by state.checkpoint-storage",
        ),
        ("v1_20", json!({"state.checkpoint-storage": "jobmanager"}), "heap by state.checkpoint-storage"),
        ("v1_20", json!({"execution.checkpointing.storage": "filesystem"}), "unset"),
        (
            "v1_20",
            json!({"execution.checkpointing.storage": "com.acme.Storage"}),
            "custom by execution.checkpointing.storage",
        ),
        (
            "v1_19",
            json!({"execution.checkpointing.storage": "jobmanager"}),
            "execution.checkpointing.storage ignored, not state.checkpoint-storage",
        ),
        (
            "v1_19",
            json!({"execution.checkpointing.storage": "jobmanager", "state.checkpoints.dir": dir}),
            "directory by state.checkpoints.dir",
        ),
        ("v1_20", json!({"state.backend": "jobmanager", "state.checkpoints.dir": dir}), "heap by state.backend"),
        (
            "v2_0",
            json!({"state.backend": "jobmanager", "state.checkpoints.dir": dir}),
            "directory by state.checkpoints.dir",
        ),
    ] {
        assert_eq!(storage(version, conf.clone()), expected, "{version} {conf}");
    }
}

#[test]
fn directories_are_written_under_a_name_that_every_flink_involved_reads() {
    let key = |option, major, minor| directory_key(option, FlinkVersion::new(major, minor)).to_string();
    for minor in 13..=20 {
        assert_eq!(key(&CHECKPOINT_DIRECTORY, 1, minor), "state.checkpoints.dir");
        assert_eq!(key(&SAVEPOINT_DIRECTORY, 1, minor), "state.savepoints.dir");
    }
    for minor in 0..=4 {
        assert_eq!(key(&CHECKPOINT_DIRECTORY, 2, minor), "execution.checkpointing.dir");
        assert_eq!(key(&SAVEPOINT_DIRECTORY, 2, minor), "execution.checkpointing.savepoint-dir");
    }
}

#[test]
fn a_template_gives_no_directory_that_would_be_lost() {
    let policy = Policy::default();
    let template = |text: &str| PathTemplate::try_from(text.to_owned()).unwrap();
    let plain = subject("v1_20", &json!({}), &json!({}));
    let given = |template: Option<&PathTemplate>, subject| from_template(template, "savepoints", subject, &policy, ALL);
    let shared = template("s3://acme/{namespace}/{name}/savepoints");
    assert_eq!(given(Some(&shared), &plain).as_deref(), Ok("s3://acme/shop/orders/savepoints"));
    assert!(given(None, &plain).unwrap_err().contains("storage.savepoints"));
    let of_cluster = template("s3://acme/{cluster}/{namespace}/{name}");
    assert!(given(Some(&of_cluster), &plain).unwrap_err().contains("set `cluster` in the policy"));
    let local = template("file:///mnt/{namespace}/{name}");
    assert!(given(Some(&local), &plain).unwrap_err().contains("no volume of the JobManager"));
    let mounted = json!({"podTemplate": self::template(&[("state", "/mnt")], &[PVC])});
    assert!(given(Some(&local), &subject("v1_20", &json!({}), &mounted)).is_ok());
}
