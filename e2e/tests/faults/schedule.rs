//! What happens to whole processes, connections and kinds, in which order: all of it follows from the seed.

use std::time::Duration;

use fastrand::Rng;

use crate::weather::{STORMS, Weather};

/// Clocks that those of some replicas read, as libfaketime takes them.
const CLOCKS: [&str; 5] = ["+2h", "-3h", "+400d", "-40d", "+0"];
/// Kinds that a cluster need not have.
const KINDS: [&str; 3] = [
    "remediationreports.flink-remedy.dev",
    "flinksessionjobs.flink.apache.org",
    "flinkstatesnapshots.flink.apache.org",
];

/// Something that happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Every watch of a replica breaks off.
    Cut { replica: usize },
    /// Nothing passes in either direction, on connections that stay open.
    Freeze { replica: usize, milliseconds: u64 },
    /// A replica stands still, and wakes up again.
    Pause { replica: usize, milliseconds: u64 },
    /// SIGKILL on the API server, which comes back; what was before may be gone from etcd's history.
    KillServer { compact: bool },
    /// The API server stands still.
    StallServer { milliseconds: u64 },
    /// etcd forgets its history.
    Compact,
    /// Somebody else writes himself into the lease.
    TakeLease,
    /// Somebody deletes the lease that is held.
    DeleteLease,
    /// The clocks of some replicas jump.
    Clock(&'static str),
    /// The Flink operator's configuration cannot be read for a while.
    BreakConfig,
    /// It is gone for a while.
    DeleteConfig,
    /// A namespace with jobs is deleted.
    DeleteNamespace(usize),
    /// A kind is deleted and comes back.
    DeleteKind(&'static str),
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cut { .. } => "all watches of a replica cut",
            Self::Freeze { .. } => "all connections of a replica half-open",
            Self::Pause { .. } => "operator stopped and woken",
            Self::KillServer { compact: false } => "API server killed and restarted",
            Self::KillServer { compact: true } => "API server restarted on a compacted etcd",
            Self::StallServer { .. } => "API server stopped and woken",
            Self::Compact => "etcd compacted",
            Self::TakeLease => "lease taken by a stranger",
            Self::DeleteLease => "lease deleted",
            Self::Clock(_) => "clocks of replicas jumped",
            Self::BreakConfig => "Flink operator's ConfigMap broken",
            Self::DeleteConfig => "Flink operator's ConfigMap deleted",
            Self::DeleteNamespace(_) => "namespace with jobs deleted",
            Self::DeleteKind(_) => "kind deleted and re-created",
        }
    }
}

/// Some weather, and what happens at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) weather: Weather,
    pub(crate) action: Action,
}

/// So many steps; every action is among them before any comes again, and every namespace is deleted once.
pub(crate) fn plan(seed: u64, steps: usize, replicas: usize, doomed: usize) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed ^ 1);
    let mut plan = Vec::new();
    let mut weathers = Vec::new();
    let mut namespaces = 0..doomed;
    let mut round = Vec::new();
    for _ in 0..steps {
        if round.is_empty() {
            round = actions(&mut rng, replicas);
            round.extend(namespaces.by_ref().take(doomed.div_ceil(3).max(1)).map(Action::DeleteNamespace));
            rng.shuffle(&mut round);
        }
        if weathers.is_empty() {
            weathers = STORMS.to_vec();
            rng.shuffle(&mut weathers);
        }
        let (Some(action), Some(weather)) = (round.pop(), weathers.pop()) else { continue };
        plan.push(Step { weather, action });
    }
    plan
}

fn actions(rng: &mut Rng, replicas: usize) -> Vec<Action> {
    let mut replica = || rng.usize(..replicas);
    let (cut, freeze, pause) = (replica(), replica(), replica());
    vec![
        Action::Cut { replica: cut },
        Action::Freeze { replica: freeze, milliseconds: rng.u64(1000..8000) },
        Action::Pause { replica: pause, milliseconds: rng.u64(1000..9000) },
        Action::KillServer { compact: false },
        Action::KillServer { compact: true },
        Action::StallServer { milliseconds: rng.u64(500..4000) },
        Action::Compact,
        Action::TakeLease,
        Action::DeleteLease,
        Action::Clock(CLOCKS[rng.usize(..CLOCKS.len())]),
        Action::BreakConfig,
        Action::DeleteConfig,
        Action::DeleteKind(KINDS[rng.usize(..KINDS.len())]),
    ]
}

/// How long each step of a run lasts.
pub(crate) fn pace(duration: Duration, steps: usize) -> Duration {
    duration / u32::try_from(steps).expect("a few")
}

#[test]
fn a_schedule_follows_from_its_seed_and_has_everything() {
    let plan_of = |seed| plan(seed, 40, 5, 3);
    assert_eq!(plan_of(7), plan_of(7));
    assert_ne!(plan_of(7), plan_of(8));
    let names: std::collections::BTreeSet<_> = plan_of(7).iter().map(|step| step.action.name()).collect();
    assert_eq!(names.len(), 14, "{names:?}");
    let namespaces = |step: &&Step| matches!(step.action, Action::DeleteNamespace(_));
    assert_eq!(plan_of(7).iter().filter(namespaces).count(), 3);
}
