use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use checklist::Platform;
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Config;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tracing::{info, warn};

use super::platform_from_files;
use crate::trouble::{advice, answer, patient, with_causes};
use crate::troubles::Trouble;

/// How often a mounted directory is read again. A kubelet updates a mounted `ConfigMap` within about a minute.
const REREAD: Duration = Duration::from_secs(5);

/// Where FKO's chart keeps its configuration, as [`Source`] reads it.
pub const STOCK_SOURCE: &str = "flink-operator/flink-operator-config";

/// Where FKO's configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A ConfigMap, as FKO's chart makes it.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A directory with its files, as it is mounted in FKO's pod.
    Directory(PathBuf),
    /// Stated on purpose: there are no layers.
    None,
}

/// A text that names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no Flink operator configuration: write NAMESPACE/CONFIGMAP, a directory (absolute, or beginning with ./), or none"
)]
pub struct SourceError(String);

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text == "none" {
            return Ok(Self::None);
        }
        if text.starts_with(['/', '.']) {
            return Ok(Self::Directory(PathBuf::from(text)));
        }
        match text.split('/').collect::<Vec<_>>()[..] {
            [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self::ConfigMap { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(SourceError(text.to_owned())),
        }
    }
}

/// What is known of the platform: its layers, or why they cannot be read.
pub type Known = Result<Arc<Platform>, String>;

/// Publishes what is known, now and whenever it changes; `None` until the first answer. Never ends by itself.
pub async fn follow(client: Client, source: Source, known: watch::Sender<Option<Known>>) {
    match source {
        Source::None => {
            publish(&known, Ok(Platform::default()));
            std::future::pending::<()>().await;
        }
        Source::Directory(path) => follow_directory(&path, &known).await,
        Source::ConfigMap { namespace, name } => follow_config_map(client, &namespace, &name, &known).await,
    }
}

fn publish(known: &watch::Sender<Option<Known>>, read: Result<Platform, String>) {
    let read = read.map(Arc::new);
    known.send_if_modified(|current| {
        if current.as_ref() == Some(&read) {
            return false;
        }
        match &read {
            Ok(_) => info!("the Flink operator's configuration is read"),
            Err(why) => warn!(trouble = %Trouble::OperatorConfigUnread, %why, "the Flink operator's configuration cannot be read"),
        }
        *current = Some(read);
        true
    });
}

async fn follow_directory(path: &Path, known: &watch::Sender<Option<Known>>) {
    loop {
        publish(known, read_directory(path).await);
        tokio::time::sleep(REREAD).await;
    }
}

async fn read_directory(path: &Path) -> Result<Platform, String> {
    let mut files = BTreeMap::new();
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut entries = tokio::fs::read_dir(path).await.map_err(failed)?;
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        // A mounted ConfigMap keeps its files behind links; what is no file is not ours to read.
        if tokio::fs::metadata(entry.path()).await.is_ok_and(|metadata| metadata.is_file()) {
            files.insert(name, tokio::fs::read_to_string(entry.path()).await.map_err(failed)?);
        }
    }
    platform_from_files(&files).map_err(|error| format!("{}: {error}", path.display()))
}

async fn follow_config_map(client: Client, namespace: &str, name: &str, known: &watch::Sender<Option<Known>>) {
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let events = patient(watcher(api, Config::default().fields(&format!("metadata.name={name}"))));
    pin_mut!(events);
    let read = |map: ConfigMap| {
        platform_from_files(&map.data.unwrap_or_default())
            .map_err(|error| format!("ConfigMap {namespace}/{name}: {error}"))
    };
    let mut found = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => found = false,
            Ok(Event::InitApply(map) | Event::Apply(map)) => {
                found = true;
                publish(known, read(map));
            }
            Ok(Event::InitDone) if found => {}
            Ok(Event::InitDone | Event::Delete(_)) => {
                publish(known, Err(format!("ConfigMap {namespace}/{name} does not exist")));
            }
            Err(error) => report(&error, namespace, name, known),
        }
    }
}

/// A missing right makes us blind at once; a server that is away for a moment leaves what we know.
fn report(error: &watcher::Error, namespace: &str, name: &str, known: &watch::Sender<Option<Known>>) {
    match answer(error) {
        Some(status) if status.is_forbidden() => {
            let advice = advice(status, &format!("get, list and watch on ConfigMap {name}"));
            let why =
                format!("may not list and watch configmaps in namespace {namespace}: {}; {advice}", status.message);
            publish(known, Err(why));
        }
        _ => {
            warn!(trouble = %Trouble::WatchInterrupted, error = with_causes(error), "watch of the Flink operator's configuration interrupted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_config_map_a_directory_or_none() {
        assert_eq!("none".parse(), Ok(Source::None));
        assert_eq!("/opt/flink/conf".parse(), Ok(Source::Directory("/opt/flink/conf".into())));
        assert_eq!("./conf".parse(), Ok(Source::Directory("./conf".into())));
        assert_eq!("flink/conf".parse(), Ok(Source::ConfigMap { namespace: "flink".into(), name: "conf".into() }));
        for text in ["", "flink", "a/b/c", "/x", "flink/"] {
            assert_eq!(text.parse::<Source>().is_ok(), text == "/x", "{text}");
        }
    }
}
