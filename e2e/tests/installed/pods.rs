//! Its pods, and which of them leads.

use e2e::http;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
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
    /// The pod that holds the Lease, once one does.
    pub(crate) async fn leader(&self) -> Result<Pod, String> {
        let admin = &self.ground.scene.admin;
        let leases: Api<Lease> = Api::namespaced(admin.clone(), "flink-remedy");
        let lease = leases.get("flink-remedy").await.map_err(|error| error.to_string())?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        let (name, _) = holder.split_once('_').ok_or_else(|| format!("holder `{holder}`"))?;
        let pods: Api<Pod> = Api::namespaced(admin.clone(), self.form.place().0);
        pods.get(name).await.map_err(|error| format!("holder `{holder}`: {error}"))
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

    /// How many of the installation's pods answer that they are ready.
    pub(crate) async fn ready(&self) -> usize {
        let (namespace, _, port) = self.form.place();
        let pods: Api<Pod> = Api::namespaced(self.ground.scene.admin.clone(), namespace);
        let mut ready = 0;
        for pod in pods.list(&ListParams::default()).await.unwrap().items {
            let Some(address) = pod.status.and_then(|status| status.pod_ip) else { continue };
            let answer = http::get(&format!("http://{address}:{port}/ready")).await;
            ready += usize::from(answer.is_ok_and(|(status, _)| status == 200));
        }
        ready
    }
}
