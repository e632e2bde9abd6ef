//! Flink's configuration as the Flink Kubernetes Operator (FKO) and Flink itself read it: flat keys,
//! their spellings across versions, typed values, and layers with their origin.
//!
//! Pure: values in, values out; no clock, no I/O, no Kubernetes types.
#![warn(clippy::disallowed_methods, reason = "time and I/O come in as values")]

mod flatten;
mod key;
mod layers;
pub mod memory;
pub mod options;
mod plain;
mod secret;
mod value;
mod version;

pub use flatten::{FlattenError, flatten, spelled_twice};
pub use key::Key;
pub use layers::{EffectiveConf, LayerError, Origin, PlatformLayers, Setting, parse_flat_file};
pub use options::{FlinkOption, Lookup};
pub use plain::{is_steering, plain};
pub use secret::{CREDENTIAL_PARTS, MASK, REFERENCE_ENDINGS, is_credential, is_secret, masked};
pub use value::{ValueError, parse_bool, parse_duration_ms, parse_enum, parse_memory_bytes};
pub use version::{FlinkVersion, VersionError};
