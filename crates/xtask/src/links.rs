//! Whatever the documentation points at is there: links with their anchors, and files that are named by their path.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::index::prose;
use crate::root;

/// Folders of the tree in which documentation stands, or code that names it.
const FOLDERS: &[&str] = &["docs", "crates", "manifests", "e2e"];
const PAGES: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
/// A path in a text begins with one of these.
const NAMED: &[&str] = &["docs/", "manifests/", "crates/", "e2e/", ".ci/"];

fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("corpus") {
                files(&path, extensions, found);
            }
        } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
            found.push(path);
        }
    }
}

fn pages(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = PAGES.iter().map(|page| root().join(page)).collect();
    for folder in FOLDERS {
        files(&root().join(folder), extensions, &mut found);
    }
    found
}

/// The anchors that GitHub gives to a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept: String = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ')).collect();
        let anchor = kept.replace(' ', "-");
        let again = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(again).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

/// The targets of a page's links.
fn links(text: &str) -> Vec<&str> {
    let of_line = |line| {
        let behind = str::split(line, "](").skip(1);
        behind.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
    };
    prose(text).flat_map(of_line).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    let mut broken = Vec::new();
    for page in pages(&["md"]) {
        let text = fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            if target.starts_with("https://") || target.starts_with("http://") {
                continue;
            }
            seen += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let is_there =
                to.exists() && (anchor.is_empty() || anchors(&fs::read_to_string(&to).unwrap()).contains(anchor));
            if !is_there {
                broken.push(format!("{}: {target}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    assert!(seen > 100, "{seen}");
}

/// The paths of the tree that a text names: words that begin like one, without what ends a sentence.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c)));
    let paths = words.filter(|word| NAMED.iter().any(|folder| word.starts_with(folder)));
    let paths = paths.map(|path| path.trim_end_matches(['.', '/', '-']));
    paths.filter(|path| path.rsplit('/').next().is_some_and(|name| name.contains('.')))
}

#[test]
fn every_file_that_is_named_is_there() {
    let mut missing = Vec::new();
    for page in pages(&["md", "rs", "yaml"]) {
        let text = fs::read_to_string(&page).unwrap();
        // What was once there may be named in the account of changes.
        // Tests of the generator speak of pages that are none.
        if page.ends_with("CHANGELOG.md") || page.starts_with(root().join("crates/xtask")) {
            continue;
        }
        for path in named(&text) {
            let beside =
                page.ancestors().skip(1).any(|folder| folder.starts_with(root()) && folder.join(path).exists());
            if !beside {
                missing.push(format!("{}: {path}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# A b\n## `a.b`: c, d!\n```\n# no heading\n```\n## A b\n";
    let expected: BTreeSet<String> = ["a-b", "ab-c-d", "a-b-1"].map(str::to_owned).into();
    assert_eq!(anchors(text), expected);
}

/// A page that says of a test that it proves something names it in a way that can be found.
#[test]
fn every_test_that_is_named_is_there() {
    let mut sources = Vec::new();
    for folder in ["crates", "e2e"] {
        files(&root().join(folder), &["rs"], &mut sources);
    }
    let code: String = sources.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = fs::read_to_string(root().join("docs/guides/security-model.md")).unwrap();
    let words = page.split('`').skip(1).step_by(2);
    let tests: Vec<&str> =
        words.filter(|word| word.matches('_').count() > 2 && !word.contains(['.', '/', ' '])).collect();
    for test in &tests {
        assert!(code.contains(&format!("fn {test}(")), "there is no test {test}");
    }
    assert!(tests.len() > 20, "{tests:?}");
}
