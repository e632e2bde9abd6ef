use std::fmt;

use flink_api::{FlinkDeploymentStatus, Kind, Parsed, UpgradeMode};
use flink_conf::options::HIGH_AVAILABILITY;
use jiff::Timestamp;

use crate::storage::has_savepoint_directory;
use crate::{SessionJobs, Situation, Subject};

/// When a change costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeMoment {
    /// FKO has not deployed it yet.
    NotDeployed,
    /// It is suspended.
    Suspended,
    /// Its owner's own change, which is on its way to the API server, replaces it anyway.
    OwnersChange,
}

/// What may be done to a deployment right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Anything, at no cost.
    Free(FreeMoment),
    /// It runs, stable, with its spec acted on and its state safe over a restart.
    Stable,
    /// It runs, stable, but a restart costs more than time: only a person's approval frees it.
    NeedsApproval(HoldReason),
    /// Nothing that restarts it.
    Blocked(HoldReason),
}

/// Why a change is held. The variant's name is the label of metrics and reports.
#[derive(Clone, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(HoldKind),
    derive(strum::EnumIter, strum::IntoStaticStr),
    doc = "A [`HoldReason`] without what it is about; one for each label."
)]
pub enum HoldReason {
    /// The mode allows no restart.
    NextDeploy,
    /// The mode allows no writing.
    Advise,
    /// FKO's layers cannot be read.
    LayersUnreadable(String),
    /// The object is going away.
    Deleting,
    /// A `FlinkBlueGreenDeployment` writes it.
    OwnedByBlueGreen,
    /// FKO's canary.
    Canary,
    /// The status has an unexpected shape.
    StatusUnreadable(String),
    /// FKO reports an error.
    DeploymentError,
    /// The job has failed.
    Failed,
    /// The job has ended.
    Terminal(String),
    /// FKO is replacing it.
    Upgrading,
    /// FKO rolls it back or has rolled it back.
    RolledBack,
    /// Deployed, suspending or resuming, but not stable.
    NotStable(String),
    /// The job is not running.
    NotRunning(String),
    /// FKO has not acted on the present spec, or does not say.
    NotReconciled,
    /// A savepoint is being written.
    SavepointPending,
    /// A restart would start the job empty.
    Stateless,
    /// A restart would take all session jobs down.
    SessionCluster(SessionJobs),
    /// The session cluster of a session job does not run, or is not settled: which, and how it stands.
    SessionClusterUnsettled(String),
    /// A savepoint upgrade has nowhere to put the savepoint, or only where it is lost with the pods.
    NoSavepointDirectory,
    /// A blue/green transition takes a savepoint, and the job that runs has nowhere to put it.
    NoTransitionSavepoint,
    /// A last-state upgrade needs high availability.
    NoHighAvailability,
    /// The policy has paused all restarts.
    Paused,
    /// Somebody changed the job only just now.
    Quiet,
    /// Jobs may not restart under the FKO of this version.
    OperatorVersion(String),
    /// No window of the policy is open; the next one opens then, if one does.
    Window(Option<(Timestamp, String)>),
    /// Its restart is announced for this time; `None` where it is to be announced first.
    Announced(Option<Timestamp>),
    /// Somebody took a value of ours away.
    Removed,
    /// This manager has taken values of ours away, or changed them, twice within an hour.
    TugOfWar(String),
    /// The owner now sets the option in another spelling; ours can only leave with a restart.
    OwnerTookOver,
    /// The job has not come back with these values before.
    Quarantined {
        /// Hash of the plan.
        plan: String,
        /// What was seen then.
        why: String,
    },
    /// Too many jobs have not come back from their restart; at this time one of them no longer counts.
    RolloutHalted(Timestamp),
    /// FKO has acted on no job for a while, though this one waits for it.
    OperatorSilent(String),
    /// A savepoint is written before the restart, as the policy asks.
    SavepointFirst,
    /// That savepoint cannot be had, and why.
    SavepointFailed(String),
    /// As many jobs have restarted as may within an hour; at this time one of them no longer counts.
    HourlyBudget(Timestamp),
    /// This other job's restart is not over. Its name is for logs: in the text it would change with every turn.
    InFlight(String),
}

