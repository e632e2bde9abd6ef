//! What a report is called: as its job, told apart by the job's kind.

use flink_api::{FlinkDeployment, Kind};
use sha2::{Digest, Sha256};

use super::known::Key;
use crate::cache::JobKey;

/// The longest name of an object.
const LONGEST: usize = 253;

/// Namespace and name of the job's report. FKO refuses a `FlinkDeployment` with a dot in its name, so none has the name of
/// another kind's report.
pub(crate) fn key(job: &FlinkDeployment) -> Key {
    (job.namespace().to_owned(), name(job.name(), job.kind))
}

/// The names that the job of a report by this name may have.
fn jobs(report: &str) -> impl Iterator<Item = &str> {
    let others = Kind::ALL.iter().filter_map(|kind| report.strip_suffix(suffix(*kind)));
    std::iter::once(report).chain(others.filter(move |name| *name != report))
}

/// The jobs that this may be the report of.
pub(crate) fn job_keys((namespace, name): &Key) -> impl Iterator<Item = JobKey> {
    jobs(name).map(|name| JobKey::new(namespace, name))
}

fn suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "",
        Kind::SessionJob => ".session-job",
        Kind::BlueGreenDeployment => ".blue-green",
    }
}

fn name(job: &str, kind: Kind) -> String {
    let suffix = suffix(kind);
    if job.len() + suffix.len() <= LONGEST {
        return format!("{job}{suffix}");
    }
    let hash = Sha256::digest(job.as_bytes()).iter().take(4).fold(0_u32, |hash, byte| hash << 8 | u32::from(*byte));
    let mark = format!("-{hash:08x}{suffix}");
    format!("{}{mark}", &job[..job.floor_char_boundary(LONGEST - mark.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_one_name_are_told_apart_by_kind_and_find_their_job() {
        assert_eq!(name("orders", Kind::Deployment), "orders");
        assert_eq!(name("orders", Kind::SessionJob), "orders.session-job");
        assert_eq!(name("orders", Kind::BlueGreenDeployment), "orders.blue-green");
        assert_eq!(jobs("orders.session-job").collect::<Vec<_>>(), ["orders.session-job", "orders"]);
        assert_eq!(jobs("orders").collect::<Vec<_>>(), ["orders"]);
    }

    #[test]
    fn a_long_name_stays_within_bounds_and_apart_from_others() {
        let (one, other) = ("x".repeat(253), format!("{}y", "x".repeat(252)));
        let names = [&one, &other].map(|job| name(job, Kind::SessionJob));
        assert!(names.iter().all(|name| name.len() == LONGEST && name.ends_with(".session-job")), "{names:?}");
        assert_ne!(names[0], names[1]);
        assert_eq!(name(&one, Kind::Deployment), one);
    }
}
