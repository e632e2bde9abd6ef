use crate::{Check, Judgement, Kind, OwnOption, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # A key that only the Flink operator may set
    ///
    /// ## What it checks
    /// `kubernetes.cluster-id`, `kubernetes.namespace` and `high-availability.cluster-id` in the `flinkConfiguration` of a
    /// FlinkDeployment.
    ///
    /// ## Why it matters
    /// The Flink operator derives them from the name of the resource and refuses a resource that sets one: with its
    /// webhook at `kubectl apply`, without it by an error in the status. Until then no other change is carried out.
    ///
    /// ## What is filled
    /// Nothing.
    ///
    /// ## What it costs
    /// Nothing is filled. Taking the key away lets the Flink operator go on.
    ///
    /// ## When to switch it off
    /// Never.
    ///
    /// ## Source
    /// `DefaultValidator.FORBIDDEN_CONF_KEYS` of the Flink operator.
    pub static FORBIDDEN_KEY = {
        code: "CFG005",
        name: "forbidden-key",
        scope: Scope::Cluster,
        check: Check::Keys(check),
    }
}

const FORBIDDEN: &[&str] = &["high-availability.cluster-id", "kubernetes.cluster-id", "kubernetes.namespace"];

fn check(subject: &Subject, own: &[OwnOption<'_>], _: &Policy) -> Vec<Judgement> {
    if subject.kind == Kind::SessionJob {
        return Vec::new();
    }
    let forbidden = own.iter().filter(|option| FORBIDDEN.contains(&option.key.as_str()));
    let judge = |&OwnOption { key, .. }: &OwnOption<'_>| {
        let why = format!("{key} is the Flink operator's to set, and it refuses a resource that does; take it away");
        Judgement::advice_about(key.clone(), why)
    };
    forbidden.map(judge).collect()
}
