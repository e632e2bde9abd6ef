use checklist::annotations::OPT_OUT;
use checklist::{Fill, Holdings, Obedience, OptOut, Plan, Platform, Policy, Situation, Subject, Timing, plan};
use flink_api::{FlinkDeployment, Kind};
use flink_conf::is_steering;
use serde_json::Value;

/// What a message may have, in bytes: several of them share a Kubernetes Event.
const LONGEST_MESSAGE: usize = 300;

/// Any JSON as a job of any kind: it is judged, or it is said why not, shortly and on one line; what is filled settles it.
pub fn job(object: &Value) {
    for kind in [Kind::Deployment, Kind::SessionJob, Kind::BlueGreenDeployment] {
        let Ok(deployment) = FlinkDeployment::read(kind, object.clone()) else { continue };
        judged(&deployment, &Platform::stock(), &Policy::default());
    }
}

/// Everything that is made of one job.
pub(crate) fn judged(deployment: &FlinkDeployment, platform: &Platform, policy: &Policy) {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let no_annotations = std::collections::BTreeMap::new();
    let annotations = deployment.metadata.annotations.as_ref().unwrap_or(&no_annotations);
    let obedience = Obedience::read(annotations, &no_annotations, now);
    assert!(obedience.problems.is_empty() || obedience.opt_out == OptOut::All, "a mistake is no leave: {obedience:?}");
    if annotations.get(OPT_OUT).is_some_and(|leave| leave == "true") && obedience.expired.is_none() {
        assert_eq!(obedience.opt_out, OptOut::All);
    }
    let holdings = Holdings::of(deployment);
    let situation = Situation::of(deployment);
    let mut subject = match Subject::new(deployment, platform) {
        Ok(subject) => subject,
        // What is said of it in an Event.
        Err(error) => return assert!(!checklist::cut(error.to_string(), 1024).contains(is_steering)),
    };
    let first = plan(&subject, &situation, &holdings, &obedience, policy);
    readable(&first);
    let closes_gap = first.closes_gap;
    for (target, fill) in first.fills {
        // A value of ours may be written anew; nobody else's is.
        assert!(!subject.has(&target) || holdings.ours.contains_key(&target), "{target} is there already");
        subject.fill(&Fill { target, value: fill.value });
    }
    let second = plan(&subject, &situation, &Holdings::default(), &obedience, policy);
    // A running job waits with what is right by default: one change closes gaps, and the rest costs no restart of its own.
    let waits = closes_gap && !second.closes_gap && !matches!(second.timing, Timing::Now);
    assert!(second.fills.is_empty() || waits, "filled twice: {:?} {:?}", second.timing, second.fills);
}

/// Every message is short, on one line, and steers no terminal.
pub(crate) fn readable(plan: &Plan) {
    let messages = plan.findings.iter().map(|finding| &finding.judgement.message);
    for message in messages.chain(plan.refused.iter().map(|(_, why)| why)) {
        assert!(message.len() <= LONGEST_MESSAGE, "{} bytes: {message}", message.len());
        assert!(!message.contains(is_steering), "{message:?}");
    }
}
