//! Where a job keeps its checkpoints, savepoints and metadata, and whether that outlives pod and node.

#[cfg(test)]
mod tests;
mod uri;
mod volume;

pub(crate) use uri::{has_credentials, scheme_of, shown};
pub(crate) use volume::{Process, pod_templates, trim};

use flink_api::UpgradeMode;
use flink_conf::options::{CHECKPOINT_DIRECTORY, CHECKPOINT_STORAGE, SAVEPOINT_DIRECTORY, STATE_BACKEND};
use flink_conf::{FlinkOption, FlinkVersion, Key, Lookup, Setting};

use crate::policy::PathTemplate;
use crate::{Policy, Subject};
use uri::{Location, is_known};
use volume::volume_at;

/// The pods that write and read checkpoints and savepoints.
pub(crate) const ALL: &[Process] = &[Process::JobManager, Process::TaskManager];

/// First version for which every FKO knows the present names of checkpoint and savepoint directory: FKO 1.10 and
/// older judge by Flink 1.19, which does not.
const PRESENT_NAMES: FlinkVersion = FlinkVersion::new(2, 0);
/// Last version in which their older names are the ones to write.
const OLDER_NAMES: FlinkVersion = FlinkVersion::new(1, 19);
/// First version without the backend that keeps checkpoints on the `JobManager`'s heap.
const NO_HEAP_BACKEND: FlinkVersion = FlinkVersion::new(2, 0);

/// Where a directory is, as the pods of a job see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a file system that all nodes reach, by its scheme.
    Shared(String),
    /// On a durable volume of the pods: its name and kind.
    Volume(String, String),
    /// Where it is lost with a pod or a node, and why.
    Lost(String),
}

impl Place {
    /// The place of `directory` for these processes.
    pub(crate) fn of(directory: &str, subject: &Subject, processes: &[Process]) -> Self {
        let default_scheme = subject.conf.get("fs.default-scheme").map(|setting| setting.value.as_str());
        let path = match Location::of(directory, default_scheme) {
            Location::Scheme(scheme) => return Self::Shared(scheme),
            Location::Relative => return Self::Lost("is no absolute URI".to_owned()),
            Location::Local(path) => path,
        };
        let mut place = Self::Lost("is on the pod's own disk".to_owned());
        for process in processes {
            place = match volume_at(path, subject, *process) {
                None => return Self::Lost(format!("is on no volume of the {process:?}")),
                Some(volume) if !volume.is_durable() => {
                    let kind = volume.source.unwrap_or("not in the pod template");
                    return Self::Lost(format!("is on volume {} of the {process:?} ({kind})", volume.name));
                }
                Some(volume) => Self::Volume(volume.name.to_owned(), volume.source.unwrap_or_default().to_owned()),
            };
        }
        place
    }

    /// Whether what is written there outlives pod and node.
    pub(crate) fn is_durable(&self) -> bool {
        !matches!(self, Self::Lost(_))
    }
}

/// What configuration says of where checkpoints are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointStorage<'a> {
    /// On the `JobManager`'s heap, by somebody's choice.
    Heap(&'static str, &'a Setting),
    /// By a class that nobody can look into.
    Custom(&'static str, &'a Setting),
    /// In this directory.
    Directory(&'static str, &'a Setting),
    /// Under a key that this Flink does not read.
    Ignored(&'static str, &'a Setting, Key),
    /// Nowhere: Flink then takes the `JobManager`'s heap.
    Unset,
}

