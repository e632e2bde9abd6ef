//! The machine that the cluster is made on: how it looks from inside, and that nothing stays of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use e2e::cluster::{HOLD, in_cluster, needs_root};
use e2e::process::ProcessId;
use e2e::{OperatorOptions, await_condition};
use rustix::process::Signal;

use crate::ground::PATIENCE;

#[test]
fn a_program_finds_services_by_name_as_a_pod_does() {
    in_cluster("a_program_finds_services_by_name_as_a_pod_does", async |cluster| {
        let getent = OperatorOptions { program: Some("getent".into()), ..OperatorOptions::default() };
        let options = cluster.as_pod("default", getent).unwrap();
        let mut command = Command::new(options.program.unwrap());
        command.args(["hosts", "kubernetes"]).envs(options.env);
        await_condition("the name of the API server", PATIENCE, async || {
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let is_found = text.contains("10.96.0.1 ") && text.contains("kubernetes.default.svc.cluster.local");
            if is_found { Ok(()) } else { Err(output) }
        })
        .await;
    });
}

/// A machine with a cgroup and a process that nobody waits for, held by the pipe of its standard input.
struct Machine {
    holder: Child,
    folder: PathBuf,
    /// By the host's numbers.
    stray: ProcessId,
}

const COMMAND: &str = "mkdir -p /sys/fs/cgroup/pids/of-a-pod/of-a-container
sleep 1000000 & echo $! >/sys/fs/cgroup/pids/of-a-pod/of-a-container/cgroup.procs
echo ready
cat";

impl Machine {
    fn start(folder: &Path) -> Self {
        let folder = folder.join("machine");
        fs::create_dir(&folder).unwrap();
        let mut holder = Command::new("unshare")
            .args(["--net", "--", HOLD])
            .arg(&folder)
            .args(["sh", "-c", COMMAND])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let stray = cgroups(holder.id()).iter().find_map(|group| {
            let processes = fs::read_to_string(group.join("of-a-pod/of-a-container/cgroup.procs")).ok()?;
            ProcessId::of(processes.trim().parse().ok()?).ok()
        });
        Self { holder, folder, stray: stray.expect("a process in the cgroup that was made inside") }
    }
}

/// The cgroups of the machine with that holder.
fn cgroups(holder: u32) -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let parts = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let of_v1 = parts.filter(|(controllers, _)| !controllers.is_empty());
    let group = |(controllers, path): (&str, &str)| {
        let hierarchy = controllers.trim_start_matches("name=");
        PathBuf::from(format!("/sys/fs/cgroup/{hierarchy}{path}/flink-remedy-e2e.{holder}"))
    };
    of_v1.map(group).filter(|group| group.is_dir()).collect()
}

#[test]
fn nothing_stays_of_a_machine_whose_test_has_ended() {
    needs_root("nothing_stays_of_a_machine_whose_test_has_ended", || {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = Machine::start(folder.path());
        assert!(!cgroups(machine.holder.id()).is_empty());
        drop(machine.holder.stdin.take());
        assert!(machine.holder.wait().unwrap().success());
        assert!(!machine.stray.is_alive());
        assert!(cgroups(machine.holder.id()).is_empty());
        assert!(!machine.folder.exists());
    });
}

/// Then the machine ends with the test all the same, and the next one takes its cgroups away.
#[tokio::test]
async fn nothing_stays_of_a_machine_whose_holder_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = None;
    needs_root("nothing_stays_of_a_machine_whose_holder_was_killed", || machine = Some(Machine::start(folder.path())));
    let Some(mut machine) = machine else { return };
    ProcessId::of(machine.holder.id()).unwrap().signal(Signal::KILL);
    drop(machine.holder.stdin.take());
    machine.holder.wait().unwrap();
    await_condition("its processes to end", PATIENCE, async || (!machine.stray.is_alive()).then_some(())).await;
    assert!(!cgroups(machine.holder.id()).is_empty());

    let next = tempfile::tempdir().unwrap();
    let mut next = Machine::start(next.path());
    assert!(cgroups(machine.holder.id()).is_empty());
    drop(next.holder.stdin.take());
    next.holder.wait().unwrap();
}
