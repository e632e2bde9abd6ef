use std::io::{self, Write};
use std::path::{Component, Path};

use flink_api::{GROUP, VERSION};

use super::patch::{self, quoted};
use crate::check::Job;
use crate::input::{CLUSTER, Node, STDIN};
use crate::printable;

/// Writes the head of a kustomization: the files that the jobs were read from, by their paths as they were given.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(super) fn write_head(jobs: &[Job], out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
    let mut files: Vec<&str> = Vec::new();
    for job in jobs {
        let file = job.source.file.as_str();
        if ![STDIN, CLUSTER].contains(&file) && !files.contains(&file) {
            files.push(file);
        }
    }
    writeln!(out, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization")?;
    if files.is_empty() {
        writeln!(out, "# resources: name here the files that these jobs come from")?;
    } else {
        writeln!(out, "resources:")?;
    }
    for file in files {
        if !is_below(Path::new(file)) {
            let file = printable(file);
            writeln!(
                err,
                "warning: {file}: kustomize reads files in and below a kustomization's own folder only; run this there"
            )?;
        }
        writeln!(out, "  - {}", quoted(file))?;
    }
    writeln!(out, "patches:")
}

fn is_below(file: &Path) -> bool {
    file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Writes the patch of one job under the object that it is for.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(super) fn write(
    job: &Job,
    object: &Node,
    notes: &[String],
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    let Some(named) = patch::named(job, object, err)? else { return Ok(()) };
    notes.iter().try_for_each(|note| writeln!(out, "  # {note}"))?;
    writeln!(out, "  - target:\n      group: {GROUP}\n      version: {VERSION}\n      kind: {}", job.kind)?;
    writeln!(out, "      name: {}", quoted(&pattern(named.name)))?;
    if let Some(namespace) = named.namespace {
        writeln!(out, "      namespace: {}", quoted(&pattern(namespace)))?;
    }
    writeln!(out, "    patch: |")?;
    let mut text = Vec::new();
    patch::write_body(job, &named, &mut text)?;
    for line in String::from_utf8_lossy(&text).lines() {
        writeln!(out, "{}{line}", if line.is_empty() { "" } else { "      " })?;
    }
    Ok(())
}

/// Exactly this name: kustomize takes a target's name for a regular expression, and in names only the point means something
/// in one.
fn pattern(name: &str) -> String {
    name.replace('.', "\\.")
}
