use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr};
use cel::common::types::{CelInt, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::objects::Key;
use cel::{Context, Env, ExecutionError, IdedExpr, ParseErrors, Program, Value};
use flink_api::{FlinkDeployment, JobSpec, JobState, UpgradeMode};
use flink_conf::{FlinkVersion, is_secret};
use serde::Deserialize;
use serde_json::json;

use super::schema::written_as_text;
use crate::storage::shown;
use crate::{Kind, Platform, Subject};

/// The longest condition, in bytes.
const LONGEST: usize = 512;
/// How many parts may stand in each other: whoever evaluates it calls itself for every one.
const DEEPEST: usize = 32;
/// Stack of the parser, which calls itself for every part of an expression, even for those that turn out too many.
const PARSER_STACK: usize = 64 << 20;
/// What an expression may speak of.
const VARIABLES: &[&str] = &["kind", "metadata", "flinkVersion", "deployed", "job", "conf"];
/// Macros that give an element a name of the expression's own choice.
const NAMING: &[&str] = &[".all(", ".exists(", ".exists_one(", ".map(", ".filter("];

/// For which jobs a setting is meant: an expression in CEL over the job, compiled when the policy is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Condition {
    text: String,
    program: Arc<Program>,
    reads_configuration: bool,
}

written_as_text!(Condition, "Condition", { "type": "string", "minLength": 1, "maxLength": LONGEST });

/// An expression that can be true of no job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// More than anybody reads.
    #[error("the condition is longer than {LONGEST} bytes; give several settings instead")]
    TooLong,
    /// More in each other than anybody reads.
    #[error("the condition has more than {DEEPEST} parts in each other; give several settings instead")]
    TooDeep,
    /// There was no room to read it in.
    #[error("the condition cannot be read now: {0}")]
    NoRoom(String),
    /// No CEL.
    #[error("the condition `{text}` is no CEL expression: {problem} (line {line}, column {column} of the expression)")]
    Syntax {
        /// The expression.
        text: String,
        /// What is wrong.
        problem: String,
        /// Where, from 1.
        line: isize,
        /// Where, from 1.
        column: isize,
    },
    /// It speaks of what is not there, or compares what cannot be compared.
    #[error(
        "the condition `{text}` cannot be told of any job: {why}; it may speak of kind, metadata, flinkVersion, deployed, \
         job and conf, and call version('1.20')"
    )]
    Meaningless {
        /// The expression.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// It is a number or a text.
    #[error("the condition `{0}` is neither true nor false; write a comparison, such as kind == 'Application'")]
    NoBoolean(String),
}

impl Condition {
    /// Whether it is true of the job.
    ///
    /// # Errors
    /// What it speaks of is not there. The words quote no value of the job.
    pub(crate) fn holds(&self, job: &Facts<'_>) -> Result<bool, String> {
        let value = self.evaluate(job).map_err(|error| in_words(&error))?;
        if let Value::Bool(holds) = value { Ok(holds) } else { Err("it is neither true nor false".to_owned()) }
    }

    fn evaluate(&self, job: &Facts<'_>) -> Result<Value, ExecutionError> {
        let mut context = job.context();
        if self.reads_configuration {
            context.add_variable_from_value("conf", configuration(job.0));
        }
        self.program.execute(&context)
    }

    /// Refuses what is wrong on every job: names that are not there, and values of types that do not go together.
    fn tried(self) -> Result<Self, ConditionError> {
        let meaningless = |why| ConditionError::Meaningless { text: shown(&self.text), why };
        let names_elements = NAMING.iter().any(|macro_name| self.text.contains(macro_name));
        let references = self.program.references();
        let mut unknown = references.variables();
        unknown.retain(|name| !VARIABLES.contains(name) && !names_elements);
        unknown.sort_unstable();
        if let Some(name) = unknown.first() {
            return Err(meaningless(format!("there is no `{}`", shown(name))));
        }
        for job in SAMPLES.iter() {
            match self.evaluate(&Facts(job)) {
                Ok(Value::Bool(_)) => {}
                Ok(_) => return Err(ConditionError::NoBoolean(shown(&self.text))),
                Err(error) if is_of_every_job(&error) => return Err(meaningless(in_words(&error))),
                Err(_) => {}
            }
        }
        Ok(self)
    }
}

impl TryFrom<String> for Condition {
    type Error = ConditionError;

    fn try_from(text: String) -> Result<Self, ConditionError> {
        if text.len() > LONGEST {
            return Err(ConditionError::TooLong);
        }
        let program = compile(&text)?;
        if depth(program.expression()) > DEEPEST {
            return Err(ConditionError::TooDeep);
        }
        let reads_configuration = program.references().has_variable("conf");
        Self { text, program: Arc::new(program), reads_configuration }.tried()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.text))
    }
}