impl HoldReason {
    /// The label of metrics and reports, from a closed set.
    pub fn label(&self) -> &'static str {
        self.into()
    }

    /// When it is over by itself, where the clock alone decides that.
    pub fn until(&self) -> Option<Timestamp> {
        if let Self::HourlyBudget(time)
        | Self::RolloutHalted(time)
        | Self::Announced(Some(time))
        | Self::Window(Some((time, _))) = self
        {
            Some(*time)
        } else {
            None
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NextDeploy => f.write_str("the mode is NextDeploy, which restarts nothing; it is filled with the owner's next change that restarts the job (by the webhook; without one, when the job is suspended or deployed anew), mode Apply would restart it once"),
            Self::Advise => f.write_str("the mode is Advise, which writes nothing; fill it in the manifest, or allow mode NextDeploy or Apply"),
            Self::LayersUnreadable(why) => write!(f, "the Flink operator's own configuration cannot be read ({why}), so a value set there could be overridden; check --operator-config"),
            Self::Deleting => f.write_str("it is being deleted"),
            Self::OwnedByBlueGreen => f.write_str("a FlinkBlueGreenDeployment writes it and would undo the change; the parent's template is the place"),
            Self::Canary => f.write_str("it is the Flink operator's canary"),
            Self::StatusUnreadable(why) => write!(f, "its status cannot be read ({why}); it is left alone until it can"),
            Self::DeploymentError => f.write_str("the Flink operator reports an error in status.error; resolve it first"),
            Self::Failed => f.write_str("the job has failed; get it running first"),
            Self::Terminal(state) => write!(f, "the job has ended ({state}) and the Flink operator could not manage it after a change; it is filled with its next deployment"),
            Self::Upgrading => f.write_str("the Flink operator is upgrading it; it is looked at again when that is over"),
            Self::RolledBack => f.write_str("the Flink operator has rolled it back; correct the spec first"),
            Self::NotStable(state) => write!(f, "its lifecycle state is {state}; it has to be STABLE"),
            Self::NotRunning(state) => write!(f, "the job is {state}; it has to be RUNNING"),
            Self::NotReconciled => f.write_str("the Flink operator has not yet acted on the present spec"),
            Self::SavepointPending => f.write_str("a savepoint is being written; it is looked at again when that is over"),
            Self::Stateless => f.write_str("upgrade mode stateless would start the job empty; set upgradeMode savepoint or last-state, suspend it, or approve the restart by annotation flink-remedy.dev/approve"),
            Self::SessionCluster(jobs) => write!(f, "a restart of a session cluster takes every session job down: {jobs}; redeploy it, or approve the restart by annotation flink-remedy.dev/approve"),
            Self::SessionClusterUnsettled(cluster) => write!(f, "its session cluster is not settled ({cluster}); it is looked at again when that is over"),
            Self::NoSavepointDirectory => f.write_str("upgrade mode savepoint has no savepoint directory that outlives the pods; set one (see flink-remedy explain CKP004) or suspend the job"),
            Self::NoTransitionSavepoint => f.write_str("a blue/green transition takes a savepoint in every upgrade mode but stateless, and the job that runs has no savepoint directory that outlives the pods; set one (see flink-remedy explain CKP004) or suspend the job"),
            Self::NoHighAvailability => f.write_str("upgrade mode last-state needs high availability; set it, or suspend the job"),
            Self::Paused => f.write_str("all restarts are paused by the policy (rollout.paused)"),
            Self::Quiet => f.write_str("somebody changed the job less than the policy's rollout.quietPeriod ago; it follows by itself when that is over"),
            Self::Window(Some((opens, which))) => write!(f, "outside the policy's maintenance windows (rollout.windows); it follows by itself in the next one, {which}, which opens at {opens}"),
            Self::Window(None) => f.write_str("no maintenance window of the policy (rollout.windows) ever opens"),
            Self::Announced(None) => f.write_str("its restart has to be announced first (rollout.notice)"),
            Self::Announced(Some(at)) => write!(f, "it restarts at {at}, if nothing else holds it then (rollout.notice); approve it by annotation flink-remedy.dev/approve to have it now, or opt out"),
            Self::OperatorVersion(version) => write!(f, "the Flink operator's version is {version}, and before 1.15 an upgrade can lose the job's state (FLINK-39270); give --operator-version, accept it in the policy (rollout.acceptedOperatorVersions), or approve the restart by annotation flink-remedy.dev/approve"),
            Self::Removed => f.write_str("somebody removed a value that was filled before; it is filled again at the next deployment, or opt out of the rule"),
            Self::TugOfWar(manager) => write!(f, "field manager {manager} has taken away or changed what was filled, twice within an hour, so the job is left alone. Put the values into its manifest or opt out; to have them filled once more, approve by annotation flink-remedy.dev/approve"),
            Self::OwnerTookOver => f.write_str("the owner now sets the option in another spelling, or a key beside which it cannot stay, and taking the filled one out restarts the job; it leaves at the next deployment, or approve it by annotation flink-remedy.dev/approve"),
            Self::Quarantined { plan, why } => write!(f, "the job has not come back with these values before ({why}); they are tried again once the plan or the job changes. To try them as they are, remove annotation flink-remedy.dev/quarantined ({plan}) or approve the restart by annotation flink-remedy.dev/approve"),
            Self::RolloutHalted(_) => f.write_str("too many jobs have not come back from their restart (breaker.failures), so none restarts any more until that is over (breaker.window) or people have seen to those jobs and removed annotation flink-remedy.dev/quarantined from them"),
            Self::OperatorSilent(job) => write!(f, "the Flink operator seems to be down: it has written no status since {job} began to wait for it, minutes ago; it follows by itself once the operator is back"),
            Self::SavepointFirst => f.write_str("a savepoint is written before the restart (rollout.savepointFirst); it follows by itself"),
            Self::SavepointFailed(why) => write!(f, "the savepoint before the restart (rollout.savepointFirst) cannot be had: {why}; it is tried again"),
            Self::HourlyBudget(_) => f.write_str("as many jobs have restarted within the last hour as the policy allows (rollout.perHour); it follows by itself"),
            Self::InFlight(_) => f.write_str("other jobs' restarts are not over, as many as the policy allows at a time (rollout.maxConcurrent); it follows by itself"),
        }
    }
}

