//! What is kept of a job between two looks: what is asked of all jobs at once at hand, the rest packed until its next look.

mod key;
mod store;

pub(crate) use key::JobKey;
pub use store::{Store, Writer, store};

use std::sync::Arc;

use checklist::trimmed;
use flink_api::{FlinkDeployment, Kind};

pub use crate::packed::NotKept;
use crate::packed::{Dictionary, Packed};
use crate::reconcile::trigger::digest;
use crate::rollout::Signs;

/// A job of any kind in a cache.
#[derive(Debug)]
pub struct CachedJob {
    /// The kind of the object.
    pub kind: Kind,
    is_session_cluster: bool,
    key: JobKey,
    uid: Box<str>,
    generation: Option<i64>,
    session_cluster: Option<Box<str>>,
    /// Of all that a look reads of it.
    digest: u64,
    pub(crate) signs: Signs,
    /// The rest, without what stands above of its metadata.
    rest: Result<Packed, NotKept>,
}

/// Puts jobs into the form of a cache. Clones share what makes it small.
#[derive(Clone, Debug, Default)]
pub struct Packer(Dictionary);

impl Packer {
    /// The job as a cache keeps it.
    pub fn pack(&self, job: FlinkDeployment) -> Arc<CachedJob> {
        let kind = job.kind;
        let (digest, signs) = (digest(&job), Signs::of(&job));
        let is_session_cluster = kind == Kind::Deployment && job.spec.as_result().is_ok_and(|spec| spec.job.is_none());
        let session_cluster = job.session_cluster().map(Box::from);
        let (key, uid, generation) = (JobKey::of(&job), job.uid().into(), job.metadata.generation);
        let mut kept = trimmed(job);
        (kept.metadata.name, kept.metadata.namespace, kept.metadata.uid) = (None, None, None);
        let rest = kept.to_kept().map(|text| self.0.pack(&text)).map_err(NotKept::because);
        Arc::new(CachedJob { kind, is_session_cluster, key, uid, generation, session_cluster, digest, signs, rest })
    }
}

impl CachedJob {
    /// The job, as far as anything reads it.
    ///
    /// # Errors
    /// It does not come back as it was packed: nobody can say how it stands.
    pub fn read(&self) -> Result<FlinkDeployment, NotKept> {
        let rest = self.rest.as_ref().map_err(NotKept::clone)?;
        let mut job = rest.read(|kept| FlinkDeployment::from_kept(kept).map_err(NotKept::because))?;
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let metadata = &mut job.metadata;
        (metadata.name, metadata.namespace) = (text(self.name()), text(self.namespace()));
        metadata.uid = text(&self.uid);
        Ok(job)
    }

    /// What it is looked up and queued by.
    pub(crate) fn key(&self) -> &JobKey {
        &self.key
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The object's namespace.
    pub fn namespace(&self) -> &str {
        self.key.namespace()
    }

    /// The object's uid.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// `metadata.generation`.
    pub fn generation(&self) -> Option<i64> {
        self.generation
    }

    /// Of a session job, the name of its session cluster, if it names one.
    pub fn session_cluster(&self) -> Option<&str> {
        self.session_cluster.as_deref()
    }

    /// Whether it is a cluster for session jobs.
    pub fn is_session_cluster(&self) -> bool {
        self.is_session_cluster
    }

    /// Digest of all that a look reads of the object: equal digests need no new look.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_read_as_it_was_packed() {
        let metadata = json!({"name": "a", "namespace": "n", "uid": "u", "generation": 2, "resourceVersion": "7",
            "annotations": {"flink-remedy.dev/opt-out": "true"}, "labels": {"team": "t"}});
        let spec = json!({"flinkVersion": "v1_20", "flinkConfiguration": {"a": {"b": 1}}, "job": {}});
        let job: FlinkDeployment = serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap();
        let packed = Packer::default().pack(job.clone());
        assert_eq!((packed.namespace(), packed.name(), packed.uid(), packed.generation()), ("n", "a", "u", Some(2)));
        let read = packed.read().unwrap();
        assert_eq!((read.metadata, read.spec), (job.metadata, job.spec));
        assert!(!packed.is_session_cluster() && packed.session_cluster().is_none());
    }

    #[test]
    fn a_job_without_a_namespace_has_none() {
        let job: FlinkDeployment = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
        let packed = Packer::default().pack(job);
        assert_eq!((packed.namespace(), packed.name()), ("", "a"));
        assert_eq!(packed.read().unwrap().metadata.namespace, None);
        assert!(packed.is_session_cluster());
    }

    #[test]
    fn a_job_that_does_not_come_back_is_an_error_and_never_an_empty_one() {
        for rest in [Ok(Packed::broken()), Ok(Dictionary::default().pack(b"")), Err(NotKept::because("why"))] {
            let job: FlinkDeployment = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
            let packed = Arc::into_inner(Packer::default().pack(job)).unwrap();
            assert!(CachedJob { rest, ..packed }.read().is_err());
        }
    }
}