impl<'a> CheckpointStorage<'a> {
    /// Reads a subject's configuration.
    pub(crate) fn of(subject: &'a Subject) -> Self {
        let (conf, version) = (&subject.conf, subject.version);
        // A backend of old that is a checkpoint storage too wins over everything (`CheckpointStorageLoader.load`).
        if let Lookup::Set { key, setting } = STATE_BACKEND.find(conf, version)
            && version < NO_HEAP_BACKEND
            && setting.value.eq_ignore_ascii_case("jobmanager")
        {
            return Self::Heap(key, setting);
        }
        let storage = CHECKPOINT_STORAGE.find(conf, version);
        match &storage {
            Lookup::Set { key, setting } if setting.value.eq_ignore_ascii_case("jobmanager") => {
                return Self::Heap(key, setting);
            }
            Lookup::Set { key, setting } if !setting.value.eq_ignore_ascii_case("filesystem") => {
                return Self::Custom(key, setting);
            }
            Lookup::Set { .. } | Lookup::Ignored { .. } | Lookup::Unset => {}
        }
        match (CHECKPOINT_DIRECTORY.find(conf, version), storage) {
            (Lookup::Set { key, setting }, _) => Self::Directory(key, setting),
            (Lookup::Ignored { key, setting }, _) => Self::Ignored(key, setting, CHECKPOINT_DIRECTORY.key(version)),
            (_, Lookup::Ignored { key, setting }) => Self::Ignored(key, setting, CHECKPOINT_STORAGE.key(version)),
            (Lookup::Unset, _) => Self::Unset,
        }
    }

    /// Whether a checkpoint outlives pod and node.
    pub(crate) fn is_durable(&self, subject: &Subject) -> bool {
        matches!(self, Self::Directory(_, setting) if Place::of(&setting.value, subject, ALL).is_durable())
    }
}

/// Whether FKO can put a savepoint where it outlives the pods that it replaces.
pub(crate) fn has_savepoint_directory(subject: &Subject) -> bool {
    let directory = SAVEPOINT_DIRECTORY.find(&subject.conf, subject.version);
    directory.value().is_some_and(|directory| Place::of(directory, subject, ALL).is_durable())
}

/// Whether the next deployment needs nothing of where the present one keeps its state: there is none, or it is replaced
/// by way of a savepoint. Any other upgrade looks for checkpoints and metadata where they never were.
pub(crate) fn is_free_to_move(subject: &Subject) -> bool {
    let by_savepoint = || subject.upgrade_mode() == Some(UpgradeMode::Savepoint) && has_savepoint_directory(subject);
    !subject.deployed || by_savepoint()
}

/// The key under which the directory of checkpoints or savepoints is written: one that the job's Flink and the Flink
/// inside FKO both read.
pub(crate) fn directory_key(option: &FlinkOption, version: FlinkVersion) -> Key {
    option.key(if version < PRESENT_NAMES { version.min(OLDER_NAMES) } else { version })
}

/// What is to be said of a directory that somebody set. `Ok`: the directory with what is worth knowing of it, such as
/// `/mnt/state, on volume state (nfs)`. `Err`: a sentence that says what to change.
pub(crate) fn judged(key: &str, setting: &Setting, subject: &Subject, processes: &[Process]) -> Result<String, String> {
    let directory = shown(&setting.value);
    match Place::of(&setting.value, subject, processes) {
        Place::Shared(scheme) if is_known(&scheme) => Ok(directory),
        Place::Shared(scheme) => {
            Ok(format!("{directory}, on a file system that is not known here ({})", shown(&scheme)))
        }
        Place::Volume(name, kind) => Ok(format!("{directory}, on volume {name} ({kind})")),
        Place::Lost(why) => Err(format!(
            "{key} is {directory} (from {}), which {why}; use one that outlives pods and that all nodes reach",
            setting.origin
        )),
    }
}

/// The directory that the policy's template, called `storage.<field>`, gives to this job; else why there is none.
pub(crate) fn from_template(
    template: Option<&PathTemplate>,
    field: &str,
    subject: &Subject,
    policy: &Policy,
    processes: &[Process],
) -> Result<String, String> {
    let template = template.ok_or_else(|| format!("set it, or give the policy storage.{field}"))?;
    let directory = subject.directory(template, policy).map_err(|error| error.to_string())?;
    match Place::of(&directory, subject, processes) {
        Place::Lost(why) => Err(format!("the directory of the policy's storage.{field} {why}")),
        Place::Shared(_) | Place::Volume(..) => Ok(directory),
    }
}
