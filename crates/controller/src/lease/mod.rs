//! Leader election with one Lease, and the fence that stops writes before anybody else may lead.
//!
//! A leader may write until `renew_deadline` after the moment at which its last confirmed renewal was *sent*;
//! others take over only when the lease has stood still for `duration`, which is longer. Both sides measure on
//! their own monotonic clock, so that no wall clock matters. What time it is each renewal tells, by the server's stamp on it.

mod clock;
mod fence;

pub use clock::Clock;
pub use fence::{Fence, NotLeader};

use std::time::Duration;

use crate::troubles::Trouble;
use clock::stamp;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;
use tracing::{info, warn};

/// Where the lease is and how long it lasts.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// Namespace of the lease: our own.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are: unique to this process.
    pub identity: String,
    /// Others take over when the lease has stood still this long.
    pub duration: Duration,
    /// We stop writing this long after the last renewal; shorter than `duration`.
    pub renew_deadline: Duration,
    /// Pause between two renewals.
    pub retry_period: Duration,
}

/// Why leadership ended or never began.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// A right is missing.
    #[error(
        "may not {verb} leases.coordination.k8s.io in namespace {namespace}: {message}; grant that verb to the ServiceAccount (manifests/rbac)"
    )]
    Forbidden {
        /// The verb.
        verb: &'static str,
        /// The namespace.
        namespace: String,
        /// The server's words.
        message: String,
    },
    /// The renewals did not get through in time.
    #[error("lease {0} could not be renewed before its deadline; another replica may lead now, so this process ends")]
    Expired(String),
    /// Somebody else holds it.
    #[error("lease {lease} was taken by {holder}; this process ends")]
    Taken {
        /// The lease.
        lease: String,
        /// Its new holder.
        holder: String,
    },
}

/// One replica's part in the election.
pub struct Elector {
    api: Api<Lease>,
    config: LeaseConfig,
    fence: Fence,
    /// The lease as we last saw it, and when we first saw it so.
    seen: Option<(Option<String>, Instant)>,
}

impl Elector {
    /// Takes part with this identity; the fence opens when the lease is ours.
    pub fn new(client: Client, config: LeaseConfig, fence: Fence) -> Self {
        Self { api: Api::namespaced(client, &config.namespace), config, fence, seen: None }
    }

    /// Waits until the lease is ours.
    ///
    /// # Errors
    /// A right that is missing for the whole duration of a lease; everything else is tried again. An API server that has just
    /// started refuses what it has not read the roles of yet.
    pub async fn acquire(&mut self) -> Result<(), LeaseError> {
        let mut refused = None;
        loop {
            match self.attempt().await {
                Ok(None) => {
                    info!(identity = %self.config.identity, "leading");
                    return Ok(());
                }
                Ok(Some(holder)) => {
                    refused = None;
                    tracing::debug!(%holder, "another replica leads");
                }
                Err(Failure::Forbidden(error)) => {
                    if refused.get_or_insert_with(Instant::now).elapsed() >= self.config.duration {
                        return Err(error);
                    }
                    warn!(trouble = %Trouble::LeaseNotAcquired, %error, "lease not acquired yet");
                }
                Err(Failure::Passing(why)) => {
                    refused = None;
                    warn!(trouble = %Trouble::LeaseNotAcquired, %why, "lease not acquired yet");
                }
            }
            tokio::time::sleep(self.config.retry_period).await;
        }
    }

