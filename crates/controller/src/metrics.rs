//! What machines are told. Names end in units, labels come from closed sets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use checklist::{Evidence, Finding, Verdict};
use flink_api::Kind;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use strum::IntoEnumIterator as _;
use tokio::runtime::Handle;

use crate::cache::CachedJob;
use crate::events::Reason;
use crate::jobs::Jobs;
use crate::lease::Fence;
use crate::policies::KnownPolicies;
use crate::rollout::halted;
use crate::uid::Uid;

/// A metric as machines and the documentation know it.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name, without the prefix `flink_remedy_`. A counter's ends in `_total` when it is exposed.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static str,
    /// What it counts.
    pub help: &'static str,
}

macro_rules! descriptions {
    ($($ident:ident = $name:literal, $kind:literal, $labels:literal, $help:literal;)+) => {
        $(const $ident: Description = Description { name: $name, kind: $kind, labels: $labels, help: $help };)+

        /// Every metric.
        pub const DESCRIPTIONS: &[Description] = &[$($ident),+];
    };
}

descriptions! {
    RECONCILIATIONS = "reconciliations", "counter", "outcome", "Looks at a job, by outcome";
    DURATIONS = "reconciliation_duration_seconds", "histogram", "stage, outcome", "Time of one stage of a look at a job";
    FINDINGS = "findings", "gauge", "rule, verdict", "Jobs by rule and verdict";
    HELD_JOBS = "held_jobs", "gauge", "reason", "Jobs whose remediation is held, by reason";
    REMEDIATIONS = "remediations", "counter", "rule", "Changes written to jobs, by rule that asked for a value";
    RESTARTS = "restarts", "counter", "", "Restarts of running jobs that a change caused";
    RESTART_FAILURES = "restart_failures", "counter", "evidence", "Restarts that a change caused and the job has not come back from, by what showed it";
    WITHDRAWALS = "withdrawals", "counter", "", "Changes taken back because the job had not come back with them";
    ROLLOUT_HALTED = "rollout_halted", "gauge", "", "1 while no job restarts any more, after too many have not come back";
    RESTART_IN_FLIGHT = "restart_in_flight", "gauge", "namespace, name, kind, deployment", "1 while a restart of ours is under way on this job; without a kind, a FlinkDeployment; of a FlinkSessionJob, deployment is its session cluster";
    EVENTS_EMITTED = "events_emitted", "counter", "reason", "Kubernetes Events posted or found posted, by reason";
    EVENTS_DROPPED = "events_dropped", "counter", "reason", "Kubernetes Events not posted, by reason";
    REPORTS_WRITTEN = "reports_written", "counter", "", "RemediationReports written";
    REPORTS_FAILED = "reports_failed", "counter", "reason", "RemediationReports not written, by reason; each is tried again at the job's next look";
    ADMISSION_REVIEWS = "admission_reviews", "counter", "outcome", "Answers of the webhook, by outcome";
    ADMISSION_DURATION = "admission_duration_seconds", "histogram", "", "Time of an answer of the webhook, without network and TLS";
    WRITE_LIMIT = "write_limit", "gauge", "", "Writes about jobs that may be under way at a time: `--concurrency`, and fewer while the API server is overloaded";
    TASKS = "tasks", "gauge", "", "Tasks of the process that have not ended: a few for its parts and its connections, whatever the number of jobs";
    LEADER = "leader", "gauge", "", "1 while this replica leads";
}

type Label = (&'static str, &'static str);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
    outcome: &'static str,
}

/// Counters and gauges of one process; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reconciliations: Family<Vec<Label>, Counter>,
    durations: Family<StageLabels, Histogram>,
    remediations: Family<Vec<Label>, Counter>,
    restarts: Counter,
    failures: Family<Vec<Label>, Counter>,
    withdrawals: Counter,
    events: Family<Vec<Label>, Counter>,
    events_dropped: Family<Vec<Label>, Counter>,
    reports_written: Counter,
    reports_failed: Family<Vec<Label>, Counter>,
    reviews: Family<Vec<Label>, Counter>,
    review_durations: Histogram,
    leader: Gauge,
    standings: Mutex<Standings>,
}

/// Where one job stands, for the gauges that are counted at scrape.
#[derive(Debug)]
struct Standing {
    verdicts: Arc<Verdicts>,
    hold: Option<&'static str>,
}

