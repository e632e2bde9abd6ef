//! FKO's own configuration, followed as it changes: from its ConfigMap or from a mounted directory.

mod follow;
mod parse;

pub use follow::{Known, STOCK_SOURCE, Source, SourceError, follow};
pub use parse::*;
