//! Kubernetes Events: what is said (pure), and the emitter that says it once.

mod emitter;
mod notes;
mod restarts;
mod said;

pub use emitter::{Emitter, EventSink};
pub(crate) use notes::{EXPIRES_SOON, fitted, notice, notices};
pub use said::Said;

use k8s_openapi::api::core::v1::ObjectReference;

/// The reasons of our Events, a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumIter)]
pub enum Reason {
    /// Values were filled.
    Remediated,
    /// A fill waits, and for what.
    RemediationHeld,
    /// A human must decide.
    RemediationAdvised,
    /// A value belongs to another manager.
    RemediationConflict,
    /// The change was refused, or the job has not come back from its restart.
    RemediationFailed,
    /// The job has come back from the restart and completes checkpoints.
    RemediationVerified,
    /// The job has come back from the restart and nobody has looked any further, or it is late.
    RemediationUnverified,
    /// What the job had not come back with was taken back.
    RemediationWithdrawn,
    /// Too many jobs have not come back from their restart: none restarts any more.
    RolloutHalted,
    /// The job is left alone on request.
    OptedOut,
    /// The job is no longer left alone soon.
    OptOutExpiring,
    /// The job is no longer left alone.
    OptOutExpired,
    /// An annotation of ours cannot be read, or does not count.
    InvalidAnnotation,
    /// The resource cannot be judged.
    InvalidResource,
}

/// Normal or Warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::Display)]
pub enum EventType {
    /// All is as it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Longest note that the API accepts, in bytes (events.k8s.io/v1).
pub(crate) const LONGEST_NOTE: usize = 1024;

/// One thing to say about one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// Why.
    pub reason: Reason,
    /// One sentence or a few, at most 1024 bytes; no secrets.
    pub note: String,
    /// Normal or Warning.
    pub event_type: EventType,
    /// Tells two notices with equal words apart, such as the same fill made twice.
    pub salt: String,
}

/// A notice with the object that it is about.
#[derive(Clone, Debug)]
pub struct About {
    /// The object.
    pub regarding: ObjectReference,
    /// What is said.
    pub notice: Notice,
}

impl Notice {
    /// A notice of its reason's usual type; a note that quotes others stays one line, and its end gives way where it is too long.
    pub fn new(reason: Reason, note: String) -> Self {
        let note = checklist::cut(note, LONGEST_NOTE);
        Self { reason, note, event_type: reason.usual_type(), salt: String::new() }
    }
}

