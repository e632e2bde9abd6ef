use std::borrow::Cow;
use std::collections::BTreeSet;

use flink_conf::options::spelled;
use flink_conf::{FlinkVersion, Key, Origin, Setting};

use crate::{Holdings, Subject, Target};

/// First version for which FKO writes nested YAML, where no key may be a prefix of another.
pub(crate) const NESTED_YAML: FlinkVersion = FlinkVersion::new(2, 0);

/// Values of ours that have to go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaving {
    /// The owner now sets their option in another spelling.
    pub(crate) taken_over: BTreeSet<Target>,
    /// Beside another key they would stop the job on Flink 2: the owner raised the version, or set a key above
    /// or below ours. What they were for is filled again, under a name that this version accepts.
    pub(crate) overlapping: BTreeSet<Target>,
}

impl Leaving {
    pub(crate) fn of(subject: &Subject, holdings: &Holdings) -> Self {
        let ours: Vec<&Key> = holdings.ours.keys().filter_map(as_option).collect();
        let (taken_over, mut rest): (Vec<&Key>, Vec<&Key>) =
            ours.into_iter().partition(|key| is_taken_over(key, subject, holdings));
        let mut leaving = Self { taken_over: targets(&taken_over), overlapping: BTreeSet::new() };
        let mut left = Cow::Borrowed(subject);
        // What leaves may show a setting of the platform's below it, which overlaps with more of ours.
        loop {
            let (going, staying): (Vec<&Key>, Vec<&Key>) =
                rest.into_iter().partition(|key| is_overlapping(key, &left, holdings));
            if going.is_empty() {
                return leaving;
            }
            for key in &going {
                left.to_mut().conf.remove(key);
            }
            leaving.overlapping.extend(targets(&going));
            rest = staying;
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeSet<Target> {
        self.taken_over.union(&self.overlapping).cloned().collect()
    }

    /// The subject without what overlaps, so that it can be written again under another name.
    pub(crate) fn without_overlapping<'a>(&self, subject: &'a Subject) -> Cow<'a, Subject> {
        let mut subject = Cow::Borrowed(subject);
        self.overlapping.iter().filter_map(as_option).for_each(|key| subject.to_mut().conf.remove(key));
        subject
    }
}

fn is_ours(key: &str, holdings: &Holdings) -> bool {
    holdings.ours.contains_key(&Target::option(key))
}

fn is_taken_over(key: &Key, subject: &Subject, holdings: &Holdings) -> bool {
    let by_owner = |other: &str| {
        other != key.as_str()
            && !is_ours(other, holdings)
            && subject.conf.get(other).is_some_and(|setting| setting.origin == Origin::Resource)
    };
    subject.spelled_twice.contains(key)
        || spelled(key.as_str()).is_some_and(|option| option.spellings().into_iter().any(by_owner))
}

/// Of two keys of ours, the one under an old name goes.
fn is_overlapping(key: &Key, subject: &Subject, holdings: &Holdings) -> bool {
    let is_old_name = || spelled(key.as_str()).is_some_and(|option| option.key(subject.version) != *key);
    let is_ours =
        |(other, setting): (&Key, &Setting)| setting.origin == Origin::Resource && is_ours(other.as_str(), holdings);
    let mut beside = subject.conf.iter().filter(|(other, _)| key.overlaps(other.as_str()));
    subject.version >= NESTED_YAML && beside.any(|other| !is_ours(other) || is_old_name())
}

fn as_option(target: &Target) -> Option<&Key> {
    match target {
        Target::Option(key) => Some(key),
        Target::LogFile(_) | Target::PodAnnotation(_) => None,
    }
}

fn targets(keys: &[&Key]) -> BTreeSet<Target> {
    keys.iter().map(|key| Target::Option((*key).clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flink_conf::PlatformLayers;
    use serde_json::json;

    use super::*;
    use crate::Platform;

    /// Filled on Flink 1.16; on Flink 2 FKO's own configuration has the strategy, under its old name.
    #[test]
    fn what_leaves_may_show_a_layer_that_more_of_ours_overlaps_with() {
        let ours =
            [("restart-strategy", "exponential-delay"), ("restart-strategy.exponential-delay.max-backoff", "1 min")];
        let layer = "kubernetes.operator.default-configuration.flink-version.v2_0+.restart-strategy";
        let layers = |keys: &[&str]| Platform {
            layers: PlatformLayers::new(keys.iter().map(|key| (Key::from(key), "exponential-delay".into())).collect()),
            log_file: None,
        };
        let deployment = json!({"spec": {"flinkVersion": "v2_0", "flinkConfiguration": BTreeMap::from(ours)}});
        let deployment = serde_json::from_value(deployment).unwrap();
        let ours = ours.map(|(key, value)| (Target::option(key), value.to_owned()));
        let holdings = Holdings { ours: BTreeMap::from(ours.clone()), ..Holdings::default() };
        let leaving = |platform| Leaving::of(&Subject::new(&deployment, &platform).unwrap(), &holdings);
        assert_eq!(leaving(layers(&[])).overlapping, BTreeSet::from([ours[0].0.clone()]));
        assert_eq!(leaving(layers(&[layer])).overlapping, BTreeSet::from(ours.map(|(target, _)| target)));
    }
}