/// Of a rule, by its code: one about keys may say the same of several.
type Verdicts = BTreeSet<(&'static str, Verdict)>;

/// Where each job stands. Most jobs stand like others: what is said of them is there once.
#[derive(Debug, Default)]
struct Standings {
    by_job: HashMap<Uid, Standing>,
    verdicts: BTreeSet<Arc<Verdicts>>,
}

impl Standings {
    fn insert(&mut self, uid: Uid, verdicts: Verdicts, hold: Option<&'static str>) {
        let verdicts = if let Some(known) = self.verdicts.get(&verdicts) {
            known.clone()
        } else {
            self.verdicts.retain(|known| Arc::strong_count(known) > 1);
            let new = Arc::new(verdicts);
            self.verdicts.insert(new.clone());
            new
        };
        self.by_job.insert(uid, Standing { verdicts, hold });
    }
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            reconciliations: Family::default(),
            // 16 us to about 16 s: a look without a write is far below a millisecond.
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_016, 4.0, 11))),
            remediations: Family::default(),
            restarts: Counter::default(),
            failures: from_zero(Evidence::iter().map(|evidence| ("evidence", evidence.label()))),
            withdrawals: Counter::default(),
            events: Family::default(),
            events_dropped: from_zero(Reason::all().map(|reason| ("reason", reason.as_str()))),
            reports_written: Counter::default(),
            reports_failed: Family::default(),
            reviews: Family::default(),
            review_durations: Histogram::new(exponential_buckets(0.000_016, 4.0, 11)),
            leader: Gauge::default(),
            standings: Mutex::default(),
        }
    }
}

/// Counters that are there before they count: of one that begins with 1, Prometheus sees no increase, and no alert fires.
fn from_zero(labels: impl Iterator<Item = Label>) -> Family<Vec<Label>, Counter> {
    let family = Family::<Vec<Label>, Counter>::default();
    labels.for_each(|label| drop(family.get_or_create(&vec![label])));
    family
}

impl Metrics {
    /// Puts everything into a registry; gauges about jobs are read from the cache at scrape.
    pub(crate) fn register(&self, registry: &mut Registry, jobs: Jobs, policies: KnownPolicies, fence: &Fence) {
        let inner = &self.0;
        register(registry, &RECONCILIATIONS, &inner.reconciliations);
        register(registry, &DURATIONS, &inner.durations);
        register(registry, &REMEDIATIONS, &inner.remediations);
        register(registry, &RESTARTS, &inner.restarts);
        register(registry, &RESTART_FAILURES, &inner.failures);
        register(registry, &WITHDRAWALS, &inner.withdrawals);
        register(registry, &EVENTS_EMITTED, &inner.events);
        register(registry, &EVENTS_DROPPED, &inner.events_dropped);
        register(registry, &REPORTS_WRITTEN, &inner.reports_written);
        register(registry, &REPORTS_FAILED, &inner.reports_failed);
        register(registry, &ADMISSION_REVIEWS, &inner.reviews);
        register(registry, &ADMISSION_DURATION, &inner.review_durations);
        register(registry, &LEADER, &inner.leader);
        registry.register_collector(Box::new(AtScrape { inner: inner.clone(), jobs, policies, fence: fence.clone() }));
    }

    /// A look at a job is over.
    pub fn reconciled(&self, outcome: &'static str) {
        self.0.reconciliations.get_or_create(&vec![("outcome", outcome)]).inc();
    }

    /// A stage is over.
    pub fn stage(&self, stage: &'static str, outcome: &'static str, took: Duration) {
        self.0.durations.get_or_create(&StageLabels { stage, outcome }).observe(took.as_secs_f64());
    }

    /// A change with a value of this rule was written.
    pub fn remediated(&self, rule: &'static str) {
        self.0.remediations.get_or_create(&vec![("rule", rule)]).inc();
    }

    /// So many changes were written that restart a running job.
    pub fn restarted(&self, changes: u64) {
        self.0.restarts.inc_by(changes);
    }

    /// A job has not come back from a restart of ours, and what it had not come back with is taken back or not.
    pub(crate) fn failed(&self, evidence: Evidence, is_withdrawn: bool) {
        self.0.failures.get_or_create(&vec![("evidence", evidence.label())]).inc();
        self.0.withdrawals.inc_by(u64::from(is_withdrawn));
    }

    pub(crate) fn event_emitted(&self, reason: Reason) {
        self.0.events.get_or_create(&vec![("reason", reason.as_str())]).inc();
    }

    pub(crate) fn event_dropped(&self, reason: Reason) {
        self.0.events_dropped.get_or_create(&vec![("reason", reason.as_str())]).inc();
    }

    pub(crate) fn report_written(&self) {
        self.0.reports_written.inc();
    }

    pub(crate) fn report_failed(&self, reason: &'static str) {
        self.0.reports_failed.get_or_create(&vec![("reason", reason)]).inc();
    }

