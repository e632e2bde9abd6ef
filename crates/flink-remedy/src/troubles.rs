//! What can go wrong with a command, and how each error is told: with a slug that `flink-remedy explain` knows.

use std::fmt::Display;
use std::io::{self, Write};

use controller::{Explained, Explanation, Trouble, troubles};

use crate::check::{InputsError, OperatorConfigError};
use crate::client::ClientError;
use crate::cluster::ClusterError;
use crate::harmless;
use crate::input::InputError;
use crate::policy_file::PolicyFileError;
use crate::run::RunError;

troubles! {
    /// What can go wrong with a command.
    pub enum CommandTrouble {
        "Commands": {
            /// A file or directory cannot be read. The others are checked all the same.
            InputUnread = "input-unread", "Check the path and its permissions.";
            /// A document is no YAML. The message shows the lines about it, with secrets masked.
            InputSyntax = "input-syntax", "Correct that line. A template has to be rendered first: \
                `helm template . | flink-remedy check -`, `kubectl kustomize . | flink-remedy check -`.";
            /// A document is YAML and no object of Kubernetes, or text that is not UTF-8.
            InputDocument = "input-document", "The message says what is missing, such as `kind` or `metadata.name`.";
            /// An object cannot be judged, such as one without a Flink version, or a session job whose session cluster is not
            /// among the files.
            InputObject = "input-object", "Correct what the message names; give a session job together with its session \
                cluster.";
            /// The API server does not list what the command reads.
            CannotList = "cannot-list", "A missing right: `kubectl auth can-i list RESOURCE -A` tells; ask for it, or look at one \
                namespace by `-n`. No answer: see whether `kubectl get --raw /readyz` answers.";
            /// A RemediationReport cannot be read: somebody else wrote it, or another version of flink-remedy. The others are
            /// shown.
            ReportUnread = "report-unread", "Delete it: a running operator writes it again at once.";
            /// The cluster has no RemediationReports.
            NoReports = "no-reports", "`flink-remedy crd | kubectl apply -f -` installs the kind, and a running operator writes \
                them; `flink-remedy check --cluster` judges jobs without.";
            /// There is no such job in that namespace.
            NoJob = "no-job", "`kubectl get flinkdeployments -A` lists them; `-n` names the namespace. `undo` knows \
                FlinkDeployments only.";
            /// The job cannot be read, or not be judged.
            JobUnread = "job-unread", "The message says why. `undo --keep-values` needs no more than the job's metadata.";
            /// Nothing was changed, since nobody could be asked.
            NotConfirmed = "not-confirmed", "Say `--yes`, after a look at what is printed without it.";
            /// The API server did not take the change of `undo`, or the job has changed since it was read. Nothing was changed.
            UndoUnwritten = "undo-unwritten", "Call it again: it reads the job anew. A missing right: the verb patch on \
                flinkdeployments.";
            /// The form does not go with what was asked for.
            FormUnknown = "form-unknown", "The message names those that do.";
            /// The policy cannot be exported in that form.
            ExportImpossible = "export-impossible", "The message names what cannot be said in that form; leave it to \
                flink-remedy itself (docs/export.md).";
            /// No rule, Event reason, hold reason or trouble has this name.
            NameUnknown = "name-unknown", "`flink-remedy rules` lists the rules; docs/guides/troubleshooting.md has the rest.";
            /// The output cannot be written: a full disk, most often.
            OutputUnwritten = "output-unwritten", "Make room, or write elsewhere.";
        }
    }
}

/// Tells an error of a command on `err`.
///
/// # Errors
/// `err` cannot be written.
pub(crate) fn complain(explanation: Explanation, error: &dyn Display, err: &mut dyn Write) -> io::Result<()> {
    writeln!(err, "error[{}]: {}", explanation.slug, harmless(&error.to_string()))
}

impl Explained for InputError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Unreadable { .. } => CommandTrouble::InputUnread.explanation(),
            Self::Syntax { .. } => CommandTrouble::InputSyntax.explanation(),
            Self::Document { .. } => CommandTrouble::InputDocument.explanation(),
            Self::Object { .. } => CommandTrouble::InputObject.explanation(),
        }
    }
}

impl Explained for PolicyFileError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Unreadable { .. } | Self::Invalid { .. } | Self::Several { .. } => Trouble::PolicyFile.explanation(),
        }
    }
}

impl Explained for ClientError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::NoCluster(_) => Trouble::NoCluster.explanation(),
            Self::NoServiceAccount(_) => Trouble::NoServiceAccount.explanation(),
            Self::Unusable(_) => Trouble::ClusterUnusable.explanation(),
        }
    }
}

impl Explained for ClusterError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Client(error) => error.explanation(),
            Self::Setup(_) => Trouble::Setup.explanation(),
            Self::NoFlink => Trouble::NoFlinkOperator.explanation(),
            Self::List { .. } => CommandTrouble::CannotList.explanation(),
        }
    }
}

impl Explained for OperatorConfigError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Unreadable { .. } => Trouble::OperatorConfigUnread.explanation(),
            Self::Platform { problem, .. } => problem.explanation(),
        }
    }
}

impl Explained for InputsError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::OperatorConfig(error) => error.explanation(),
            Self::Source(error) => error.explanation(),
            Self::Policy(error) => error.explanation(),
            Self::Cluster(error) => error.explanation(),
        }
    }
}

impl Explained for RunError {
    fn explanation(&self) -> Explanation {
        match self {
            Self::Policy(error) => error.explanation(),
            Self::Client(error) => error.explanation(),
            Self::LogLevel(_) => Trouble::LogFilter.explanation(),
            Self::Listen { .. } => Trouble::Listen.explanation(),
            Self::Setup(_) => Trouble::Setup.explanation(),
            Self::Controller(error) => error.explanation(),
            Self::Admin => Trouble::PartEnded.explanation(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_slug_is_there_twice_and_each_speaks_in_whole_sentences() {
        let commands = CommandTrouble::ALL.iter().map(|trouble| trouble.explanation());
        let all: Vec<Explanation> = Trouble::ALL.iter().map(|trouble| trouble.explanation()).chain(commands).collect();
        let slugs: BTreeSet<&str> = all.iter().map(|told| told.slug).collect();
        assert_eq!(slugs.len(), all.len());
        assert!(all.iter().all(|told| told.meaning.ends_with('.') && told.remedy.ends_with('.')), "{all:?}");
    }
}
