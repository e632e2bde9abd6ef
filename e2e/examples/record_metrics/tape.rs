//! Seconds of metrics, written down.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regex::Regex;

/// What has been seen, second by second.
pub(crate) struct Tape {
    version: String,
    names: Regex,
    seconds: usize,
    /// The name of each scene and its first second.
    scenes: Vec<(String, usize)>,
    /// Of each series, its samples as text; a missing one is `_`, as promtool writes it.
    series: BTreeMap<String, Vec<String>>,
}

impl Tape {
    pub(crate) fn new(version: &str, names: &str) -> Self {
        let names = Regex::new(&format!("^(?:{names})$")).expect("a regular expression");
        Self { version: version.to_owned(), names, seconds: 0, scenes: Vec::new(), series: BTreeMap::new() }
    }

    pub(crate) fn scene(&mut self, name: &str) {
        self.scenes.push((name.to_owned(), self.seconds));
    }

    /// Takes the pages of this second, each with the label that says whose it is.
    pub(crate) fn second(&mut self, pages: &[(&str, String)]) {
        for (component, page) in pages {
            let samples: Vec<(String, String)> = page.lines().filter_map(|line| self.sample(component, line)).collect();
            for (series, value) in samples {
                let samples = self.series.entry(series).or_default();
                samples.resize(self.seconds, "_".to_owned());
                samples.push(value);
            }
        }
        self.seconds += 1;
    }

    /// The series and the value of a line that is to be kept.
    fn sample(&self, component: &str, line: &str) -> Option<(String, String)> {
        let (name, rest) = line.split_once('{')?;
        if name.starts_with('#') || !self.names.is_match(name) {
            return None;
        }
        let (labels, value) = rest.rsplit_once("} ")?;
        let value: f64 = value.parse().ok()?;
        let labels = labels.trim_end_matches(',');
        Some((format!("{name}{{component=\"{component}\",{labels}}}"), rounded(value)))
    }

    /// As YAML.
    pub(crate) fn text(&self) -> String {
        let mut text =
            format!("# Written by `make monitoring-record`; one sample a second.\nflink: {}\nscenes:\n", self.version);
        let ends = self.scenes.iter().skip(1).map(|(_, from)| *from).chain([self.seconds]);
        for ((mood, from), to) in self.scenes.iter().zip(ends) {
            let _ = writeln!(text, "  - {{mood: {mood}, from: {from}, to: {to}}}");
        }
        text.push_str("series:\n");
        for (series, samples) in &self.series {
            let mut samples = samples.clone();
            samples.resize(self.seconds, "_".to_owned());
            let _ = writeln!(text, "  - series: '{series}'\n    values: '{}'", folded(&samples));
        }
        text
    }
}

/// Five digits tell as much as an alert needs.
fn rounded(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let digits = format!("{value:.4e}").parse::<f64>().expect("a number");
    format!("{digits}")
}

/// Repeated samples once, with how often they come again.
fn folded(samples: &[String]) -> String {
    let groups = samples.chunk_by(|left, right| left == right);
    let words = groups.map(|group| match group {
        [one] => one.clone(),
        [first, rest @ ..] if first == "_" => format!("_x{}", rest.len() + 1),
        [first, rest @ ..] => format!("{first}x{}", rest.len()),
        [] => String::new(),
    });
    words.collect::<Vec<_>>().join(" ")
}
