//! A JobManager and a TaskManager as processes, in application mode as FKO starts them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use e2e::flink_dist::{FlinkDist, jdk};

use super::filled::FilledJob;

/// Where the jobs lie, each a class of its own.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/flink/local");
const RESULT: &str = "BASH_JAVA_UTILS_EXEC_RESULT:";

/// Short-lived processes are faster with the first compiler alone; G1's threads are too many for a small machine;
/// the performance file would stay in /tmp.
const SPEED: [&str; 3] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"];

/// The packages that Flink's own `env.java.opts.all` opens for Java 17.
const OPENED: [&str; 12] = [
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "sun.nio.ch",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
];

/// Lines of a process's output that a failed test shows.
const TOLD: usize = 60;

/// One of the two kinds of process.
struct Role {
    name: &'static str,
    main_class: &'static str,
    /// What `BashJavaUtils` computes its memory with.
    memory: &'static str,
}

const JOB_MANAGER: Role = Role {
    name: "jobmanager",
    main_class: "org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint",
    memory: "GET_JM_RESOURCE_PARAMS",
};

const TASK_MANAGER: Role = Role {
    name: "taskmanager",
    main_class: "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
    memory: "GET_TM_RESOURCE_PARAMS",
};

/// The processes of one job; they end with this value.
pub(crate) struct Cluster {
    work: PathBuf,
    processes: Vec<(&'static str, Child)>,
}

impl Cluster {
    /// Starts both. `reporter` is the port of the TaskManager's Prometheus reporter: in Kubernetes every process
    /// has a pod, and so the filled port, to itself.
    pub(crate) fn start(dist: &FlinkDist, job: &FilledJob, work: &Path, reporter: u16) -> Self {
        job.write(
            work,
            &[
                ("jobmanager.rpc.address", "127.0.0.1"),
                ("jobmanager.bind-host", "127.0.0.1"),
                ("taskmanager.host", "127.0.0.1"),
                ("taskmanager.bind-host", "127.0.0.1"),
                ("rest.address", "127.0.0.1"),
                ("rest.bind-address", "127.0.0.1"),
                ("io.tmp.dirs", work.to_str().expect("a path of letters")),
                // A TaskManager that is first would wait 10 s.
                ("cluster.registration.error-delay", "200"),
            ],
        );
        let reporter = format!("metrics.reporter.prom.port={reporter}");
        let mut cluster = Self { work: work.to_owned(), processes: Vec::new() };
        thread::scope(|scope| {
            let classes = scope.spawn(|| compile(dist, work, &job.entry_class));
            let [job_manager, task_manager] =
                [&JOB_MANAGER, &TASK_MANAGER].map(|role| scope.spawn(move || memory(role, dist, work)));
            let class_path = class_path(&[dist.lib(), vec![joined(classes)]].concat());
            let main = ["--job-classname", &job.entry_class];
            cluster.launch(&JOB_MANAGER, dist, &class_path, &joined(job_manager), &main);
            cluster.launch(&TASK_MANAGER, dist, &class_path, &joined(task_manager), &["-D", &reporter]);
        });
        cluster
    }

    fn launch(&mut self, role: &Role, dist: &FlinkDist, class_path: &str, memory: &Memory, arguments: &[&str]) {
        let output = File::create(self.output_file(role.name)).expect("a writable folder");
        let child = Command::new(jdk("java"))
            .args(SPEED)
            .args(OPENED.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")))
            .args(&memory.jvm)
            .arg(format!("-Djava.io.tmpdir={}", self.work.display()))
            .arg(format!("-Dlog.file={}", self.log_file(role.name).display()))
            .arg(format!("-Dlog4j.configurationFile={}", self.work.join("log4j-console.properties").display()))
            .args(["-cp", class_path, role.main_class, "--configDir"])
            .arg(&self.work)
            .args(&memory.dynamic)
            .args(arguments)
            .env("FLINK_CONF_DIR", &self.work)
            .env("FLINK_PLUGINS_DIR", dist.plugins())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("one more handle"))
            .stderr(output)
            .spawn()
            .expect("java starts");
        self.processes.push((role.name, child));
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.work.join(format!("{name}.log"))
    }

    fn output_file(&self, name: &str) -> PathBuf {
        self.work.join(format!("{name}.out"))
    }

    /// What each process has logged so far.
    pub(crate) fn logs(&self) -> Vec<(&'static str, String)> {
        let log = |name| fs::read_to_string(self.log_file(name)).unwrap_or_default();
        self.processes.iter().map(|(name, _)| (*name, log(name))).collect()
    }

    /// What each process has printed so far.
    pub(crate) fn outputs(&self) -> Vec<(&'static str, String)> {
        let output = |name| fs::read_to_string(self.output_file(name)).unwrap_or_default();
        self.processes.iter().map(|(name, _)| (*name, output(name))).collect()
    }

    /// Ends the test when a process has ended.
    pub(crate) fn assert_runs(&mut self) {
        let ended = self.processes.iter_mut().find_map(|(name, child)| Some((*name, child.try_wait().ok()??)));
        assert_eq!(ended, None, "a process has ended");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGKILL: nothing here is kept.
        for (_, child) in &mut self.processes {
            let _ = child.kill();
        }
        for (_, child) in &mut self.processes {
            let _ = child.wait();
        }
        if thread::panicking() {
            for (name, output) in self.outputs() {
                let from = output.lines().count().saturating_sub(TOLD);
                let last: Vec<&str> = output.lines().skip(from).collect();
                let _ = writeln!(io::stderr(), "the end of what the {name} has printed:\n{}", last.join("\n"));
            }
        }
    }
}

/// The flags of one process.
struct Memory {
    jvm: Vec<String>,
    /// Arguments of Flink's own.
    dynamic: Vec<String>,
}

/// As Flink's shell scripts ask; a memory configuration that Flink refuses ends the test here.
fn memory(role: &Role, dist: &FlinkDist, folder: &Path) -> Memory {
    let path = class_path(&[vec![dist.bash_java_utils()], dist.lib()].concat());
    let output = Command::new(jdk("java"))
        .args(SPEED)
        .args(["-cp", &path, "org.apache.flink.runtime.util.bash.BashJavaUtils", role.memory, "--configDir"])
        .arg(folder)
        .output()
        .expect("java starts");
    let out = String::from_utf8_lossy(&output.stdout);
    let results: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix(RESULT)).collect();
    let words = |line: &&str| line.split_whitespace().map(str::to_owned).collect();
    let [jvm, dynamic] = results.as_slice() else {
        panic!("Flink refuses the {}'s memory:\n{out}{}", role.name, String::from_utf8_lossy(&output.stderr));
    };
    Memory { jvm: words(jvm), dynamic: words(dynamic) }
}

/// Compiles the job against this Flink; returns the folder of its classes.
fn compile(dist: &FlinkDist, work: &Path, class: &str) -> PathBuf {
    let source = format!("{SOURCES}/{class}.java");
    let classes = work.join("classes");
    let output = Command::new(jdk("javac"))
        .args(["-cp", &class_path(&dist.lib()), "-d"])
        .arg(&classes)
        .arg(&source)
        .output()
        .expect("a JDK with javac");
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    classes
}

fn class_path(parts: &[PathBuf]) -> String {
    let parts: Vec<&str> = parts.iter().map(|part| part.to_str().expect("a path of letters")).collect();
    parts.join(":")
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
