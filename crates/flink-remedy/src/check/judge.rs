use std::collections::{BTreeMap, BTreeSet};

use checklist::policy::{Candidate, Policies};
use checklist::{
    HoldReason, Holdings, Labels, Mode, Neighbours, Obedience, OptOut, Plan, Platform, SessionJobs, Situation, Subject,
    SubjectError, Verdict, annotations, plan,
};
use flink_api::{FlinkDeployment, Kind, UpgradeMode};
use jiff::Timestamp;

use super::preview::Effect;
use super::report;
use crate::input::{InputError, Node, Place};

/// What objects are judged upon.
pub(super) struct Judge<'a> {
    /// FKO's own configuration.
    pub(super) platform: &'a Platform,
    /// What a cluster shows around jobs.
    pub(super) neighbours: &'a Neighbours,
    /// What the platform wants.
    pub(super) policies: &'a Policies,
    /// The namespaces that the input holds.
    pub(super) namespaces: &'a BTreeMap<&'a str, Namespace<'a>>,
    /// The deployments that the input holds by namespace and name: session jobs run on them.
    pub(super) deployments: &'a BTreeMap<(&'a str, &'a str), &'a FlinkDeployment>,
    /// The session jobs of each session cluster, by namespace and name; `None` where not all are known.
    pub(super) session_jobs: Option<&'a BTreeMap<(&'a str, &'a str), BTreeSet<String>>>,
    /// When the plans are made for.
    pub(super) moment: Moment,
    /// Why FKO's layers cannot be read, if they cannot.
    pub(super) layers_unreadable: Option<&'a str>,
    /// When opt-outs are compared with.
    pub(super) now: Timestamp,
}

/// What a namespace says of the jobs in it.
#[derive(Clone, Copy)]
pub(super) struct Namespace<'a> {
    pub(super) annotations: &'a BTreeMap<String, String>,
    pub(super) labels: &'a Labels,
}

/// When a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Now, in the state that the object's status tells.
    AsItIs,
    /// A change by the owner, of a job that may have state.
    Free,
    /// A change by the owner, who says that jobs without a status never ran.
    New,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// The jobs, in the order of the input.
    pub(super) jobs: Vec<report::Job>,
    /// Objects that cannot be judged.
    pub(super) errors: Vec<InputError>,
    /// Annotations that cannot be obeyed.
    pub(super) warnings: Vec<String>,
}

/// What a job is judged by.
struct Read {
    subject: Subject,
    situation: Situation,
    holdings: Holdings,
}

impl Read {
    fn at(mut self, moment: Moment) -> Self {
        if moment != Moment::AsItIs {
            self.subject.starts_empty &= moment == Moment::New;
            self.situation.status = None;
        }
        self
    }
}

