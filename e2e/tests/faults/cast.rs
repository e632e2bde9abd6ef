//! Who takes part: the operators, with their policies, leases and clocks.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::artifacts::faketime;
use e2e::{OperatorOptions, Proxy, apply_yaml};

use crate::replicas::{Replica, Start};
use crate::run::Run;

/// Restarts at a time, by the policy of the fleet.
pub(crate) const CONCURRENT: usize = 4;
/// Operators that restart jobs of the fleet at the same time, each with a lease of its own.
pub(crate) const LEADERS: usize = 2;
/// The names of the replicas, in their order.
pub(crate) const ALPHA: usize = 0;
pub(crate) const STEADY: usize = 2;
/// Those of which the wall clock jumps: one that shares its jobs with others, and one that counts restarts within an hour.
const HAVE_CLOCKS: [&str; 2] = ["alpha", "budgeted"];
pub(crate) const REPLICAS: [(&str, &str); 5] = [
    ("alpha", "lease-fleet"),
    ("beta", "lease-fleet"),
    ("steady", "lease-steady"),
    ("other", "lease-other"),
    ("budgeted", "lease-budget"),
];

impl Run<'_> {
    pub(crate) async fn grant_lease(&self, namespace: &str) {
        let yaml = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: lease, namespace: {namespace}}},
              roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lease}},
              subjects: [{{kind: ServiceAccount, name: flink-remedy, namespace: flink-remedy}}]}}
---
{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: lease}},
  rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, get, update]}}]}}
"
        );
        apply_yaml(&self.admin, &yaml).await;
    }

    fn policy(&self, name: &str, documents: &str) -> PathBuf {
        let file = self.plane.dir().join(format!("{name}.yaml"));
        fs::write(&file, documents).expect("a writable folder");
        file
    }

    pub(crate) fn policies(&self) -> [PathBuf; 3] {
        let head = "apiVersion: flink-remedy.dev/v1alpha1\nkind: RemediationPolicy\nmetadata:";
        let rollout = "operatorVersion: '1.15', quietPeriod: 1 ms";
        let fleet = self.policy(
            "fleet",
            &format!(
                "{head} {{name: fleet}}\nspec: {{mode: Apply, rollout: {{{rollout}, maxConcurrent: {CONCURRENT}, perHour: 10000}}}}\n\
                 ---\n{head} {{name: budget}}\nspec: {{mode: 'Off', selector: {{namespaces: {{matchLabels: {{group: budget}}}}}}}}\n"
            ),
        );
        let other = self.policy(
            "other",
            &format!(
                "{head} {{name: other}}\nspec: {{mode: Apply, ruleModes: {{CKP003: 'Off'}}, \
                 rules: {{no-restart-backoff: {{initial: 5 s}}}}, rollout: {{{rollout}, perHour: 10000}}}}\n"
            ),
        );
        let budget = self.policy(
            "budget",
            &format!(
                "{head} {{name: budget}}\nspec: {{mode: Apply, rollout: {{{rollout}, perHour: {}}}}}\n",
                self.form.size.per_hour
            ),
        );
        [fleet, other, budget]
    }

    pub(crate) async fn options(&self, lease: &str, policy: &Path, args: &[&str], proxy: &Proxy) -> OperatorOptions {
        let token = self.plane.token("flink-remedy", "flink-remedy").await;
        OperatorOptions::new(self.plane.kubeconfig_for(&token, &proxy.server()))
            .args(["--lease-namespace", lease, "--policy", policy.to_str().unwrap()])
            .args(args.iter().copied())
    }

    pub(crate) async fn start_replicas(&self) -> Vec<Replica> {
        let [fleet, other, budget] = self.policies();
        let mut replicas = Vec::new();
        for (name, lease) in REPLICAS {
            let proxy = Proxy::start(self.plane);
            let (policy, args): (_, &[&str]) = match name {
                "other" => (&other, &["--lease-duration", "6", "--watch-namespaces", "contested"]),
                "budgeted" => (&budget, &["--lease-duration", "6", "--watch-namespaces", "budget"]),
                // It has to outlive everything, so that it shows what it has kept.
                "steady" => (&fleet, &["--lease-duration", "120"]),
                _ => (&fleet, &["--lease-duration", "6"]),
            };
            let mut options = self.options(lease, policy, args, &proxy).await;
            if HAVE_CLOCKS.contains(&name) {
                options = with_clock(options, &self.clock());
            }
            let is_steady = name == REPLICAS[STEADY].0;
            let kills = if is_steady { 0.0 } else { self.form.kills };
            replicas.push(Replica::start(Start { name, options, kills, keeps_lease: is_steady }, proxy, &self.sky));
        }
        replicas
    }

    fn clock(&self) -> PathBuf {
        let file = self.plane.dir().join("clock");
        fs::write(&file, "+0\n").expect("a writable folder");
        file
    }
}

/// With the wall clock of that file; the monotonic one stays the kernel's.
fn with_clock(options: OperatorOptions, clock: &Path) -> OperatorOptions {
    let library = faketime().unwrap_or_else(|error| panic!("{error:#}"));
    options
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .env("FAKETIME_CACHE_DURATION", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1")
}