/// What may be done to this deployment right now, by its own state alone. High availability counts as the running job
/// has it, the savepoint directory as the change leaves it: FKO reads that one from the present spec
/// (`FlinkConfigManager.getObserveConfig`).
pub(crate) fn moment(situation: &Situation, subject: &Subject, changed: &Subject) -> Moment {
    decided(situation).unwrap_or_else(|| of_running(situation, subject, changed))
}

/// Whether a change costs nothing right now, whatever it is.
pub(crate) fn is_free(situation: &Situation) -> bool {
    matches!(decided(situation), Some(Moment::Free(_)))
}

/// Why a session cluster is no ground for the restart of a session job, if it is none.
pub(crate) fn unsettled_cluster(cluster: &Situation) -> Option<String> {
    match decided(cluster)? {
        Moment::Free(_) => Some("it does not run".to_owned()),
        Moment::Blocked(reason) | Moment::NeedsApproval(reason) => Some(reason.to_string()),
        Moment::Stable => None,
    }
}

/// Whether it runs and is settled, but for what FKO has yet to do.
pub(crate) fn is_settled(situation: &Situation) -> bool {
    let Some(Parsed::Ok(status)) = &situation.status else { return false };
    untouchable(situation).is_none()
        && matches!(unsettled(situation, status), None | Some(HoldReason::NotReconciled | HoldReason::SavepointPending))
}

/// Whether nothing but its own state keeps us from writing it.
pub(crate) fn is_ours_to_write(situation: &Situation) -> bool {
    untouchable(situation).is_none()
}

/// Whether FKO runs the job on its last stable spec, in place of the present one.
pub(crate) fn is_rolled_back(situation: &Situation) -> bool {
    let Some(Parsed::Ok(status)) = &situation.status else { return false };
    status.lifecycle_state.as_deref() == Some("ROLLED_BACK")
}

/// The moment, where the situation alone decides it.
fn decided(situation: &Situation) -> Option<Moment> {
    if let Some(reason) = untouchable(situation) {
        return Some(Moment::Blocked(reason));
    }
    let status = match &situation.status {
        None => return Some(Moment::Free(FreeMoment::NotDeployed)),
        Some(Parsed::Malformed(why)) => return Some(Moment::Blocked(HoldReason::StatusUnreadable(why.clone()))),
        Some(Parsed::Ok(status)) => status,
    };
    let of_owner = situation.arrival.map(|_| FreeMoment::OwnersChange);
    free_moment(status).or(of_owner).map(Moment::Free).or_else(|| unsettled(situation, status).map(Moment::Blocked))
}

