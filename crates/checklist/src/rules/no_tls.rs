use flink_conf::options::{SSL_INTERNAL, SSL_REST};
use flink_conf::{FlinkOption, parse_bool};

use crate::{Check, Judgement, Policy, Scope, Subject, declare_rule};

declare_rule! {
    /// # Traffic is not encrypted
    ///
    /// ## What it checks
    /// Only where the policy requires TLS (`rules.no-tls.required: true`): `security.ssl.internal.enabled` between the
    /// processes of a cluster and `security.ssl.rest.enabled` at the REST port, and beside each a keystore and a truststore,
    /// its own or the common one.
    ///
    /// ## Why it matters
    /// Without TLS whoever reaches the network reads records and state, and can talk to a process in the name of
    /// another.
    ///
    /// ## What is filled
    /// Nothing: keystores and their passwords are secrets of the platform.
    ///
    /// ## What it costs
    /// Nothing is filled. TLS costs throughput between `TaskManager`s, and the Flink operator needs a truststore of its own to
    /// reach an encrypted REST port.
    ///
    /// ## When to switch it off
    /// When a service mesh or the network itself encrypts.
    ///
    /// ## Source
    /// Flink documentation, "SSL Setup".
    pub static NO_TLS = {
        code: "SEC002",
        name: "no-tls",
        scope: Scope::Cluster,
        check: Check::Item(check),
    }
}

fn check(subject: &Subject, policy: &Policy) -> Judgement {
    if !policy.rules.no_tls.required {
        return Judgement::not_applicable("the policy does not require TLS");
    }
    let missing: Vec<String> = [("internal", &SSL_INTERNAL), ("rest", &SSL_REST)]
        .iter()
        .flat_map(|(part, on)| lacks(subject, part, on))
        .collect();
    if missing.is_empty() {
        Judgement::pass("TLS is on between the processes and at the REST port")
    } else {
        Judgement::advice(format!("the policy requires TLS, and the job lacks {}", missing.join(", ")))
    }
}

/// What a part has to set and does not.
fn lacks(subject: &Subject, part: &str, on: &FlinkOption) -> Vec<String> {
    let is_on = on.find(&subject.conf, subject.version).value().map(parse_bool) == Some(Ok(true));
    if !is_on {
        return vec![format!("{}: true", on.key(subject.version))];
    }
    // The options of a part win over those common to both (`SSLUtils.getAndCheckOption`).
    let is_set = |name: &str| subject.conf.get(name).is_some_and(|setting| !setting.value.trim().is_empty());
    let stores = ["keystore", "truststore"].into_iter();
    let absent = stores
        .filter(|store| !is_set(&format!("security.ssl.{part}.{store}")) && !is_set(&format!("security.ssl.{store}")));
    absent.map(|store| format!("security.ssl.{part}.{store}")).collect()
}
