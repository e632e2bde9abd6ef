use std::collections::BTreeSet;
use std::fmt;

/// What names may take of a text that also has to say other things, in bytes.
const LONGEST: usize = 240;

/// The session jobs that run on a session cluster, as far as anybody can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SessionJobs {
    /// Nobody can.
    #[default]
    Unknown,
    /// These, by name.
    Known(BTreeSet<String>),
}

impl fmt::Display for SessionJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = match self {
            Self::Unknown => return f.write_str("how many FlinkSessionJobs run on it cannot be told"),
            Self::Known(names) if names.is_empty() => {
                return f
                    .write_str("no FlinkSessionJob runs on it, though jobs may that were submitted to it otherwise");
            }
            Self::Known(names) => names,
        };
        let jobs = if names.len() == 1 { "FlinkSessionJob" } else { "FlinkSessionJobs" };
        write!(f, "{} {jobs} (", names.len())?;
        let mut length = 0;
        for (index, name) in names.iter().enumerate() {
            length += name.len();
            if index > 0 && length > LONGEST {
                return write!(f, " and {} more)", names.len() - index);
            }
            write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jobs_are_counted_and_named_within_bounds() {
        let told =
            |names: &[&str]| SessionJobs::Known(names.iter().map(|name| (*name).to_owned()).collect()).to_string();
        assert_eq!(told(&["b", "a"]), "2 FlinkSessionJobs (a, b)");
        assert_eq!(told(&["a"]), "1 FlinkSessionJob (a)");
        assert!(
            told(&[]).starts_with("no FlinkSessionJob") && SessionJobs::Unknown.to_string().contains("cannot be told")
        );
        let long: Vec<String> = (0..9).map(|index| format!("{index}{}", "x".repeat(79))).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert!(told(&long).ends_with("x and 6 more)") && told(&long).starts_with("9 FlinkSessionJobs (0x"));
    }
}