    /// Renews until it fails; returns only then.
    pub async fn hold(&mut self) -> LeaseError {
        loop {
            let Some(deadline) = self.fence.deadline() else { return LeaseError::Expired(self.config.name.clone()) };
            tokio::time::sleep(self.config.retry_period.min(deadline.saturating_duration_since(Instant::now()))).await;
            match tokio::time::timeout_at(deadline, self.attempt()).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(holder))) => {
                    self.fence.close();
                    return LeaseError::Taken { lease: self.config.name.clone(), holder };
                }
                Ok(Err(Failure::Forbidden(error))) => {
                    warn!(trouble = %Trouble::LeaseNotRenewed, %error, "lease not renewed");
                }
                Ok(Err(Failure::Passing(why))) => warn!(trouble = %Trouble::LeaseNotRenewed, %why, "lease not renewed"),
                Err(_) => {
                    self.fence.close();
                    return LeaseError::Expired(self.config.name.clone());
                }
            }
        }
    }

    /// Gives the lease up, so that another replica need not wait for it to expire.
    pub async fn release(&mut self) {
        if self.fence.deadline().is_none() {
            return;
        }
        self.fence.close();
        let Ok(Some(mut lease)) = self.api.get_opt(&self.config.name).await else { return };
        let Some(spec) =
            lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.config.identity))
        else {
            return;
        };
        spec.holder_identity = Some(String::new());
        if let Err(error) = self.api.replace(&self.config.name, &PostParams::default(), &lease).await {
            warn!(trouble = %Trouble::LeaseNotReleased, %error, "lease not released; another replica leads when it expires");
        }
    }

    /// One try to take or renew the lease; the holder's name if it is another's.
    async fn attempt(&mut self) -> Result<Option<String>, Failure> {
        let sent = Instant::now();
        let current = within(self.config.renew_deadline, self.api.get_opt(&self.config.name))
            .await
            .map_err(|error| self.failure("get", error))?;
        let before = current.as_ref().and_then(|lease| stamp(&lease.metadata));
        let written = match current {
            None => {
                let lease = Lease {
                    metadata: ObjectMeta { name: Some(self.config.name.clone()), ..ObjectMeta::default() },
                    spec: Some(self.spec(None)),
                };
                within(self.config.renew_deadline, self.api.create(&PostParams::default(), &lease))
                    .await
                    .map_err(|error| self.failure("create", error))?
            }
            Some(mut lease) => {
                if let Some(holder) = self.other_holder(&lease) {
                    return Ok(Some(holder));
                }
                lease.spec = Some(self.spec(lease.spec.as_ref()));
                // The resourceVersion in the body makes this a compare-and-swap.
                within(self.config.renew_deadline, self.api.replace(&self.config.name, &PostParams::default(), &lease))
                    .await
                    .map_err(|error| self.failure("update", error))?
            }
        };
        self.fence.clock().hear(before, stamp(&written.metadata));
        self.fence.open_until(sent + self.config.renew_deadline);
        Ok(None)
    }

    /// The holder, if it is another one whose lease has not stood still for its duration.
    fn other_holder(&mut self, lease: &Lease) -> Option<String> {
        let spec = lease.spec.as_ref()?;
        let holder =
            spec.holder_identity.clone().filter(|holder| !holder.is_empty() && *holder != self.config.identity)?;
        let version = lease.metadata.resource_version.clone();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                let now = Instant::now();
                self.seen = Some((version, now));
                now
            }
        };
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(self.config.duration, Duration::from_secs);
        (since.elapsed() < duration).then_some(holder)
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Some(MicroTime(Timestamp::now()));
        let is_ours = before.is_some_and(|spec| spec.holder_identity.as_ref() == Some(&self.config.identity));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: i32::try_from(self.config.duration.as_secs()).ok(),
            acquire_time: if is_ours { before.and_then(|spec| spec.acquire_time.clone()) } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(if is_ours { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        }
    }

    fn failure(&self, verb: &'static str, error: Option<kube::Error>) -> Failure {
        match error {
            Some(kube::Error::Api(status)) if status.is_forbidden() => Failure::Forbidden(LeaseError::Forbidden {
                verb,
                namespace: self.config.namespace.clone(),
                message: status.message.clone(),
            }),
            Some(error) => Failure::Passing(error.to_string()),
            None => Failure::Passing("the API server did not answer".to_owned()),
        }
    }
}

enum Failure {
    Forbidden(LeaseError),
    Passing(String),
}

async fn within<T>(limit: Duration, request: impl Future<Output = kube::Result<T>>) -> Result<T, Option<kube::Error>> {
    tokio::time::timeout(limit, request).await.map_err(|_| None)?.map_err(Some)
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower_test::mock;

    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn elector() -> (Elector, mock::Handle<Request<Body>, Response<Body>>) {
        let (service, server) = mock::pair::<Request<Body>, Response<Body>>();
        let config = LeaseConfig {
            namespace: "ns".to_owned(),
            name: "flink-remedy".to_owned(),
            identity: "us".to_owned(),
            duration: DURATION,
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        };
        (Elector::new(Client::new(service, "default"), config, Fence::new(1)), server)
    }

    fn answer(code: u16, body: &Value) -> Response<Body> {
        Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
    }

    fn forbidden() -> Value {
        json!({ "kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "cannot get" })
    }

    fn nobodys() -> Value {
        json!({ "metadata": { "name": "flink-remedy", "resourceVersion": "1" }, "spec": { "holderIdentity": "" } })
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_has_not_read_the_roles_yet_is_asked_again() {
        let (mut elector, mut server) = elector();
        let serve = async {
            for (code, body) in [(403, forbidden()), (403, forbidden()), (200, nobodys()), (200, nobodys())] {
                server.next_request().await.unwrap().1.send_response(answer(code, &body));
            }
        };
        let both = async { tokio::join!(elector.acquire(), serve) };
        let acquired = tokio::time::timeout(DURATION * 2, both).await;
        assert!(matches!(acquired, Ok((Ok(()), ()))), "{acquired:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_tells_what_time_it_is_for_the_server() {
        let (mut elector, mut server) = elector();
        let stamped = |second: u8| {
            let mut lease = nobodys();
            let time = format!("2020-01-02T03:04:{second:02}Z");
            lease["metadata"]["managedFields"] = json!([{ "manager": "us", "operation": "Update", "time": time }]);
            lease
        };
        for (renewed, expected) in [(5, None), (7, Some("2020-01-02T03:04:07Z"))] {
            let serve = async {
                for second in [5, renewed] {
                    server.next_request().await.unwrap().1.send_response(answer(200, &stamped(second)));
                }
            };
            let (attempt, ()) = tokio::join!(elector.attempt(), serve);
            assert!(matches!(attempt, Ok(None)));
            let now = elector.fence.clock().now();
            match expected {
                Some(expected) => assert_eq!(now, expected.parse().unwrap()),
                None => assert_eq!(now.duration_since(Timestamp::now()).as_mins(), 0, "not stamped anew"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_that_stays_missing_ends_the_wait_and_is_named() {
        let (mut elector, mut server) = elector();
        tokio::spawn(async move {
            while let Some((_, respond)) = server.next_request().await {
                respond.send_response(answer(403, &forbidden()));
            }
        });
        let began = Instant::now();
        let acquired = elector.acquire().await;
        assert!(matches!(acquired, Err(LeaseError::Forbidden { verb: "get", .. })), "{acquired:?}");
        assert!((DURATION..DURATION * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
}
