//! Fills a control plane with a fleet of jobs of a real size, by hand.
#![allow(clippy::panic, clippy::print_stdout, reason = "a tool of the developers")]

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use e2e::fleet::Fleet;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

#[derive(Parser)]
#[command(about = "A fleet of FlinkDeployments of a real size", version)]
struct Args {
    /// The admin's kubeconfig.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// How many jobs.
    #[arg(long, default_value_t = 1000)]
    jobs: usize,
    /// The first of them: those before it are there already.
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// How many namespaces they are spread over.
    #[arg(long, default_value_t = 20)]
    namespaces: usize,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create namespaces and jobs, none of which is deployed.
    Create,
    /// Write the status of a running, stable job to each.
    Deploy,
    /// Print how large they are.
    Sizes,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let config = Kubeconfig::read_from(&args.kubeconfig)?;
    let client = Client::try_from(Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?)?;
    let fleet = Fleet::new(args.namespaces);
    match args.action {
        Action::Create => {
            fleet.create_namespaces(&client).await;
            fleet.create(&client, args.from..args.jobs).await;
        }
        Action::Deploy => fleet.deploy(&client, args.from..args.jobs).await,
        Action::Sizes => {
            let (least, mean) = fleet.sizes(&client).await;
            println!("least {least} B, mean {mean} B");
        }
    }
    Ok(())
}
