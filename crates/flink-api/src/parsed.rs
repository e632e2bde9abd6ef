use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::strict::Strict;

/// A part of an object that may not have the shape it should: one bad object must not end a watch.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed<T> {
    /// As expected.
    Ok(T),
    /// Why it could not be read, in serde's words.
    Malformed(String),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match T::deserialize(Strict(value)) {
            Ok(parsed) => Self::Ok(parsed),
            Err(error) => Self::Malformed(error.to_string()),
        })
    }
}

impl<T: Default> Default for Parsed<T> {
    fn default() -> Self {
        Self::Ok(T::default())
    }
}

impl<T> From<Result<T, String>> for Parsed<T> {
    fn from(read: Result<T, String>) -> Self {
        read.map_or_else(Self::Malformed, Self::Ok)
    }
}

impl<T> Parsed<T> {
    /// The part, or why it cannot be read.
    pub fn as_result(&self) -> Result<&T, &str> {
        match self {
            Self::Ok(parsed) => Ok(parsed),
            Self::Malformed(why) => Err(why),
        }
    }
}