fn compile(text: &str) -> Result<Program, ConditionError> {
    let no_room = |why: &str| ConditionError::NoRoom(why.to_owned());
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(PARSER_STACK);
        let parser = parser.spawn_scoped(scope, || ENVIRONMENT.compile(text).map_err(|errors| syntax(text, &errors)));
        let parser = parser.map_err(|error| no_room(&error.to_string()))?;
        parser.join().unwrap_or_else(|_| Err(no_room("the parser gave up")))
    })
}

/// How many parts of an expression stand in each other, at most.
fn depth(expression: &IdedExpr) -> usize {
    let deepest = |parts: &[&IdedExpr]| parts.iter().map(|part| depth(part)).max().unwrap_or_default();
    let below = match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => 0,
        Expr::Call(call) => deepest(&call.args.iter().chain(call.target.as_deref()).collect::<Vec<_>>()),
        Expr::Comprehension(all) => {
            deepest(&[&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result])
        }
        Expr::List(list) => deepest(&list.elements.iter().collect::<Vec<_>>()),
        Expr::Map(map) => deepest(&map.entries.iter().flat_map(|entry| values(&entry.expr)).collect::<Vec<_>>()),
        Expr::Struct(fields) => {
            deepest(&fields.entries.iter().flat_map(|entry| values(&entry.expr)).collect::<Vec<_>>())
        }
        Expr::Select(select) => depth(&select.operand),
    };
    below + 1
}

fn values(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// What a condition may know of a job: no value of a key that looks secret.
pub(crate) struct Facts<'a>(pub(crate) &'a Subject);

impl Facts<'_> {
    fn context(&self) -> Context<'static, 'static> {
        let Self(subject) = self;
        let kind = match subject.kind {
            Kind::Application => "Application",
            Kind::SessionCluster => "SessionCluster",
            Kind::SessionJob => "SessionJob",
        };
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value("kind", kind);
        let metadata = [("namespace", &subject.namespace), ("name", &subject.name)];
        let metadata = metadata.map(|(field, text)| (Key::from(field), Value::from(text.as_str())));
        context.add_variable_from_value("metadata", HashMap::from(metadata));
        context.add_variable_from_value("flinkVersion", number(subject.version));
        context.add_variable_from_value("deployed", subject.deployed);
        context.add_variable_from_value("job", subject.job.as_ref().map(job).unwrap_or_default());
        context
    }
}

fn job(spec: &JobSpec) -> HashMap<Key, Value> {
    let upgrade_mode = match spec.upgrade_mode {
        UpgradeMode::Stateless => "stateless",
        UpgradeMode::Savepoint => "savepoint",
        UpgradeMode::LastState => "last-state",
    };
    let state = match spec.state {
        JobState::Running => "running",
        JobState::Suspended => "suspended",
    };
    let text = |text: &str| Value::from(text);
    let given = [
        ("upgradeMode", Some(text(upgrade_mode))),
        ("state", Some(text(state))),
        ("parallelism", spec.parallelism.map(Value::from)),
        ("entryClass", spec.entry_class.as_deref().map(text)),
        ("args", spec.args.as_ref().map(|args| Value::from(args.iter().map(|arg| text(arg)).collect::<Vec<_>>()))),
    ];
    given.into_iter().filter_map(|(name, value)| Some((Key::from(name), value?))).collect()
}

fn configuration(subject: &Subject) -> HashMap<Key, Value> {
    let open = subject.conf.iter().filter(|(key, _)| !is_secret(key.as_str()));
    open.map(|(key, setting)| (Key::from(key.as_str()), Value::from(setting.value.as_str()))).collect()
}

/// Versions as numbers in their order.
fn number(version: FlinkVersion) -> i64 {
    i64::from(version.major()) * 1000 + i64::from(version.minor())
}

/// `version('1.20')` or `version('v1_20')`.
fn version<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.into_iter().next();
    let text = text.as_ref().and_then(|argument| argument.downcast_ref::<CelString>()).map(CelString::inner);
    let text = text.ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let version = format!("v{}", text.trim_start_matches('v').replace('.', "_")).parse::<FlinkVersion>();
    let version = version.map_err(|_| ExecutionError::function_error("version", "no version of Flink"))?;
    Ok(CowVal::owned(CelInt::from(number(version))))
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // Refused only where the name is taken, which a test would show.
    let _ = environment.add_overload("version", "version_string", vec![STRING_TYPE], version);
    Arc::new(environment)
});

/// An application and a session cluster, to try conditions on.
static SAMPLES: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let job = json!({"upgradeMode": "savepoint", "parallelism": 2, "entryClass": "com.acme.Orders", "args": ["--x"]});
    let documents = [json!({"flinkVersion": "v1_20", "job": job}), json!({"flinkVersion": "v1_20"})];
    let read = |spec: serde_json::Value| {
        let document = json!({"metadata": {"name": "orders", "namespace": "shop"}, "spec": spec});
        let deployment: FlinkDeployment = serde_json::from_value(document).ok()?;
        Subject::new(&deployment, &Platform::default()).ok()
    };
    documents.into_iter().filter_map(read).collect()
});

