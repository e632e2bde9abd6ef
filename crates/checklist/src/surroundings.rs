//! What a cluster shows around a job.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::storage::{Process, pod_templates};
use crate::{LabelSelector, Subject};

/// What the cluster shows around a job. `None` means that nobody looked, or that we may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Names of the `NetworkPolicy`s that restrict what reaches the `JobManager`'s pods.
    pub network_policies: Option<Vec<String>>,
    /// Names of the `PrometheusRule`s that alert on the checklist's metrics; `None` also where the cluster has no
    /// such kind.
    pub alerts: Option<Vec<String>>,
}

/// Metrics of the checklist, as every reporter for Prometheus ends their names.
const ALERTED: &[&str] = &[
    "numberOfFailedCheckpoints",
    "lastCheckpointDuration",
    "outPoolUsage",
    "backPressuredTimeMsPerSecond",
    "numRecordsInPerSecond",
];

/// What stands around the jobs of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    network_policies: Option<Vec<NetworkPolicy>>,
    alerts: Option<Vec<String>>,
}

impl Neighbours {
    /// Reads the `NetworkPolicy`s and `PrometheusRule`s that could be listed, each as the API server gives it. What has
    /// not the shape of its kind restricts and alerts on nothing.
    pub fn new(network_policies: Option<&[Value]>, prometheus_rules: Option<&[Value]>) -> Self {
        let read =
            |policies: &[Value]| policies.iter().filter_map(|policy| NetworkPolicy::deserialize(policy).ok()).collect();
        let alerting = |rules: &[Value]| rules.iter().filter(|rule| alerts(rule)).map(full_name).collect();
        Self { network_policies: network_policies.map(read), alerts: prometheus_rules.map(alerting) }
    }

    /// What of it concerns this job.
    pub fn of(&self, subject: &Subject) -> Surroundings {
        let restricting = |policies: &Vec<NetworkPolicy>| {
            let (labels, port) = (job_manager_labels(subject), rest_port(subject));
            let concerns = |policy: &&NetworkPolicy| {
                policy.metadata.namespace == subject.namespace && policy.spec.is_of_ingress(&labels)
            };
            let concerning: Vec<&NetworkPolicy> = policies.iter().filter(concerns).collect();
            // What one policy lets in no other keeps out.
            let is_open = concerning.iter().any(|policy| policy.spec.lets_everybody_in(port));
            let restricting = if is_open { Vec::new() } else { concerning };
            restricting.iter().map(|policy| policy.metadata.name.clone()).collect()
        };
        Surroundings { network_policies: self.network_policies.as_ref().map(restricting), alerts: self.alerts.clone() }
    }
}

/// The port of the `JobManager`'s REST API.
fn rest_port(subject: &Subject) -> u16 {
    subject.conf.get("rest.port").and_then(|setting| setting.value.trim().parse().ok()).unwrap_or(8081)
}

/// The labels of a `JobManager`'s pods: those of Flink (`KubernetesUtils.getJobManagerSelectors`) over those of the owner.
fn job_manager_labels(subject: &Subject) -> BTreeMap<String, String> {
    let templates = pod_templates(subject, Process::JobManager);
    let of_owner = templates.filter_map(|template| template.metadata.as_ref()?.labels.clone());
    let mut labels: BTreeMap<String, String> = of_owner.flatten().collect();
    let configured = subject.conf.get("kubernetes.jobmanager.labels").map_or("", |setting| &setting.value);
    let pairs = configured.split(',').filter_map(|pair| pair.split_once(':'));
    labels.extend(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())));
    let mode = if subject.cluster.is_standalone() { "standalone" } else { "native" };
    labels.extend([
        ("app".to_owned(), subject.name.clone()),
        ("component".to_owned(), "jobmanager".to_owned()),
        ("type".to_owned(), format!("flink-{mode}-kubernetes")),
    ]);
    labels
}

