use flink_conf::options::{OptionInfo, known};
use flink_conf::{Key, Origin};

use crate::Subject;

/// What the resource itself sets, with what the catalogue knows of the key: asked once, for all rules about keys.
#[derive(Clone, Copy, Debug)]
pub struct OwnOption<'a> {
    /// The key as the resource has it.
    pub key: &'a Key,
    /// Its value as text.
    pub value: &'a str,
    /// What the job's Flink makes of the key ([`known`]).
    pub known: Option<OptionInfo>,
}

impl<'a> OwnOption<'a> {
    /// Of a subject, in the order of keys. The other layers are judged on their own objects.
    pub fn all_of(subject: &'a Subject) -> Vec<Self> {
        let own = subject.conf.iter().filter(|(_, setting)| setting.origin == Origin::Resource);
        let option = |(key, setting): (&'a Key, &'a flink_conf::Setting)| Self {
            key,
            value: &setting.value,
            known: known(key.as_str(), subject.version),
        };
        own.map(option).collect()
    }
}
