use super::MemoryError;
use super::share::Range;
use crate::value::{parse_float, parse_int};
use crate::{EffectiveConf, FlinkOption, FlinkVersion, ValueError, parse_memory_bytes};

/// The options of a share with bounds.
#[derive(Clone, Copy)]
pub(super) struct RangeOptions {
    pub(super) min: &'static FlinkOption,
    pub(super) max: &'static FlinkOption,
    pub(super) fraction: &'static FlinkOption,
}

/// The options of before Flink 1.11 for the size of a process.
#[derive(Clone, Copy)]
pub(super) struct LegacyOptions {
    pub(super) size: &'static FlinkOption,
    pub(super) mebibytes: &'static FlinkOption,
}

/// The configuration as the calculator reads it. A value that the calculator does not come to may be anything,
/// as in Flink: the order of reading is part of the result.
pub(super) struct Reader<'a> {
    conf: &'a EffectiveConf,
    version: FlinkVersion,
    /// Sizes in bytes that stand in for what the configuration says of an option.
    given: Vec<(&'static FlinkOption, u64)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(conf: &'a EffectiveConf, version: FlinkVersion) -> Self {
        Self { conf, version, given: Vec::new() }
    }

    /// Gives an option a size in bytes, whatever the configuration says.
    pub(super) fn give(&mut self, option: &'static FlinkOption, bytes: u64) {
        self.given.insert(0, (option, bytes));
    }

    /// Gives `option` the size of the legacy options, unless it is set
    /// (`MemoryBackwardsCompatibilityUtils`; the environment variables of Flink's scripts are not looked at).
    pub(super) fn give_legacy(
        &mut self,
        option: &'static FlinkOption,
        legacy: LegacyOptions,
    ) -> Result<(), MemoryError> {
        if self.is_set(option) {
            return Ok(());
        }
        if self.is_set(legacy.size) {
            let bytes = self.size(legacy.size)?;
            self.give(option, bytes);
        } else if self.is_set(legacy.mebibytes) {
            let value = self.int(legacy.mebibytes)?;
            let mebibytes = u64::try_from(value).map_err(|_| MemoryError::TooSmall {
                key: self.key(legacy.mebibytes),
                value,
                least: 0,
            })?;
            self.give(option, mebibytes << 20);
        }
        Ok(())
    }

    /// The spelling in effect, or the one to write.
    pub(super) fn key(&self, option: &FlinkOption) -> String {
        let found = self.find(option).map(|(key, _)| key.to_owned());
        found.unwrap_or_else(|| option.key(self.version).to_string())
    }

    pub(super) fn is_set(&self, option: &'static FlinkOption) -> bool {
        self.given(option).is_some() || self.find(option).is_some()
    }

    /// A size in bytes: what is given or configured, otherwise Flink's default.
    pub(super) fn size(&self, option: &'static FlinkOption) -> Result<u64, MemoryError> {
        match self.given(option) {
            Some(bytes) => Ok(bytes),
            None => self.read(option, parse_memory_bytes),
        }
    }

    pub(super) fn int(&self, option: &FlinkOption) -> Result<i32, MemoryError> {
        self.read(option, parse_int)
    }

    pub(super) fn range(&self, options: RangeOptions) -> Result<Range, MemoryError> {
        let (min, max) = (self.size(options.min)?, self.size(options.max)?);
        let fraction = self.fraction(options.fraction)?;
        if min > max {
            let (min_key, max_key) = (self.key(options.min), self.key(options.max));
            return Err(MemoryError::Bounds { min_key, min, max_key, max });
        }
        Ok(Range { min, max, fraction })
    }

    /// A share of at least 0 and less than 1.
    pub(super) fn fraction(&self, option: &FlinkOption) -> Result<f64, MemoryError> {
        let fraction = self.read(option, parse_float)?;
        if !(0.0..1.0).contains(&fraction) {
            return Err(MemoryError::Fraction { key: self.key(option), value: fraction.to_string() });
        }
        Ok(f64::from(fraction))
    }

    fn given(&self, option: &'static FlinkOption) -> Option<u64> {
        self.given.iter().find(|(given, _)| std::ptr::eq(*given, option)).map(|(_, bytes)| *bytes)
    }

    fn find(&self, option: &FlinkOption) -> Option<(&'static str, &str)> {
        option.read_as(self.version).find_map(|key| Some((key, self.conf.get(key)?.value.as_str())))
    }

    fn read<T>(&self, option: &FlinkOption, parse: fn(&str) -> Result<T, ValueError>) -> Result<T, MemoryError> {
        let text = self.find(option).map(|(_, text)| text).or_else(|| option.default(self.version));
        parse(text.unwrap_or_default()).map_err(|source| MemoryError::Unreadable { key: self.key(option), source })
    }
}