fn full_name(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

fn alerts(prometheus_rule: &Value) -> bool {
    let groups = prometheus_rule["spec"]["groups"].as_array().into_iter().flatten();
    let mut rules = groups.filter_map(|group| group["rules"].as_array()).flatten();
    rules.any(|rule| {
        let expression = rule["expr"].as_str().unwrap_or_default();
        rule["alert"].is_string() && ALERTED.iter().any(|metric| expression.contains(metric))
    })
}

#[derive(Clone, Debug, Deserialize)]
struct NetworkPolicy {
    metadata: Metadata,
    spec: NetworkPolicySpec,
}

#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkPolicySpec {
    #[serde(default)]
    pod_selector: LabelSelector,
    policy_types: Option<Vec<String>>,
    #[serde(default)]
    ingress: Vec<IngressRule>,
}

#[derive(Clone, Debug, Deserialize)]
struct IngressRule {
    from: Option<Vec<Value>>,
    ports: Option<Vec<Value>>,
}

impl NetworkPolicySpec {
    /// Whether it decides what reaches pods with these labels. Without `policyTypes` a policy is one of ingress.
    fn is_of_ingress(&self, labels: &BTreeMap<String, String>) -> bool {
        self.policy_types.as_ref().is_none_or(|types| types.iter().any(|of| of == "Ingress"))
            && self.pod_selector.selects(labels)
    }

    fn lets_everybody_in(&self, port: u16) -> bool {
        self.ingress.iter().any(|rule| {
            any_or_absent(rule.from.as_deref(), is_everybody)
                && any_or_absent(rule.ports.as_deref(), |entry| has_port(entry, port))
        })
    }
}

/// A list that is absent or empty stands for everything.
fn any_or_absent(list: Option<&[Value]>, holds: impl Fn(&Value) -> bool) -> bool {
    list.is_none_or(|list| list.is_empty() || list.iter().any(holds))
}

/// Whether a peer stands for every pod, or for every address.
fn is_everybody(peer: &Value) -> bool {
    let is_empty = |selector: &Value| selector.as_object().is_some_and(serde_json::Map::is_empty);
    let every_pod =
        is_empty(&peer["namespaceSelector"]) && (peer["podSelector"].is_null() || is_empty(&peer["podSelector"]));
    let block = &peer["ipBlock"];
    let has_exceptions = block["except"].as_array().is_some_and(|except| !except.is_empty());
    every_pod || block["cidr"].as_str().is_some_and(|cidr| cidr.ends_with("/0")) && !has_exceptions
}

