use std::fmt;

const MIB: u64 = 1 << 20;

/// A size for a message, in mebibytes and rounded: `1372 MiB`. What is no whole number of them and must be told
/// to the byte is written with `{:#}`: `63.9 MiB (66999999 bytes)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        if bytes.is_multiple_of(MIB) {
            write!(f, "{} MiB", bytes / MIB)
        } else if bytes < MIB {
            write!(f, "{bytes} bytes")
        } else if f.alternate() {
            let tenths = bytes / (MIB / 10);
            write!(f, "{}.{} MiB ({bytes} bytes)", tenths / 10, tenths % 10)
        } else {
            write!(f, "{} MiB", (bytes + MIB / 2) / MIB)
        }
    }
}
