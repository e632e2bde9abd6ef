//! What the programs of the node are told.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The node's one address, from a range that documentation has to itself. `cluster/init.sh` gives it.
pub(crate) const ADDRESS: &str = "198.51.100.10";
/// The node's name.
pub(crate) const NAME: &str = "node";
const DNS: &str = "10.96.0.10";
const PODS: &str = "10.244.0.0/16";
/// The API server's range of addresses for services.
pub(crate) const SERVICES: &str = "10.96.0.0/16";
/// The image of the process that holds a pod's namespaces open, by `cluster/image/build.sh`.
const SANDBOX: &str = "localhost/pause:1";

/// Where containerd listens, which keeps what else it needs in `/run`: a test outside the machine sees this folder too.
pub(crate) fn runtime(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}

/// Of containerd in `folder`, with the plugins of the network in `plugins` and their configuration in `networks`.
pub(crate) fn containerd(folder: &Path, plugins: &Path, networks: &Path) -> String {
    format!(
        "version = 3
# They look for file systems and folders that are not here, or for a program that nobody runs.
disabled_plugins = ['io.containerd.internal.v1.opt', 'io.containerd.internal.v1.tracing', 'io.containerd.nri.v1.nri',
    'io.containerd.snapshotter.v1.blockfile', 'io.containerd.snapshotter.v1.erofs', 'io.containerd.differ.v1.erofs']
[grpc]
address = '{runtime}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{SANDBOX}'
[plugins.'io.containerd.cri.v1.runtime']
# Root of a container is not always allowed to make a process less likely to be killed.
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{plugins}']
conf_dir = '{networks}'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
",
        runtime = runtime(folder).display(),
        plugins = plugins.display(),
        networks = networks.display()
    )
}

/// Of the pods' network: a bridge, without a way out.
pub(crate) fn network() -> Value {
    let ranges = json!([[{ "subnet": PODS }]]);
    let addresses = json!({ "type": "host-local", "ranges": ranges, "routes": [{ "dst": "0.0.0.0/0" }] });
    let bridge =
        json!({ "type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true, "ipam": addresses });
    json!({ "cniVersion": "1.0.0", "name": "pods", "plugins": [bridge] })
}

/// Of kubelet, which keeps what else it needs in `folder`.
pub(crate) fn kubelet(folder: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", runtime(folder).display()),
        "failCgroupV1": false, "cgroupDriver": "cgroupfs", "failSwapOn": false,
        "address": ADDRESS, "readOnlyPort": 0,
        // Nobody but this machine reaches it.
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        "clusterDomain": "cluster.local", "clusterDNS": [DNS], "resolvConf": folder.join("no-resolver"),
        "volumePluginDir": folder.join("volume-plugins"), "makeIPTablesUtilChains": false,
        // The disk is the machine's, and not for kubelet to judge.
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%",
        },
    })
}

/// Of kube-proxy.
pub(crate) fn kube_proxy(kubeconfig: &Path) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "mode": "nftables", "clientConnection": { "kubeconfig": kubeconfig }, "clusterCIDR": PODS,
        "hostnameOverride": NAME, "bindAddress": ADDRESS,
        "healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249",
        // The kernel's table of connections is the whole machine's.
        "conntrack": { "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
    })
}

/// Of kube-router: of all that it can do, the enforcement of `NetworkPolicy`s alone. It lets the node itself reach every pod.
pub(crate) fn kube_router(kubeconfig: &Path) -> Vec<String> {
    let parts = ["--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--health-port=0"];
    let mut flags = parts.map(str::to_owned).to_vec();
    flags.push(format!("--kubeconfig={}", kubeconfig.display()));
    flags.push(format!("--hostname-override={NAME}"));
    flags.push(format!("--service-cluster-ip-range={SERVICES}"));
    flags
}

/// Of `CoreDNS`: names of services and nothing else.
pub(crate) fn coredns(kubeconfig: &Path) -> String {
    let kubeconfig = kubeconfig.display();
    format!(
        ".:53 {{
  bind {ADDRESS}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig} e2e
    ttl 1
  }}
}}
"
    )
}

/// The resolver's file of a pod in this namespace.
pub(crate) fn resolver(namespace: &str) -> String {
    format!("nameserver {DNS}\nsearch {namespace}.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n")
}

/// The service under which pods ask `CoreDNS`, which is a process of the node.
pub(crate) fn dns_service() -> [Value; 2] {
    let port = |protocol: &str| json!({ "name": protocol.to_lowercase(), "port": 53, "protocol": protocol });
    let ports = json!([port("UDP"), port("TCP")]);
    let labels = json!({ "kubernetes.io/service-name": "kube-dns" });
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "namespace": "kube-system", "name": "kube-dns" },
            "spec": { "clusterIP": DNS, "ports": ports },
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": { "namespace": "kube-system", "name": "kube-dns-node", "labels": labels },
            "ports": ports, "endpoints": [{ "addresses": [ADDRESS], "conditions": { "ready": true } }],
        }),
    ]
}
