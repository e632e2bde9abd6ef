use flink_conf::{FlinkOption, FlinkVersion, Key};

use crate::{Disruption, OwnOption, Policy, Subject, Target};

/// What a rule says of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, strum::IntoStaticStr)]
pub enum Verdict {
    /// Somebody settled it, and rightly.
    Pass,
    /// The rule has nothing to say here.
    NotApplicable,
    /// Right only by default: worth writing down, not worth a restart.
    Implicit,
    /// Wrong or missing, and we can fill it.
    Gap,
    /// A human must decide.
    Advice,
}

/// One absent value that a rule would write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Where.
    pub target: Target,
    /// What, always as text.
    pub value: String,
}

impl Fill {
    /// Fills an option under this key.
    pub fn option(key: Key, value: impl Into<String>) -> Self {
        Self { target: Target::Option(key), value: value.into() }
    }
}

/// A verdict with its reason and the fills that would close the gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What it is.
    pub verdict: Verdict,
    /// One sentence: what, where and why.
    pub message: String,
    /// Absent values to write; only of `Implicit` and `Gap`.
    pub fills: Vec<Fill>,
    /// The one key of the configuration that it is about, where it is about one.
    pub about: Option<Key>,
}

impl Judgement {
    fn without_fills(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, message: message.into(), fills: Vec::new(), about: None }
    }

    /// All is well.
    pub fn pass(message: impl Into<String>) -> Self {
        Self::without_fills(Verdict::Pass, message)
    }

    /// Nothing to judge.
    pub fn not_applicable(message: impl Into<String>) -> Self {
        Self::without_fills(Verdict::NotApplicable, message)
    }

    /// For a human.
    pub fn advice(message: impl Into<String>) -> Self {
        Self::without_fills(Verdict::Advice, message)
    }

    /// For a human, about this key.
    pub fn advice_about(key: Key, message: impl Into<String>) -> Self {
        Self { about: Some(key), ..Self::advice(message) }
    }

    /// Right by default only.
    pub fn implicit(message: impl Into<String>, fills: Vec<Fill>) -> Self {
        Self { verdict: Verdict::Implicit, message: message.into(), fills, about: None }
    }

    /// A gap that these fills close.
    pub fn gap(message: impl Into<String>, fills: Vec<Fill>) -> Self {
        Self { verdict: Verdict::Gap, message: message.into(), fills, about: None }
    }

    /// The worst that its fills would cost a running job.
    pub fn disruption(&self) -> Disruption {
        self.fills.iter().map(|fill| fill.target.disruption()).max().unwrap_or(Disruption::None)
    }
}

/// Which objects a rule judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The job: on a session cluster it belongs to the session jobs.
    Job,
    /// The cluster of `JobManager` and `TaskManager`s, whatever runs on it.
    Cluster,
}

/// How a rule looks at a subject.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// It says one thing of every subject.
    Item(fn(&Subject, &Policy) -> Judgement),
    /// It says one thing of each key that is worth a word, and nothing where all are as they should be. It is given what the
    /// resource sets.
    Keys(fn(&Subject, &[OwnOption<'_>], &Policy) -> Vec<Judgement>),
}

/// A place that a rule may write. What a rule does not declare it never writes.
#[derive(Clone, Copy, Debug)]
pub enum Writes {
    /// A Flink option, under the key that the job's version reads.
    Option(&'static FlinkOption),
    /// The directory of checkpoints or savepoints, under a key that the job's version and every FKO read.
    Directory(&'static FlinkOption),
    /// An option by its key, the same for every version.
    Key(&'static str),
    /// A log file by name.
    LogFile(&'static str),
    /// An annotation of the pod template.
    PodAnnotation(&'static str),
    /// The options that the policy lists under `settings`.
    Settings,
}

impl Writes {
    /// What is written for a job of this version; `None` where the policy says that.
    pub fn target(self, version: FlinkVersion) -> Option<Target> {
        Some(match self {
            Self::Option(option) => Target::Option(option.key(version)),
            Self::Directory(option) => Target::Option(crate::storage::directory_key(option, version)),
            Self::Key(key) => Target::option(key),
            Self::LogFile(name) => Target::LogFile(name.to_owned()),
            Self::PodAnnotation(key) => Target::PodAnnotation(key.to_owned()),
            Self::Settings => return None,
        })
    }
}

/// One item of the checklist.
#[derive(Debug)]
pub struct Rule {
    /// Stable short code, such as `CKP003`.
    pub code: &'static str,
    /// The defect, such as `rocksdb-full-checkpoints`.
    pub name: &'static str,
    /// The user's documentation, in Markdown.
    pub docs: &'static str,
    /// What it judges.
    pub scope: Scope,
    /// All that it may write.
    pub writes: &'static [Writes],
    /// Looks at a subject.
    pub check: Check,
}

impl Rule {
    /// The first line of the documentation.
    pub fn summary(&self) -> &'static str {
        self.docs.lines().next().unwrap_or_default().trim().trim_start_matches("# ")
    }

    /// Whether `text` is this rule's code or name.
    pub fn is_called(&self, text: &str) -> bool {
        self.code.eq_ignore_ascii_case(text) || self.name == text
    }
}

/// Declares a rule; its doc comment is the user's documentation.
#[macro_export]
macro_rules! declare_rule {
    (@writes) => { &[] };
    (@writes $writes:expr) => { $writes };
    ($(#[doc = $doc:literal])+ $vis:vis static $ident:ident = {
        code: $code:literal, name: $name:literal, scope: $scope:expr, $(writes: $writes:expr,)? check: $check:expr $(,)?
    }) => {
        $(#[doc = $doc])+
        $vis static $ident: $crate::Rule = $crate::Rule {
            code: $code,
            name: $name,
            docs: concat!($($doc, "\n"),+),
            scope: $scope,
            writes: $crate::declare_rule!(@writes $($writes)?),
            check: $check,
        };
    };
}
