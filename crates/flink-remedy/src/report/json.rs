//! The stable interface `report -o json`: field names and words are its contract.

use std::io::{self, Write};

use serde::Serialize;

use super::fleet::Job;

/// The version of the interface; a field may be added under the same number, none changed or removed.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u8,
    jobs: &'a [Job],
}

/// Writes the interface's document.
///
/// # Errors
/// `out` cannot be written.
pub(super) fn write(jobs: &[Job], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Report { version: VERSION, jobs })?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fleet::tests::job;
    use super::*;

    #[test]
    fn a_job_is_its_report_with_its_name_and_cells() {
        let content = json!({
            "standing": "Held", "message": "Held: x.", "mode": "Apply", "policy": {"name": "eu", "decidedBy": "selector.jobs"},
            "findings": {"gaps": 1, "advice": 0, "implicit": 0,
                "items": [{"rule": "CKP003", "name": "rocksdb-full-checkpoints", "verdict": "Gap", "message": "m"}]},
            "pending": {"plan": "abc", "fills": ["a=b"], "rules": ["CKP003"], "restarts": true},
            "hold": {"reason": "Stateless", "message": "x"},
        });
        let mut out = Vec::new();
        write(&[job("shop", "orders", &content)], &mut out).unwrap();
        let written: Value = serde_json::from_slice(&out).unwrap();
        let mut expected =
            json!({"kind": "FlinkDeployment", "namespace": "shop", "name": "orders", "rules": {"CKP003": "Held"}});
        expected.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        assert_eq!(written, json!({"version": 1, "jobs": [expected]}));
    }
}
