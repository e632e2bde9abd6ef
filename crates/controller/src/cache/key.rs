use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use flink_api::FlinkDeployment;

/// `namespace/name`, by which a job is looked up and queued; clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobKey(Arc<str>);

impl JobKey {
    /// Of this name.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}").into())
    }

    /// Of this job.
    pub(crate) fn of(job: &FlinkDeployment) -> Self {
        Self::new(job.namespace(), job.name())
    }

    pub(crate) fn namespace(&self) -> &str {
        self.split().0
    }

    pub(crate) fn name(&self) -> &str {
        self.split().1
    }

    /// Neither may have a slash.
    fn split(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or_default()
    }
}

impl Borrow<str> for JobKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
