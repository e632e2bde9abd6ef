//! The page: one file with everything in it, which asks nobody for anything. Whatever is other people's text is in its data,
//! and its script shows that as text only.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use checklist::Rule;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cell::{Cell, columns};
use super::fleet::{Fleet, Job};
use super::standing::{STANDINGS, word};

const PAGE: &str = include_str!("page/report.html");
const STYLE: &str = include_str!("page/report.css");
const SCRIPT: &str = include_str!("page/report.js");

/// What the page's script reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    cluster: &'a str,
    read: String,
    version: &'static str,
    /// The columns.
    rules: Vec<Column<'a>>,
    /// What cells there can be, in the order of the legend.
    cells: Vec<Sign>,
    /// Standings, those first that somebody should look at.
    standings: Vec<&'static str>,
    jobs: &'a [Job],
}

#[derive(Serialize)]
struct Column<'a> {
    code: &'a str,
    name: &'a str,
    summary: &'a str,
}

#[derive(Serialize)]
struct Sign {
    cell: Cell,
    character: char,
    meaning: &'static str,
}

/// Writes the page.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(fleet: &Fleet, out: &mut impl Write) -> io::Result<()> {
    let data = Data {
        cluster: &fleet.cluster,
        read: format!("{:.0}", fleet.read),
        version: env!("CARGO_PKG_VERSION"),
        rules: columns(&fleet.jobs).into_iter().map(column).collect(),
        cells: Cell::ALL
            .iter()
            .map(|cell| Sign { cell: *cell, character: cell.sign(), meaning: cell.meaning() })
            .collect(),
        standings: STANDINGS.iter().map(|standing| word(*standing)).collect(),
        jobs: &fleet.jobs,
    };
    let data = serde_json::to_string(&data)?;
    out.write_all(page(&data).as_bytes())
}

fn column(code: &str) -> Column<'_> {
    let (name, summary) = checklist::find(code).map_or(("", ""), |rule: &Rule| (rule.name, rule.summary()));
    Column { code, name, summary }
}

/// The page with this JSON in it.
fn page(data: &str) -> String {
    // The data come last: no text in them is taken for a place to put something.
    PAGE.replace("{{script-hash}}", &hash(SCRIPT))
        .replace("{{style-hash}}", &hash(STYLE))
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replacen("{{data}}", &inert(data), 1)
}

/// JSON in which HTML sees no tag, no comment and no end of a script.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// How a Content-Security-Policy names an inline part.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use checklist::RULES;
    use serde_json::{Value, json};

    use super::super::fleet::tests::job;
    use super::*;

    const HOSTILE: &str = "</script><!--<script>alert(1)</script>{{style}}{{data}}&amp;\u{2028}";

    fn written(jobs: Vec<Job>) -> String {
        let read = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let fleet = Fleet { cluster: HOSTILE.to_owned(), read, jobs, unreadable: Vec::new() };
        let mut out = Vec::new();
        write(&fleet, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn data(page: &str) -> &str {
        page.split_once("type=\"application/json\">").unwrap().1.split_once("</script>").unwrap().0
    }

    #[test]
    fn what_others_wrote_stays_data() {
        let content = json!({"standing": "Held", "message": HOSTILE, "optOut": {"reason": HOSTILE}});
        let page = written(vec![job(HOSTILE, HOSTILE, &content)]);
        let empty = written(Vec::new());
        for tag in ["<script", "</script", "<!--", "<style"] {
            assert_eq!(page.matches(tag).count(), empty.matches(tag).count(), "{tag}");
        }
        let data: Value = serde_json::from_str(data(&page)).unwrap();
        assert_eq!((&data["jobs"][0]["message"], &data["cluster"]), (&json!(HOSTILE), &json!(HOSTILE)));
        assert_eq!(
            (&data["read"], &data["version"]),
            (&json!("2026-01-02T03:04:05Z"), &json!(env!("CARGO_PKG_VERSION")))
        );
    }

    #[test]
    fn the_page_allows_its_own_script_and_style_and_nothing_else() {
        let page = written(Vec::new());
        let policy = page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for (source, text) in [("script-src", SCRIPT), ("style-src", STYLE)] {
            assert!(policy.contains(&format!("{source} {};", hash(text))), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert!(
            page.contains(&format!("<style>{STYLE}</style>")) && page.contains(&format!("<script>{SCRIPT}</script>"))
        );
        let (before, behind) = page.split_once(data(&page)).unwrap();
        assert!(!before.contains("{{") && !behind.contains("{{"), "a place is left");
    }

    #[test]
    fn nothing_in_the_page_reaches_out_or_parses_html() {
        for forbidden in [
            "http:",
            "https:",
            "src=",
            "url(",
            "@import",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "fetch(",
            "XMLHttpRequest",
            "style=",
            "onclick=",
        ] {
            assert!(![PAGE, STYLE, SCRIPT].iter().any(|part| part.contains(forbidden)), "{forbidden}");
        }
    }

    #[test]
    fn a_hash_is_the_browsers() {
        // From the specification of Content-Security-Policy.
        assert_eq!(hash("alert('Hello, world.');"), "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='");
    }

    #[test]
    fn every_rule_has_its_name() {
        let all: Vec<Value> = RULES.iter().map(|rule| json!({"rule": rule.code})).collect();
        let page = written(vec![job("n", "a", &json!({"filled": all}))]);
        let data: Value = serde_json::from_str(data(&page)).unwrap();
        let columns = data["rules"].as_array().unwrap();
        assert_eq!(columns.len(), RULES.len());
        assert!(columns.iter().all(|column| column["name"] != "" && column["summary"] != ""));
    }
}