    /// The webhook has answered.
    pub(crate) fn reviewed(&self, outcome: &'static str, took: Duration) {
        self.0.reviews.get_or_create(&vec![("outcome", outcome)]).inc();
        self.0.review_durations.observe(took.as_secs_f64());
    }

    /// Whether this replica leads.
    pub fn leading(&self, leading: bool) {
        self.0.leader.set(i64::from(leading));
    }

    /// Where a job stands after a look.
    pub fn standing(&self, uid: &str, findings: &[Finding], hold: Option<&'static str>) {
        let verdicts = findings.iter().map(|finding| (finding.rule.code, finding.judgement.verdict)).collect();
        let mut standings = self.0.standings.lock().unwrap_or_else(PoisonError::into_inner);
        standings.insert(uid.into(), verdicts, hold);
    }

    /// Forgets a job that is gone.
    pub fn forget(&self, uid: impl Into<Uid>) {
        self.0.standings.lock().unwrap_or_else(PoisonError::into_inner).by_job.remove(&uid.into());
    }
}

/// Gauges counted when somebody asks, so that they cannot go stale.
#[derive(Debug)]
struct AtScrape {
    inner: Arc<Inner>,
    jobs: Jobs,
    policies: KnownPolicies,
    fence: Fence,
}

impl Collector for AtScrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut findings: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        let mut holds: BTreeMap<&str, i64> = BTreeMap::new();
        {
            let standings = self.inner.standings.lock().unwrap_or_else(PoisonError::into_inner);
            let mut alike: HashMap<*const Verdicts, i64> = HashMap::new();
            let mut count = |standing: &Standing| {
                *alike.entry(Arc::as_ptr(&standing.verdicts)).or_default() += 1;
                if let Some(reason) = standing.hold {
                    *holds.entry(reason).or_default() += 1;
                }
            };
            // By the cache, not by the map: a look that ends just after its job was deleted leaves its standing behind.
            self.jobs.for_each(|job| standings.by_job.get(&job.uid().into()).into_iter().for_each(&mut count));
            for verdicts in &standings.verdicts {
                let Some(jobs) = alike.get(&Arc::as_ptr(verdicts)) else { continue };
                for (rule, verdict) in verdicts.iter() {
                    *findings.entry((rule, verdict.into())).or_default() += jobs;
                }
            }
        }
        gauges(
            &mut encoder,
            &FINDINGS,
            findings
                .into_iter()
                .map(|((rule, verdict), n)| (vec![("rule", rule.to_owned()), ("verdict", verdict.to_owned())], n)),
        )?;
        gauges(
            &mut encoder,
            &HELD_JOBS,
            holds.into_iter().map(|(reason, n)| (vec![("reason", reason.to_owned())], n)),
        )?;
        let (policies, now) = (self.policies.all(), self.fence.clock().now());
        let is_halted = policies.iter().any(|named| halted(&self.jobs, &named.policy.breaker, now).is_some());
        gauge(&mut encoder, &ROLLOUT_HALTED, i64::from(is_halted))?;
        gauge(&mut encoder, &WRITE_LIMIT, i64::from(self.fence.pace().limit()))?;
        // Whoever asks without a runtime, as a test does, has no tasks.
        let tasks = Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
        gauge(&mut encoder, &TASKS, i64::try_from(tasks).unwrap_or(i64::MAX))?;
        let in_flight = self.jobs.matching(|job| job.signs.is_under_way);
        gauges(&mut encoder, &RESTART_IN_FLIGHT, in_flight.map(|job| (in_flight_labels(&job), 1)))
    }
}

/// Alerts join with these; the kind stands there only where names could meet.
fn in_flight_labels(job: &CachedJob) -> Vec<(&'static str, String)> {
    let mut labels = vec![("namespace", job.namespace().to_owned()), ("name", job.name().to_owned())];
    if job.kind != Kind::Deployment {
        labels.push(("kind", job.kind.name().to_owned()));
    }
    if let Some(cluster) = job.session_cluster() {
        labels.push(("deployment", cluster.to_owned()));
    }
    labels
}

fn register(registry: &mut Registry, description: &Description, metric: &(impl Metric + Clone)) {
    registry.register(description.name, description.help, metric.clone());
}

fn gauge(encoder: &mut DescriptorEncoder, description: &Description, value: i64) -> Result<(), fmt::Error> {
    let Description { name, help, .. } = description;
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn gauges(
    encoder: &mut DescriptorEncoder,
    description: &Description,
    rows: impl Iterator<Item = (Vec<(&'static str, String)>, i64)>,
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(description.name, description.help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
