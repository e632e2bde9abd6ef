//! What is looked at when all faults are over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use e2e::{Mark, Operator, Proxy, await_condition};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::cast::{CONCURRENT, LEADERS, STEADY};
use crate::end::{Written, differences, restarts};
use crate::fleet::{Group, Input, Size, Status, expectations, inputs};
use crate::process::Usage;
use crate::replicas::Replica;
use crate::report::Report;
use crate::run::Run;
use crate::stand_in::{Seen, all_jobs};
use crate::support::{OPERATOR, REPORTS, looks, record};
use crate::world::{namespace, send};

/// How long nobody may have written anything before all is looked at once more: longer than between two tries of one write
/// (8 s) and between two looks at a job that has restarted (10 s).
const QUIET: Duration = Duration::from_secs(12);
/// Connections that are kept for a while.
const FEW: u64 = 12;
/// No jobs of any other group.
const SMALL: Size =
    Size { fleet: 0, namespaces: 1, contested: 0, budget: 0, per_hour: 0, doomed: 0, in_doomed: 0, reborn: 0 };

impl Run<'_> {
    async fn live(&self) -> kube::Result<BTreeMap<String, DynamicObject>> {
        let list = all_jobs(&self.admin).list(&ListParams::default()).await?;
        let key = |job: &DynamicObject| {
            let metadata = &job.metadata;
            format!("{}/{}", metadata.namespace.as_deref().unwrap_or(""), metadata.name.as_deref().unwrap_or(""))
        };
        Ok(list.items.into_iter().map(|job| (key(&job), job)).collect())
    }

    /// Waits until every job is as expected, and told of.
    pub(crate) async fn settled(&self, replicas: &[Replica]) -> BTreeMap<String, DynamicObject> {
        let live = await_condition("every job to end as expected", self.form.patience, async || {
            self.assert_no_odd_end(replicas);
            let live = self.live().await.map_err(|error| error.to_string())?;
            self.delete_what_was_left_behind(&live).await.map_err(|error| error.to_string())?;
            let wrong = differences(self.inputs, self.expected, &live);
            if wrong.is_empty() { Ok(live) } else { Err(format!("{} wrong: {:#?}", wrong.len(), first(wrong))) }
        })
        .await;
        await_condition("every change to be told once", self.form.patience, async || {
            let wrong = self.untold(&live).await;
            if wrong.is_empty() { Ok(()) } else { Err(format!("{} wrong: {:#?}", wrong.len(), first(wrong))) }
        })
        .await;
        live
    }

    /// Kubernetes' namespace controller deletes the kinds that it is told of. A server of just now may not tell of ours yet: their
    /// objects then stay in a namespace that is gone.
    async fn delete_what_was_left_behind(&self, live: &BTreeMap<String, DynamicObject>) -> kube::Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        for job in live.values() {
            let metadata = &job.metadata;
            let (Some(namespace), Some(name)) = (&metadata.namespace, &metadata.name) else { continue };
            if namespace.starts_with("doomed") && namespaces.get_opt(namespace).await?.is_none() {
                println!("{namespace}/{name} was left behind");
                let jobs = e2e::flink_deployments(&self.admin, namespace);
                jobs.delete(name, &DeleteParams::default()).await?;
            }
        }
        Ok(())
    }

    /// Jobs of the fleet of which not exactly one Event says that they were changed, and any that have no report.
    async fn untold(&self, live: &BTreeMap<String, DynamicObject>) -> BTreeMap<String, String> {
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        let events = send(&self.admin, "GET", "/apis/events.k8s.io/v1/events", &Value::Null).await.unwrap();
        for event in events["items"].as_array().into_iter().flatten() {
            if event["reason"] == "Remediated" {
                *told.entry(event["regarding"]["uid"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
        let reports = "/apis/flink-remedy.dev/v1alpha1/remediationreports";
        let reports = send(&self.admin, "GET", reports, &Value::Null).await.unwrap_or_default();
        let reported: BTreeSet<&str> = reports["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|report| report["metadata"]["ownerReferences"][0]["uid"].as_str())
            .collect();
        let mut wrong = BTreeMap::new();
        for input in self.inputs.iter().filter(|input| input.group != Group::Doomed) {
            let key = input.key();
            let uid = live[&key].metadata.uid.clone().unwrap_or_default();
            let events = told.get(&uid).copied().unwrap_or_default();
            let is_one_change = input.group == Group::Fleet;
            if is_one_change && events != usize::from(!self.expected.jobs[&key].fills.is_empty()) {
                let record = record(&live[&key]);
                wrong.insert(key, format!("{events} Events `Remediated` of {} at {}", record["change"], record["at"]));
            } else if !reported.contains(uid.as_str()) {
                wrong.insert(key, "no report".to_owned());
            }
        }
        wrong
    }

    fn assert_no_odd_end(&self, replicas: &[Replica]) {
        let odd: Vec<_> = replicas.iter().flat_map(Replica::unexpected_ends).collect();
        assert!(odd.is_empty(), "seed {}: {}", self.seed, odd.join("\n---\n"));
    }

    /// Waits until nobody writes any more, has everything looked at again, and counts.
    pub(crate) async fn nothing_more_is_written(&self, replicas: &[Replica], stormed: Instant) {
        let audit = self.plane.audit();
        // Each installation gives its own account of what they all look after, by its own policy: two of the fleet's, and the
        // other. They do at every look, and while a restart is watched there is one every 10 s.
        let since_mark = |mark| {
            Written::since(&audit, mark).apart(|entry| entry.resource == REPORTS && entry.namespace == "contested")
        };
        let (mut mark, mut since, mut last) = (audit.mark(), Instant::now(), Vec::new());
        await_condition("the operators to be quiet", self.form.patience, async || {
            let (_, written) = since_mark(mark);
            if written.len() > 0 {
                (mark, since, last) = (audit.mark(), Instant::now(), written.shown());
            }
            // Whoever was refused comes back after a while.
            let is_calm = stormed.elapsed() > self.form.calm;
            if is_calm && since.elapsed() > QUIET { Ok(()) } else { Err(last.clone()) }
        })
        .await;
        let (mark, began) = (audit.mark(), Instant::now());
        let steady = replicas[STEADY].process().expect("it runs");
        self.look_again(&steady).await;
        let (accounts, written) = since_mark(mark);
        assert_eq!(written.len(), 0, "seed {}: {:#?}", self.seed, written.shown());
        let rounds = 2 + usize::try_from(began.elapsed().as_secs() / 10).expect("not that long");
        let most = (LEADERS + 1) * self.form.size.contested * rounds;
        assert!(accounts.len() <= most, "seed {}: {:#?}", self.seed, accounts.shown());
    }

    /// Has every job of the cluster looked at.
    async fn look_again(&self, operator: &Operator) {
        let before = looks(operator).await;
        let jobs = self.live().await.expect("the API server answers").len();
        let names: BTreeSet<_> = self.inputs.iter().map(Input::namespace).collect();
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        let patch = json!({ "metadata": { "annotations": { "e2e/look": before.to_string() } } });
        for name in names.into_iter().filter(|name| !name.starts_with("doomed")) {
            namespaces.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("a patch");
        }
        let jobs = u32::try_from(jobs).expect("not that many");
        await_condition("every job to be looked at", self.form.patience, async || {
            let now = looks(operator).await;
            if now >= before + f64::from(jobs) { Ok(()) } else { Err((before, now, jobs)) }
        })
        .await;
    }

    /// The kind of all jobs is deleted, with them, and comes back; then jobs come that nobody has seen before.
    pub(crate) async fn a_deleted_kind_comes_back(&self, replicas: &[Replica], report: &mut Report) {
        let world = self.world(replicas);
        self.sky.tally.count("kind of all jobs deleted and re-created");
        world.replace_kind("flinkdeployments.flink.apache.org").await;
        let mark = self.plane.audit().mark();
        let mut reborn = inputs(self.seed, &Size { fleet: self.form.size.reborn, ..SMALL });
        // An operator that is looking already may come upon a job before its status is written.
        reborn.retain(|job| job.status == Status::None);
        report.row("jobs after their kind was deleted and came back", reborn.len());
        for job in &mut reborn {
            job.object["metadata"]["namespace"] = json!("reborn");
            job.owner_changes = 0;
            self.create(job).await;
        }
        let expected = expectations(&reborn, 0);
        await_condition("jobs of the kind that came back", self.form.patience, async || {
            self.assert_no_odd_end(replicas);
            let live = self.live().await.map_err(|error| error.to_string())?;
            let wrong = differences(&reborn, &expected, &live);
            if wrong.is_empty() { Ok(()) } else { Err(format!("{:#?}", first(wrong))) }
        })
        .await;
        let doubled = Written::since(&self.plane.audit(), mark).doubled(&reborn, &expected);
        assert!(doubled.is_empty(), "seed {}: {doubled:#?}", self.seed);
    }

    /// The process that has seen it all has no more than one that has just started.
    pub(crate) async fn as_small_as_a_new_one(&self, replicas: &[Replica], report: &mut Report) {
        let [fleet, ..] = self.policies();
        namespace(self.plane, &self.admin, "lease-fresh").await;
        self.grant_lease("lease-fresh").await;
        let proxy = Proxy::start(self.plane);
        let fresh = Operator::start(&self.options("lease-fresh", &fleet, &[], &proxy).await);
        fresh.wait_ready().await;
        let steady = replicas[STEADY].process().expect("it runs");
        assert_eq!(replicas[STEADY].lives().len(), 1, "seed {}: {}", self.seed, steady.logs());
        let usage =
            await_condition("as few threads, files and tasks as at the beginning", self.form.patience, async || {
                let (old, new) = (Usage::of(&steady).await, Usage::of(&fresh).await);
                let is_as_small =
                    old.threads <= new.threads + 1 && old.files <= new.files + FEW && old.tasks <= new.tasks + FEW;
                if is_as_small { Ok((old, new)) } else { Err((old, new)) }
            })
            .await;
        let (old, new) = usage;
        report.row("the process that has seen it all", old);
        report.row("one that has just started", new);
        assert!(old.own <= new.own * 2 + 16 * 1024, "seed {}: {old}; a new one has {new}", self.seed);
        assert_eq!(fresh.terminate().await.code(), Some(0));
    }

    /// Puts down what happened.
    pub(crate) fn tell(
        &self,
        report: &mut Report,
        replicas: &[Replica],
        seen: &Seen,
        live: &BTreeMap<String, DynamicObject>,
        written: &Written,
        mark: Mark,
    ) {
        report.row("jobs", self.inputs.len());
        report.row("faults", self.sky.tally.total());
        for (kind, count) in self.sky.tally.counts() {
            report.row(format!("  {kind}"), count);
        }
        let lives: usize = replicas.iter().map(|replica| replica.lives().len()).sum();
        report.row("processes of operators", lives);
        report.row("  watches resumed too late for the server (410)", expired(replicas));
        for (what, count) in written.by_resource() {
            report.row(what, count);
        }
        for group in [Group::Fleet, Group::Contested, Group::Budget] {
            report.row(format!("restarts, {group:?}"), restarts(self.inputs, live, group));
        }
        let (fleet, budget) = (seen.most_in_flight("fleet"), seen.most_in_flight("budget"));
        report.row("most restarts at a time, fleet, budget", format!("{fleet}, {budget}"));
        let requests = self.plane.audit().query().since(mark).acting_user(OPERATOR).count();
        report.row("requests of operators", requests);
    }

    /// Nothing was written twice, no more jobs restarted at a time than allowed, and enough went wrong for that to mean anything.
    pub(crate) fn assert_promises_kept(&self, replicas: &[Replica], seen: &Seen, written: &Written) {
        self.assert_no_odd_end(replicas);
        assert_eq!(written.created_jobs(), Vec::<String>::new(), "seed {}", self.seed);
        let doubled = written.doubled(self.inputs, self.expected);
        assert!(doubled.is_empty(), "seed {}: {doubled:#?}", self.seed);
        let (fleet, budget) = (seen.most_in_flight("fleet"), seen.most_in_flight("budget"));
        assert!(fleet <= CONCURRENT * LEADERS, "seed {}: {fleet} restarts at a time in the fleet", self.seed);
        assert!(budget <= 1, "seed {}: {budget} restarts at a time under a budget of one", self.seed);
        let faults = self.sky.tally.total();
        assert!(faults >= self.form.least_faults, "seed {}: {faults} faults only", self.seed);
    }
}

fn expired(replicas: &[Replica]) -> usize {
    let logs = replicas.iter().flat_map(Replica::lives).map(|life| life.logs());
    logs.map(|log| log.matches("too old resource version").count()).sum()
}

/// The first few, for a message.
fn first(wrong: BTreeMap<String, String>) -> Vec<String> {
    let shown = |(key, why): (String, String)| format!("{key}: {}", why.chars().take(600).collect::<String>());
    wrong.into_iter().take(12).map(shown).collect()
}
