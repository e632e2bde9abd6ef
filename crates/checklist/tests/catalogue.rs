//! What holds for every rule of the catalogue.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use checklist::{RULES, Rule, find};

const SECTIONS: &[&str] =
    &["What it checks", "Why it matters", "What is filled", "What it costs", "When to switch it off", "Source"];

fn lines(rule: &Rule) -> impl Iterator<Item = &'static str> {
    rule.docs.lines().map(str::trim)
}

#[test]
fn codes_and_names_are_unique_and_well_formed() {
    let is_code = |code: &str| {
        let (letters, digits) = code.split_at_checked(code.len().saturating_sub(3)).unwrap_or_default();
        matches!(letters.len(), 2 | 3)
            && letters.bytes().all(|b| b.is_ascii_uppercase())
            && digits.len() == 3
            && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let is_kebab = |name: &str| {
        name.split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
    };
    let mut seen = BTreeSet::new();
    for rule in RULES {
        assert!(is_code(rule.code), "{}", rule.code);
        assert!(is_kebab(rule.name) && rule.name.contains('-'), "{}", rule.name);
        assert!(seen.insert(rule.code) && seen.insert(rule.name), "{} or {} is there twice", rule.code, rule.name);
    }
}

#[test]
fn a_rule_is_found_by_code_and_by_name() {
    for rule in RULES {
        for text in [rule.code, &rule.code.to_lowercase(), rule.name] {
            assert_eq!(find(text).map(|found| found.code), Some(rule.code), "{text}");
        }
    }
    for text in ["", "CKP", "CKP0033", "rocksdb", "ROCKSDB-FULL-CHECKPOINTS", " CKP003"] {
        assert!(find(text).is_none(), "{text:?}");
    }
}

#[test]
fn docs_begin_with_a_title_and_have_every_section_in_order() {
    for rule in RULES {
        let first = lines(rule).next().unwrap_or_default();
        assert!(first.starts_with("# ") && !first.ends_with('.'), "{}: {first}", rule.code);
        assert_eq!(format!("# {}", rule.summary()), first, "{}", rule.code);
        let sections: Vec<&str> = lines(rule).filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{}", rule.code);
    }
}

#[test]
fn no_section_of_the_docs_is_empty() {
    for rule in RULES {
        let text: Vec<&str> = lines(rule).filter(|line| !line.is_empty()).collect();
        let heading = |line: &str| line.starts_with('#');
        let last = text.last().copied().unwrap_or_default();
        let bare = text[1..].windows(2).find(|pair| heading(pair[0]) && heading(pair[1]));
        assert!(bare.is_none() && !heading(last), "{}: {bare:?}", rule.code);
    }
}

/// What `cargo xtask new-rule` has begun has an end.
#[test]
fn nothing_is_still_to_be_written() {
    let is_begun = |text: &str| text.to_lowercase().contains("to be written");
    for rule in RULES {
        assert!(!is_begun(rule.docs), "{}: its docs are still to be written", rule.code);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(rule.code);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = if path.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
            assert!(!is_begun(&text), "{} is still to be written", path.display());
        }
    }
}
