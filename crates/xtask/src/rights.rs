//! What the shipped manifests allow, rule by rule, with the comment that says who needs it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail, ensure};

/// The files with rights, and what brings them.
const FILES: &[(&str, &str)] = &[
    ("manifests/rbac/clusterrole.yaml", "always"),
    ("manifests/rbac/role.yaml", "always"),
    ("manifests/rbac/role-operator-config.yaml", "always"),
    ("manifests/webhook/rbac.yaml", "the webhook"),
    ("manifests/sidecar/impersonate.yaml", "a sidecar"),
];

/// One rule of a role.
#[derive(Debug, Default, PartialEq, Eq)]
struct Right {
    /// In which namespace; in all of them if none.
    namespace: Option<String>,
    groups: String,
    resources: String,
    names: String,
    verbs: String,
    why: String,
}

/// The table of all rights.
pub(crate) fn markdown(root: &Path) -> anyhow::Result<String> {
    let mut table = "| With | Where | Verbs | On | Who needs it |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for (path, with) in FILES {
        let text = std::fs::read_to_string(root.join(path)).context(*path)?;
        for right in rights(&text).with_context(|| (*path).to_owned())? {
            let place = right.namespace.map_or_else(|| "the cluster".to_owned(), |name| format!("`{name}`"));
            let group = if right.groups.is_empty() { String::new() } else { format!(" of {}", right.groups) };
            let names = if right.names.is_empty() { String::new() } else { format!(" named `{}`", right.names) };
            let Right { resources, verbs, why, .. } = right;
            let _ = writeln!(table, "| {with} | {place} | {verbs} | {resources}{group}{names} | {why} |");
        }
    }
    Ok(table)
}

/// The rules of every role in these documents. Read line by line, because a parser of YAML loses the comments.
fn rights(text: &str) -> anyhow::Result<Vec<Right>> {
    let mut rights = Vec::new();
    for document in text.split("\n---\n") {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: "));
        if !matches!(kind, Some("Role" | "ClusterRole")) {
            continue;
        }
        let (head, rules) = document.split_once("\nrules:\n").context("a role without rules")?;
        let namespace = head.lines().find_map(|line| line.strip_prefix("  namespace: ")).map(str::to_owned);
        let of_role = comment(head.lines().take_while(|line| !line.starts_with("apiVersion")));
        rights.extend(of_rules(rules, namespace.as_ref(), &of_role)?);
    }
    ensure!(!rights.is_empty(), "no role");
    Ok(rights)
}

fn of_rules(rules: &str, namespace: Option<&String>, of_role: &str) -> anyhow::Result<Vec<Right>> {
    let mut rights: Vec<Right> = Vec::new();
    let mut said: Vec<&str> = Vec::new();
    for line in rules.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            said.push(line);
            continue;
        }
        let (is_first, line) = line.strip_prefix("- ").map_or((false, line), |line| (true, line));
        if is_first {
            let own = comment(std::mem::take(&mut said).into_iter());
            let why = if own.is_empty() { of_role.to_owned() } else { own };
            ensure!(!why.is_empty(), "no comment says who needs the rule `{line}`");
            rights.push(Right { namespace: namespace.cloned(), why, ..Right::default() });
        }
        let right = rights.last_mut().context("a rule begins with `- `")?;
        let (key, value) = line.split_once(": ").with_context(|| format!("`{line}` is no key with a list"))?;
        let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
        let list = list.with_context(|| format!("`{value}` is no list in brackets"))?.replace('"', "");
        match key {
            "apiGroups" => right.groups = list,
            "resources" => right.resources = list,
            "resourceNames" => right.names = list,
            "verbs" => right.verbs = list,
            other => bail!("`{other}` is no part of a rule that is known here"),
        }
    }
    Ok(rights)
}

/// The text of comment lines.
fn comment<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = lines.filter_map(|line| line.trim().strip_prefix('#')).map(str::trim).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "# For the lease.\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: a\n  namespace: b\nrules:\n";

    #[test]
    fn a_rule_is_told_with_its_comment_or_that_of_its_role() {
        let text = format!(
            "{ROLE}  - apiGroups: [\"\"]\n    resources: [secrets]\n    resourceNames: [x]\n    verbs: [get, list]\n  # Two\n  \
             # lines.\n  - apiGroups: [apps]\n    resources: [deployments]\n    verbs: [get]\n"
        );
        let right = |groups: &str, resources: &str, names: &str, verbs: &str, why: &str| Right {
            namespace: Some("b".into()),
            groups: groups.into(),
            resources: resources.into(),
            names: names.into(),
            verbs: verbs.into(),
            why: why.into(),
        };
        let expected = [
            right("", "secrets", "x", "get, list", "For the lease."),
            right("apps", "deployments", "", "get", "Two lines."),
        ];
        assert_eq!(rights(&text).unwrap(), expected);
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_no_gap_in_the_table() {
        for rule in ["  - nonResourceURLs: [/x]\n", "  - apiGroups:\n      - apps\n", "    verbs: [get]\n"] {
            assert!(rights(&format!("{ROLE}{rule}")).is_err(), "{rule}");
        }
        let without_comment = ROLE.trim_start_matches("# For the lease.\n");
        assert!(rights(&format!("{without_comment}  - apiGroups: [apps]\n")).is_err());
    }
}
