use flink_api::{Container, PodSpec, PodTemplate};
use serde_json::Value;

use crate::Subject;

/// The container into which FKO and Flink merge their own.
const MAIN_CONTAINER: &str = "flink-main-container";

/// Kinds of volumes that several nodes mount at once and that outlive a pod.
const DURABLE: &[&str] = &[
    "azureFile",
    "cephfs",
    "csi",
    "flexVolume",
    "glusterfs",
    "nfs",
    "persistentVolumeClaim",
    "portworxVolume",
    "quobyte",
];

/// One of the two kinds of pods that a job has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// Coordinates, and writes what high availability keeps.
    JobManager,
    /// Runs tasks, and writes their state.
    TaskManager,
}

/// The volume that a path lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mounted<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its kind, such as `emptyDir`; `None` where no pod template declares it.
    pub(super) source: Option<&'a str>,
}

impl Mounted<'_> {
    /// Whether what is written there outlives pod and node.
    pub(super) fn is_durable(&self) -> bool {
        self.source.is_some_and(|source| DURABLE.contains(&source))
    }
}

/// The volume that `path` lies on inside the pods of a process: of several mounted above it the nearest.
pub(super) fn volume_at<'a>(path: &str, subject: &'a Subject, process: Process) -> Option<Mounted<'a>> {
    let path = segments(path)?;
    let specs = pod_specs(subject, process);
    let mounts = specs.iter().flat_map(|spec| main_containers(spec)).flat_map(|container| &container.volume_mounts);
    let above = mounts.filter_map(|mount| {
        let at = segments(&mount.mount_path)?;
        path.starts_with(&at).then_some((at.len(), mount))
    });
    let (_, mount) = above.max_by_key(|(depth, _)| *depth)?;
    let volume = specs.iter().rev().flat_map(|spec| &spec.volumes).find(|volume| volume.name == mount.name);
    let mut sources = volume.into_iter().flat_map(|volume| &volume.source);
    let source = sources.find(|(_, source)| **source != Value::Null).map(|(kind, _)| kind.as_str());
    Some(Mounted { name: &mount.name, source })
}

/// The specs of a process's pods, one over the other.
fn pod_specs(subject: &Subject, process: Process) -> Vec<&PodSpec> {
    pod_templates(subject, process).filter_map(|template| template.spec.as_ref()).collect()
}

/// The common pod template, and over it that of the process.
pub(crate) fn pod_templates(subject: &Subject, process: Process) -> impl Iterator<Item = &PodTemplate> {
    let cluster = &subject.cluster;
    let own = match process {
        Process::JobManager => &cluster.job_manager.pod_template,
        Process::TaskManager => &cluster.task_manager.pod_template,
    };
    [&cluster.pod_template, own].into_iter().flatten().map(AsRef::as_ref)
}

fn main_containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().filter(|container| container.name == MAIN_CONTAINER)
}

/// Leaves of the pods only what is read here: the mounts of the main container, and of which kind each volume is.
pub(crate) fn trim(spec: &mut PodSpec) {
    spec.containers.retain(|container| container.name == MAIN_CONTAINER);
    for container in &mut spec.containers {
        container.resources = None;
    }
    for volume in &mut spec.volumes {
        volume.source.retain(|_, source| *source != Value::Null);
        volume.source.values_mut().for_each(|source| *source = Value::Bool(true));
    }
}

/// The parts of an absolute path; `None` where `..` leads who knows where.
fn segments(path: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (path.starts_with('/') && !parts.contains(&"..")).then_some(parts)
}
