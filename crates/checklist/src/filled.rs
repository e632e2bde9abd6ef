use std::collections::BTreeMap;

use flink_api::{Field, FieldOwners, FlinkDeployment};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::annotations::FILLED;
use crate::{Disruption, Quarantine, Target};

/// Within so long, twice is no accident.
const TUG_OF_WAR: SignedDuration = SignedDuration::from_hours(1);

/// The annotation `filled`: what we wrote on this object, so that ownership, Events and the restart in
/// flight can be derived from the object alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filled {
    version: Version,
    /// Id of the last change: the hash of its plan; empty where there has been none.
    pub change: String,
    /// When the last change was made.
    pub at: Timestamp,
    /// The last change that restarted the running job.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restart: Option<Restart>,
    /// The approval that the last approved change used up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approval_used: Option<String>,
    /// What the job has not come back with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quarantine: Option<Quarantine>,
    /// When others were found to have taken values of ours away or changed them, and we wrote again: the last times.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lost: Vec<Timestamp>,
    /// The manager to whom we leave the job, after a tug-of-war.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left_to: Option<String>,
    /// The restart that was announced last; boxed, since few records have one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub announced: Option<Box<Announced>>,
    /// Every value that is ours.
    pub values: BTreeMap<Target, FilledValue>,
}

/// A restart that we caused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Id of the change.
    pub change: String,
    /// Generation that the change gave the object.
    pub generation: i64,
    /// When the change was made; `None` in records of older versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<Timestamp>,
    /// Whether the change took values back with which the job had not come back.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub withdrawal: bool,
}

/// A restart that is to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Announced {
    /// Hash of the plan.
    pub plan: String,
    /// When it was announced.
    pub at: Timestamp,
}

/// One value of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledValue {
    /// The value; of a log file `sha256:` and its digest.
    pub value: String,
    /// Code of the rule.
    pub rule: String,
    /// Id of the change that wrote it.
    pub change: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Version;

impl TryFrom<u8> for Version {
    type Error = String;

    fn try_from(version: u8) -> Result<Self, String> {
        if version == 1 { Ok(Self) } else { Err(format!("version {version} of the record is not known")) }
    }
}

impl From<Version> for u8 {
    fn from(_: Version) -> Self {
        1
    }
}

impl Filled {
    /// A record of a change.
    pub fn new(change: String, at: Timestamp, values: BTreeMap<Target, FilledValue>) -> Self {
        Self {
            version: Version,
            change,
            at,
            restart: None,
            approval_used: None,
            quarantine: None,
            lost: Vec::new(),
            left_to: None,
            announced: None,
            values,
        }
    }

    /// Our record on this object. One that another manager owns came with a copied manifest or a restored backup, and says
    /// nothing; one that nobody owns was written at admission.
    pub fn of(deployment: &FlinkDeployment, owners: &FieldOwners) -> Option<Self> {
        let text = deployment.annotation(FILLED)?;
        if Self::is_foreign(deployment, owners) {
            return None;
        }
        serde_json::from_str(text).ok()
    }

    /// Whether somebody else's record stands in the place of ours.
    pub fn is_foreign(deployment: &FlinkDeployment, owners: &FieldOwners) -> bool {
        deployment.annotation(FILLED).is_some() && owners.others.contains_key(&Field::Annotation(FILLED.to_owned()))
    }

    /// The annotation's text: the same record gives the same bytes.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the job has not come back from this restart of ours, and that is established.
    pub fn has_failed(&self, restart: &Restart) -> bool {
        self.quarantine.as_ref().is_some_and(|quarantine| !restart.withdrawal && Some(quarantine.at) >= restart.at)
    }

    /// Keeps this in quarantine and nothing else. A restart that was judged to have failed goes with its judgement: else it
    /// would be watched, and judged, once more.
    pub fn keep_in_quarantine(&mut self, kept: Option<Quarantine>) {
        let is_judged = |filled: &Self| filled.restart.as_ref().is_some_and(|restart| filled.has_failed(restart));
        let was_judged = is_judged(self);
        self.quarantine = kept;
        if was_judged && !is_judged(self) {
            self.restart = None;
        }
    }

