//! Whether FKO is at work at all, by what it has written.

use jiff::{SignedDuration, Timestamp};

use super::fleet::Fleet;

/// FKO looks at every job about once a minute (`kubernetes.operator.reconcile.interval`).
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// A job that has waited for FKO for minutes, while FKO has written no job's status since; none where FKO is at work.
/// A restart asked for now would wait with it, and all that wait would begin at once when FKO comes back.
pub(super) fn silent_operator(fleet: &Fleet, now: Timestamp) -> Option<String> {
    // The one that waits for the shortest time tells the most.
    let (since, job) = fleet.waiting.iter().find(|(since, _)| now.duration_since(*since) > PATIENCE)?;
    (fleet.status_written < Some(*since)).then(|| job.to_string())
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::cache::{Packer, store};
    use crate::jobs::Jobs;

    const NOW: &str = "2026-01-02T03:10:00Z";

    /// Whether FKO counts as silent, with jobs of which the spec and the status were written at these minutes; FKO has acted
    /// on the present spec or not.
    fn is_silent(written: &[(u8, Option<u8>, bool)]) -> bool {
        let (reader, mut writer) = store();
        for (index, (spec, status, is_reconciled)) in written.iter().enumerate() {
            let at = |minute: u8| format!("2026-01-02T03:{minute:02}:00Z");
            let mut entries = vec![json!({"manager": "kubectl", "operation": "Update", "time": at(*spec)})];
            entries.extend(status.map(|minute| {
                json!({"manager": "flink", "operation": "Update", "subresource": "status", "time": at(minute)})
            }));
            let status = status.map(|_| json!({"observedGeneration": if *is_reconciled { 2 } else { 1 }}));
            let metadata = json!({"name": index.to_string(), "namespace": "n", "uid": index.to_string(), "generation": 2,
                                  "managedFields": entries});
            let job = json!({"metadata": metadata, "spec": {"job": {}}, "status": status});
            writer.apply(&Event::Apply(Packer::default().pack(serde_json::from_value(job).unwrap())));
        }
        silent_operator(&Jobs::new(vec![reader]).fleet(), NOW.parse().unwrap()).is_some()
    }

    #[test]
    fn an_operator_is_silent_that_has_written_nothing_since_a_job_waits_for_it() {
        assert!(is_silent(&[(4, Some(3), false)]));
        assert!(is_silent(&[(4, Some(3), false), (1, Some(2), true)]));
        assert!(!is_silent(&[(4, Some(3), false), (1, Some(5), true)]), "it has written another job's status");
        assert!(!is_silent(&[(6, Some(3), false)]), "it has not waited for long");
        assert!(!is_silent(&[(4, Some(3), true)]), "nothing waits");
        assert!(!is_silent(&[(4, None, false)]), "it may not watch that job");
    }
}
