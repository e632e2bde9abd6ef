//! What is refused, in the order in which a request that does several things is told.

use super::super::document::Validation;

/// Lists of keys that have to be empty, with what is said of what stands in them.
const EMPTY: &[(&str, &str)] = &[
    (
        "forbiddenKeys",
        "never written by flink-remedy, whatever a policy says: it runs code in the job, says which job it is and where it runs, \
         gives it other rights, or is a credential",
    ),
    ("changed", "set already, which flink-remedy may not change"),
    (
        "unlisted",
        "filled by no rule of flink-remedy; an option that a policy lists under settings has to be listed in the guardrail \
         too (flink-remedy policy export --as guardrail)",
    ),
    ("claimed", "claimed by flink-remedy's record, though it was there before"),
    ("unrecorded", "not what flink-remedy filled by its record, so that it may not take it out"),
    ("noText", "no text, and flink-remedy writes text only"),
    ("restOfSpec", "nothing that flink-remedy may touch"),
    ("restOfObject", "nothing that flink-remedy may touch"),
];

/// All of them.
pub(super) fn all() -> Vec<Validation> {
    let place = "request.resource.resource + (request.?subResource.hasValue() ? '/' + request.subResource : '')";
    let first = Validation {
        expression: "variables.changesJob || variables.asksForSavepoint".to_owned(),
        message: "flink-remedy changes jobs that are there and asks for savepoints, nothing else".to_owned(),
        message_expression: format!(
            "'flink-remedy changes jobs that are there and asks for savepoints that stay; it may not '\n\
             + request.operation.lowerAscii() + ' ' + {place} + ' in this way'"
        ),
        reason: "Forbidden",
    };
    let empty = EMPTY.iter().map(|(list, said)| Validation {
        expression: format!("!variables.changesJob || variables.{list}.size() == 0"),
        message: format!("something is {said}"),
        message_expression: format!("variables.{list}.join(', ') + {}", super::super::cel::text(&format!(": {said}"))),
        reason: "Forbidden",
    });
    [first].into_iter().chain(empty).collect()
}
