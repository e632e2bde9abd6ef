//! The HTML report of five hundred jobs of a real control plane, written by a running operator, in a real browser. What it
//! looks like is kept in `target/tmp/report-page`: the page itself, pictures of it in light and dark, and the print.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/fko.rs"]
mod fko;
mod fleet;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../controlplane/support.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use e2e::browser::Browser;
use serde_json::{Value, json};

use fleet::{Fleet, JOBS, Job, Lot, REASON};

/// Where the page and its pictures are kept.
fn kept() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-page");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    folder
}

/// Names of the jobs that are to be seen, with their namespaces.
async fn seen(browser: &mut Browser) -> BTreeSet<String> {
    let rows = "[...document.querySelectorAll('tr.job')].filter((row) => row.checkVisibility())";
    let names = browser.evaluate(&format!("{rows}.map((row) => row.querySelector('.name').textContent)")).await;
    names.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// Chooses in one of the page's lists, as a person does.
async fn choose(browser: &mut Browser, list: &str, value: &str) {
    let (id, value) = (json!(list), json!(value));
    let chosen = browser
        .evaluate(&format!(
            "(() => {{ const list = document.getElementById({id}); list.value = {value}; \
             list.dispatchEvent(new Event('input', {{ bubbles: true }})); return list.value; }})()"
        ))
        .await;
    assert_eq!(chosen, value, "{list} has no such choice");
}

async fn clear(browser: &mut Browser) {
    browser.click("#filters button").await;
    // A form is reset after its event.
    browser.evaluate("new Promise((done) => setTimeout(() => setTimeout(done)))").await;
}

/// Every filter leaves the jobs that it names, and all together fewer.
async fn filters(browser: &mut Browser, fleet: &Fleet) {
    let held = |job: &Job| matches!(job.lot, Lot::Stateless | Lot::NextDeploy | Lot::Advised);
    assert_eq!(seen(browser).await, fleet.names(|_| true));
    let namespace = fleet.namespaces[2].clone();
    choose(browser, "namespace", &namespace).await;
    assert_eq!(seen(browser).await, fleet.names(|job| job.namespace == namespace));
    choose(browser, "standing", "Held").await;
    assert_eq!(seen(browser).await, fleet.names(|job| job.namespace == namespace && held(job)));
    clear(browser).await;
    assert_eq!(seen(browser).await.len(), JOBS);

    choose(browser, "verdict", "Held").await;
    assert_eq!(seen(browser).await, fleet.names(held));
    choose(browser, "rule", "CKP003").await;
    assert_eq!(seen(browser).await, fleet.names(held));
    choose(browser, "verdict", "Gap").await;
    assert_eq!(seen(browser).await, fleet.names(|job| job.lot == Lot::OptedOut));
    choose(browser, "verdict", "OptedOut").await;
    assert_eq!(seen(browser).await, fleet.names(|job| job.lot == Lot::RuleOptedOut));
    clear(browser).await;

    browser.press("/").await;
    browser.type_text("IMG onerror").await;
    assert_eq!(seen(browser).await, fleet.names(|job| job.lot == Lot::OptedOut), "the search");
    browser.type_text(" no-such-word").await;
    assert!(seen(browser).await.is_empty());
    assert_eq!(browser.evaluate("document.getElementById('none').checkVisibility()").await, true);
    clear(browser).await;

    browser.click("[data-standing=OptedOut]").await;
    let opted_out = fleet.names(|job| job.lot == Lot::OptedOut);
    assert_eq!(seen(browser).await, opted_out, "a chip");
    let said = browser.evaluate("document.getElementById('count').textContent").await;
    assert_eq!(said, format!("{} of {JOBS} jobs: standing OptedOut", opted_out.len()));
    browser.click("[data-standing=OptedOut]").await;
    assert_eq!(seen(browser).await.len(), JOBS);
}

/// A job opens and closes by keyboard, and shows what is known of it.
async fn details(browser: &mut Browser, fleet: &Fleet) {
    let focused = "document.activeElement.textContent";
    let detail = "document.querySelector('tr.detail:not([hidden])')?.textContent ?? ''";
    browser.press("/").await;
    browser.type_text("Stateless").await;
    assert_eq!(seen(browser).await, fleet.names(|job| job.lot == Lot::Stateless));
    browser.evaluate("document.querySelector('tr.job:not([hidden]) .name').focus()").await;
    let first = browser.evaluate(focused).await;
    browser.press("ArrowDown").await;
    let second = browser.evaluate(focused).await;
    assert!(first != second && seen(browser).await.contains(second.as_str().expect("a name")), "{first} {second}");
    browser.press("ArrowUp").await;
    assert_eq!(browser.evaluate(focused).await, first);
    browser.press("Enter").await;
    let text = browser.evaluate(detail).await;
    for part in
        ["CKP003", "rocksdb-full-checkpoints", "state.backend.incremental=true", "The running job restarts", "Held"]
    {
        assert!(text.as_str().is_some_and(|text| text.contains(part)), "{part}: {text}");
    }
    browser.press("Escape").await;
    assert_eq!(browser.evaluate(detail).await, "");
    clear(browser).await;

    choose(browser, "standing", "Remediated").await;
    browser.click("tr.job:not([hidden]) td").await;
    let text = browser.evaluate(detail).await;
    for part in ["Filled", "History", "Done", "metrics.reporter"] {
        assert!(text.as_str().is_some_and(|text| text.contains(part)), "{part}: {text}");
    }
    clear(browser).await;
    choose(browser, "standing", "OptedOut").await;
    browser.click("tr.job:not([hidden]) .name").await;
    let shown =
        browser.evaluate("[...document.querySelectorAll('tr.detail')].map((row) => row.textContent).join()").await;
    assert!(shown.as_str().is_some_and(|text| text.contains(REASON)), "other people's text is shown as it is: {shown}");
    assert_eq!(browser.evaluate("document.querySelectorAll('#matrix img, #matrix script').length").await, 0);
    clear(browser).await;
}

/// Nothing but the page itself was asked for, and nothing complained.
fn is_quiet(browser: &Browser, url: &str) {
    let requests: Vec<&Value> =
        browser.events("Network.requestWillBeSent").into_iter().map(|event| &event["request"]["url"]).collect();
    assert_eq!(requests, [url]);
    for event in [
        "Log.entryAdded",
        "Runtime.consoleAPICalled",
        "Runtime.exceptionThrown",
        "Page.javascriptDialogOpening",
        "Network.webSocketCreated",
        "Page.frameAttached",
    ] {
        assert_eq!(browser.events(event), Vec::<&Value>::new(), "{event}");
    }
}

#[tokio::test]
async fn five_hundred_jobs_are_shown_filtered_and_opened_without_a_request() {
    let fleet = Fleet::reported().await;
    let folder = kept();
    let file = folder.join("report.html");
    let page = fleet.report(&["-A", "-o", "html"]).await;
    std::fs::write(&file, &page).expect("a writable folder");
    let url = format!("file://{}", file.display());

    let mut browser = Browser::start().await;
    browser.show(1440, 900, "light").await;
    browser.open(&url).await;
    assert_eq!(browser.evaluate("document.querySelectorAll('tr.job').length").await, JOBS);
    let columns = browser.evaluate("document.querySelectorAll('th.rule').length").await;
    assert!(columns.as_u64() >= Some(5), "{columns}");
    browser.screenshot(&folder.join("light.png")).await;
    browser.show(1440, 900, "dark").await;
    browser.screenshot(&folder.join("dark.png")).await;

    filters(&mut browser, &fleet).await;
    details(&mut browser, &fleet).await;
    choose(&mut browser, "standing", "Held").await;
    browser.click("tr.job:not([hidden]) .name").await;
    browser.evaluate("document.querySelector('tr.open').scrollIntoView()").await;
    browser.screenshot(&folder.join("job-dark.png")).await;
    browser.show(1440, 900, "light").await;
    browser.screenshot(&folder.join("job-light.png")).await;
    browser.print(&folder.join("print.pdf")).await;
    is_quiet(&browser, &url);
    fleet.end().await;
}

/// The page's policy stands against a script that got into it all the same.
#[tokio::test]
async fn a_script_of_somebody_else_does_not_run() {
    let mut browser = Browser::start().await;
    let page = include_str!("../../../crates/flink-remedy/src/report/page/report.html");
    let policy = page.lines().find(|line| line.contains("Content-Security-Policy")).expect("the page has one");
    let hostile = format!(
        "<!doctype html>{}<p id=p>x</p><script>document.getElementById('p').textContent = 'ran'</script>\
         <img src='http://127.0.0.1:9/x.png'>",
        policy.replace("{{script-hash}}", "'sha256-AAAA'").replace("{{style-hash}}", "'sha256-AAAA'")
    );
    let file = kept().join("hostile.html");
    std::fs::write(&file, hostile).expect("a writable folder");
    browser.open(&format!("file://{}", file.display())).await;
    assert_eq!(browser.evaluate("document.getElementById('p').textContent").await, "x");
    let answered = browser.events("Network.responseReceived");
    assert!(
        !answered.iter().any(|event| event["response"]["url"].as_str().is_some_and(|url| url.contains("127.0.0.1")))
    );
    let told = browser.events("Log.entryAdded");
    assert!(told.len() >= 2, "the oracle sees what is refused: {told:?}");
}
