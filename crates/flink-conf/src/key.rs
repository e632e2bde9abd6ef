use std::borrow::Borrow;
use std::fmt;

/// A flat configuration key such as `state.backend.type`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

impl Key {
    /// The key as Flink reads it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether one of the two keys is a dotted prefix of the other (`a.b` and `a.b.c`).
    ///
    /// FKO from 1.12 on refuses such a pair for Flink 2 after it has stopped the job
    /// (`FlinkConfMountDecorator.validateConfigKeysForV2`, FLINK-37405).
    pub fn overlaps(&self, other: &str) -> bool {
        is_dotted_prefix(self.as_str(), other) || is_dotted_prefix(other, self.as_str())
    }
}

fn is_dotted_prefix(prefix: &str, key: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
}

impl<T: AsRef<str>> From<T> for Key {
    fn from(key: T) -> Self {
        Self(key.as_ref().into())
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn overlap_is_by_whole_segments() {
        let key = Key::from("state.backend");
        assert!(key.overlaps("state.backend.incremental"));
        assert!(Key::from("state.backend.incremental").overlaps("state.backend"));
        assert!(!key.overlaps("state.backends"));
        assert!(!key.overlaps("state.backend"));
    }
}
