//! Its pods, and which of them leads.

use e2e::http;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::ListParams;

use crate::forms::Form;
use crate::ground::Ground;
use crate::support::sum;

/// The pods of an installation.
pub(crate) struct Pods<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) form: Form,
}

impl Pods<'_> {
    /// The pod that holds the Lease, once one does, and its kubelet has said where it is: the process may lead before.
    pub(crate) async fn leader(&self) -> Result<Pod, String> {
        let admin = &self.ground.scene.admin;
        let leases: Api<Lease> = Api::namespaced(admin.clone(), "flink-remedy");
        let lease = leases.get("flink-remedy").await.map_err(|error| error.to_string())?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        let (name, _) = holder.split_once('_').ok_or_else(|| format!("holder `{holder}`"))?;
        let pods: Api<Pod> = Api::namespaced(admin.clone(), self.form.place().0);
        let pod = pods.get(name).await.map_err(|error| format!("holder `{holder}`: {error}"))?;
        let has_address = pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some());
        if has_address { Ok(pod) } else { Err(format!("holder `{holder}` has no address yet")) }
    }

    /// Another pod than this one, once it leads.
    pub(crate) async fn successor(&self, of: &Pod) -> Pod {
        self.ground
            .until("another pod to lead", async || {
                let leader = self.leader().await?;
                if leader.metadata.uid == of.metadata.uid { Err(format!("{:?}", of.metadata.name)) } else { Ok(leader) }
            })
            .await
    }

    /// Has the pod look at so many jobs once more: what it has not done by then it was not going to do.
    pub(crate) async fn look_again(&self, pod: &Pod, jobs: u32) {
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()).expect("a running pod");
        let page = format!("http://{address}:{}/metrics", self.form.place().2);
        let looks = async || http::text(&page).await.map(|page| sum(&page, "flink_remedy_reconciliations_total"));
        let before = looks().await.unwrap();
        self.ground.scene.touch(&format!("{address} {before}")).await;
        self.ground
            .until("more looks", async || {
                let now = looks().await?;
                if now >= before + f64::from(jobs) { Ok(()) } else { Err(format!("{now} after {before}")) }
            })
            .await;
    }

    /// Returns when there are two again, and both say that they are ready.
    pub(crate) async fn are_two(&self) {
        let (namespace, _, port) = self.form.place();
        let pods: Api<Pod> = Api::namespaced(self.ground.scene.admin.clone(), namespace);
        self.ground
            .until("two pods that are ready", async || {
                let all = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.into_iter();
                let stay = all.filter(|pod| pod.metadata.deletion_timestamp.is_none());
                let addresses: Vec<_> = stay.filter_map(|pod| pod.status?.pod_ip).collect();
                let [first, second] = &addresses[..] else { return Err(format!("{addresses:?}")) };
                for address in [first, second] {
                    let (status, answer) = http::get(&format!("http://{address}:{port}/ready")).await?;
                    if status != 200 {
                        return Err(answer);
                    }
                }
                Ok(())
            })
            .await;
    }

    /// Whether every pod that the namespace takes has to be restricted.
    pub(crate) async fn are_restricted(&self) -> bool {
        let namespaces: Api<Namespace> = Api::all(self.ground.scene.admin.clone());
        let labels = namespaces.get(self.form.place().0).await.unwrap().metadata.labels.unwrap_or_default();
        labels.get("pod-security.kubernetes.io/enforce").is_some_and(|profile| profile == "restricted")
    }
}
