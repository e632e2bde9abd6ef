use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use crate::annotations::{APPROVE, MODE, OPT_OUT, OPT_OUT_UNTIL};
use crate::policy::Mandatory;
use crate::{Mode, RULES, Rule, find};

type Annotations = BTreeMap<String, String>;

/// What is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptOut {
    /// Nothing.
    #[default]
    None,
    /// These rules, by code.
    Rules(BTreeSet<&'static str>),
    /// The whole job.
    All,
}

/// A person's leave for one restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Of whatever is pending now.
    Now,
    /// Of the plan with this hash.
    Plan(String),
}

/// An annotation that cannot be obeyed because it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("annotation {annotation} on the {holder} is unreadable: {problem}")]
pub struct AnnotationProblem {
    /// Its key.
    pub annotation: &'static str,
    /// `job` or `namespace`.
    pub holder: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// What people say of one job by annotations on it and on its namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obedience {
    /// What is left alone. Everything, as long as an annotation is unreadable.
    pub opt_out: OptOut,
    /// The mildest mode asked for.
    pub mode: Option<Mode>,
    /// Leave for one restart.
    pub approval: Option<Approval>,
    /// What could not be read.
    pub problems: Vec<AnnotationProblem>,
    /// When the next opt-out ends.
    pub expires: Option<Timestamp>,
    /// When the last opt-out ended that is still written down.
    pub expired: Option<Timestamp>,
    /// Rules whose opt-out does not count, since the policy makes them mandatory, by code.
    pub denied: BTreeSet<&'static str>,
}

impl Obedience {
    /// Reads the annotations of a job and of its namespace.
    pub fn read(job: &Annotations, namespace: &Annotations, now: Timestamp) -> Self {
        let mut read = Self::default();
        read.add(namespace, "namespace", now);
        read.add(job, "job", now);
        match job.get(APPROVE).map(|text| text.trim()) {
            None => {}
            Some("") => read.problem(APPROVE, "job", "it is empty; write `now` or the hash of the pending plan".into()),
            Some("now") => read.approval = Some(Approval::Now),
            Some(hash) => read.approval = Some(Approval::Plan(hash.to_owned())),
        }
        if !read.problems.is_empty() {
            read.opt_out = OptOut::All;
        }
        read
    }

    /// The same where opting out of these rules is nobody's right. What is unreadable stays left alone: that is no opt-out,
    /// but a mistake that nobody may act upon.
    #[must_use]
    pub fn without_leave_for(mut self, mandatory: &Mandatory) -> Self {
        if !self.problems.is_empty() || mandatory.is_empty() {
            return self;
        }
        let mut codes: BTreeSet<&'static str> = match std::mem::take(&mut self.opt_out) {
            OptOut::None => return self,
            OptOut::Rules(codes) => codes,
            OptOut::All => RULES.iter().map(|rule| rule.code).collect(),
        };
        self.denied = mandatory.codes().filter(|code| codes.remove(code)).collect();
        self.opt_out = if codes.is_empty() { OptOut::None } else { OptOut::Rules(codes) };
        self
    }

    /// Whether this rule is to leave the job alone.
    pub fn is_opted_out(&self, rule: &Rule) -> bool {
        match &self.opt_out {
            OptOut::None => false,
            OptOut::Rules(codes) => codes.contains(rule.code),
            OptOut::All => true,
        }
    }

    /// The mode in force: never beyond the policy's.
    pub fn mode(&self, policy: Mode) -> Mode {
        self.mode.map_or(policy, |asked| asked.min(policy))
    }

    fn add(&mut self, annotations: &Annotations, holder: &'static str, now: Timestamp) {
        if let Some(text) = annotations.get(MODE) {
            match text.trim().parse::<Mode>() {
                Ok(mode) => self.mode = Some(self.mode.map_or(mode, |other| other.min(mode))),
                Err(error) => self.problem(MODE, holder, error.to_string()),
            }
        }
        let until = annotations.get(OPT_OUT_UNTIL).map(|text| parse_until(text.trim()));
        let ends = match until {
            None => None,
            Some(Ok(ends)) => Some(ends),
            Some(Err(problem)) => {
                self.problem(OPT_OUT_UNTIL, holder, problem);
                None
            }
        };
        let Some(text) = annotations.get(OPT_OUT) else { return };
        match parse_opt_out(text) {
            Err(problem) => self.problem(OPT_OUT, holder, problem),
            Ok(OptOut::None) => {}
            Ok(_) if ends.is_some_and(|ends| ends <= now) => self.expired = self.expired.max(ends),
            Ok(opt_out) => {
                self.expires = self.expires.into_iter().chain(ends).min();
                self.opt_out = join(std::mem::take(&mut self.opt_out), opt_out);
            }
        }
    }

    fn problem(&mut self, annotation: &'static str, holder: &'static str, problem: String) {
        self.problems.push(AnnotationProblem { annotation, holder, problem });
    }
}

