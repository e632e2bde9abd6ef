//! The annotations by which people steer us, and the one by which we remember (DESIGN: all under one prefix).

/// How all of them begin.
pub const PREFIX: &str = "flink-remedy.dev/";
/// `"true"`, or rule names or codes joined by commas: what we leave alone.
pub const OPT_OUT: &str = "flink-remedy.dev/opt-out";
/// Why; for people.
pub const OPT_OUT_REASON: &str = "flink-remedy.dev/opt-out-reason";
/// RFC 3339 date or time at which the opt-out ends.
pub const OPT_OUT_UNTIL: &str = "flink-remedy.dev/opt-out-until";
/// `Off`, `Advise`, `NextDeploy` or `Apply`; never beyond what the policy allows.
pub const MODE: &str = "flink-remedy.dev/mode";
/// A plan's hash or `now`: a person allows the pending restart once.
pub const APPROVE: &str = "flink-remedy.dev/approve";
/// Ours: what we filled, when, by which rule.
pub const FILLED: &str = "flink-remedy.dev/filled";
/// Ours: hash of the plan that the job has not come back with. A person who takes it away lets it be tried again.
pub const QUARANTINED: &str = "flink-remedy.dev/quarantined";
