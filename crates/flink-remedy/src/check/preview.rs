//! What switching the operator on would do to a cluster, namespace by namespace.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;
use checklist::{HoldReason, Plan, Verdict};
use serde::Serialize;

use super::report::Job;

/// What carrying a plan out would do to its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Effect {
    /// There is nothing to do.
    Settled,
    /// It costs nothing.
    Free,
    /// A job restarts with its state.
    StatefulRestart,
    /// A job would start empty: held until a person approves.
    StatelessRestart,
    /// Every job of a session cluster would go down: held until a person approves.
    SessionRestart,
    /// It waits for the next deployment, not being worth a restart.
    NextDeploy,
    /// It is held for another reason.
    Held,
}

impl Effect {
    /// What a plan would do.
    pub(super) fn of(plan: &Plan) -> Self {
        match &plan.timing {
            checklist::Timing::Nothing => Self::Settled,
            checklist::Timing::Now if plan.restarts => Self::StatefulRestart,
            checklist::Timing::Now => Self::Free,
            checklist::Timing::NextDeploy if plan.is_pressing() => Self::StatefulRestart,
            checklist::Timing::NextDeploy => Self::NextDeploy,
            checklist::Timing::Held(HoldReason::Stateless) => Self::StatelessRestart,
            checklist::Timing::Held(HoldReason::SessionCluster(_)) => Self::SessionRestart,
            // The policy's to allow, and no reason of the job's own.
            checklist::Timing::Held(HoldReason::OperatorVersion(_) | HoldReason::Paused) => Self::StatefulRestart,
            checklist::Timing::Held(_) => Self::Held,
        }
    }
}

/// The jobs of one namespace, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    namespace: String,
    jobs: usize,
    /// Findings that can be filled.
    gaps: usize,
    /// Findings for a human.
    advice: usize,
    settled: usize,
    free: usize,
    stateful_restarts: usize,
    stateless_restarts: usize,
    session_restarts: usize,
    next_deploy: usize,
    held: usize,
}

impl Counts {
    fn add(&mut self, job: &Job) {
        let found = |verdict| job.findings.iter().filter(|finding| finding.verdict == verdict).count();
        self.jobs += 1;
        self.gaps += found(Verdict::Gap);
        self.advice += found(Verdict::Advice);
        *match job.plan.effect {
            Effect::Settled => &mut self.settled,
            Effect::Free => &mut self.free,
            Effect::StatefulRestart => &mut self.stateful_restarts,
            Effect::StatelessRestart => &mut self.stateless_restarts,
            Effect::SessionRestart => &mut self.session_restarts,
            Effect::NextDeploy => &mut self.next_deploy,
            Effect::Held => &mut self.held,
        } += 1;
    }

    /// The table's columns.
    fn columns(&self) -> [(&'static str, usize); 10] {
        [
            ("jobs", self.jobs),
            ("gaps", self.gaps),
            ("advice", self.advice),
            ("settled", self.settled),
            ("free", self.free),
            ("restart", self.stateful_restarts),
            ("stateless", self.stateless_restarts),
            ("session", self.session_restarts),
            ("waits", self.next_deploy),
            ("held", self.held),
        ]
    }
}

/// Counts jobs by namespace, in the order of names.
pub(crate) fn by_namespace(jobs: &[Job]) -> Vec<Counts> {
    let mut namespaces: BTreeMap<&str, Counts> = BTreeMap::new();
    for job in jobs {
        let namespace = namespaces.entry(&job.namespace);
        namespace.or_insert_with(|| Counts { namespace: job.namespace.clone(), ..Counts::default() }).add(job);
    }
    namespaces.into_values().collect()
}

/// Writes the counts for people.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(jobs: &[Job], out: &mut impl Write) -> io::Result<()> {
    let namespaces = by_namespace(jobs);
    let Some(first) = namespaces.first() else { return Ok(()) };
    let headings = first.columns().map(|(heading, _)| heading).join("  ");
    let width =
        namespaces.iter().map(|counted| counted.namespace.len()).max().unwrap_or_default().max("Namespace".len());
    let bold = Style::new().bold();
    writeln!(out, "\n{bold}{:<width$}  {}{bold:#}", "Namespace", headings)?;
    for counted in &namespaces {
        write!(out, "{:<width$}", counted.namespace)?;
        for (heading, number) in counted.columns() {
            write!(out, "  {number:>0$}", heading.len())?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "free: filled at no cost; restart: restarted once with their state; stateless, session: held, since a restart would \
         start them empty or take session jobs down; waits: written down at the next deployment; held: see the job's plan."
    )
}
