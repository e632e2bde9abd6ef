//! `flink-remedy explain`: whatever flink-remedy calls by a name, in full.

use std::io::{self, Write};
use std::process::ExitCode;

use checklist::RULES;
use clap::Args;
use controller::events::Reason;
use controller::{Explanation, Trouble};

use crate::rules::docs;
use crate::troubles::{CommandTrouble, complain};
use crate::{BAD_INPUT, holds};

/// Explain a rule, an Event, why a job is held, or an error
///
/// A rule by its code or name: what it checks, why, what is filled, what that costs. An Event by its reason, a hold by
/// `hold.reason` of the report, an error by the word behind `trouble=` in the log or in brackets behind `error`: what it means,
/// and what to do.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    #[allow(clippy::doc_markdown, reason = "the text of --help")]
    /// Such as CKP003, rocksdb-full-checkpoints, RemediationHeld, Stateless or lease-lost
    #[arg(value_name = "NAME")]
    name: String,
}

/// Writes what is known by this name, or the closest names to `err`.
///
/// # Errors
/// `out` or `err` cannot be written.
pub(crate) fn explain(args: &ExplainArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<ExitCode> {
    let name = args.name.trim();
    if let Some(told) = told(name) {
        writeln!(out, "{}", told.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let close = closest(name);
    let close = if close.is_empty() { String::new() } else { format!("did you mean {}? ", close.join(" or ")) };
    let why = format!(
        "`{}` is no rule, Event reason, hold or error; {close}`flink-remedy rules` lists the rules, and \
         docs/guides/troubleshooting.md the rest",
        args.name.escape_debug()
    );
    complain(CommandTrouble::NameUnknown.explanation(), &why, err)?;
    Ok(ExitCode::from(BAD_INPUT))
}

/// All that is known by this name: the end of all restarts is an Event and a reason to hold.
fn told(name: &str) -> Option<String> {
    let rule = checklist::find(name).map(|rule| format!("{} {}\n\n{}", rule.code, rule.name, docs(rule)));
    let event = Reason::all().find(|reason| reason.as_str() == name).map(|reason| {
        let (kind, meaning, remedy) = (reason.usual_type(), reason.meaning(), reason.remedy());
        format!("Event {name} ({kind})\n\n{meaning}\n\nWhat to do: {remedy}\n")
    });
    let hold = holds::find(name).map(|words| format!("Held: {name}\n\n{words}\n"));
    let trouble = explanations().find(|told| told.slug == name).map(|told| {
        let Explanation { slug, area, meaning, remedy } = told;
        format!("{slug} ({area})\n\n{}\n\nWhat to do: {remedy}\n", meaning.trim())
    });
    let all: Vec<String> = [rule, event, hold, trouble].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

/// Every trouble, of the operator and of commands.
pub(crate) fn explanations() -> impl Iterator<Item = Explanation> {
    let commands = CommandTrouble::ALL.iter().map(|trouble| trouble.explanation());
    Trouble::ALL.iter().map(|trouble| trouble.explanation()).chain(commands)
}

/// Every name that is explained.
fn names() -> impl Iterator<Item = &'static str> {
    let rules = RULES.iter().flat_map(|rule| [rule.code, rule.name]);
    let holds = holds::all().map(|(label, _)| label);
    rules.chain(Reason::all().map(Reason::as_str)).chain(holds).chain(explanations().map(|told| told.slug))
}

/// The names that are spelled most like this.
fn closest(text: &str) -> Vec<&'static str> {
    /// Below this, two words have little in common.
    const SIMILAR: f64 = 0.85;
    let text = text.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &text);
    let mut close: Vec<(f64, &str)> = names().map(|name| (likeness(name), name)).collect();
    close.retain(|(likeness, _)| *likeness >= SIMILAR);
    close.sort_by(|one, other| other.0.total_cmp(&one.0));
    close.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names_have_a_neighbour() {
        for (written, meant) in [
            ("CKP03", "CKP003"),
            ("rocksdb-full-checkpoint", "rocksdb-full-checkpoints"),
            ("remediationheld", "RemediationHeld"),
            ("lease-los", "lease-lost"),
        ] {
            assert_eq!(closest(written).first(), Some(&meant), "{written}");
        }
        assert!(closest("zzzz").is_empty());
    }

    #[test]
    fn every_name_is_explained_and_what_has_two_meanings_with_both() {
        for name in names() {
            assert!(told(name).is_some_and(|told| told.lines().count() > 2), "{name}");
        }
        let both = told("RolloutHalted").unwrap();
        assert!(both.starts_with("Event RolloutHalted") && both.contains("\nHeld: RolloutHalted\n"), "{both}");
        assert!(told("lease").is_none());
    }
}