/// Whether an entry of `ports` has this TCP port: by number, in a range, or by the name that Flink gives to it
/// (`Constants.REST_PORT_NAME`).
fn has_port(entry: &Value, port: u16) -> bool {
    let is_tcp = entry["protocol"].as_str().is_none_or(|protocol| protocol == "TCP");
    let first = &entry["port"];
    let is_within = first.as_u64().is_some_and(|first| {
        let last = entry["endPort"].as_u64().unwrap_or(first);
        (first..=last).contains(&u64::from(port))
    });
    is_tcp && (first.is_null() || is_within || first == "rest")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Platform;

    fn subject() -> Subject {
        let deployment = json!({"metadata": {"name": "orders", "namespace": "shop"}, "spec": {
            "flinkVersion": "v1_20",
            "flinkConfiguration": {"kubernetes.jobmanager.labels": "tier:gold,team:web"},
            "podTemplate": {"metadata": {"labels": {"team": "shop", "app": "mine"}}},
        }});
        Subject::new(&serde_json::from_value(deployment).unwrap(), &Platform::stock()).unwrap()
    }

    fn restricting(namespace: &str, spec: &Value) -> Vec<String> {
        let policy = json!({"metadata": {"name": "p", "namespace": namespace}, "spec": spec});
        Neighbours::new(Some(&[policy]), None).of(&subject()).network_policies.unwrap()
    }

    #[test]
    fn a_policy_counts_if_it_keeps_something_away_from_the_job_manager() {
        let of = |selector: Value| restricting("shop", &json!({"podSelector": selector}));
        for selector in [
            json!({}),
            json!({"matchLabels": {"app": "orders", "component": "jobmanager", "tier": "gold"}}),
            json!({"matchExpressions": [{"key": "type", "operator": "In", "values": ["a", "flink-native-kubernetes"]}]}),
            json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}),
            json!({"matchExpressions": [{"key": "team", "operator": "Exists"}, {"key": "zone", "operator": "DoesNotExist"}]}),
        ] {
            assert_eq!(of(selector.clone()), ["p"], "{selector}");
        }
        for selector in [
            json!({"matchLabels": {"component": "taskmanager"}}),
            json!({"matchLabels": {"app": "mine"}}),
            json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["orders"]}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "Sounds", "values": ["like"]}]}),
        ] {
            assert!(of(selector.clone()).is_empty(), "{selector}");
        }
    }

    #[test]
    fn a_policy_of_egress_and_one_of_another_namespace_do_not() {
        assert!(restricting("bank", &json!({"podSelector": {}})).is_empty());
        assert!(restricting("shop", &json!({"podSelector": {}, "policyTypes": ["Egress"]})).is_empty());
    }

    #[test]
    fn a_policy_that_lets_everybody_in_at_the_rest_port_restricts_nothing() {
        let of = |rule: Value| restricting("shop", &json!({"podSelector": {}, "ingress": [rule]}));
        let rest = json!([{"port": 8081}]);
        for open in [
            json!({}),
            json!({"ports": rest}),
            json!({"from": [], "ports": [{"protocol": "TCP", "port": "rest"}]}),
            json!({"ports": [{"port": 1, "endPort": 65535}]}),
            json!({"ports": [{"protocol": "TCP"}]}),
            json!({"from": [{"namespaceSelector": {}}], "ports": rest}),
            json!({"from": [{"podSelector": {"matchLabels": {"a": "b"}}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
            json!({"from": [{"namespaceSelector": {}, "podSelector": {}}]}),
        ] {
            assert!(of(open.clone()).is_empty(), "{open}");
        }
        for closed in [
            json!({"ports": [{"port": 9249}, {"port": 8082, "endPort": 65535}, {"protocol": "UDP", "port": 8081}]}),
            json!({"from": [{"podSelector": {}}], "ports": rest}),
            json!({"from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]}),
            json!({"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "fko"}}}]}),
            json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}),
        ] {
            assert_eq!(of(closed.clone()), ["p"], "{closed}");
        }
    }

    #[test]
    fn what_one_policy_lets_in_no_other_keeps_out() {
        let policy = |ingress: Value| json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": {"podSelector": {}, "ingress": ingress}});
        let names = |policies: &[Value]| Neighbours::new(Some(policies), None).of(&subject()).network_policies.unwrap();
        assert_eq!(names(&[policy(json!([]))]), ["p"]);
        assert!(names(&[policy(json!([])), policy(json!([{}]))]).is_empty());
    }

    #[test]
    fn the_rest_port_is_where_the_job_has_it() {
        let mut subject = subject();
        subject.conf.set("rest.port".into(), "9081".to_owned());
        let policy = json!({"metadata": {"name": "p", "namespace": "shop"},
                            "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 8081}]}]}});
        assert_eq!(Neighbours::new(Some(&[policy]), None).of(&subject).network_policies.unwrap(), ["p"]);
    }

    #[test]
    fn a_rule_counts_if_it_alerts_on_a_metric_of_the_checklist() {
        let rule =
            |rule: Value| json!({"metadata": {"name": "r", "namespace": "m"}, "spec": {"groups": [{"rules": [rule]}]}});
        let expression = "increase(flink_jobmanager_job_numberOfFailedCheckpoints[10m]) > 2";
        let alerts = |rules: &[Value]| Neighbours::new(None, Some(rules)).of(&subject()).alerts.unwrap();
        assert_eq!(alerts(&[rule(json!({"alert": "A", "expr": expression}))]), ["m/r"]);
        assert!(alerts(&[rule(json!({"record": "a", "expr": expression}))]).is_empty());
        assert!(alerts(&[rule(json!({"alert": "A", "expr": "up == 0"})), json!(1)]).is_empty());
    }

    #[test]
    fn what_nobody_listed_stays_unknown() {
        assert_eq!(Neighbours::new(None, None).of(&subject()), Surroundings::default());
    }
}
