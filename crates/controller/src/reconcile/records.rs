//! Our records as they last stood on jobs: whoever replaces a whole object takes the record away with the values.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use checklist::{Holdings, annotations};
use flink_api::FlinkDeployment;
use tracing::warn;

use crate::packed::{Dictionary, Packed};
use crate::troubles::Trouble;
use crate::uid::Uid;

/// Each job's record as it was last seen. It only spares jobs what would be taken away again: who starts anew has to
/// learn it again.
#[derive(Debug, Default)]
pub(crate) struct Records {
    by_uid: Mutex<HashMap<Uid, Seen>>,
    dictionary: Dictionary,
}

#[derive(Debug)]
struct Seen {
    /// The annotation's text.
    record: Packed,
    digest: u64,
    /// The version of the job on which we wrote it: a cache that still shows that one lags behind.
    written_on: Option<String>,
}

impl Records {
    /// What is ours on the job, and what was taken away from it together with our record.
    pub(crate) fn holdings(&self, deployment: &FlinkDeployment) -> Holdings {
        let holdings = Holdings::of(deployment);
        let mut by_uid = self.by_uid.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = by_uid.get(&deployment.uid().into());
        let version = &deployment.metadata.resource_version;
        if seen.is_some_and(|seen| seen.written_on.is_some() && seen.written_on == *version) {
            return holdings;
        }
        match (deployment.annotation(annotations::FILLED), seen) {
            (Some(record), _) if holdings.filled.is_some() => {
                if seen.is_none_or(|seen| seen.digest != digest(record) || seen.written_on.is_some()) {
                    by_uid.insert(deployment.uid().into(), self.seen(record, None));
                }
                holdings
            }
            // Another manager may have taken over the record first; one that came with a copied manifest says something else.
            (record, Some(seen)) if record.is_none_or(|record| digest(record) == seen.digest) => {
                match seen.record.read(|record| Ok(String::from_utf8_lossy(record).into_owned())) {
                    Ok(record) => holdings.without_record(deployment, &record),
                    Err(error) => {
                        let (namespace, name) = (deployment.namespace(), deployment.name());
                        warn!(trouble = %Trouble::NotKept, namespace, name, %error, "what was taken away from a job is not known any more");
                        holdings
                    }
                }
            }
            (_, _) => holdings,
        }
    }

    /// Takes in what our own write made of the job: a record that we took out ourselves was not taken away.
    pub(crate) fn wrote(&self, before: &FlinkDeployment, after: &FlinkDeployment) {
        let Some(record) = after.annotation(annotations::FILLED) else { return self.forget(after.uid()) };
        let seen = self.seen(record, before.metadata.resource_version.clone());
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).insert(after.uid().into(), seen);
    }

    fn seen(&self, record: &str, written_on: Option<String>) -> Seen {
        Seen { record: self.dictionary.pack(record.as_bytes()), digest: digest(record), written_on }
    }

    /// Forgets a job that is gone.
    pub(crate) fn forget(&self, uid: impl Into<Uid>) {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid.into());
    }
}

fn digest(record: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use checklist::{Filled, FilledValue, Target};
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = "state.backend.incremental";

    fn record() -> Filled {
        let value = FilledValue { value: "true".into(), rule: "CKP003".into(), change: "c".into() };
        let values = [(Target::option(KEY), value)].into();
        let mut record = Filled::new("c".into(), "2026-01-02T03:04:05Z".parse().unwrap(), values);
        record.left_to = Some("argocd-controller".into());
        record
    }

    fn job(version: &str, conf: &Value, record: Option<&Filled>) -> FlinkDeployment {
        let annotations = record.map(|record| json!({annotations::FILLED: record.to_text()}));
        serde_json::from_value(json!({
            "metadata": {"name": "a", "uid": "u", "resourceVersion": version, "annotations": annotations},
            "spec": {"flinkVersion": "v1_17", "flinkConfiguration": conf},
        }))
        .unwrap()
    }

    fn bare(version: &str) -> FlinkDeployment {
        job(version, &json!({}), None)
    }

    fn filled(version: &str) -> FlinkDeployment {
        job(version, &json!({KEY: "true"}), Some(&record()))
    }

    #[test]
    fn what_a_replacement_took_away_with_our_record_is_remembered() {
        let records = Records::default();
        assert_eq!(records.holdings(&bare("3")), Holdings::of(&bare("3")));
        assert!(records.holdings(&filled("2")).removed.is_empty());
        let holdings = records.holdings(&bare("3"));
        assert!(holdings.has_lost() && holdings.is_left_to() == Some("argocd-controller"));
        assert_eq!(holdings.removed, [Target::option(KEY)].into());
        records.forget("u");
        assert_eq!(records.holdings(&bare("3")), Holdings::of(&bare("3")));
    }

    #[test]
    fn a_record_that_another_manager_took_over_is_as_good_as_gone() {
        let owned_by_another = |mut job: FlinkDeployment| {
            let fields = json!({"f:metadata": {"f:annotations": {format!("f:{}", annotations::FILLED): {}}}});
            let entry = json!([{"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": fields}]);
            job.metadata.managed_fields = serde_json::from_value(entry).unwrap();
            job
        };
        let records = Records::default();
        records.wrote(&bare("1"), &filled("2"));
        let taken_over = owned_by_another(job("3", &json!({}), Some(&record())));
        assert_eq!(records.holdings(&taken_over).is_left_to(), Some("argocd-controller"));
        let mut copied = record();
        copied.left_to = None;
        let copied = owned_by_another(job("4", &json!({}), Some(&copied)));
        assert_eq!(records.holdings(&copied), Holdings::of(&copied));
    }

    #[test]
    fn a_cache_that_does_not_show_our_write_yet_shows_no_loss() {
        let records = Records::default();
        records.wrote(&bare("1"), &filled("2"));
        assert!(!records.holdings(&bare("1")).has_lost());
        assert!(records.holdings(&bare("3")).has_lost());
    }

    #[test]
    fn a_value_that_is_there_is_not_ours_without_a_record() {
        let records = Records::default();
        records.wrote(&bare("1"), &filled("2"));
        let kept = records.holdings(&job("3", &json!({KEY: "true"}), None));
        assert!(kept.ours.is_empty() && !kept.has_lost());
    }

    #[test]
    fn a_record_that_we_took_out_ourselves_was_not_taken_away() {
        let records = Records::default();
        records.wrote(&bare("1"), &filled("2"));
        records.wrote(&filled("2"), &bare("3"));
        assert!(!records.holdings(&bare("3")).has_lost());
    }
}
