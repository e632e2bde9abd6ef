//! Installing, upgrading and removing, with an operator that has filled jobs.

use e2e::await_condition;
use e2e::shell::commands;
use kube::api::DynamicObject;

use crate::cluster::{Cluster, INSTALL, UPGRADE};
use crate::support::{PATIENCE, record};

const BEFORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/manifests-of-old.yaml");

fn is_filled(job: &DynamicObject) -> bool {
    !record(job).is_null()
}

#[tokio::test]
async fn what_kubectl_installs_it_upgrades_and_removes_and_no_job_notices() {
    let cluster = Cluster::new("by-kubectl").await;
    // An older installation, and the kinds of today: their fields are only ever added to.
    cluster.shell.run(&format!("kubectl apply -k manifests/crd && kubectl apply -f {BEFORE}")).await;
    let old = cluster.start().await;
    let stand = cluster.stand().await;
    assert!(is_filled(&stand[0]) && !is_filled(&stand[1]), "{stand:#?}");

    cluster.follow(UPGRADE, "upgrade").await;
    let new = cluster.start_pod().await;
    new.wait_ready().await;
    cluster.ends(&old).await;
    cluster.leads(&new).await;
    cluster.has_looked(&new).await;
    assert_eq!(cluster.stand().await, stand);
    let bundle = "{.webhooks[*].clientConfig.caBundle}";
    let bundle = format!("kubectl get mutatingwebhookconfiguration flink-remedy -o jsonpath='{bundle}'");
    await_condition("the authority", PATIENCE, async || {
        let told = cluster.shell.run(&bundle).await;
        if told.is_empty() { Err(new.logs()) } else { Ok(()) }
    })
    .await;
    cluster.shell.run("kubectl diff -k manifests").await;

    // Removed while it still runs, as pods do for a while.
    cluster.follow(UPGRADE, "remove").await;
    assert_eq!(cluster.left().await, "");
    assert_eq!(cluster.stand().await, stand);
    new.kill9();
    assert_eq!(cluster.stand().await, stand);
    cluster.goes_on().await;
}

#[tokio::test]
async fn what_is_left_of_it_is_taken_up_by_the_next_installation() {
    let cluster = Cluster::new("again").await;
    cluster.follow(INSTALL, "install").await;
    let operator = cluster.start().await;
    let stand = cluster.stand().await;
    cluster.ends(&operator).await;
    cluster.follow(UPGRADE, "remove-keep").await;
    let crds = "customresourcedefinition.apiextensions.k8s.io/remediation";
    assert_eq!(cluster.left().await, format!("{crds}policies.flink-remedy.dev\n{crds}reports.flink-remedy.dev"));
    cluster.settled("Remediated").await;

    cluster.follow(INSTALL, "install").await;
    let operator = cluster.start().await;
    cluster.has_looked(&operator).await;
    cluster.ends(&operator).await;
    assert_eq!(cluster.stand().await, stand);
    cluster.follow(UPGRADE, "remove").await;
    assert_eq!(cluster.left().await, "");
}

#[tokio::test]
async fn what_helm_installs_it_upgrades_and_removes_and_no_job_notices() {
    let cluster = Cluster::new("by-helm").await;
    let notes = cluster.follow(INSTALL, "helm-install").await;
    assert!(notes.contains("Mode NextDeploy: nothing that runs is restarted."), "{notes}");
    let old = cluster.start().await;
    let stand = cluster.stand().await;
    assert!(is_filled(&stand[0]) && !is_filled(&stand[1]), "{stand:#?}");

    cluster.shell.run("helm upgrade flink-remedy manifests/chart -n flink-remedy --set log.level=debug").await;
    let notes = cluster.follow(UPGRADE, "helm-upgrade").await;
    assert!(notes.contains("leaves the kinds RemediationPolicy and RemediationReport"), "{notes}");
    let args = cluster.shell.run("kubectl get deployment -n flink-remedy flink-remedy -o jsonpath='{..args}'").await;
    assert!(args.contains("--log-level=debug"), "{args}");
    cluster.ends(&old).await;
    let new = cluster.start().await;
    assert_eq!(cluster.stand().await, stand);

    // A second release would fill the same jobs.
    let second = "helm install second manifests/chart --namespace second --create-namespace";
    let (code, said) = cluster.shell.try_run(second).await;
    assert!(code != Some(0) && said.contains("flink-remedy"), "{said}");

    cluster.follow(UPGRADE, "helm-remove").await;
    let crds = "customresourcedefinition.apiextensions.k8s.io/remediation";
    let left = format!("{crds}policies.flink-remedy.dev\n{crds}reports.flink-remedy.dev\nnamespace/flink-remedy");
    assert_eq!(cluster.left().await, left);
    assert_eq!(cluster.stand().await, stand);
    new.kill9();
    cluster.settled("Remediated").await;
    cluster.goes_on().await;

    // What was left is no hindrance.
    cluster.follow(INSTALL, "helm-install").await;
    cluster
        .shell
        .run("helm uninstall flink-remedy -n flink-remedy && kubectl delete -k manifests --ignore-not-found")
        .await;
    assert_eq!(cluster.left().await, "");
}

/// With watched namespaces the rights are enough there, and there alone.
#[tokio::test]
async fn a_release_for_some_namespaces_has_rights_in_those_alone() {
    let cluster = Cluster::new("watched").await;
    let other = cluster.plane.namespace("unwatched").await;
    let namespace = &cluster.namespace;
    let install = commands(INSTALL, "helm-install")[0];
    cluster.shell.run(&format!("{install} --set watchNamespaces={{{namespace}}}")).await;
    let operator = cluster.start().await;
    let policies = "flink_remedy_restart_in_flight";
    assert!(!operator.metrics().await.contains(&format!("{policies}{{")));
    let can = async |verb: &str, what: &str, place: &str| {
        let account = "--as system:serviceaccount:flink-remedy:flink-remedy";
        cluster.shell.try_run(&format!("kubectl auth can-i {verb} {what} {place} {account}")).await.1
    };
    for (verb, what, place, answer) in [
        ("patch", "flinkdeployments.flink.apache.org", format!("-n {namespace}"), "yes"),
        ("patch", "flinkdeployments.flink.apache.org", format!("-n {other}"), "no"),
        ("list", "flinkdeployments.flink.apache.org", format!("-n {other}"), "no"),
        ("create", "remediationreports.flink-remedy.dev", format!("-n {other}"), "no"),
        ("watch", "remediationpolicies.flink-remedy.dev", String::new(), "yes"),
        ("list", "namespaces", String::new(), "no"),
    ] {
        let said = can(verb, what, &place).await;
        assert_eq!(said.lines().next(), Some(answer), "{verb} {what} {place}: {said}");
    }
    assert!(!operator.logs().contains("may not list and watch remediationpolicies"), "{}", operator.logs());
    cluster.ends(&operator).await;
    cluster
        .shell
        .run("helm uninstall flink-remedy -n flink-remedy && kubectl delete -k manifests --ignore-not-found")
        .await;
    assert_eq!(cluster.left().await, "");
}
