//! `flink-remedy report --opt-outs`: whatever people asked to be left alone, and for how long.

mod read;
mod table;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Write};

use checklist::annotations::{OPT_OUT, OPT_OUT_REASON};
use checklist::{Obedience, OptOut};
use flink_api::AnnotationOwner;
use jiff::Timestamp;
use kube::api::ObjectMeta;
use serde::Serialize;

pub(super) use read::read;
pub(super) use table::write as write_table;

/// The version of the interface; a field may be added under the same number, none changed or removed.
const VERSION: u8 = 1;
/// Names of labels that tell whose an object is, the most telling first; before them may stand a prefix.
const OWNER_LABELS: &[&str] = &["owner", "team"];
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The opt-outs of a cluster.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order in which somebody should look at them.
    pub(super) opt_outs: Vec<Entry>,
    /// What could not be seen, and what that means.
    pub(super) unseen: Vec<String>,
}

/// What one object asks to be left alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// `Namespace`, or the job's kind.
    kind: String,
    /// The job's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// The object's name.
    name: String,
    /// Whether it is in force.
    state: State,
    /// The rules, by code; none means all of them.
    rules: Vec<&'static str>,
    /// Why, in the words of whoever did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when at the latest: when whoever set it last changed the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// When it ends or has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// The field managers that set it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set_by: Vec<String>,
    /// Whose the object is, by a label, with the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// What cannot be read, and what would be right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// Whether an opt-out is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum State {
    /// It has ended.
    Expired,
    /// An annotation cannot be read: everything is left alone until it is corrected.
    Unreadable,
    /// It is.
    InForce,
}

impl Entry {
    /// What this object asks for; `None` if nothing.
    fn of(kind: &str, metadata: &ObjectMeta, now: Timestamp) -> Option<Self> {
        let (none, holds_jobs) = (BTreeMap::new(), kind == "Namespace");
        let annotations = metadata.annotations.as_ref()?;
        let (job, namespace) = if holds_jobs { (&none, annotations) } else { (annotations, &none) };
        // At the beginning of time none has ended: so those are read that have.
        let read = Obedience::read(job, namespace, Timestamp::MIN);
        let rules = match &read.opt_out {
            OptOut::None => return None,
            OptOut::Rules(codes) => codes.iter().copied().collect(),
            OptOut::All => Vec::new(),
        };
        let state = match read.expires {
            _ if !read.problems.is_empty() => State::Unreadable,
            Some(until) if until <= now => State::Expired,
            _ => State::InForce,
        };
        let annotation = read.problems.first().map_or(OPT_OUT, |problem| problem.annotation);
        let owner = AnnotationOwner::of(metadata, annotation);
        Some(Self {
            kind: kind.to_owned(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
            state,
            rules,
            reason: annotations.get(OPT_OUT_REASON).cloned(),
            since: owner.since,
            until: read.expires,
            set_by: owner.managers.into_iter().collect(),
            owner: owner_label(metadata),
            problems: read.problems.iter().map(ToString::to_string).collect(),
        })
    }

    /// Those first that have ended, then those that end soonest, then those that do not; of these what cannot be read is
    /// first.
    fn order(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| (entry.until.is_none(), entry.until, entry.state != State::Unreadable);
        let place = |entry: &Self| (entry.namespace.clone(), entry.name.clone(), entry.kind.clone());
        key(self).cmp(&key(other)).then_with(|| place(self).cmp(&place(other)))
    }
}

/// Whose the object is, as far as a label tells.
fn owner_label(metadata: &ObjectMeta) -> Option<String> {
    let labels = metadata.labels.as_ref()?;
    let named = |name: &str| labels.iter().find(|(key, _)| key.rsplit('/').next() == Some(name));
    let told = OWNER_LABELS.iter().find_map(|name| named(name)).or_else(|| labels.get_key_value(MANAGED_BY))?;
    Some(format!("{}={}", told.0, told.1))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    version: u8,
    opt_outs: &'a [Entry],
}

/// Writes the stable interface `report --opt-outs -o json`.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write_json(found: &Found, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Report { version: VERSION, opt_outs: &found.opt_outs })?;
    writeln!(out)
}

