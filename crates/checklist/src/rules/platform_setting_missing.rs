use flink_conf::options::{Role, ValueType, every_spelling, known, spelled};
use flink_conf::{FlinkVersion, Key, Setting, masked, parse_duration_ms, parse_memory_bytes};

use crate::leaving::NESTED_YAML;
use crate::policy::{Facts, PlatformSetting};
use crate::storage::shown;
use crate::{Check, Fill, Judgement, Kind, OwnOption, Policy, Scope, Subject, Writes, declare_rule};

declare_rule! {
    /// # A setting of the platform is missing
    ///
    /// ## What it checks
    /// The options that the policy lists under `settings`, one by one: whether the job, or the Flink operator's
    /// configuration, sets that option, in whatever spelling. What somebody has set stays, whatever it is: a platform's
    /// default is no judgement on it, so that another value is `NotApplicable`, never a defect. An entry with `when` is for
    /// those jobs only of which that expression is true. Session jobs get none: their session cluster does.
    ///
    /// ```yaml
    /// settings:
    ///   - key: taskmanager.network.memory.buffer-debloat.enabled
    ///     value: "true"
    ///   - key: execution.checkpointing.timeout
    ///     value: 20 min
    ///     when: job.upgradeMode == 'savepoint' && flinkVersion >= version('1.17')
    /// ```
    ///
    /// `when` is an expression in CEL over `kind` (`Application`, `SessionCluster`), `metadata.namespace`, `metadata.name`, `flinkVersion`
    /// (compare it with `version('1.20')`), `deployed`, `job` (`upgradeMode`, `state`, and where given `parallelism`,
    /// `entryClass`, `args`; empty on a session cluster) and `conf`, the configuration in effect without secrets. It is compiled when the policy is
    /// read. Where it fails on one job, such as by a missing `conf['some.key']`, that job does not get the setting, and
    /// a human is told.
    ///
    /// ## Why it matters
    /// A platform knows things that no manifest should have to repeat: limits of its storage, of its network, of its
    /// Kubernetes. A default in the Flink operator's own configuration reaches every job at once and cannot choose; this
    /// one is written on the job, where everybody sees it, and is filled with the same care as all else.
    ///
    /// ## What is filled
    /// The policy's value, under the key that the job's Flink reads. Where it is Flink's own default already, it is only
    /// written down, at a moment when it costs nothing. Nothing is filled on a Flink that has no such option or cannot
    /// read the value, nor beside a key that begins with it or that it begins with. What was filled stays when the policy
    /// changes or drops the entry.
    ///
    /// A policy is refused that sets what runs code or moves a job (`env.java.opts`, images, pod templates, service
    /// accounts, cluster ids, class loading), a credential, an option that another rule fills, one option twice, or
    /// two keys of which one begins with the other.
    ///
    /// ## What it costs
    /// A running job restarts once, as for any gap; `job.autoscaler.*`, `kubernetes.operator.*` and `parallelism.default`
    /// cost nothing. What the value does to the job is the platform's to know.
    ///
    /// ## When to switch it off
    /// When a job shall keep Flink's defaults. For one option alone, set it in the job's manifest instead.
    ///
    /// ## Source
    /// The policy. The option catalogue, read from the released jars of Flink 1.15 to 2.3; cel.dev for the language.
    pub static PLATFORM_SETTING_MISSING = {
        code: "PLT001",
        name: "platform-setting-missing",
        scope: Scope::Cluster,
        writes: &[Writes::Settings],
        check: Check::Keys(check),
    }
}

/// Read by the Flink inside the Flink operator, whatever the job's is.
const READ_BY_OPERATOR: &str = "kubernetes.";

