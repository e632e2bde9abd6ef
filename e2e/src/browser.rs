//! A real headless Chromium with one page, driven by the `DevTools` protocol. Over a pipe that is JSON with a NUL behind each
//! message, which takes no crate; those that there are bring a web socket and the whole protocol as generated code.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::artifacts::cache;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(2);
const FETCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser/fetch.sh");

/// It reads descriptor 3 and writes to 4.
const PIPED: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
/// Its sandbox does not run as root, and what it shows here is our own page.
const FLAGS: [&str; 7] = [
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
];

/// A running Chromium with one page; it ends with this.
#[derive(Debug)]
pub struct Browser {
    _child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// Of the last call.
    id: u64,
    /// The page's session, once there is one.
    session: Option<String>,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with an empty page, whose network, log and script are watched.
    ///
    /// # Panics
    /// When it is missing or does not answer; run `make browser` first.
    pub async fn start() -> Self {
        let program = program().unwrap_or_else(|error| panic!("no browser: {error:#}"));
        let profile = tempfile::Builder::new().prefix("flink-remedy-browser-").tempdir().expect("a temporary folder");
        let log = std::fs::File::create(profile.path().join("log")).expect("a writable folder");
        let mut child = Command::new("sh")
            .args(["-c", PIPED])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("sh starts");
        let to = child.stdin.take().expect("it is piped");
        let from = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut browser = Self { _child: child, to, from, id: 0, session: None, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser.call("Page.setLifecycleEventsEnabled", json!({ "enabled": true })).await;
        browser
    }

    /// Calls a method of the protocol and returns its result.
    ///
    /// # Panics
    /// When the browser refuses it, has ended, or takes more than 30 s.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let answer = timeout(PATIENCE, self.answer(method, params)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method}: no answer within {PATIENCE:?}"));
        answer.unwrap_or_else(|error| panic!("{method}: {error:#}"))
    }

    async fn answer(&mut self, method: &str, params: Value) -> Result<Value> {
        self.id += 1;
        let mut call = json!({ "id": self.id, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&call)?;
        bytes.push(0);
        self.to.write_all(&bytes).await?;
        loop {
            let mut message = self.message().await?;
            if message["id"] != self.id {
                self.events.push(message);
                continue;
            }
            ensure!(message["error"].is_null(), "{}", message["error"]);
            return Ok(message["result"].take());
        }
    }

    async fn message(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).await?;
        ensure!(bytes.pop() == Some(0), "the browser has ended");
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// What has happened so far: the parameters of every event of this name.
    pub fn events(&self, method: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == method).map(|event| &event["params"]).collect()
    }

    /// Opens a page and returns when it is loaded.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({ "url": url })).await;
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        // By its loader, since the blank page before it tells of its own load, perhaps late.
        let is_loaded = |event: &&Value| event["name"] == "load" && event["loaderId"] == opened["loaderId"];
        let loaded = async {
            while !self.events("Page.lifecycleEvent").iter().any(is_loaded) {
                let message = self.message().await.expect("the browser runs");
                self.events.push(message);
            }
        };
        timeout(PATIENCE, loaded).await.unwrap_or_else(|_| panic!("{url} is not loaded within {PATIENCE:?}"));
    }

    /// The value of an expression in the page; a promise is awaited.
    ///
    /// # Panics
    /// When it throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", params).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Presses a key, named as the browser names it, and lets it go.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "ArrowUp" => (38, ""),
            "ArrowDown" => (40, ""),
            key => (0, key),
        };
        let mut params = json!({ "type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", params.clone()).await;
        params["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", params).await;
    }

    /// Types a text where the focus is.
    pub async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Clicks the middle of an element, scrolled into view.
    ///
    /// # Panics
    /// When there is no such element.
    pub async fn click(&mut self, selector: &str) {
        let selector = serde_json::to_string(selector).expect("a string is JSON");
        let middle = self
            .evaluate(&format!(
                "(() => {{ const e = document.querySelector({selector}); e.scrollIntoView({{block: 'center'}}); \
                 const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
            ))
            .await;
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({ "type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params).await;
        }
    }

    /// Shows the page in a window of that size to somebody who prefers `light` or `dark`.
    pub async fn show(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] })).await;
    }

    /// Writes what the window shows as PNG.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub async fn screenshot(&mut self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        write(file, &shot["data"]);
    }

    /// Writes the page as it is printed, as PDF.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub async fn print(&mut self, file: &Path) {
        let printed = json!({ "preferCSSPageSize": true, "printBackground": true });
        let printed = self.call("Page.printToPDF", printed).await;
        write(file, &printed["data"]);
    }
}

fn write(file: &Path, base64: &Value) {
    let bytes = STANDARD.decode(base64.as_str().expect("base64")).expect("base64");
    std::fs::write(file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// The program that `make browser` has put into the cache.
fn program() -> Result<PathBuf> {
    let printed = std::process::Command::new(FETCH).arg("--print").arg(cache()?).output().context(FETCH)?;
    let program = Path::new(String::from_utf8(printed.stdout)?.trim()).join("chromium");
    ensure!(program.is_file(), "{} is missing: run `make browser` first", program.display());
    Ok(program)
}