#[cfg(test)]
pub(in crate::report) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(super) const NOW: &str = "2026-06-15T12:00:00Z";

    /// A job with these annotations below our prefix.
    pub(super) fn entry(name: &str, annotations: &[(&str, &str)]) -> Option<Entry> {
        let annotations: Value =
            annotations.iter().map(|(key, value)| (format!("flink-remedy.dev/{key}"), json!(value))).collect();
        let metadata = json!({
            "namespace": "shop", "name": name, "annotations": annotations,
            "labels": {"app.kubernetes.io/managed-by": "Helm", "example.com/team": "payments"},
            "managedFields": [{"manager": "kubectl-annotate", "operation": "Update", "time": "2026-06-01T12:00:00Z",
                "fieldsV1": {"f:metadata": {"f:annotations": {"f:flink-remedy.dev/opt-out": {}, "f:flink-remedy.dev/mode": {}}}}}],
        });
        Entry::of("FlinkDeployment", &serde_json::from_value(metadata).unwrap(), NOW.parse().unwrap())
    }

    #[test]
    fn an_opt_out_tells_what_why_who_and_how_long() {
        let found = entry(
            "a",
            &[
                ("opt-out", "CKP003, no-restart-backoff"),
                ("opt-out-reason", "slow disks"),
                ("opt-out-until", "2026-06-20"),
            ],
        );
        let expected = json!({
            "kind": "FlinkDeployment", "namespace": "shop", "name": "a", "state": "InForce",
            "rules": ["CKP003", "RST001"], "reason": "slow disks",
            "since": "2026-06-01T12:00:00Z", "until": "2026-06-21T00:00:00Z", "setBy": ["kubectl-annotate"],
            "owner": "example.com/team=payments",
        });
        let found = Found { opt_outs: found.into_iter().collect(), ..Found::default() };
        let mut out = Vec::new();
        write_json(&found, &mut out).unwrap();
        let written: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(written, json!({"version": 1, "optOuts": [expected]}));
    }

    #[test]
    fn what_asks_for_nothing_is_none() {
        for annotations in [&[][..], &[("opt-out", "false")], &[("opt-out-until", "2026-01-01")], &[("mode", "Off")]] {
            assert_eq!(entry("a", annotations), None, "{annotations:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_opted_out_and_says_what_is_wrong() {
        let unreadable = entry("a", &[("mode", "apply")]).unwrap();
        assert_eq!((unreadable.state, unreadable.rules.len()), (State::Unreadable, 0));
        assert!(unreadable.problems[0].contains("flink-remedy.dev/mode on the job"), "{:?}", unreadable.problems);
        assert_eq!(unreadable.set_by, ["kubectl-annotate"]);
        let metadata = json!({"name": "shop", "annotations": {"flink-remedy.dev/opt-out": "no-such-rule"}});
        let metadata = serde_json::from_value(metadata).unwrap();
        let of_namespace = Entry::of("Namespace", &metadata, NOW.parse().unwrap()).unwrap();
        assert!(of_namespace.problems[0].contains("on the namespace"), "{:?}", of_namespace.problems);
        assert_eq!((of_namespace.owner, of_namespace.since), (None, None));
    }

    /// The entries in the order that the rest is tested with.
    pub(super) fn entries() -> Vec<Entry> {
        let of = |name, annotations: &[(&str, &str)]| entry(name, annotations).unwrap();
        let mut entries = vec![
            of("for-ever", &[("opt-out", "true")]),
            of(
                "later",
                &[
                    ("opt-out", "CKP003,MET001"),
                    ("opt-out-until", "2027-01-01T08:00:00Z"),
                    ("opt-out-reason", "until we\nmove"),
                ],
            ),
            of("soon", &[("opt-out", "true"), ("opt-out-until", "2026-06-16")]),
            of("unreadable", &[("opt-out", "true"), ("opt-out-until", "tomorrow")]),
            of("ended", &[("opt-out", "true"), ("opt-out-until", "2026-06-14")]),
            of(
                "long-ended",
                &[("opt-out", "true"), ("opt-out-until", "2025-01-01"), ("opt-out-reason", "black friday")],
            ),
        ];
        entries.sort_by(Entry::order);
        entries
    }

    #[test]
    fn what_has_ended_is_first_then_what_ends_soonest() {
        let entries = entries();
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["long-ended", "ended", "soon", "later", "unreadable", "for-ever"]);
        let states: Vec<State> = entries.iter().map(|entry| entry.state).collect();
        assert_eq!(states[1..5], [State::Expired, State::InForce, State::InForce, State::Unreadable]);
    }
}