impl Reason {
    /// What it means, for the documentation.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Remediated => "Values were filled. The note lists them with the rule, the cost and how to opt out.",
            Self::RemediationHeld => {
                "A gap could be filled, but not now. The note says what it waits for and what would free it."
            }
            Self::RemediationAdvised => {
                "Findings that a human must decide, or what would be filled if the mode allowed it."
            }
            Self::RemediationConflict => {
                "Another field manager owns a value that would be filled. It is left as it is."
            }
            Self::RemediationFailed => {
                "The API server, an admission webhook or a quota refused the change, which is tried again, later each \
                 time; or the job has not come back from the restart that a change caused, and nothing is taken back: the note \
                 says why, and what to do."
            }
            Self::RemediationVerified => {
                "The job is stable again after the restart that a change caused, and has completed a checkpoint since."
            }
            Self::RemediationUnverified => {
                "The job is stable again after the restart that a change caused. Whether it completes checkpoints is not to be \
                 seen. As a Warning: none did in time, or the job is not stable yet, later than expected."
            }
            Self::RemediationWithdrawn => {
                "The job had not come back from the restart that a change caused. Exactly what the change wrote is taken back \
                 and not tried again; the note says what was seen."
            }
            Self::RolloutHalted => {
                "On the Deployment of flink-remedy: so many jobs have not come back from their restart that none restarts any \
                 more. The note names them and says how to go on."
            }
            Self::OptedOut => "The job, or its namespace, is opted out by annotation.",
            Self::OptOutExpiring => {
                "An opt-out ends within a day: from then on what it left out is judged, and filled."
            }
            Self::OptOutExpired => "An opt-out has ended within the last day: what it left out is judged, and filled.",
            Self::InvalidAnnotation => {
                "An annotation under flink-remedy.dev/ cannot be read, and the whole job counts as opted out until it is corrected; or \
                 it opts out of a rule that the policy makes mandatory, and does not count."
            }
            Self::InvalidResource => "The spec cannot be judged. The note says which part and why.",
        }
    }

    /// What to do about it, for the documentation.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Remediated => {
                "Nothing. For good, take the values over into the manifest: `flink-remedy diff` prints them. To keep one out, opt \
                 out of its rule; `flink-remedy undo` takes all of them out."
            }
            Self::RemediationHeld => {
                "Nothing, if the note says that it follows by itself. Otherwise what the note names: suspend or redeploy the \
                 job, give it a savepoint directory or high availability, approve the restart, or opt out."
            }
            Self::RemediationAdvised => {
                "Decide: write the option that the note names into the manifest, or opt out of the rule with a reason."
            }
            Self::RemediationConflict => {
                "To have the value filled, take the field out of the other manager's manifest; to keep it as it is, opt out of the \
                 rule. Where a GitOps tool replaces whole objects, see docs/guides/gitops.md."
            }
            Self::RemediationFailed => {
                "Refused: correct what the words of the API server, the webhook or the quota name. Not come back: look at the \
                 job and its JobManager's log; the note names the newest savepoint and how to restore it."
            }
            Self::RemediationVerified => "Nothing.",
            Self::RemediationUnverified => {
                "Normal: nothing, or let checkpoints be seen (`verification.askJobManager`). Warning: look at the job's \
                 checkpoints in Flink's web UI or metrics; nothing is taken back for slowness."
            }
            Self::RemediationWithdrawn => {
                "See that the job is back. Find out why it did not like the values (the note says what was seen); they are not \
                 tried again until the plan or the job changes, or you remove the annotation `flink-remedy.dev/quarantined`."
            }
            Self::RolloutHalted => {
                "See to the jobs that the note names, then remove the annotation `flink-remedy.dev/quarantined` from them; or wait \
                 until `breaker.window` is over. New and suspended jobs are filled meanwhile."
            }
            Self::OptedOut => "Nothing. Whoever asked for it, and until when: `flink-remedy report --opt-outs`.",
            Self::OptOutExpiring => {
                "Set a later `flink-remedy.dev/opt-out-until` if the job shall still be left alone; otherwise nothing."
            }
            Self::OptOutExpired => {
                "Nothing, or set a later `flink-remedy.dev/opt-out-until`. Remove the annotations that are over."
            }
            Self::InvalidAnnotation => {
                "Correct the annotation that the note names; `flink-remedy rules` lists the rules, a time is 2027-06-30 or \
                 2027-06-30T12:00:00Z."
            }
            Self::InvalidResource => {
                "Correct the part of the spec that the note names; `flink-remedy check FILE` judges the correction."
            }
        }
    }

    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        <Self as strum::IntoEnumIterator>::iter()
    }

    /// The type of Events with this reason.
    pub fn usual_type(self) -> EventType {
        match self {
            Self::Remediated
            | Self::RemediationHeld
            | Self::RemediationAdvised
            | Self::RemediationVerified
            | Self::RemediationUnverified
            | Self::OptedOut
            | Self::OptOutExpired => EventType::Normal,
            Self::RemediationConflict
            | Self::RemediationFailed
            | Self::RemediationWithdrawn
            | Self::RolloutHalted
            | Self::OptOutExpiring
            | Self::InvalidAnnotation
            | Self::InvalidResource => EventType::Warning,
        }
    }

    /// The reason as it stands in the Event.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
