//! A fleet that was filled a day ago: copies of jobs that are there, with their reports, written straight into etcd, which takes them
//! far quicker than an API server. Names, uids and what else differs from job to job differ here too.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::ControlPlane;
use e2e::fleet::Fleet;
use e2e::http::post;
use futures::StreamExt as _;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Originals: each kind of job in each namespace.
const ORIGINALS: usize = 60;
/// Jobs in one request, of which etcd takes 1.5 MiB.
const AT_ONCE: usize = 16;
const IN_FLIGHT: usize = 4;

/// A job as etcd holds it, or its report.
struct Stored {
    key: String,
    object: String,
    uid: String,
    /// When it was filled, if it is a job.
    filled: Option<Timestamp>,
}

/// Copies the first jobs of the fleet, which are settled, to those of these numbers.
pub(crate) async fn copy(plane: &ControlPlane, fleet: &Fleet, jobs: Range<usize>) {
    let mut originals = Vec::new();
    for number in 0..ORIGINALS {
        let job = format!("{}/{}", fleet.namespace(number), Fleet::name(number));
        let kinds = ["flink.apache.org/flinkdeployments", "flink-remedy.dev/remediationreports"];
        originals.push(kinds.map(|kind| format!("/registry/{kind}/{job}")));
    }
    let stored = futures::stream::iter(originals)
        .then(async |[job, report]| [stored(plane, job).await, stored(plane, report).await])
        .collect::<Vec<_>>()
        .await;
    let numbers: Vec<usize> = jobs.collect();
    let written = futures::stream::iter(numbers.chunks(AT_ONCE)).map(async |numbers| {
        let copies = numbers.iter().flat_map(|number| copies(&stored[number % ORIGINALS], *number));
        let puts: Vec<Value> = copies
            .map(|(key, object)| json!({"requestPut": {"key": STANDARD.encode(key), "value": STANDARD.encode(object)}}))
            .collect();
        post(&format!("{}/v3/kv/txn", plane.etcd()), &json!({ "success": puts })).await.unwrap();
    });
    written.buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
}

async fn stored(plane: &ControlPlane, key: String) -> Stored {
    let answer = post(&format!("{}/v3/kv/range", plane.etcd()), &json!({"key": STANDARD.encode(&key)})).await.unwrap();
    let value = answer["kvs"][0]["value"].as_str().expect("etcd has what the API server shows");
    let object = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
    let read: Value = serde_json::from_str(&object).unwrap();
    let uid = read["metadata"]["uid"].as_str().unwrap().to_owned();
    let record = read["metadata"]["annotations"]["flink-remedy.dev/filled"].as_str();
    let filled =
        record.map(|record| serde_json::from_str::<Value>(record).unwrap()["at"].as_str().unwrap().parse().unwrap());
    Stored { key, object, uid, filled }
}

/// Keys and objects of the job of this number and of its report.
fn copies(originals: &[Stored; 2], number: usize) -> [(String, String); 2] {
    let original = number % ORIGINALS;
    let [job, report] = originals;
    let uid = |kind: usize| format!("{kind:08x}-0000-4000-8000-{number:012x}");
    let filled = job.filled.expect("each of them has something to fill");
    let yesterday = filled - SignedDuration::from_hours(24);
    let again = |stored: &Stored| {
        let mut object = stored.object.replace(&job.uid, &uid(1)).replace(&report.uid, &uid(2));
        object = object.replace(&filled.to_string(), &yesterday.to_string());
        for (one, other) in Fleet::marks(original).into_iter().zip(Fleet::marks(number)) {
            object = object.replace(&one, &other);
        }
        (stored.key.replace(&Fleet::name(original), &Fleet::name(number)), object)
    };
    [again(job), again(report)]
}
