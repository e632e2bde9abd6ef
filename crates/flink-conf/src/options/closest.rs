use std::collections::HashMap;
use std::sync::LazyLock;

use super::generated::OPTIONS;
use super::{Role, known};
use crate::FlinkVersion;

/// Keys below these are not Flink's own options, or take names that their users choose.
const OTHER_NAMESPACES: &[&str] = &[
    "containerized.",
    "fs.",
    "gs.",
    "job.autoscaler.",
    "kubernetes.operator.",
    "metrics.reporter.",
    "python.",
    "s3.",
    "sql-client.",
    "table.",
    "yarn.",
];

/// The longest key that is looked up, in bytes: twice what Flink's longest has.
const LONGEST: usize = 200;

/// A key that this version reads and that `key`, which no version does, was probably meant to be.
///
/// It is the same but for case and separators (`taskmanager.number-of-task-slots`), or but for one part with a slip
/// of the hand (`state.checkpoint.dir`). `None` for whatever the catalogue knows, and for versions newer than it, whose
/// options it cannot know.
pub fn closest(key: &str, version: FlinkVersion) -> Option<&'static str> {
    let newest = *FlinkVersion::CATALOGUED.last()?;
    let is_elsewhere = OTHER_NAMESPACES.iter().any(|prefix| key.starts_with(prefix));
    if version > newest || is_elsewhere || key.len() > LONGEST || known(key, version).is_some() {
        return None;
    }
    let is_read = |candidate: &&'static str| known(candidate, version).is_some_and(|info| info.role != Role::Unread);
    let same_letters = SPELLINGS.by_letters.get(&letters(key)).into_iter().flatten();
    let parts: Vec<&str> = key.split('.').collect();
    let slips = SPELLINGS.by_parts.get(&parts.len()).into_iter().flatten();
    let slips = slips.filter_map(|spelling| Some((slip(&parts, spelling)?, spelling.text)));
    same_letters
        .map(|text| (0, *text))
        .chain(slips)
        .filter(|(_, text)| is_read(text))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, text)| text)
}

struct Spelling {
    text: &'static str,
    parts: Vec<&'static str>,
}

struct Spellings {
    by_letters: HashMap<String, Vec<&'static str>>,
    by_parts: HashMap<usize, Vec<Spelling>>,
}

static SPELLINGS: LazyLock<Spellings> = LazyLock::new(|| {
    let mut spellings = Spellings { by_letters: HashMap::new(), by_parts: HashMap::new() };
    for option in OPTIONS.iter().filter(|option| !option.newest_key().contains('<')) {
        for text in option.spellings() {
            let parts: Vec<&str> = text.split('.').collect();
            spellings.by_letters.entry(letters(text)).or_default().push(text);
            spellings.by_parts.entry(parts.len()).or_default().push(Spelling { text, parts });
        }
    }
    spellings
});

/// The key without case and separators.
fn letters(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '.' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// How far the one part in which a key differs from a spelling is from it; `None` if that is more than a slip.
fn slip(parts: &[&str], spelling: &Spelling) -> Option<usize> {
    let mut different = parts.iter().zip(&spelling.parts).filter(|(is, should)| is != should);
    let (is, should) = different.next()?;
    if different.next().is_some() || is.len().abs_diff(should.len()) > LONGEST_ENDING {
        return None;
    }
    let is_cut = is.len().min(should.len()) >= SHORTEST_STEM && (is.starts_with(should) || should.starts_with(is));
    let distance = strsim::damerau_levenshtein(is, should);
    let allowed = if is.len() >= SHORTEST_STEM { 2 } else { 1 };
    (distance <= allowed && is.len() > SHORTEST_WORD || is_cut).then_some(distance)
}

/// `checkpoint` for `checkpointing` leaves off three letters.
const LONGEST_ENDING: usize = 4;
/// A shorter part may differ in one letter.
const SHORTEST_STEM: usize = 5;
/// A part of that length or less is too short to be told from another (`min` and `max`, `jm` and `tm`).
const SHORTEST_WORD: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const V1_16: FlinkVersion = FlinkVersion::new(1, 16);
    const V1_20: FlinkVersion = FlinkVersion::new(1, 20);

    #[test]
    fn a_slip_of_the_hand_is_found() {
        for (key, meant) in [
            ("state.checkpoint.dir", "state.checkpoints.dir"),
            ("execution.checkpoint.interval", "execution.checkpointing.interval"),
            ("execution.checkpointing.intervall", "execution.checkpointing.interval"),
            ("taskmanager.number-of-task-slots", "taskmanager.numberOfTaskSlots"),
            ("taskmanager.numberoftaskslots", "taskmanager.numberOfTaskSlots"),
            ("high-availability.storage", "high-availability.storageDir"),
            ("high_availability.type", "high-availability.type"),
            ("pipeline.maxparallelism", "pipeline.max-parallelism"),
            ("State.Backend.Type", "state.backend.type"),
            ("rest.prot", "rest.port"),
            ("restart-strategy.fixed-delay.attempt", "restart-strategy.fixed-delay.attempts"),
        ] {
            assert_eq!(closest(key, V1_20), Some(meant), "{key}");
        }
    }

    #[test]
    fn the_meant_key_is_one_that_the_version_reads() {
        assert_eq!(closest("state.backend.typ", V1_16), None);
        assert_eq!(closest("execution.checkpointing.dirs", V1_20), Some("execution.checkpointing.dir"));
        assert_eq!(closest("execution.checkpointing.dirs", V1_16), None);
    }

    #[test]
    fn what_is_no_option_of_flink_is_let_be() {
        for key in [
            "state.backend.type",
            "state.backend.async",
            "kubernetes.operator.savepoint.history.max.count",
            "kubernetes.jobmanager.labels.tean",
            "metrics.reporter.prom.ports",
            "table.exec.state.tt",
            "s3.endpoint",
            "s3.path.style.access",
            "fs.s3a.endpoint",
            "env.java.opts.historyserver2.x",
            "containerized.master.env.PATH",
            "com.acme.flag",
            "rest.p",
            "env.lava.opts.xyz",
            "execution",
            "a",
            "",
            "..",
        ] {
            assert_eq!(closest(key, V1_20), None, "{key}");
        }
        let newest = FlinkVersion::new(2, 3);
        assert_eq!(closest("execution.checkpointing.intervall", newest), Some("execution.checkpointing.interval"));
        assert_eq!(closest("execution.checkpointing.intervall", FlinkVersion::new(2, 4)), None);
        assert_eq!(closest(&"state.checkpoint.dir".repeat(20), V1_20), None);
    }
}
