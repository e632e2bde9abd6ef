//! `docs/README.md`: every page by its title and its first sentence, so that none is forgotten.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

/// Folders of pages, as the index calls them, in its order.
const FOLDERS: &[(&str, &str)] =
    &[("docs/guides", "Guides"), ("docs", "Topics and reference"), ("docs/adr", "Decisions")];
const ITSELF: &str = "docs/README.md";

/// The index of the pages on disk and of those that are generated, by path.
pub(crate) fn markdown(root: &Path, generated: &BTreeMap<&str, &str>) -> anyhow::Result<String> {
    let mut text = "# Documentation\n\nBegin with the [README](../README.md), then [install](guides/install.md). On the command line: \
                    `flink-remedy explain NAME` tells of every rule, Event, hold and error.\n"
        .to_owned();
    let mut pages: BTreeMap<String, String> =
        generated.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    for (folder, _) in FOLDERS {
        pages.extend(on_disk(root, folder)?);
    }
    for (folder, title) in FOLDERS {
        let of_folder = pages.iter().filter(|(path, _)| {
            path.rsplit_once('/').is_some_and(|(parent, _)| parent == *folder)
                && *path != ITSELF
                && Path::new(path).extension().is_some_and(|extension| extension == "md")
        });
        let lines: Vec<String> = of_folder.map(|(path, page)| line(path, page)).collect();
        if !lines.is_empty() {
            let _ = write!(text, "\n## {title}\n\n{}\n", lines.join("\n"));
        }
    }
    Ok(text)
}

fn on_disk(root: &Path, folder: &str) -> anyhow::Result<Vec<(String, String)>> {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return Ok(Vec::new()) };
    let mut pages = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().and_then(|name| name.to_str()).context("a page without a name")?;
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            pages.push((format!("{folder}/{name}"), text));
        }
    }
    Ok(pages)
}

fn line(path: &str, page: &str) -> String {
    let path = path.trim_start_matches("docs/");
    let title = page.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(path);
    match first_sentence(page) {
        // The title of a decision says what was decided.
        Some(sentence) if !path.starts_with("adr/") => format!("- [{title}]({path}): {sentence}"),
        _ => format!("- [{title}]({path})"),
    }
}

/// The lines that are text, not code.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The first sentence of the first paragraph, without links.
fn first_sentence(page: &str) -> Option<String> {
    let lines: Vec<&str> = prose(page).collect();
    let is_text = |line: &str| line.starts_with(|c: char| c.is_alphanumeric() || c == '`' || c == '[');
    let paragraph =
        lines.split(|line| line.trim().is_empty()).find(|lines| lines.first().is_some_and(|line| is_text(line)))?;
    let mut text = paragraph.join(" ");
    while let Some((before, rest)) = text.split_once('[') {
        let Some((words, behind)) = rest.split_once("](") else { break };
        let Some((_, after)) = behind.split_once(')') else { break };
        text = format!("{before}{words}{after}");
    }
    let end = text.find(". ").map_or(text.trim_end_matches([':', '.']).len(), |dot| dot);
    Some(format!("{}.", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_by_its_title_and_its_first_sentence() {
        let page =
            "<!-- x -->\n# A title\n\n<!-- y -->\n\nSee [this](that.md), or `v1.2`, of\nwhich more. Then\nmore.\n";
        assert_eq!(line("docs/guides/a.md", page), "- [A title](guides/a.md): See this, or `v1.2`, of which more.");
        assert_eq!(
            first_sentence("# T\n\n```\nx\n```\n\nWithout an end:\n\n- x\n").as_deref(),
            Some("Without an end.")
        );
        assert_eq!(line("docs/b.md", "# B\n\n```\nonly code\n```\n"), "- [B](b.md)");
        assert_eq!(line("docs/adr/0001-c.md", "# 1. C holds\n\nText.\n"), "- [1. C holds](adr/0001-c.md)");
    }

    #[test]
    fn what_is_generated_only_now_is_in_it() {
        let pages = BTreeMap::from([("docs/x.md", "# X\n\nAbout x. More.\n"), ("docs/rules/Y.md", "# Y\n\nY.\n")]);
        let text = markdown(Path::new("/nonexistent"), &pages).unwrap();
        assert!(text.ends_with("\n## Topics and reference\n\n- [X](x.md): About x.\n"), "{text}");
    }
}
