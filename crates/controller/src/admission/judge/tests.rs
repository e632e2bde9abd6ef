use std::fs;
use std::path::Path;

use checklist::Platform;

use super::*;
use crate::namespaces::NamespaceMetadata;

const INCREMENTAL: &str = "execution.checkpointing.incremental";
const MADE: &str = "2026-01-02T03:04:05Z";

fn now() -> Timestamp {
    "2026-01-02T03:04:06.5Z".parse().unwrap()
}

/// A job with gaps, as a client sends it and the API server notes it.
fn job() -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": {"name": "j", "namespace": "n", "managedFields": [
            {"manager": "owner", "operation": "Update", "time": MADE, "fieldsV1": {"f:spec": {}}}]},
        "spec": {
            "image": "flink:1.20", "flinkVersion": "v1_20",
            "flinkConfiguration": {"state.backend.type": "rocksdb", "execution.checkpointing.savepoint-dir": "s3://a/s"},
            "job": {"jarURI": "local:///a.jar", "parallelism": 2, "upgradeMode": "savepoint"},
        },
    })
}

/// The same, running and stable under its present spec.
fn stable(mut job: Value) -> Value {
    let kept = json!({"spec": job["spec"], "resource_metadata": {}}).to_string();
    job["metadata"]["generation"] = json!(2);
    job["status"] = json!({
        "lifecycleState": "STABLE", "jobStatus": {"state": "RUNNING"}, "observedGeneration": 2,
        "reconciliationStatus": {"lastReconciledSpec": kept},
    });
    job
}

fn request(old: Option<&Value>, new: &Value) -> Request {
    let mut sent = json!({
        "uid": "u", "kind": {"kind": new["kind"]}, "namespace": new["metadata"]["namespace"].as_str().unwrap_or("n"),
        "operation": if old.is_some() { "UPDATE" } else { "CREATE" }, "object": new,
    });
    if let Some(old) = old {
        sent["oldObject"] = old.clone();
    }
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": sent});
    Request::read(review.to_string().as_bytes()).unwrap()
}

/// What stands around the jobs of these tests: nothing.
fn gathered() -> Gathered {
    Gathered {
        platform: std::sync::Arc::new(Platform::stock()),
        layers_unreadable: None,
        namespace: NamespaceMetadata::default(),
        session_cluster: None,
        session_jobs: checklist::SessionJobs::Unknown,
    }
}

fn ruled(request: &Request, is_halted: bool) -> Ruling {
    let arriving = Arriving::read(request, request.kind().unwrap(), now()).unwrap();
    judge(request, &arriving, &gathered(), &KnownPolicies::default(), |_| is_halted, now())
}

/// How it is judged, and what is stored.
fn stored(old: Option<&Value>, new: &Value) -> (Outcome, Value) {
    let ruling = ruled(&request(old, new), false);
    let mut stored = new.clone();
    json_patch::patch(&mut stored, &ruling.patch).unwrap();
    (ruling.outcome, stored)
}

fn edited(job: &Value, edit: impl FnOnce(&mut Value)) -> Value {
    let mut job = job.clone();
    edit(&mut job);
    job
}

fn with_image(job: &Value) -> Value {
    edited(job, |job| job["spec"]["image"] = json!("flink:other"))
}

/// A job that was filled at its creation.
fn filled() -> Value {
    stored(None, &job()).1
}

#[test]
fn a_new_job_is_filled_and_the_same_request_gets_the_same_bytes() {
    let (outcome, filled) = stored(None, &job());
    assert_eq!((outcome, &filled["spec"]["flinkConfiguration"][INCREMENTAL]), (Outcome::Filled, &json!("true")));
    let record: Filled = serde_json::from_str(filled["metadata"]["annotations"][FILLED].as_str().unwrap()).unwrap();
    assert_eq!(record.at.to_string(), MADE);
    let request = request(None, &job());
    assert_eq!(ruled(&request, false).patch, ruled(&request, false).patch);
    assert_eq!(stored(None, &filled), (Outcome::Untouched, filled.clone()));
}

