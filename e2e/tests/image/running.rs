//! The image's files as the root of a process, as little around it as a container has, and less.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::cluster::needs_root;
use e2e::{ControlPlane, Crds, Operator, OperatorOptions};
use tokio::net::UdpSocket;

use crate::archive::Unpacked;
use crate::{VERSION, output};

/// Becomes the binary as the image's user, in a root folder that is read-only.
const AS_CONTAINER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/image/as-container.sh");
/// What the service account's volume of a pod is mounted at.
const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";
/// How the API server is called in every cluster.
const SERVICE: &str = "kubernetes.default.svc";
/// Of a start that is expected to take less than 1 s: a busy machine may not fail the test.
const GENEROUS: Duration = Duration::from_mins(1);

#[test]
fn it_runs_as_nobody_from_a_root_without_any_other_file() {
    needs_root("running::it_runs_as_nobody_from_a_root_without_any_other_file", || {
        let image = Unpacked::new();
        let printed = output(Command::new(AS_CONTAINER).arg("--version").env("ROOT", image.root()));
        assert_eq!(printed, format!("flink-remedy {VERSION}\n"));
        let rules = output(Command::new(AS_CONTAINER).args(["rules", "-o", "json"]).env("ROOT", image.root()));
        assert!(rules.contains("CKP003"), "{rules}");
    });
}

#[test]
fn it_finds_the_api_server_by_name_and_is_ready() {
    needs_root("running::it_finds_the_api_server_by_name_and_is_ready", || {
        tokio::runtime::Runtime::new().unwrap().block_on(becomes_ready());
    });
}

async fn becomes_ready() {
    let plane = ControlPlane::shared(Crds::Typed).await;
    let image = Unpacked::new();
    install(plane, &image).await;
    let token = plane.token("flink-remedy", "flink-remedy").await;
    let names = Names::serve().await;
    as_in_a_pod(&image.root(), &plane.ca(), &token, &names);
    let port = plane.server().rsplit(':').next().unwrap();
    let mut options =
        OperatorOptions::new("/none").args(["--operator-config", "none"]).env("POD_NAMESPACE", "flink-remedy");
    for (name, value) in [
        ("ROOT", image.root().to_str().unwrap()),
        ("KUBERNETES_SERVICE_PORT", port),
        ("KUBERNETES_SERVICE_HOST", SERVICE),
    ] {
        options = options.env(name, value);
    }
    options.program = Some(PathBuf::from(AS_CONTAINER));

    let start = Instant::now();
    let operator = Operator::start(&options);
    operator.wait_ready().await;
    let took = start.elapsed();
    println!("ready {} ms after it was started, with {}", took.as_millis(), memory(operator.pid()));
    assert!(took < GENEROUS, "{took:?}");
    let asked = names.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|name| name == SERVICE), "the API server was not asked for by name: {asked:?}");
    assert_eq!(operator.terminate().await.code(), Some(0), "{}", operator.logs());
}

/// The rights and kinds of the manifests.
async fn install(plane: &ControlPlane, image: &Unpacked) {
    let created = plane.run_kubectl(&["create", "namespace", "flink-operator"], "").await;
    assert!(created.status.success(), "{}", created.stderr);
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/rbac");
    let applied = plane.run_kubectl(&["apply", "-k", rbac], "").await;
    assert!(applied.status.success(), "{}", applied.stderr);
    plane.install_crds(&output(Command::new(AS_CONTAINER).arg("crd").env("ROOT", image.root()))).await;
}

/// The files that a kubelet mounts into a container.
fn as_in_a_pod(root: &Path, ca: &Path, token: &str, names: &Names) {
    let account = root.join(SERVICE_ACCOUNT);
    fs::create_dir_all(&account).unwrap();
    fs::create_dir(root.join("etc")).unwrap();
    fs::copy(ca, account.join("ca.crt")).unwrap();
    fs::write(account.join("token"), token).unwrap();
    fs::write(account.join("namespace"), "flink-remedy").unwrap();
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::write(root.join("etc/resolv.conf"), format!("nameserver {}\noptions ndots:5\n", names.address)).unwrap();
}

/// Resident memory, as the kernel counts it.
fn memory(pid: i32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap().replace('\t', " ")
}

/// A name server that knows the API server alone.
struct Names {
    address: Ipv4Addr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    /// On an address of loopback of its own, since the port is given.
    async fn serve() -> Self {
        let [.., a, b] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 53, a, b);
        let socket = UdpSocket::bind(SocketAddr::from((address, 53))).await.expect("root may listen on port 53");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut query).await {
                let (name, answer) = answer(&query[..length]);
                seen.lock().unwrap().push(name);
                let _ = socket.send_to(&answer, client).await;
            }
        });
        Self { address, asked }
    }
}

/// The name that a query of RFC 1035 asks for, and the answer.
fn answer(query: &[u8]) -> (String, Vec<u8>) {
    let mut labels = Vec::new();
    let mut rest = &query[12..];
    while rest[0] > 0 {
        let (label, following) = rest[1..].split_at(usize::from(rest[0]));
        labels.push(String::from_utf8_lossy(label));
        rest = following;
    }
    let name = labels.join(".");
    let question = &query[12..query.len() - rest.len() + 5];
    let is_known = name == SERVICE;
    let has_address = is_known && question[question.len() - 4..] == [0, 1, 0, 1];
    // An authoritative answer: no error, or no such name.
    let flags = if is_known { [0x85, 0x80] } else { [0x85, 0x83] };
    let mut answer = [&query[..2], &flags, &[0, 1, 0, u8::from(has_address), 0, 0, 0, 0], question].concat();
    if has_address {
        // The name of the question, an IPv4 address, for a minute.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    (name, answer)
}
