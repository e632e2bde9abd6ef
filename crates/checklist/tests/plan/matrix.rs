//! Every state that the Flink operator knows, in every mode: what may never happen.

use checklist::annotations::APPROVE;
use checklist::{Disruption, Mode, Plan, Target, Timing};
use serde_json::{Value, json};

use crate::job::{plan_of, running, session, set};

/// `ResourceLifecycleState` of the Flink operator, nothing, and a state that does not exist yet.
const LIFECYCLES: [Option<&str>; 12] = [
    None,
    Some("CREATED"),
    Some("SUSPENDED"),
    Some("UPGRADING"),
    Some("DEPLOYED"),
    Some("STABLE"),
    Some("ROLLING_BACK"),
    Some("ROLLED_BACK"),
    Some("FAILED"),
    Some("DELETING"),
    Some("DELETED"),
    Some("HIBERNATING"),
];

/// `JobStatus` of Flink, nothing, and a state that does not exist yet.
const JOB_STATES: [Option<&str>; 13] = [
    None,
    Some("INITIALIZING"),
    Some("CREATED"),
    Some("RUNNING"),
    Some("FAILING"),
    Some("FAILED"),
    Some("CANCELLING"),
    Some("CANCELED"),
    Some("FINISHED"),
    Some("RESTARTING"),
    Some("SUSPENDED"),
    Some("RECONCILING"),
    Some("DREAMING"),
];

/// What FKO replaces: a job by its upgrade mode, or a session cluster.
const KINDS: [Option<&str>; 4] = [Some("stateless"), Some("savepoint"), Some("last-state"), None];

const MODES: [Mode; 4] = [Mode::Off, Mode::Advise, Mode::NextDeploy, Mode::Apply];

/// The job in this state, with a gap, a value that is right by default only, and one that could lose state.
fn job(lifecycle: Option<&str>, state: Option<&str>, kind: Option<&str>, approved: bool) -> Value {
    let mut job = if kind.is_some() { running() } else { session() };
    set(&mut job, "/status/lifecycleState", json!(lifecycle));
    set(&mut job, "/status/jobStatus/state", json!(state));
    if let Some(mode) = kind {
        job["spec"]["flinkConfiguration"].as_object_mut().unwrap().remove("pipeline.max-parallelism");
        set(&mut job, "/spec/job/upgradeMode", json!(mode));
    }
    if approved {
        set(&mut job, "/metadata/annotations", json!({APPROVE: "now"}));
    }
    job
}

fn is_state_unsafe(plan: &Plan) -> bool {
    plan.fills.keys().any(|target: &Target| target.disruption() == Disruption::StateUnsafe)
}

#[test]
fn whatever_the_state_what_is_promised_holds() {
    let mut restarts = 0;
    for lifecycle in LIFECYCLES {
        for state in JOB_STATES {
            for kind in KINDS {
                for (mode, approved) in MODES.iter().flat_map(|mode| [(*mode, false), (*mode, true)]) {
                    let plan = plan_of(&job(lifecycle, state, kind, approved), mode);
                    let place = format!("{lifecycle:?}, {state:?}, {kind:?}, {mode}, approved: {approved}");
                    holds(&plan, (lifecycle, state, kind), (mode, approved), &place);
                    restarts += usize::from(plan.restarts && plan.timing == Timing::Now);
                }
            }
        }
    }
    // A savepoint job of itself in mode Apply; savepoint and stateless jobs by approval in two modes, last-state ones not
    // for want of high availability; session clusters by approval, unless the status speaks of a job that has ended.
    assert_eq!(restarts, 1 + 2 * 2 + 2 * (JOB_STATES.len() - 3));
}

type State<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn holds(plan: &Plan, (lifecycle, state, kind): State<'_>, (mode, approved): (Mode, bool), place: &str) {
    let is_settled = lifecycle == Some("STABLE") && (kind.is_none() || state == Some("RUNNING"));
    let writes = plan.timing == Timing::Now;
    assert!(!is_state_unsafe(plan), "{place}: what could lose state, of a job that has been deployed");
    if writes && plan.restarts {
        assert!(is_settled, "{place}: restarted in an unsettled state");
        assert!(approved && mode >= Mode::NextDeploy || mode == Mode::Apply && kind == Some("savepoint"), "{place}");
        assert!(plan.is_pressing(), "{place}: a restart for what is right by default");
    }
    if writes && !plan.restarts {
        assert!(lifecycle == Some("SUSPENDED") && mode >= Mode::NextDeploy, "{place}: written for free");
    }
    if mode == Mode::Off {
        assert!(plan.is_empty() && plan.timing == Timing::Nothing, "{place}: something in mode Off");
    } else {
        assert!(!plan.is_empty() && plan.timing != Timing::Nothing, "{place}: the gap is forgotten");
    }
    if let Timing::Held(reason) = &plan.timing {
        assert!(!reason.label().is_empty() && !reason.to_string().is_empty(), "{place}");
    }
}