    /// Whether values were lost at this time and, within an hour before, another time.
    pub(crate) fn is_tug_of_war(&self, lost: Timestamp) -> bool {
        self.lost.iter().any(|before| lost.duration_since(*before) < TUG_OF_WAR)
    }

    /// Whether we have written this target, and may have taken it back since.
    pub(crate) fn has_written(&self, target: &Target) -> bool {
        let taken_back = self.quarantine.as_ref().is_some_and(|quarantine| quarantine.values.contains_key(target));
        self.values.contains_key(target) || taken_back
    }

    /// When the restart for this plan was announced, if it was.
    pub fn announced_at(&self, plan: &str) -> Option<Timestamp> {
        self.announced.as_ref().filter(|announced| announced.plan == plan).map(|announced| announced.at)
    }

    /// The values of the last change.
    pub fn last_change(&self) -> impl Iterator<Item = (&Target, &FilledValue)> {
        self.values.iter().filter(|(_, value)| value.change == self.change)
    }

    /// What the last change cost.
    pub fn cost(&self) -> Disruption {
        let restarted = self.restart.as_ref().is_some_and(|restart| restart.change == self.change);
        if restarted { Disruption::Restart } else { Disruption::None }
    }
}

impl FilledValue {
    /// How a value is remembered: whole, or a log file by its digest.
    pub fn remembered(target: &Target, value: &str) -> String {
        match target {
            Target::Option(_) | Target::PodAnnotation(_) => value.to_owned(),
            Target::LogFile(_) => format!("sha256:{}", hex(&Sha256::digest(value.as_bytes()))),
        }
    }

    /// Whether this is what was written there.
    pub(crate) fn is(&self, target: &Target, value: &str) -> bool {
        match target {
            Target::Option(_) | Target::PodAnnotation(_) => self.value == value,
            Target::LogFile(_) => self.value == Self::remembered(target, value),
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Filled {
        let value = FilledValue { value: "true".into(), rule: "CKP003".into(), change: "ab".into() };
        let values = BTreeMap::from([(Target::option("state.backend.incremental"), value)]);
        Filled::new("ab".into(), "2026-01-02T03:04:05Z".parse().unwrap(), values)
    }

    fn deployment(text: &str, manager: &str) -> FlinkDeployment {
        serde_json::from_value(json!({"metadata": {"name": "a", "annotations": {FILLED: text}, "managedFields": [
            {"manager": manager, "operation": "Apply", "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{FILLED}"): {}}}}},
        ]}}))
        .unwrap()
    }

    #[test]
    fn the_record_is_read_back() {
        let ours = deployment(&record().to_text(), "flink-remedy");
        assert_eq!(Filled::of(&ours, &FieldOwners::of(&ours)), Some(record()));
    }

    #[test]
    fn a_restart_that_was_judged_is_not_judged_again() {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut judged = record();
        judged.restart = Some(Restart { change: "ab".into(), generation: 2, at: Some(at), withdrawal: false });
        judged.quarantine = Some(Quarantine {
            plan: "ab".into(),
            at,
            why: "the job has failed".into(),
            values: BTreeMap::new(),
            left: None,
            job: "j".into(),
        });
        let mut kept = judged.clone();
        kept.keep_in_quarantine(judged.quarantine.clone());
        assert_eq!(kept, judged);
        kept.keep_in_quarantine(None);
        assert_eq!((kept.restart, kept.quarantine), (None, None));
        let mut going_well = Filled { quarantine: None, ..judged.clone() };
        going_well.keep_in_quarantine(None);
        assert_eq!(going_well.restart, judged.restart);
    }

    #[test]
    fn a_copied_or_unreadable_record_says_nothing() {
        let copied = deployment(&record().to_text(), "kubectl-client-side-apply");
        let owners = FieldOwners::of(&copied);
        assert_eq!(Filled::of(&copied, &owners), None);
        assert!(Filled::is_foreign(&copied, &owners));
        let newer = deployment(&record().to_text().replace("\"version\":1", "\"version\":2"), "flink-remedy");
        assert_eq!(Filled::of(&newer, &FieldOwners::of(&newer)), None);
    }
}