impl Judge<'_> {
    /// Judges one job.
    pub(super) fn judge(&self, object: &FlinkDeployment, place: &Place, node: &Node, judged: &mut Judged) {
        let (kind, namespace, name) = (object.kind, object.namespace(), object.name());
        let full_name = format!("{namespace}/{name}");
        let Read { mut subject, mut situation, holdings } = match self.read(object) {
            Ok(read) => read.at(self.moment),
            Err((path, problem)) => {
                let path: Vec<&str> = kind.spec().iter().chain(path).copied().collect();
                let line = place.line + node.line_of(&path).saturating_sub(node.line);
                let place = Place { line, ..place.clone() };
                return judged.errors.push(InputError::Object { place, kind: kind.name(), name: full_name, problem });
            }
        };
        let empty = BTreeMap::new();
        let own = object.metadata.annotations.as_ref().unwrap_or(&empty);
        let Namespace { annotations: of_namespace, labels: namespace_labels } =
            self.namespaces.get(namespace).copied().unwrap_or(Namespace { annotations: &empty, labels: &empty });
        let labels = object.metadata.labels.as_ref().unwrap_or(&empty);
        let chosen =
            self.policies.choose(&Candidate { kind, labels, namespace_labels, version: Some(subject.version) });
        let policy = &chosen.policy.policy;
        let obedience = Obedience::read(own, of_namespace, self.now).without_leave_for(&policy.mandatory);
        for problem in &obedience.problems {
            judged.warnings.push(format!("{place}: {} {full_name}: {problem}", kind.name()));
        }
        judged.warnings.extend(obedience.denied.iter().map(|code| {
            let (kind, policy) = (kind.name(), &chosen.policy.name);
            format!(
                "{place}: {kind} {full_name}: no opt-out of {code} counts, since policy {policy} makes it mandatory"
            )
        }));
        subject.surroundings = self.neighbours.of(&subject);
        situation.layers_unreadable = self.layers_unreadable.map(str::to_owned);
        let plan = plan(&subject, &situation, &holdings, &obedience, policy);
        judged.jobs.push(report::Job {
            kind: kind.name(),
            spec: kind.spec(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            flink_version: subject.version.to_string(),
            source: place.clone(),
            findings: findings(&plan, &obedience, opt_out_reason(own, of_namespace)),
            plan: report::Plan {
                hash: plan.hash.clone(),
                fills: plan.fills.iter().map(|(target, fill)| (target.clone(), fill.value.clone())).collect(),
                leaving: plan.leaving.clone(),
                timing: timing(&plan),
                restarts: plan.restarts,
                effect: Effect::of(&plan),
                reason: reason(&plan, obedience.mode(policy.mode), &obedience, &situation),
            },
            policy: chosen.policy.name.clone(),
            restart: restart(&subject),
        });
    }

    /// What the job is judged by, or the path below its spec and the problem there.
    fn read(&self, object: &FlinkDeployment) -> Result<Read, (&'static [&'static str], String)> {
        let namespace = object.namespace();
        let cluster = object.session_cluster().and_then(|name| self.deployments.get(&(namespace, name))).copied();
        let subject = Subject::of(object, cluster, self.platform).map_err(|error| unjudged(&error))?;
        let mut situation = Situation::of(object);
        if let Some(cluster) = cluster {
            situation = situation.on(cluster);
        }
        if let (Kind::Deployment, Some(jobs)) = (object.kind, self.session_jobs) {
            let jobs = jobs.get(&(namespace, object.name())).cloned();
            situation.session_jobs = SessionJobs::Known(jobs.unwrap_or_default());
        }
        Ok(Read { subject, situation, holdings: Holdings::of(object) })
    }
}

/// Why the plan has its timing.
fn reason(plan: &Plan, mode: Mode, obedience: &Obedience, situation: &Situation) -> String {
    let mut reasons = vec![match &plan.timing {
        checklist::Timing::Now => why_now(plan, situation).to_owned(),
        checklist::Timing::NextDeploy if has_gap(plan) => HoldReason::NextDeploy.to_string(),
        checklist::Timing::NextDeploy => {
            "right by default already, so it is not worth a restart; it is written down at the next deployment"
                .to_owned()
        }
        checklist::Timing::Held(reason) => reason.to_string(),
        checklist::Timing::Nothing => why_nothing(plan, obedience, mode).to_owned(),
    }];
    if !plan.leaving.is_empty() {
        let leaving: Vec<String> = plan.leaving.iter().map(ToString::to_string).collect();
        reasons.push(format!("{} leaves again, because the owner sets the option now", leaving.join(", ")));
    }
    reasons.extend(obedience.problems.iter().map(ToString::to_string));
    reasons.extend(plan.refused.iter().map(|(code, why)| format!("{code} is not filled: {why}")));
    reasons.join("; ")
}

fn restart(subject: &Subject) -> report::Restart {
    match subject.upgrade_mode() {
        None => report::Restart::Session,
        Some(UpgradeMode::Stateless) => report::Restart::Stateless,
        Some(UpgradeMode::Savepoint | UpgradeMode::LastState) => report::Restart::Stateful,
    }
}

