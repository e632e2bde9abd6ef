//! The way to a registry, and the image of several platforms there, as `docs/release.md` shows them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::artifacts::crane;
use e2e::launch::free_port;
use e2e::{await_condition, http};
use serde_json::Value;

use crate::archive::{self, Unpacked};
use crate::{VERSION, output};

const GUIDE: &str = include_str!("../../../docs/release.md");

/// A registry on loopback that ends with this value.
struct Registry {
    process: Child,
    address: SocketAddr,
}

impl Registry {
    async fn start(disk: &Path) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        let mut serve = Command::new(crane().unwrap());
        serve.args(["registry", "serve", "--address", &address.to_string(), "--disk"]).arg(disk);
        let process = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let registry = Self { process, address };
        await_condition("the registry", Duration::from_mins(2), async || {
            http::get(&format!("http://{address}/v2/")).await
        })
        .await;
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The guide's commands for several platforms.
fn commands() -> String {
    let (_, rest) = GUIDE.split_once("<!-- platforms:begin -->").unwrap();
    let (steps, _) = rest.split_once("<!-- platforms:end -->").unwrap();
    steps.lines().filter_map(|line| line.strip_prefix("$ ")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_guide_brings_two_platforms_under_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("registry");
    fs::create_dir(&disk).unwrap();
    let registry = Registry::start(&disk).await;
    let image = Unpacked::new();
    // What another machine would have built: the same files, said to be for its processor.
    let assemble = crane().unwrap().with_file_name("assemble");
    let other = folder.path().join("arm64.tar");
    output(
        Command::new(assemble)
            .args(["-name", archive::IMAGE, "-platform", "linux/arm64", "-out"])
            .args([&other, &image.root()]),
    );
    let tools = crane().unwrap().parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let repository = format!("{}/team/flink-remedy", registry.address);
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands()]).current_dir(folder.path()).env("PATH", path);
    shell.env("VERSION", VERSION).env("REPOSITORY", &repository).env("AMD64", archive::file()).env("ARM64", &other);
    output(&mut shell);

    let manifests = format!("http://{}/v2/team/flink-remedy/manifests", registry.address);
    let index: Value = serde_json::from_str(&http::text(&format!("{manifests}/{VERSION}")).await.unwrap()).unwrap();
    let of = |platform: &str| {
        let all = index["manifests"].as_array().unwrap();
        all.iter().find(|one| one["platform"]["architecture"] == platform).map(|one| one["digest"].clone())
    };
    assert_eq!(
        of("amd64").as_ref(),
        Some(&image.index()["manifests"][0]["digest"]),
        "what was tested is what is there"
    );
    assert!(of("arm64").is_some_and(|digest| Some(digest) != of("amd64")), "{index}");
}