fn check(subject: &Subject, _: &[OwnOption<'_>], policy: &Policy) -> Vec<Judgement> {
    if subject.kind == Kind::SessionJob {
        return Vec::new();
    }
    policy.settings.iter().filter_map(|setting| judge(setting, subject)).collect()
}

/// Nothing where it is there already.
fn judge(setting: &PlatformSetting, subject: &Subject) -> Option<Judgement> {
    let key = setting.written(subject.version);
    let mut judgement = match present(setting, subject) {
        Some((_, there)) if there.value.trim() == setting.value => return None,
        Some((spelling, there)) => {
            let value = shown(masked(&spelling, &there.value));
            let why = format!(
                "{} is {value} (from {}), which stays; {} is the platform's default",
                shown(&spelling),
                there.origin,
                shown_of(setting)
            );
            return Some(Judgement { about: Some(Key::from(spelling)), ..Judgement::not_applicable(why) });
        }
        None => absent(&key, setting, subject),
    };
    judgement.about = Some(key);
    Some(judgement)
}

fn absent(key: &Key, setting: &PlatformSetting, subject: &Subject) -> Judgement {
    let (name, version) = (shown(key.as_str()), subject.version);
    if is_unknown_to(version, key, setting) {
        return Judgement::not_applicable(format!("Flink {version} has no {name}, which the platform sets"));
    }
    match setting.when.as_ref().map(|condition| (condition, condition.holds(&Facts(subject)))) {
        Some((condition, Err(why))) => {
            return Judgement::advice(format!(
                "no {name}: whether the platform's setting is for this job cannot be told by `{condition}`, because {why}; correct the policy, or set it"
            ));
        }
        Some((_, Ok(false))) => {
            return Judgement::not_applicable(format!(
                "no {name}: by its `when` the platform's setting is not for this job"
            ));
        }
        Some((_, Ok(true))) | None => {}
    }
    if let Some((other, _)) = overlapped(key, subject) {
        let other = shown(other.as_str());
        return Judgement::advice(format!(
            "no {name}: the platform's setting cannot stand beside {other}, because one key begins with the other"
        ));
    }
    if let Some(error) = setting.unreadable(version) {
        return Judgement::advice(format!("no {name}: Flink {version} cannot read the platform's value: {error}"));
    }
    let fills = vec![Fill::option(key.clone(), setting.value.clone())];
    if is_default(setting, version) {
        Judgement::implicit(format!("{} only by Flink {version}'s default", shown_of(setting)), fills)
    } else {
        Judgement::gap(
            format!("no {name}: the platform's default is {}", shown(masked(key.as_str(), &setting.value))),
            fills,
        )
    }
}

/// A key beside which this one cannot stand. On Flink 2 no job starts with both, so that before it only the present name of
/// another option is none; and the whole of a map hides its entries (`ConfigurationUtils.canBePrefixMap`).
fn overlapped<'a>(key: &Key, subject: &'a Subject) -> Option<(&'a Key, &'a Setting)> {
    let info = |key: &Key| known(key.as_str(), subject.version);
    let is_of_map = info(key).is_some_and(|option| option.era.value_type == ValueType::Map);
    let is_present_name = |other: &Key| info(other).is_some_and(|option| option.role == Role::Primary);
    let mut beside = subject.conf.iter().filter(|(other, _)| key.overlaps(other.as_str()));
    beside.find(|(other, _)| subject.version >= NESTED_YAML || is_of_map || !is_present_name(other))
}

/// What gives the option its value now: one of its spellings, or what Flink takes instead where it is not set.
fn present<'a>(setting: &PlatformSetting, subject: &'a Subject) -> Option<(String, &'a Setting)> {
    let spellings = every_spelling(setting.key.as_str());
    let own = spellings.iter().find_map(|spelling| Some((spelling.to_string(), subject.conf.get(spelling)?)));
    own.or_else(|| {
        let option = known(setting.written(subject.version).as_str(), subject.version)?;
        let mut instead = option.era.fallbacks.iter();
        instead.find_map(|other| Some(((*other).to_owned(), subject.conf.get(other)?)))
    })
}

/// Whether other versions have the option and this one has not.
fn is_unknown_to(version: FlinkVersion, key: &Key, setting: &PlatformSetting) -> bool {
    let is_catalogued = spelled(key.as_str()).is_some() || known(key.as_str(), version).is_some();
    is_catalogued && !setting.is_read(version) && !key.as_str().starts_with(READ_BY_OPERATOR)
}

fn is_default(setting: &PlatformSetting, version: FlinkVersion) -> bool {
    let option = known(setting.written(version).as_str(), version);
    let Some((default, value_type)) = option.and_then(|option| Some((option.era.default?, option.era.value_type)))
    else {
        return false;
    };
    let is_same = |parsed: fn(&str, FlinkVersion) -> Option<u64>| {
        parsed(default, version).is_some_and(|default| parsed(&setting.value, version) == Some(default))
    };
    match value_type {
        ValueType::Duration => is_same(|text, version| parse_duration_ms(text, version).ok()),
        ValueType::Memory => is_same(|text, _| parse_memory_bytes(text).ok()),
        ValueType::Bool | ValueType::Enum(_) => default.eq_ignore_ascii_case(&setting.value),
        ValueType::Int
        | ValueType::Long
        | ValueType::Float
        | ValueType::Double
        | ValueType::Text
        | ValueType::Map
        | ValueType::List(_) => default == setting.value,
    }
}

fn shown_of(setting: &PlatformSetting) -> String {
    shown(&setting.to_string())
}
