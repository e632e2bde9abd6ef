use flink_conf::options::{OptionInfo, Role};
use flink_conf::{FlinkVersion, Key};

use crate::storage::shown;
use crate::{Check, Judgement, OwnOption, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # A key is not read by the job's Flink
    ///
    /// ## What it checks
    /// Every option of `flinkConfiguration` that other versions of Flink read and the job's `flinkVersion` does not:
    /// new names on an old Flink (`execution.checkpointing.dir` before 1.20), options that are gone
    /// (`state.backend.async` on 2.0), and options of a session job on Flink 1.16 and older, to which the Flink operator
    /// gives none. Options of Kubernetes (`kubernetes.`) are left out, as the Flink operator reads those with its own Flink,
    /// and so are metrics reporters, which have a rule of their own.
    ///
    /// ## Why it matters
    /// Flink ignores an unknown key without a word. The job runs as if nothing had been written.
    ///
    /// ## What is filled
    /// Nothing: what stands there is its owner's.
    ///
    /// ## What it costs
    /// Nothing is filled. Writing the key that is read restarts a running job, and makes the setting take effect.
    ///
    /// ## When to switch it off
    /// When manifests carry keys of several versions on purpose.
    ///
    /// ## Source
    /// The option catalogue, read from the released jars of Flink 1.15 to 2.3; for session jobs
    /// `AbstractFlinkService.runJar` of the Flink operator.
    pub static KEY_IGNORED_BY_VERSION = {
        code: "CFG002",
        name: "key-ignored-by-version",
        scope: Scope::Cluster,
        check: Check::Keys(check),
    }
}

/// What the Flink inside the Flink operator reads too, in whatever version that is, and what reporters read.
const READ_BY_OTHERS: &[&str] = &["kubernetes.", "metrics.reporter."];

fn check(subject: &Subject, own: &[OwnOption<'_>], _: &Policy) -> Vec<Judgement> {
    let version = subject.version;
    let never_arrive = subject.unread.iter().map(|key| {
        let name = shown(key.as_str());
        let why =
            format!("Flink {version} gets none of a session job's own options; write {name} on its session cluster");
        Judgement::advice_about(key.clone(), why)
    });
    let ignored = own.iter().filter_map(|&OwnOption { key, known, .. }| {
        let option = known.filter(|option| option.role == Role::Unread)?;
        let is_of_others = READ_BY_OTHERS.iter().any(|prefix| key.as_str().starts_with(prefix));
        (!is_of_others).then(|| Judgement::advice_about(key.clone(), message(key, &option, version)))
    });
    never_arrive.chain(ignored).collect()
}

fn message(key: &Key, option: &OptionInfo, version: FlinkVersion) -> String {
    let since = match option.last {
        Some(last) if last < version => format!("{last} was the last that did"),
        _ => format!("{} is the first that does", option.first),
    };
    let instead = match option.present_key {
        Some(present) => format!("write {present} instead"),
        None => "it has no effect and can go".to_owned(),
    };
    format!("{} is not read by Flink {version} ({since}); {instead}", shown(key.as_str()))
}
