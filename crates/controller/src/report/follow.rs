//! Follows the reports that there are. Where the kind is not installed or may not be read, all else goes on, and it is
//! looked for again from time to time.

use std::collections::HashSet;
use std::time::Duration;

use flink_api::{OWN_GROUP, REPORT_PLURAL, RemediationReport};
use futures::{StreamExt, pin_mut};
use kube::api::{ApiResource, DynamicObject};
use kube::core::Status;
use kube::runtime::watcher::{Event, watcher};
use kube::{Api, Client};
use tokio::time::Instant;
use tracing::warn;

use super::known::{Key, Reports, Scope};
use super::name;
use crate::jobs::Jobs;
use crate::looks::Queue;
use crate::trouble::{Unlisted, answer, may_not_list, paged, patient, probe, with_causes};
use crate::troubles::Trouble;
use crate::watch::{enqueue, enqueue_by};

/// How often it is looked whether reports can be written by now.
const AGAIN: Duration = Duration::from_secs(30);

/// Follows the reports of a namespace, or of the cluster. Never ends by itself.
pub(crate) async fn follow(client: Client, scope: Scope, reports: Reports, jobs: Jobs, queues: Vec<Queue>) {
    let resource = ApiResource::erase::<RemediationReport>(&());
    let api: Api<DynamicObject> = match &scope {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let follower = Follower { api, scope, reports, jobs, queues };
    loop {
        let why = match probe(&follower.api).await {
            Ok(()) => follower.watch().await,
            Err(Unlisted::Refused(status)) => refusal(&status).unwrap_or_else(|| status.message.clone()),
            Err(Unlisted::Unanswered(why)) => why,
        };
        follower.reports.off(&follower.scope, &why);
        tokio::time::sleep(AGAIN).await;
    }
}

struct Follower {
    api: Api<DynamicObject>,
    scope: Scope,
    reports: Reports,
    jobs: Jobs,
    queues: Vec<Queue>,
}

impl Follower {
    /// Follows until the server says that there is no such kind or no right to it, and returns that.
    async fn watch(&self) -> String {
        let events = patient(watcher(self.api.clone(), paged()));
        pin_mut!(events);
        let mut listed = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(report)) => {
                    listed.insert(self.saw(report));
                }
                Ok(Event::InitDone) => {
                    let missing = self.reports.listed(&self.scope, &listed);
                    if self.reports.on(&self.scope) {
                        self.look_at_all();
                    }
                    let now = missing.gone.iter().map(|key| (key, Instant::now()));
                    for (key, at) in now.chain(missing.unseen.iter().map(|(key, until)| (key, *until))) {
                        self.look_at(key, at);
                    }
                }
                Ok(Event::Apply(report)) => {
                    self.saw(report);
                }
                Ok(Event::Delete(report)) => {
                    let key = key(&report);
                    self.reports.gone(&key);
                    self.look_at(&key, Instant::now());
                }
                Err(error) => {
                    if let Some(why) = answer(&error).and_then(refusal) {
                        return why;
                    }
                    warn!(trouble = %Trouble::WatchInterrupted, error = with_causes(&error), "watch of RemediationReports interrupted; it goes on");
                }
            }
        }
        "their watch has ended".to_owned()
    }

    fn saw(&self, report: DynamicObject) -> Key {
        let key = key(&report);
        // One that cannot be read is written anew.
        let content = serde_json::from_value(report.data).unwrap_or_default();
        self.reports.saw(key.clone(), &RemediationReport { metadata: report.metadata, content });
        key
    }

    fn look_at(&self, key: &Key, at: Instant) {
        enqueue_by(name::job_keys(key), &self.queues, at);
    }

    fn look_at_all(&self) {
        let in_scope = |namespace: &str| self.scope.as_deref().is_none_or(|scope| scope == namespace);
        let jobs = self.jobs.all().filter(|job| in_scope(job.namespace()));
        enqueue(jobs.map(|job| job.key().clone()), &self.queues);
    }
}

fn key(report: &DynamicObject) -> Key {
    let metadata = &report.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// What to do, where the server says that there is no such kind, or no right to it.
fn refusal(status: &Status) -> Option<String> {
    match status.code {
        404 => Some(format!(
            "the kind {REPORT_PLURAL}.{OWN_GROUP} is not installed; `flink-remedy crd | kubectl apply -f -` installs it, and \
             no restart is needed then"
        )),
        403 => {
            let resource = format!("{REPORT_PLURAL}.{OWN_GROUP}");
            Some(may_not_list(&resource, status, "the verbs list, watch, create and patch on that resource"))
        }
        _ => None,
    }
}
