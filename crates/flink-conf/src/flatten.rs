use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Key;

/// Why a `flinkConfiguration` has no flat form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlattenError {
    /// The whole document is a scalar or a list.
    #[error("flinkConfiguration must be a map of options, but it is {found}; write `key: value` lines below it")]
    NotAMap {
        /// The JSON kind that stands there.
        found: &'static str,
    },
    /// Nested keys that would fill the memory once they are written flat.
    #[error(
        "flinkConfiguration nests so many options below such long keys that its flat keys have more than {} MiB; \
         shorten the keys", MAX_KEY_BYTES >> 20
    )]
    TooLarge,
}

/// What the flat keys of one document may have, in bytes: twice what Kubernetes takes in a request, and far more
/// than any real configuration has. Nesting repeats a key for everything below it, so that a document of one
/// megabyte could stand for a hundred gigabytes.
const MAX_KEY_BYTES: usize = 6 << 20;

/// Turns a flat, nested or mixed `flinkConfiguration` into flat keys, as FKO does
/// (`ConfigObjectNode.asFlatMap`): lists joined with `;`, numbers and booleans as written, `null` as the
/// text `null`, empty maps and lists dropped.
///
/// Where a flat and a nested spelling of one key meet, the later in document order wins there. Documents
/// reach FKO through the API server, which sorts keys, and so does [`serde_json::Map`]: the same one wins here.
///
/// # Errors
/// A scalar or a list in place of the map, or keys that grow out of all proportion. An absent document (`null`) is
/// empty.
pub fn flatten(document: &Value) -> Result<BTreeMap<Key, String>, FlattenError> {
    let mut flat = Vec::new();
    match document {
        Value::Null => {}
        Value::Object(_) => {
            let mut left = MAX_KEY_BYTES;
            collect(document, "", &mut left, &mut |key, value| flat.push((key, value)))?;
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(FlattenError::NotAMap { found: "a single value" });
        }
        Value::Array(_) => return Err(FlattenError::NotAMap { found: "a list" }),
    }
    // Of equal keys the last counts.
    Ok(flat.into_iter().collect())
}

/// The keys that a document spells twice, flat and nested (`a.b: 1` beside `a: {b: 2}`), at whatever depth; of a
/// document that [`flatten`] refuses, some of them.
pub fn spelled_twice(document: &Value) -> BTreeSet<Key> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    // Where nothing is nested nothing can be there twice.
    if document.as_object().is_some_and(|fields| fields.values().any(Value::is_object)) {
        // An error only ends the search.
        let _ = collect(document, "", &mut { MAX_KEY_BYTES }, &mut |key, _| {
            if !seen.insert(key.clone()) {
                twice.insert(key);
            }
        });
    }
    twice
}

/// `left` is how many bytes further keys may have.
fn collect(
    node: &Value,
    path: &str,
    left: &mut usize,
    found: &mut impl FnMut(Key, String),
) -> Result<(), FlattenError> {
    match node {
        Value::Object(fields) => {
            for (name, child) in fields {
                *left = left.checked_sub(path.len() + name.len() + 1).ok_or(FlattenError::TooLarge)?;
                if path.is_empty() {
                    collect(child, name, left, found)?;
                } else {
                    collect(child, &format!("{path}.{name}"), left, found)?;
                }
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            found(Key::from(path), items.iter().map(scalar_text).collect::<Vec<_>>().join(";"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found(Key::from(path), scalar_text(node));
        }
    }
    Ok(())
}

/// Jackson's `asText`: containers have no text of their own.
fn scalar_text(node: &Value) -> String {
    match node {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flat(document: &Value) -> Vec<(String, String)> {
        flatten(document).unwrap().into_iter().map(|(key, value)| (key.to_string(), value)).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn flat_nested_and_mixed_are_one() {
        let expected = vec![pair("a.b", "1"), pair("a.c.d", "true")];
        assert_eq!(flat(&json!({"a.b": "1", "a.c.d": "true"})), expected);
        assert_eq!(flat(&json!({"a": {"b": 1, "c": {"d": true}}})), expected);
        assert_eq!(flat(&json!({"a": {"b": 1}, "a.c": {"d": true}})), expected);
    }

    #[test]
    fn lists_are_joined_as_fko_joins_them() {
        assert_eq!(flat(&json!({"l": ["a", 2, true, null, {"x": 1}, [3]]})), vec![pair("l", "a;2;true;null;;")]);
        assert_eq!(flat(&json!({"l": [], "m": {}})), vec![]);
    }

    #[test]
    fn scalars_keep_their_text() {
        assert_eq!(
            flat(&json!({"a": 1.0, "b": "010", "c": null, "d": ""})),
            vec![pair("a", "1.0"), pair("b", "010"), pair("c", "null"), pair("d", "")]
        );
    }

    #[test]
    fn the_flat_spelling_wins_over_the_nested_one() {
        assert_eq!(flat(&json!({"a.b": "flat", "a": {"b": "nested"}})), vec![pair("a.b", "flat")]);
    }

    #[test]
    fn a_key_in_two_spellings_is_found() {
        let twice = spelled_twice(&json!({"a.b": 1, "a": {"b": 2, "c": 3}, "d": 4}));
        assert_eq!(twice, BTreeSet::from([Key::from("a.b")]));
        let below = spelled_twice(&json!({"a": {"b.c": 1, "b": {"c": 2}, "d": 3}, "e": "x"}));
        assert_eq!(below, BTreeSet::from([Key::from("a.b.c")]));
        assert_eq!(spelled_twice(&json!(["a", "a"])), BTreeSet::new());
    }

    /// Written flat, this megabyte would be a hundred gigabytes.
    #[test]
    fn nesting_cannot_multiply_a_document() {
        let options = |value: Value| (0..100_000).map(|number| (format!("a{number}"), value.clone())).collect();
        for value in [json!(1), json!({})] {
            let below: serde_json::Map<String, Value> = options(value);
            let document = json!({"k".repeat(1_000_000): below});
            assert_eq!(flatten(&document), Err(FlattenError::TooLarge));
            assert_eq!(spelled_twice(&document), BTreeSet::new());
        }
        let wide: serde_json::Map<String, Value> = options(json!(1));
        assert_eq!(flatten(&json!({"k": wide})).map(|flat| flat.len()), Ok(100_000));
    }

    #[test]
    fn no_document_is_empty_and_no_map_is_an_error() {
        assert_eq!(flat(&Value::Null), vec![]);
        for (document, found) in [(json!([1]), "a list"), (json!("x"), "a single value")] {
            assert_eq!(flatten(&document), Err(FlattenError::NotAMap { found }));
        }
    }
}