/// Where below the spec of an object that has not the shape of its kind to look, and what is wrong there.
fn unjudged(error: &SubjectError) -> (&'static [&'static str], String) {
    let path: &[&str] = match error {
        SubjectError::Spec(_) | SubjectError::NoVersion | SubjectError::NoDeploymentName => &[],
        SubjectError::Version(_) => &["flinkVersion"],
        SubjectError::Configuration(_) => &["flinkConfiguration"],
        SubjectError::NoSessionCluster(_) | SubjectError::SessionCluster { .. } => &["deploymentName"],
    };
    let problem = if let SubjectError::NoSessionCluster(name) = error {
        format!(
            "its session cluster {name} is not among the input, so nobody knows its Flink version and configuration; \
             give the FlinkDeployment {name} as well"
        )
    } else {
        error.to_string()
    };
    (path, problem)
}

/// Every rule's finding. A rule that people opted out of finds nothing; an opt-out that cannot be read hides
/// nothing, though nothing is filled until it is corrected.
fn findings(plan: &Plan, obedience: &Obedience, reason: Option<&str>) -> Vec<report::Finding> {
    let found = plan.findings.iter().map(|finding| {
        let judgement = &finding.judgement;
        let silenced = obedience.problems.is_empty()
            && obedience.is_opted_out(finding.rule)
            && !matches!(judgement.verdict, Verdict::Pass | Verdict::NotApplicable);
        let (verdict, message, fills) = if silenced {
            (Verdict::NotApplicable, opted_out(judgement.verdict, &judgement.message, reason), Vec::new())
        } else {
            (judgement.verdict, judgement.message.clone(), judgement.fills.clone())
        };
        report::Finding {
            code: finding.rule.code,
            rule: finding.rule.name,
            verdict,
            message,
            key: judgement.about.as_ref().map(ToString::to_string),
            disruption: fills.iter().map(|fill| fill.target.disruption()).max().unwrap_or(checklist::Disruption::None),
            fills: fills.into_iter().map(|fill| (fill.target, fill.value)).collect(),
        }
    });
    found.collect()
}

fn opted_out(verdict: Verdict, message: &str, reason: Option<&str>) -> String {
    let because = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let verdict: &str = verdict.into();
    format!("opted out by annotation {}{because}; without it {verdict}: {message}", annotations::OPT_OUT)
}

fn opt_out_reason<'a>(own: &'a BTreeMap<String, String>, namespace: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let reason = own.get(annotations::OPT_OUT_REASON).or_else(|| namespace.get(annotations::OPT_OUT_REASON));
    reason.map(|reason| reason.trim()).filter(|reason| !reason.is_empty())
}

fn timing(plan: &Plan) -> report::Timing {
    match plan.timing {
        checklist::Timing::Now => report::Timing::Now,
        checklist::Timing::NextDeploy => report::Timing::NextDeploy,
        checklist::Timing::Held(_) => report::Timing::Held,
        checklist::Timing::Nothing => report::Timing::Nothing,
    }
}

fn why_now(plan: &Plan, situation: &Situation) -> &'static str {
    match (&situation.status, plan.restarts) {
        (_, true) if plan.approved => "a person approved the one restart that it costs",
        (_, true) => "the job runs stably and restarts once for it",
        (None, false) => "the job is not deployed yet, so it costs no restart",
        (Some(_), false) => "it costs no restart",
    }
}

fn why_nothing(plan: &Plan, obedience: &Obedience, mode: Mode) -> &'static str {
    if !obedience.problems.is_empty() {
        "nothing is filled before an unreadable annotation is corrected"
    } else if obedience.opt_out == OptOut::All {
        "the job is opted out by annotation"
    } else if mode == Mode::Off {
        "the mode is Off"
    } else if plan.findings.iter().any(|finding| finding.judgement.verdict == Verdict::Advice) {
        "nothing that could be filled; advice is for a human"
    } else {
        "nothing to fill"
    }
}

fn has_gap(plan: &Plan) -> bool {
    plan.findings.iter().any(|finding| {
        finding.judgement.verdict == Verdict::Gap && plan.fills.values().any(|fill| fill.rule == finding.rule.code)
    })
}
