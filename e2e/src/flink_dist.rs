//! Where `make flink-dist` has put Flink itself.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::artifacts::cache;

/// One line for each distribution, in the form of sha256sum.
const PINNED: &str = include_str!("../flink/local/dist.sha256");

/// What a local cluster needs of one Flink release.
#[derive(Debug, Clone)]
pub struct FlinkDist {
    /// The release, such as 1.20.5.
    pub version: String,
    dir: PathBuf,
}

impl FlinkDist {
    /// Finds the release of this minor version, such as 1.20, in the cache.
    pub fn locate(minor: &str) -> Result<Self> {
        let (sha, version) = pinned(minor).with_context(|| format!("dist.sha256 has no Flink {minor}"))?;
        // The same folder as in `flink/local/fetch-dist.sh`.
        let dir = cache()?.join("flink-dist").join(format!("{version}-{}", &sha[..16]));
        ensure!(dir.is_dir(), "Flink {version} is missing at {}: run `make flink-dist` first", dir.display());
        Ok(Self { version: version.to_owned(), dir })
    }

    /// The jars of Flink's `lib` folder: flink-dist and log4j.
    pub fn lib(&self) -> Vec<PathBuf> {
        let jars = fs::read_dir(self.dir.join("lib")).expect("an unpacked distribution has a lib folder");
        let mut jars: Vec<PathBuf> = jars.map(|jar| jar.expect("a readable folder").path()).collect();
        jars.sort();
        jars
    }

    /// What Flink's shell scripts compute the memory of a process with.
    pub fn bash_java_utils(&self) -> PathBuf {
        self.dir.join("bin/bash-java-utils.jar")
    }

    /// Flink's `plugins` folder.
    pub fn plugins(&self) -> PathBuf {
        self.dir.join("plugins")
    }
}

/// Checksum and release.
fn pinned(minor: &str) -> Option<(&'static str, &'static str)> {
    PINNED.lines().find_map(|line| {
        let (sha, sdist) = line.split_once("  ")?;
        let (_, version) = sdist.strip_suffix(".tar.gz")?.rsplit_once('-')?;
        version.strip_prefix(minor)?.starts_with('.').then_some((sha, version))
    })
}

/// A program of the JDK: that of `JAVA_HOME` if set, else the one on the path.
pub fn jdk(program: &str) -> PathBuf {
    let home = env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    home.map_or_else(|| PathBuf::from(program), |home| Path::new(&home).join("bin").join(program))
}
