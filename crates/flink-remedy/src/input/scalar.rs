//! Plain scalars as kubectl reads them: the rules of go-yaml v2 (`resolve.go`), which sigs.k8s.io/yaml uses.
//! A test in `e2e` compares them with kubectl itself.

use serde_json::Value;

/// The value of a plain (unquoted, untagged) scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// The text of a plain scalar that stands as a key; `None` for null, which kubectl refuses.
pub(super) fn key(text: &str) -> Option<String> {
    match resolve(text) {
        Value::Null => None,
        Value::String(key) => Some(key),
        value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Some(value.to_string()),
    }
}

/// A number as it reaches the API server: one without a fraction is an integer there.
pub(super) fn json_number(number: f64) -> Value {
    /// Below this, every integer has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "a whole number that an i64 holds exactly")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

fn number(text: &str) -> Option<Value> {
    let digits = match text.as_bytes().first()? {
        b'.' => text.to_owned(),
        b'+' | b'-' | b'0'..=b'9' => text.replace('_', ""),
        _ => return None,
    };
    integer(&digits).or_else(|| float(&digits))
}

/// Go's `ParseInt(text, 0, 64)`: with a prefix hexadecimal, octal or binary, and octal after a bare `0` too.
fn integer(text: &str) -> Option<Value> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // from_str_radix would take a second sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    if negative {
        i64::from_str_radix(&format!("-{digits}"), radix).ok().map(Value::from)
    } else {
        u64::from_str_radix(digits, radix).ok().map(Value::from)
    }
}

/// A decimal number with a point or an exponent. kubectl cannot send `.inf` and `.nan`, which stay text.
fn float(text: &str) -> Option<Value> {
    let is_float = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !is_float || !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(json_number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_read_as_kubectl_reads_them() {
        for (text, expected) in [
            ("yes", json!(true)),
            ("On", json!(true)),
            ("y", json!(true)),
            ("N", json!(false)),
            ("yEs", json!("yEs")),
            ("tRUE", json!("tRUE")),
            ("010", json!(8)),
            ("-010", json!(-8)),
            ("09", json!(9)),
            ("0", json!(0)),
            ("0o17", json!(15)),
            ("0xFF", json!(255)),
            ("-0b11", json!(-3)),
            ("1_000", json!(1000)),
            ("1__0", json!(10)),
            ("_1", json!("_1")),
            ("1_000.5", json!(1000.5)),
            ("1.0", json!(1)),
            ("1e3", json!(1000)),
            ("1.5e-7", json!(1.5e-7)),
            (".5", json!(0.5)),
            ("5.", json!(5)),
            ("+5", json!(5)),
            ("-", json!("-")),
            ("+-5", json!("+-5")),
            ("0x", json!("0x")),
            ("0b", json!("0b")),
            ("1:30", json!("1:30")),
            ("2001-01-01", json!("2001-01-01")),
            ("18446744073709551615", json!(u64::MAX)),
            ("1e999", json!("1e999")),
            (".inf", json!(".inf")),
            ("~", json!(null)),
            ("", json!(null)),
            ("nULL", json!("nULL")),
            ("10 min", json!("10 min")),
            ("e5", json!("e5")),
        ] {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }

    #[test]
    fn keys_are_the_text_of_their_value() {
        for (text, expected) in [("a.b", Some("a.b")), ("y", Some("true")), ("010", Some("8")), ("~", None)] {
            assert_eq!(key(text).as_deref(), expected, "{text}");
        }
    }
}
