use serde::Deserialize;

use super::Policy;

/// A policy as a document: the kind `RemediationPolicy`, in a file as in a cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    #[serde(rename = "kind")]
    _kind: Kind,
    /// What it is called, and what else Kubernetes keeps of an object.
    #[serde(default)]
    pub metadata: DocumentMetadata,
    /// What the platform wants.
    #[serde(default)]
    pub spec: Policy,
    /// Of one that was read off a cluster.
    #[serde(rename = "status", default)]
    _status: serde::de::IgnoredAny,
}

/// What we read of a policy's metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DocumentMetadata {
    /// Its name.
    pub name: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum ApiVersion {
    #[serde(rename = "flink-remedy.dev/v1alpha1")]
    V1Alpha1,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Kind {
    RemediationPolicy,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Mode;

    fn read(spec: &serde_json::Value) -> Result<Policy, serde_json::Error> {
        let document = json!({"apiVersion": "flink-remedy.dev/v1alpha1", "kind": "RemediationPolicy",
                              "metadata": {"name": "production"}, "spec": spec});
        serde_json::from_value::<PolicyDocument>(document).map(|document| document.spec)
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let policy = read(&json!({"mode": "Apply", "rules": {"no-restart-backoff": {"max": "5 min"}}})).unwrap();
        assert_eq!((policy.mode, policy.rules.no_restart_backoff.max.as_str()), (Mode::Apply, "5 min"));
        assert_eq!(policy.rules.no_restart_backoff.initial.as_str(), "1 s");
        assert_eq!(read(&json!({})).unwrap(), Policy::default());
        assert_eq!(Policy::default().rules.no_metrics_reporter.port.get(), 9249);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (spec, named) in [
            (json!({"mod": "Apply"}), "unknown field `mod`"),
            (json!({"mode": "apply"}), "unknown variant `apply`"),
            (json!({"rules": {"no-restart-backof": {}}}), "unknown field `no-restart-backof`"),
            (json!({"rules": {"no-restart-backoff": {"max": "PT5M"}}}), "is no duration"),
            (json!({"rules": {"managed-memory-too-small": {"perSlot": "256Mi"}}}), "is no memory size"),
            (
                json!({"rules": {"no-checkpoint-interval": {"interval": "1 h"}}}),
                "1 h is not between min (1 s) and max (30 min)",
            ),
            (json!({"rules": {"no-checkpoint-interval": {"intervall": "1 h"}}}), "unknown field `intervall`"),
            (json!({"storage": {"checkpoints": "s3://acme/all"}}), "the same for every job"),
        ] {
            let error = read(&spec).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