/// Of every fixture, whoever asks twice gets no second change, and nothing is touched that was there.
#[test]
fn whatever_arrives_is_changed_once_and_only_by_adding() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../checklist/fixtures");
    let mut seen = 0;
    for folder in fs::read_dir(fixtures).unwrap().filter_map(|entry| fs::read_dir(entry.unwrap().path()).ok()) {
        for file in
            folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        {
            let Ok(sent) = serde_saphyr::from_str::<Value>(&fs::read_to_string(&file).unwrap()) else { continue };
            if flink_api::Kind::of_name(sent["kind"].as_str().unwrap_or_default()).is_none() {
                continue;
            }
            let sent = edited(&sent, |sent| drop(sent.as_object_mut().unwrap().remove("status")));
            let (_, first) = stored(None, &sent);
            assert!(flink_api::is_within(&sent, &first), "{}: {first:#}", file.display());
            assert_eq!(stored(None, &first).1, first, "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn what_restarts_the_job_brings_fills_along_unless_its_owner_fights_a_fire() {
    let running = stable(job());
    assert_eq!(stored(Some(&running), &with_image(&running)).0, Outcome::Filled);
    let label = edited(&running, |job| job["metadata"]["labels"] = json!({"a": "b"}));
    assert_eq!(stored(Some(&running), &label), (Outcome::Untouched, label));
    for (lifecycle, state) in
        [("FAILED", "FAILED"), ("UPGRADING", "FINISHED"), ("ROLLED_BACK", "RUNNING"), ("DEPLOYED", "CREATED")]
    {
        let troubled = edited(&running, |job| {
            job["status"]["lifecycleState"] = json!(lifecycle);
            job["status"]["jobStatus"]["state"] = json!(state);
        });
        assert_eq!(
            stored(Some(&troubled), &with_image(&running)),
            (Outcome::Untouched, with_image(&running)),
            "{lifecycle}"
        );
    }
    assert_eq!(ruled(&request(Some(&running), &with_image(&running)), true).outcome, Outcome::Untouched, "halted");
    let restored = edited(&with_image(&running), |job| job["spec"]["job"]["savepointRedeployNonce"] = json!(1));
    assert_eq!(stored(Some(&running), &restored), (Outcome::Untouched, restored));
    let suspended = edited(&running, |job| job["status"]["lifecycleState"] = json!("SUSPENDED"));
    assert_eq!(stored(Some(&suspended), &suspended).0, Outcome::Filled);
}

#[test]
fn what_was_changed_and_changed_back_restarts_nothing() {
    let running = stable(job());
    let pending = with_image(&running);
    let back = edited(&pending, |job| job["spec"]["image"] = running["spec"]["image"].clone());
    assert_eq!(stored(Some(&pending), &back), (Outcome::Untouched, back));
}

#[test]
fn fills_leave_with_the_change_that_they_rode_along_with() {
    let running = stable(job());
    let (_, pending) = stored(Some(&running), &with_image(&running));
    let back = edited(&pending, |job| job["spec"]["image"] = running["spec"]["image"].clone());
    let (outcome, stored) = stored(Some(&pending), &back);
    assert_eq!((outcome, &stored["spec"]), (Outcome::Corrected, &running["spec"]));
}

/// The loop's own restart is meant; a label does not call it off.
#[test]
fn what_the_loop_has_just_filled_stays() {
    let running = stable(job());
    let (_, pending) = stored(Some(&running), &with_image(&running));
    let by_loop = edited(&pending, |job| {
        let annotation = &mut job["metadata"]["annotations"][FILLED];
        let mut record: Value = serde_json::from_str(annotation.as_str().unwrap()).unwrap();
        record["restart"] = json!({"change": record["change"], "generation": 3, "at": MADE});
        *annotation = json!(record.to_string());
        job["spec"]["image"] = running["spec"]["image"].clone();
    });
    let more = edited(&by_loop, |job| job["spec"]["job"]["upgradeMode"] = json!("last-state"));
    assert_eq!(stored(Some(&by_loop), &more), (Outcome::Untouched, more));
}

#[test]
fn what_its_owner_spells_otherwise_is_theirs_whatever_the_mode_is() {
    let running = stable(filled());
    for mode in ["Apply", "Off"] {
        let theirs = edited(&running, |job| {
            job["metadata"]["annotations"]["flink-remedy.dev/mode"] = json!(mode);
            job["spec"]["flinkConfiguration"]["state.backend.incremental"] = json!("false");
        });
        let (_, stored) = stored(Some(&running), &theirs);
        assert_eq!(stored["spec"]["flinkConfiguration"].get(INCREMENTAL), None, "{mode}");
        assert_eq!(stored["spec"]["flinkConfiguration"]["state.backend.incremental"], "false");
    }
}

/// A job that is left to another manager after a tug-of-war gets nothing more, but nothing of ours breaks it either.
#[test]
fn what_is_held_is_kept_right_all_the_same() {
    let running = stable(edited(&filled(), |job| {
        let annotation = &mut job["metadata"]["annotations"][FILLED];
        let mut record: Value = serde_json::from_str(annotation.as_str().unwrap()).unwrap();
        record["leftTo"] = json!("somebody");
        *annotation = json!(record.to_string());
    }));
    let theirs =
        edited(&running, |job| job["spec"]["flinkConfiguration"]["state.backend.incremental"] = json!("false"));
    let (outcome, stored) = stored(Some(&running), &theirs);
    assert_eq!((outcome, stored["spec"]["flinkConfiguration"].get(INCREMENTAL)), (Outcome::Corrected, None));
}

#[test]
fn what_is_taken_out_is_put_back_with_a_word_and_without_a_restart() {
    let running = stable(filled());
    let without = edited(&running, |job| Target::option(INCREMENTAL).remove_from(&mut job["spec"]));
    let ruling = ruled(&request(Some(&running), &without), false);
    let mut stored = without;
    json_patch::patch(&mut stored, &ruling.patch).unwrap();
    assert_eq!(stored["spec"], running["spec"]);
    assert!(ruling.warnings[0].contains(INCREMENTAL) && ruling.warnings[0].contains(OPT_OUT), "{:?}", ruling.warnings);
}

#[test]
fn a_copied_record_is_replaced_and_one_of_this_very_request_is_not() {
    let owns = |job: &mut Value, at: &str| {
        let mut record: Value =
            serde_json::from_str(filled()["metadata"]["annotations"][FILLED].as_str().unwrap()).unwrap();
        record["at"] = json!(at);
        job["metadata"]["annotations"] = json!({FILLED: record.to_string()});
        job["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"] =
            json!({"f:annotations": {format!("f:{FILLED}"): {}}});
    };
    let copied = edited(&job(), |job| owns(job, "2026-01-01T00:00:00Z"));
    let (outcome, first) = stored(None, &copied);
    assert_eq!(outcome, Outcome::Filled);
    assert!(first["metadata"]["annotations"][FILLED].as_str().unwrap().contains(MADE), "{first:#}");
    assert_eq!(stored(None, &first), (Outcome::Untouched, first.clone()));
    let complete = edited(&filled(), |job| owns(job, "2026-01-01T00:00:00Z"));
    assert_eq!(stored(None, &complete).1["metadata"]["annotations"].get(FILLED), None);
}

#[test]
fn malformed_specs_and_children_are_stored_as_they_were_sent() {
    let scalar = edited(&job(), |job| job["spec"]["flinkConfiguration"] = json!("a: b"));
    assert_eq!(stored(None, &scalar), (Outcome::Unreadable, scalar));
    let child = edited(&job(), |job| {
        job["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "FlinkBlueGreenDeployment", "name": "p", "uid": "u"}]);
    });
    assert_eq!(stored(None, &child), (Outcome::Untouched, child));
    assert!(Arriving::read(&request(None, &json!({"kind": "FlinkDeployment"})), Kind::Deployment, now()).is_none());
}

#[test]
fn of_many_things_to_say_the_three_worst_are_said() {
    let bad = edited(&job(), |job| {
        job["spec"]["job"]["upgradeMode"] = json!("stateless");
        job["spec"]["flinkConfiguration"] = json!({
            "state.checkpoint.dir": "x", "execution.checkpointing.timeout": "soon", "s3.secret-key": "hunter2",
            "state.backend": "rocksdb", "state.backend.type": "hashmap", "kubernetes.cluster-id": "mine",
        });
    });
    let warnings = ruled(&request(None, &bad), false).warnings;
    assert_eq!(warnings.len(), MOST_WARNINGS, "{warnings:?}");
    assert!(warnings[0].starts_with("CKP002") && warnings.iter().all(|warning| !warning.contains("hunter2")));
}

#[test]
fn a_quarantine_that_came_with_a_copied_manifest_is_dropped_too() {
    let record = filled()["metadata"]["annotations"][FILLED].as_str().unwrap().replace(MADE, "2025-01-02T03:04:05Z");
    let copied = edited(&job(), |job| {
        job["metadata"]["annotations"] = json!({FILLED: record, QUARANTINED: "0123456789ab"});
        job["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"] =
            json!({"f:annotations": {format!("f:{FILLED}"): {}}});
    });
    let (outcome, stored) = stored(None, &copied);
    assert!(outcome == Outcome::Filled && stored["metadata"]["annotations"].get(QUARANTINED).is_none(), "{stored:#}");
}