/// The moment of a job that runs and is settled: what its upgrade mode needs decides.
fn of_running(situation: &Situation, subject: &Subject, changed: &Subject) -> Moment {
    if let Some(cluster) = &situation.cluster_unsettled {
        return Moment::Blocked(HoldReason::SessionClusterUnsettled(cluster.clone()));
    }
    match situation.upgrade_mode() {
        None => Moment::NeedsApproval(HoldReason::SessionCluster(situation.session_jobs.clone())),
        Some(UpgradeMode::Stateless) => Moment::NeedsApproval(HoldReason::Stateless),
        // FKO takes it of the cluster that goes, by the spec that one has, in mode last-state as well
        // (`BlueGreenUtils.isSavepointRequired`, `BlueGreenDeploymentService.handleSavepoint`).
        Some(UpgradeMode::Savepoint | UpgradeMode::LastState) if situation.kind == Kind::BlueGreenDeployment => {
            if has_savepoint_directory(subject) {
                Moment::Stable
            } else {
                Moment::Blocked(HoldReason::NoTransitionSavepoint)
            }
        }
        Some(UpgradeMode::Savepoint) if !has_savepoint_directory(changed) => {
            Moment::Blocked(HoldReason::NoSavepointDirectory)
        }
        Some(UpgradeMode::LastState) if !has_high_availability(subject) => {
            Moment::Blocked(HoldReason::NoHighAvailability)
        }
        Some(UpgradeMode::Savepoint | UpgradeMode::LastState) => Moment::Stable,
    }
}

/// By Flink's own options, or by the field with which Amazon EMR on EKS sets it up.
pub(crate) fn has_high_availability(subject: &Subject) -> bool {
    let kind = HIGH_AVAILABILITY.find(&subject.conf, subject.version).value();
    kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("none")) || subject.cluster.job_manager.storage_dir.is_some()
}

fn untouchable(situation: &Situation) -> Option<HoldReason> {
    if situation.deleting {
        Some(HoldReason::Deleting)
    } else if situation.blue_green {
        Some(HoldReason::OwnedByBlueGreen)
    } else if situation.canary {
        Some(HoldReason::Canary)
    } else {
        situation.layers_unreadable.clone().map(HoldReason::LayersUnreadable)
    }
}

/// The patch's resourceVersion guards the moment between FKO's status and its deployment.
fn free_moment(status: &FlinkDeploymentStatus) -> Option<FreeMoment> {
    match status.lifecycle_state.as_deref() {
        None | Some("CREATED") if status.is_before_first_deployment() && is_blank(status.error.as_deref()) => {
            Some(FreeMoment::NotDeployed)
        }
        Some("SUSPENDED") => Some(FreeMoment::Suspended),
        _ => None,
    }
}

fn is_blank(text: Option<&str>) -> bool {
    text.is_none_or(str::is_empty)
}

/// Why a deployed job is not in the state in which FKO itself would accept a change and survive it.
fn unsettled(situation: &Situation, status: &FlinkDeploymentStatus) -> Option<HoldReason> {
    let job_state = status.job_status.state.as_deref().unwrap_or("without a state");
    let lifecycle = status.lifecycle_state.as_deref().unwrap_or("unknown");
    match (lifecycle, job_state) {
        ("FAILED", _) | (_, "FAILED") => return Some(HoldReason::Failed),
        ("ROLLING_BACK" | "ROLLED_BACK", _) => return Some(HoldReason::RolledBack),
        ("UPGRADING", _) => return Some(HoldReason::Upgrading),
        ("DELETING" | "DELETED", _) => return Some(HoldReason::Deleting),
        (_, "FINISHED" | "CANCELED") => return Some(HoldReason::Terminal(job_state.to_owned())),
        _ => {}
    }
    if !is_blank(status.error.as_deref()) {
        return Some(HoldReason::DeploymentError);
    }
    if lifecycle != "STABLE" {
        return Some(HoldReason::NotStable(lifecycle.to_owned()));
    }
    if situation.job.is_some() && job_state != "RUNNING" {
        return Some(HoldReason::NotRunning(job_state.to_owned()));
    }
    let savepoint = status.job_status.savepoint_info.as_ref().and_then(|info| info.trigger_id.as_deref());
    if !is_blank(savepoint) {
        return Some(HoldReason::SavepointPending);
    }
    if situation.wants_suspended() || situation.is_reconciled(status) != Some(true) {
        return Some(HoldReason::NotReconciled);
    }
    None
}