fn join(one: OptOut, other: OptOut) -> OptOut {
    match (one, other) {
        (OptOut::All, _) | (_, OptOut::All) => OptOut::All,
        (OptOut::None, opt_out) | (opt_out, OptOut::None) => opt_out,
        (OptOut::Rules(mut rules), OptOut::Rules(more)) => {
            rules.extend(more);
            OptOut::Rules(rules)
        }
    }
}

fn parse_opt_out(text: &str) -> Result<OptOut, String> {
    let text = text.trim();
    if text == "true" {
        return Ok(OptOut::All);
    }
    if text == "false" {
        return Ok(OptOut::None);
    }
    let mut codes = BTreeSet::new();
    for word in text.split(',').map(str::trim) {
        let rule = find(word).ok_or_else(|| {
            format!("`{word}` is no rule; write `true`, or rule codes or names from `flink-remedy rules`")
        })?;
        codes.insert(rule.code);
    }
    Ok(OptOut::Rules(codes))
}

/// An RFC 3339 time, or a date, which is meant to its end (UTC).
fn parse_until(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let end_of = |date: Date| {
        date.tomorrow()
            .ok()?
            .to_datetime(Time::midnight())
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|end| end.timestamp())
    };
    text.parse::<Date>()
        .ok()
        .filter(|_| text.len() == "2026-12-31".len())
        .and_then(end_of)
        .ok_or_else(|| format!("`{text}` is no RFC 3339 date or time; write 2026-12-31 or 2026-12-31T18:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-06-15T12:00:00Z";

    fn read(job: &[(&str, &str)], namespace: &[(&str, &str)]) -> Obedience {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Obedience::read(&map(job), &map(namespace), NOW.parse().unwrap())
    }

    #[test]
    fn opt_outs_of_job_and_namespace_add_up() {
        assert_eq!(read(&[(OPT_OUT, "true")], &[]).opt_out, OptOut::All);
        assert_eq!(read(&[], &[(OPT_OUT, "true")]).opt_out, OptOut::All);
        assert_eq!(read(&[(OPT_OUT, "false")], &[]).opt_out, OptOut::None);
        let both = read(&[(OPT_OUT, "CKP003, no-restart-backoff")], &[(OPT_OUT, "MET001")]);
        assert_eq!(both.opt_out, OptOut::Rules(BTreeSet::from(["CKP003", "MET001", "RST001"])));
        assert!(both.problems.is_empty());
    }

    #[test]
    fn what_cannot_be_read_stops_everything() {
        for (key, value) in [
            (OPT_OUT, "rocksdb-incremntal"),
            (OPT_OUT, ""),
            (OPT_OUT, "TRUE"),
            (MODE, "apply"),
            (OPT_OUT_UNTIL, "tomorrow"),
            (APPROVE, " "),
        ] {
            let read = read(&[(key, value)], &[]);
            assert_eq!(read.opt_out, OptOut::All, "{key}={value}");
            assert_eq!(read.problems[0].annotation, key);
        }
        assert_eq!(read(&[], &[(MODE, "x")]).problems[0].holder, "namespace");
    }

    #[test]
    fn the_mildest_mode_wins_and_never_exceeds_the_policy() {
        let asked = read(&[(MODE, "Apply")], &[(MODE, "Advise")]);
        assert_eq!(asked.mode(Mode::Apply), Mode::Advise);
        assert_eq!(read(&[(MODE, "Apply")], &[]).mode(Mode::NextDeploy), Mode::NextDeploy);
        assert_eq!(read(&[], &[]).mode(Mode::Apply), Mode::Apply);
    }

    #[test]
    fn an_opt_out_ends_at_its_time_and_a_date_is_meant_to_its_end() {
        let until = |text| read(&[(OPT_OUT, "true"), (OPT_OUT_UNTIL, text)], &[]);
        assert_eq!(until("2026-06-15T11:00:00Z").opt_out, OptOut::None);
        assert_eq!(until("2026-06-15T13:00:00+00:00").opt_out, OptOut::All);
        assert_eq!(until("2026-06-14").opt_out, OptOut::None);
        assert_eq!(until("2026-06-15").opt_out, OptOut::All);
        assert_eq!(until("2026-06-15").expires, Some("2026-06-16T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn approval_is_now_or_a_plan() {
        assert_eq!(read(&[(APPROVE, "now")], &[]).approval, Some(Approval::Now));
        assert_eq!(read(&[(APPROVE, "abc123")], &[]).approval, Some(Approval::Plan("abc123".into())));
        assert_eq!(read(&[], &[(APPROVE, "now")]).approval, None);
    }
}