/// Whether what failed has nothing to do with the job.
fn is_of_every_job(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::UndeclaredReference(_)
            | ExecutionError::NoSuchOverload(_)
            | ExecutionError::ValuesNotComparable(..)
            | ExecutionError::UnsupportedBinaryOperator(..)
            | ExecutionError::FunctionError { .. }
            | ExecutionError::InvalidArgumentCount { .. }
            | ExecutionError::NotSupportedAsMethod { .. }
    )
}

/// What failed, without the values that it failed on.
fn in_words(error: &ExecutionError) -> String {
    if let ExecutionError::NoSuchKey(key) = error {
        format!("there is no `{}`", shown(key))
    } else if let ExecutionError::UndeclaredReference(name) = error {
        format!("there is no `{}`", shown(name))
    } else if let ExecutionError::NoSuchOverload(overload) = error {
        overload.to_string()
    } else if let ExecutionError::FunctionError { function, .. } = error {
        format!("{function}() fails on what it is given")
    } else if let ExecutionError::NotSupportedAsMethod { method, .. } = error {
        format!("there is no {method}() of it")
    } else {
        "it compares or computes what does not go together".to_owned()
    }
}

fn syntax(text: &str, errors: &ParseErrors) -> ConditionError {
    let first = errors.errors.first();
    let (line, column) = first.map_or((1, 1), |error| error.pos);
    let problem = first.map_or_else(String::new, |error| shown(error.msg.trim_start_matches("Syntax error: ")));
    ConditionError::Syntax { text: shown(text), problem, line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Result<Condition, ConditionError> {
        Condition::try_from(text.to_owned())
    }

    fn holds(text: &str, spec: &serde_json::Value) -> Result<bool, String> {
        let document = json!({"metadata": {"name": "orders", "namespace": "shop"}, "spec": spec});
        let subject = Subject::new(&serde_json::from_value(document).unwrap(), &Platform::stock()).unwrap();
        condition(text).unwrap_or_else(|error| panic!("{error}")).holds(&Facts(&subject))
    }

    #[test]
    fn a_condition_speaks_of_the_job() {
        let spec = json!({"flinkVersion": "v1_20", "job": {"upgradeMode": "savepoint", "parallelism": 8},
                          "flinkConfiguration": {"a.b": "1", "s3.secret-key": "hunter2"}});
        for (text, expected) in [
            ("job.upgradeMode == 'savepoint' && flinkVersion >= version('1.17')", true),
            ("flinkVersion < version('v2_0')", true),
            ("flinkVersion >= version('2.0')", false),
            (
                "kind == 'Application' && metadata.namespace == 'shop' && metadata.name.startsWith('ord') && !deployed",
                true,
            ),
            ("conf['a.b'] == '1' && !('c.d' in conf)", true),
            ("conf.exists(key, key.startsWith('a.'))", true),
            ("has(job.entryClass)", false),
            ("job.parallelism > 4 && job.state == 'running'", true),
            ("'s3.secret-key' in conf", false),
        ] {
            assert_eq!(holds(text, &spec), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_one_job_lacks_is_told_without_its_values() {
        let session = json!({"flinkVersion": "v1_20", "flinkConfiguration": {"a.b": "hunter2"}});
        let why = holds("job.upgradeMode == 'savepoint'", &session).unwrap_err();
        assert!(why.contains("there is no `upgradeMode`"), "{why}");
        let why = holds("int(conf['a.b']) > 3", &session).unwrap_err();
        assert!(!why.contains("hunter2"), "{why}");
    }

    #[test]
    fn what_is_true_of_no_job_is_refused() {
        for (text, named) in [
            ("job.upgradeMode = 'savepoint'", "column 17 of the expression"),
            ("kind ==\n  'Application' &&", "line 2"),
            ("jobs.upgradeMode == 'savepoint'", "there is no `jobs`"),
            ("kind == 'Application' || team == 'a'", "there is no `team`"),
            ("flinkVersion >= version('latest')", "version() fails on what it is given"),
            ("flinkVersion >= 'v1_20'", "cannot be told of any job"),
            ("exec('rm')", "there is no `exec`"),
            ("job.upgradeMode", "neither true nor false"),
            ("", "no CEL expression"),
            (&format!("{}true{}", "(".repeat(250), ")".repeat(250)), "no CEL expression"),
            (&format!("{}1 > 0", "1 + ".repeat(DEEPEST)), "parts in each other"),
            (&"a".repeat(LONGEST + 1), "longer than"),
        ] {
            let error = condition(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn the_largest_expressions_fit_on_a_stack() {
        let whole = |part: &str, end: &str| part.repeat((LONGEST - end.len()) / part.len()) + end;
        for text in [
            whole("1+", "1"),
            whole("true&&", "true"),
            whole("true?true:", "true"),
            whole("!", "true"),
            whole("-", "1"),
            whole("job.", "job"),
            whole("[", ""),
            format!("{}true{}", "(".repeat(250), ")".repeat(250)),
            format!("{}1 > 0", "1 + ".repeat(DEEPEST - 2)),
        ] {
            // Whatever it says of them: it says it.
            let _ = condition(&text);
        }
    }
}
