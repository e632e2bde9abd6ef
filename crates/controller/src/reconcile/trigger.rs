//! Which changes of an object are worth a look.

use std::hash::{DefaultHasher, Hash, Hasher};

use flink_api::{FlinkDeployment, Parsed};

/// Digest of all that rules and gate read: equal digests need no new look. The spec is covered by the
/// generation, the manifest last applied and the field owners by what stands in the metadata.
pub fn digest(deployment: &FlinkDeployment) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &deployment.metadata;
    (&metadata.uid, metadata.generation, metadata.deletion_timestamp.is_some()).hash(&mut hasher);
    metadata.annotations.hash(&mut hasher);
    metadata.labels.hash(&mut hasher);
    for owner in metadata.owner_references.iter().flatten() {
        (&owner.kind, &owner.uid).hash(&mut hasher);
    }
    for entry in metadata.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none()) {
        // The time alone would not do: it has seconds, and two managers may write within one.
        let fields = entry.fields_v1.as_ref().map(|fields| fields.0.to_string());
        (&entry.manager, &entry.operation, fields).hash(&mut hasher);
    }
    match &deployment.status {
        None => 0_u8.hash(&mut hasher),
        Some(Parsed::Ok(status)) => status.hash(&mut hasher),
        Some(Parsed::Malformed(why)) => why.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(value: Value) -> u64 {
        digest(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_the_gate_reads_changes_the_digest_and_the_rest_does_not() {
        let base = json!({"metadata": {"uid": "u", "generation": 1, "resourceVersion": "1"}, "status": {"lifecycleState": "STABLE"}});
        let mut same = base.clone();
        same["metadata"]["resourceVersion"] = json!("2");
        same["status"]["clusterInfo"] = json!({"total-cpu": "1"});
        assert_eq!(of(base.clone()), of(same));
        for (pointer, value) in [
            ("/metadata/generation", json!(2)),
            ("/metadata/annotations", json!({"flink-remedy.dev/opt-out": "true"})),
            ("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            ("/status/lifecycleState", json!("UPGRADING")),
            ("/status/error", json!("boom")),
            ("/status/reconciliationStatus", json!({"lastReconciledSpec": "x"})),
        ] {
            let mut changed = base.clone();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[name] = value;
            assert_ne!(of(base.clone()), of(changed), "{pointer}");
        }
    }
}
