//! Flink's production checklist, line by line, with the rule that looks after each or what is left for a human.

use std::fmt::Write as _;

/// One line of the checklist.
struct Line {
    /// What Flink's documentation asks for.
    asks: &'static str,
    /// Codes of the rules that look at it.
    rules: &'static [&'static str],
    /// What no rule can see; empty if nothing.
    human: &'static str,
}

const LINES: &[Line] = &[
    Line {
        asks: "Stable UIDs for all operators with state",
        rules: &["JOB001"],
        human: "UIDs are in the job's code. The rule can only name the option with which Flink refuses a job that lacks \
                one; whether the present ones are stable shows in a review of the code.",
    },
    Line {
        asks: "Maximum parallelism set, with room to grow",
        rules: &["JOB002"],
        human: "On a job that has state the value in use must be read from the running job and written down by hand.",
    },
    Line {
        asks: "State backend that fits the size of the state: the heap (HashMap), beyond the heap (RocksDB), beyond the \
               disk (ForSt, experimental)",
        rules: &["STA001"],
        human: "How large the state will be, nobody but its owner knows; a platform may choose a backend for new jobs.",
    },
    Line {
        asks: "Checkpointing enabled, with an interval that fits the recovery time, the delivery of sinks and the load",
        rules: &["CKP001"],
        human: "The interval that fits a job's agreements: the rule knows the platform's bounds only.",
    },
    Line {
        asks: "Checkpoint storage on a distributed file system that all nodes reach",
        rules: &["CKP002"],
        human: "That the bucket exists, that the pods may write to it, and that nobody's lifecycle rule empties it.",
    },
    Line { asks: "Incremental checkpoints with RocksDB", rules: &["CKP003"], human: "" },
    Line {
        asks: "Retained checkpoints, or savepoints",
        rules: &["CKP004"],
        human: "Old savepoints cost storage until somebody removes them.",
    },
    Line {
        asks: "High availability of the JobManager, by Kubernetes or ZooKeeper",
        rules: &["HA001"],
        human: "That the job's ServiceAccount may edit ConfigMaps, and that ZooKeeper, where it is used, is itself \
                highly available.",
    },
    Line {
        asks: "Restart strategy: exponential delay",
        rules: &["RST001"],
        human: "A strategy in the job's code wins unseen.",
    },
    Line { asks: "Failover strategy: region", rules: &["RST002"], human: "" },
    Line {
        asks: "Memory that fits the backend: managed memory for RocksDB; heap and managed memory used are watched",
        rules: &["MEM001", "MET002"],
        human: "Whether the heap suffices shows under load only.",
    },
    Line { asks: "A metrics reporter", rules: &["MET001"], human: "That something scrapes it." },
    Line {
        asks: "Dashboards, and alerts on numberOfFailedCheckpoints, lastCheckpointDuration, buffers.outPoolUsage over 0.8 and \
               numRecordsInPerSecond",
        rules: &["MET002"],
        human: "That an alert reaches somebody who is awake; dashboards that people look at.",
    },
    Line { asks: "Logs at INFO, noisy third-party libraries at WARN", rules: &["LOG001"], human: "" },
    Line {
        asks: "Log shipping",
        rules: &[],
        human: "Logs of a pod go with the pod. Whether something collects them does not show on a FlinkDeployment.",
    },
    Line {
        asks: "Restricted access to the cluster: the REST port 8081 behind a network policy, a firewall or an authenticating \
               proxy",
        rules: &["SEC001"],
        human: "Firewalls and proxies outside Kubernetes; that the cluster's network plugin enforces NetworkPolicies.",
    },
    Line {
        asks: "TLS, if required",
        rules: &["SEC002"],
        human: "Keystores and truststores, and their renewal. Whether TLS is required says the policy.",
    },
];

/// The page in Markdown.
pub fn markdown() -> String {
    let mut text = "# The production checklist, line by line\n\nWhat Flink's documentation asks of a production job, which \
                    rule looks after it, and what a human has to do all the same. The rules `CFG...` are on no such list: \
                    they find settings that do not take effect. Nor is [PLT001](rules/PLT001.md), which fills what the \
                    platform itself wants ([settings](settings.md)).\n\n| The checklist asks for | Rule | For a human |\n| --- | --- | --- |\n"
        .to_owned();
    for Line { asks, rules, human } in LINES {
        let found = rules.iter().filter_map(|code| checklist::find(code));
        let links: Vec<String> = found.map(|rule| format!("[{}](rules/{}.md)", rule.code, rule.code)).collect();
        let links = if links.is_empty() { "none".to_owned() } else { links.join(", ") };
        let human = if human.is_empty() { "nothing" } else { human };
        let _ = writeln!(text, "| {asks} | {links} | {human} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use checklist::{Check, RULES};

    use super::*;

    #[test]
    fn every_item_rule_has_its_line_and_every_line_its_rules() {
        let named: BTreeSet<&str> = LINES.iter().flat_map(|line| line.rules).copied().collect();
        let items = RULES.iter().filter(|rule| matches!(rule.check, Check::Item(_)));
        assert!(items.map(|rule| rule.code).collect::<BTreeSet<&str>>().is_subset(&named));
        assert!(LINES.iter().all(|line| !line.rules.is_empty() || !line.human.is_empty()));
    }
}
