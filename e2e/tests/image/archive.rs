//! The archive, read as a container runtime reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::artifacts::image_archive;
use serde_json::Value;
use tempfile::TempDir;

use crate::output;

/// How manifests name the image.
pub(crate) const IMAGE: &str = concat!("flink-remedy:", env!("CARGO_PKG_VERSION"));

/// The archive that `make image` packed.
pub(crate) fn file() -> PathBuf {
    image_archive().unwrap_or_else(|error| panic!("no image: {error:#}"))
}

/// The folder outside the tree that it lies in, as `CACHE/image/KEY/flink-remedy.tar`.
pub(crate) fn cache() -> PathBuf {
    file().ancestors().nth(3).unwrap().to_owned()
}

/// The archive as a folder, and the image's files as a root folder.
pub(crate) struct Unpacked {
    folder: TempDir,
}

impl Unpacked {
    pub(crate) fn new() -> Self {
        Self::of(&file())
    }

    /// Any archive of the image.
    pub(crate) fn of(archive: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("flink-remedy-image-").tempdir().unwrap();
        let unpacked = Self { folder };
        for made in [unpacked.layout(), unpacked.root()] {
            fs::create_dir(made).unwrap();
        }
        output(
            Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(unpacked.layout()),
        );
        for layer in unpacked.manifest()["layers"].as_array().unwrap() {
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--gzip", "--no-same-owner", "--file"]).arg(unpacked.blob(layer));
            output(tar.arg("--directory").arg(unpacked.root()));
        }
        unpacked
    }

    /// The folder in the form of the OCI's image layout.
    pub(crate) fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    /// What a container of the image has as its root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn binary(&self) -> PathBuf {
        self.root().join("flink-remedy")
    }

    pub(crate) fn index(&self) -> Value {
        read(&self.layout().join("index.json"))
    }

    pub(crate) fn manifest(&self) -> Value {
        read(&self.blob(&self.index()["manifests"][0]))
    }

    pub(crate) fn config(&self) -> Value {
        read(&self.blob(&self.manifest()["config"]))
    }

    /// Paths of all files, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let found = output(Command::new("find").args([".", "-type", "f", "-printf", "%P\n"]).current_dir(self.root()));
        let mut files: Vec<_> = found.lines().map(str::to_owned).collect();
        files.sort();
        files
    }

    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.root().join(file)).unwrap()
    }

    /// The file of what a descriptor names.
    fn blob(&self, descriptor: &Value) -> PathBuf {
        self.layout().join("blobs").join(descriptor["digest"].as_str().unwrap().replace(':', "/"))
    }
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}
