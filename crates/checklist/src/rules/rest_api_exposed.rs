use flink_api::Ingress;
use flink_conf::Lookup;
use flink_conf::options::REST_SERVICE_TYPE;

use crate::{Check, Judgement, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # The REST port is open to more than needs it
    ///
    /// ## What it checks
    /// Whether the `JobManager`'s REST port (8081) is opened to the outside: by `kubernetes.rest-service.exposed.type`
    /// `LoadBalancer` or `NodePort`, or by `spec.ingress` without TLS or without an annotation for authentication; and, with
    /// `check --cluster`, whether a `NetworkPolicy` of the namespace selects the `JobManager`'s pods and none of them lets
    /// everybody in at that port. Files say nothing of policies, and `run` does not look.
    ///
    /// ## Why it matters
    /// The REST API asks nobody who they are. Whoever reaches it stops jobs, reads their configuration and, on a session
    /// cluster, runs code of their own.
    ///
    /// ## What is filled
    /// Nothing: who has to reach the port, only people know. `kubectl apply -n NAMESPACE -k manifests/security/network-policy`
    /// opens 8081 to the pods of the Flink clusters of that namespace and to the namespaces of the Flink operator and of
    /// flink-remedy, to which others can be added, and leaves every other port as it is (docs/guides/rest-port.md):
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: flink-rest
    ///   labels: {app.kubernetes.io/name: flink-remedy}
    /// spec:
    ///   podSelector:
    ///     matchLabels: {component: jobmanager}
    ///     matchExpressions:
    ///       - {key: type, operator: In, values: [flink-native-kubernetes, flink-standalone-kubernetes]}
    ///   policyTypes: [Ingress]
    ///   ingress:
    ///     - ports: [{protocol: TCP, port: 8081}]
    ///       from:
    ///         - podSelector:
    ///             matchExpressions:
    ///               - {key: type, operator: In, values: [flink-native-kubernetes, flink-standalone-kubernetes]}
    ///         - namespaceSelector:
    ///             matchExpressions:
    ///               - {key: kubernetes.io/metadata.name, operator: In, values: [flink-operator, flink-remedy]}
    ///     - ports:
    ///         - {protocol: TCP, port: 1, endPort: 8080}
    ///         - {protocol: TCP, port: 8082, endPort: 65535}
    ///         - {protocol: UDP, port: 1, endPort: 65535}
    ///         - {protocol: SCTP, port: 1, endPort: 65535}
    /// ```
    ///
    /// ## What it costs
    /// Nothing is filled. A policy takes effect without a restart; the service type and the ingress restart the job.
    ///
    /// ## When to switch it off
    /// When a firewall or a proxy outside Kubernetes guards the port.
    ///
    /// ## Source
    /// Flink documentation, "Security" and "Production Readiness Checklist"; Flink Kubernetes Operator, `IngressSpec`;
    /// Kubernetes documentation, "Network Policies".
    pub static REST_API_EXPOSED = {
        code: "SEC001",
        name: "rest-api-exposed",
        scope: Scope::Cluster,
        check: Check::Item(check),
    }
}

/// Annotations with which ingress controllers ask who somebody is, behind the name of the controller: nginx, `HAProxy`, ALB.
const AUTHENTICATION: &[&str] = &["auth-type", "auth-url", "auth-secret", "auth-tls-secret"];
/// Where Traefik names what a request goes through; a name is all that there is to go by.
const MIDDLEWARES: &str = "router.middlewares";
const ASKING_MIDDLEWARES: &[&str] = &["auth", "oidc"];
/// Where ALB has its certificate, instead of in `tls`.
const CERTIFICATE: &str = "certificate-arn";

fn check(subject: &Subject, _: &Policy) -> Judgement {
    let exposed = REST_SERVICE_TYPE.find(&subject.conf, subject.version);
    if let Lookup::Set { key, setting } = &exposed
        && ["loadbalancer", "nodeport"].contains(&setting.value.to_ascii_lowercase().as_str())
    {
        return Judgement::advice(format!(
            "{}, which opens the REST port to the outside; use ClusterIP",
            super::chosen(key, setting)
        ));
    }
    if let Some(lacks) = subject.cluster.ingress.as_ref().and_then(lacks) {
        return Judgement::advice(format!("spec.ingress opens the REST port without {lacks}"));
    }
    match subject.surroundings.network_policies.as_deref() {
        None => Judgement::not_applicable(
            "for a human: nothing opens the REST port to the outside, but who reaches it inside the cluster is not to be seen here",
        ),
        Some([]) => Judgement::advice(
            "no NetworkPolicy keeps anybody in the cluster from the REST port; open 8081 to the Flink operator and the job's own pods only (manifests/security/network-policy)",
        ),
        Some(policies) => Judgement::pass(format!("ingress is restricted by NetworkPolicy {}", super::named(policies))),
    }
}

/// What an ingress should have.
fn lacks(ingress: &Ingress) -> Option<&'static str> {
    let annotations = || {
        let all = ingress.annotations.iter().flatten();
        all.map(|(key, value)| (key.rsplit('/').next().unwrap_or_default(), value.to_ascii_lowercase()))
    };
    let has_tls = ingress.tls.as_ref().is_some_and(|tls| !tls.is_empty())
        || annotations().any(|(name, value)| name == CERTIFICATE && !value.is_empty());
    let asks = annotations().any(|(name, value)| {
        let by_controller = AUTHENTICATION.contains(&name) && !["", "none"].contains(&value.as_str());
        by_controller || name == MIDDLEWARES && ASKING_MIDDLEWARES.iter().any(|part| value.contains(part))
    });
    match (has_tls, asks) {
        (true, true) => None,
        (true, false) => Some("authentication"),
        (false, true) => Some("TLS"),
        (false, false) => Some("TLS and authentication"),
    }
}
