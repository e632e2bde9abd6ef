//! A YAML document with the line of every part, its scalars read as kubectl reads them.

use std::fmt;

use controller::operator_config::plain_words;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Location, Options, Spanned};

use super::scalar;

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Line of the document, from 1.
    pub(crate) line: usize,
    /// Line of the key below which it stands; its own if there is none.
    pub(crate) key_line: usize,
    /// What stands there.
    pub(crate) content: Content,
}

/// What a part of a document is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A single value.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(Vec<(String, Node)>),
}

/// Where and why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Line and column of the document, from 1, if known.
    pub(super) place: Option<(usize, usize)>,
    /// What is wrong.
    pub(super) problem: String,
}

impl Node {
    /// Reads one document. The empty document is null.
    pub(crate) fn parse(text: &str) -> Result<Self, Broken> {
        let raw: Spanned<Raw> =
            serde_saphyr::from_str_with_options(text, options(text.len())).map_err(|error| broken(&error))?;
        Self::of(raw, text)
    }

    fn of(raw: Spanned<Raw>, source: &str) -> Result<Self, Broken> {
        let line = number(raw.referenced.line());
        let content = match raw.value {
            Raw::Scalar(value) => Content::Scalar(as_kubectl(value, &raw.defined, source)),
            Raw::List(items) => {
                Content::List(items.into_iter().map(|item| Self::of(item, source)).collect::<Result<_, _>>()?)
            }
            Raw::Map(entries) => Content::Map(map(entries, source)?),
        };
        Ok(Self { line, key_line: line, content })
    }

    /// The part below this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    /// The text below this key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.content {
            Content::Scalar(value) => value.as_str(),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The line of the deepest part on this path that is there.
    pub(crate) fn line_of(&self, path: &[&str]) -> usize {
        let mut node = self;
        for key in path {
            match node.get(key) {
                Some(below) => node = below,
                None => break,
            }
        }
        node.line
    }

    /// The value under a dotted key, flat, nested or mixed; the flat spelling wins, as it does in Flink's operator.
    pub(crate) fn dotted(&self, key: &str) -> Option<&Self> {
        if let Some(found) = self.get(key) {
            return Some(found).filter(|node| !matches!(node.content, Content::Map(_)));
        }
        let Content::Map(entries) = &self.content else { return None };
        let below = |name: &str| key.strip_prefix(name)?.strip_prefix('.');
        entries.iter().find_map(|(name, node)| node.dotted(below(name)?))
    }

    /// The document without its lines.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }
}

/// Limits that grow with the document: `kubectl get` of a large cluster is one document. What keeps aliases
/// from multiplying it does not grow.
fn options(length: usize) -> Options {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_nodes = budget.max_nodes.saturating_add(length);
    budget.max_events = budget.max_events.saturating_add(length.saturating_mul(2));
    budget.max_total_scalar_bytes = budget.max_total_scalar_bytes.saturating_add(length);
    serde_saphyr::options! {
        budget: Some(budget),
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 250_000 },
        emit_comments: false,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    }
}

fn broken(error: &serde_saphyr::Error) -> Broken {
    let place = error.location().map(|place| (number(place.line()), number(place.column())));
    let message = plain_words(error);
    let mut problem = message.as_str();
    // The place is told by the file's lines.
    if let Some((line, column)) = place {
        problem = problem.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(problem);
    }
    problem = problem.strip_suffix("; use Option<String>").unwrap_or(problem);
    Broken { place, problem: problem.to_owned() }
}

fn map(entries: Vec<(Spanned<String>, Spanned<Raw>)>, source: &str) -> Result<Vec<(String, Node)>, Broken> {
    let mut map: Vec<(String, Node)> = Vec::with_capacity(entries.len());
    let mut keys = std::collections::BTreeSet::new();
    for (key, value) in entries {
        let place = Some((number(key.defined.line()), number(key.defined.column())));
        let name = match plain(&key.defined, source) {
            Some(text) => {
                scalar::key(text).ok_or_else(|| Broken { place, problem: "a key is null; write a text".to_owned() })?
            }
            None => key.value,
        };
        if !keys.insert(name.clone()) {
            return Err(Broken { place, problem: format!("duplicate mapping key: {name}") });
        }
        let node = Node { key_line: number(key.referenced.line()), ..Node::of(value, source)? };
        map.push((name, node));
    }
    Ok(map)
}

/// The value that kubectl would see. A text can only be a number to kubectl if it is plain, and on a line of
/// its own it may be a block.
fn as_kubectl(value: Value, place: &Location, source: &str) -> Value {
    let Some(text) = plain(place, source) else { return normal(value) };
    let is_text = value.is_string();
    if is_text && (text.contains('\n') || begins_line(place, source)) {
        return value;
    }
    scalar::resolve(text)
}

fn normal(value: Value) -> Value {
    match value.as_f64() {
        Some(number) if value.is_f64() => scalar::json_number(number),
        _ => value,
    }
}

/// The source of a scalar that is neither quoted nor tagged.
fn plain<'s>(place: &Location, source: &'s str) -> Option<&'s str> {
    let span = place.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
    let text = source.get(start..end)?;
    (!is_tagged(source.get(..start)?) && !text.starts_with(['"', '\'', '|', '>'])).then_some(text)
}

/// Whether what stands before a scalar ends in a tag, perhaps with an anchor behind it. Only a tag's own words are
/// looked at: a line of JSON may be the whole document.
fn is_tagged(before: &str) -> bool {
    if !before.ends_with(char::is_whitespace) {
        return false;
    }
    // In a flow, something else may touch a tag: `[!!str 1, !!str 2]`, `{"a":!!str 1}`.
    let is_tag = |word: &str| {
        let last = word.rsplit(['[', '{', ',']).next().unwrap_or_default();
        last.starts_with('!') || last.contains(":!") || (word.ends_with('>') && word.contains("!<"))
    };
    let mut words = before.split_whitespace().rev();
    match words.next() {
        Some(word) if word.starts_with('&') => words.next().is_some_and(is_tag),
        word => word.is_some_and(is_tag),
    }
}

fn begins_line(place: &Location, source: &str) -> bool {
    let start = place.span().byte_offset().and_then(|offset| usize::try_from(offset).ok());
    start.and_then(|start| source.get(..start)).is_some_and(|before| before.trim_end_matches(' ').ends_with('\n'))
}

fn number(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// A part of a document as the parser sees it.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::from(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        Node::parse(text).unwrap().to_value()
    }

    #[test]
    fn scalars_are_kubectls() {
        let text = "a: 010\nb: \"010\"\nc: !!str 010\nd: yes\ne: 'yes'\nf: |\n  010\ng: 1.0\nh: 1_000.5\ni:\n  08\n\
                    j: &x 1e3\nk: *x\nl: [on, 0o7]\n010: k\nm: !!float 3\nz: .inf\no: multi\n  line\np: |-\n  1__0\n";
        let expected = json!({"a": 8, "b": "010", "c": "010", "d": true, "e": "yes", "f": "010\n", "g": 1, "h": 1000.5,
            "i": 8, "j": 1000, "k": 1000, "l": [true, 7], "8": "k", "m": 3, "z": ".inf", "o": "multi line", "p": "1__0"});
        assert_eq!(value(text), expected);
    }

    #[test]
    fn json_is_yaml() {
        assert_eq!(value("{\n\t\"a\": [\"\\ud83d\\ude00\\/\", 1.0, \"1.0\"]}"), json!({"a": ["😀/", 1, "1.0"]}));
    }

    #[test]
    fn merges_and_lines() {
        let node = Node::parse("base: &b\n  k: 010\nm:\n  <<: *b\n  z: 1\n").unwrap();
        assert_eq!(node.to_value(), json!({"base": {"k": 8}, "m": {"k": 8, "z": 1}}));
        assert_eq!(node.line_of(&["m", "z"]), 5);
        assert_eq!(node.line_of(&["base", "none"]), 2);
    }

    #[test]
    fn a_dotted_key_is_found_in_any_spelling_with_its_line() {
        let node = Node::parse("a:\n  b:\n    c: 1\n  d.e:\n    2\na.f: |\n  x\na.b.g: 3\n").unwrap();
        let line = |key: &str| node.dotted(key).map(|node| node.key_line);
        let found = [line("a.b.c"), line("a.d.e"), line("a.f"), line("a.b.g"), line("a.b"), line("a.x"), line("a.b.")];
        assert_eq!(found, [Some(3), Some(4), Some(6), Some(8), None, None, None]);
    }

    #[test]
    fn what_is_broken_has_a_place_and_plain_words() {
        for (text, place, problem) in [
            ("a: 1\nb: c: d\n", (2, 5), "mapping values are not allowed in this context"),
            ("a: 1\nb: 1\na: 2\n", (3, 1), "duplicate mapping key: a"),
            ("{\"a\": 1, \"a\": 2}", (1, 10), "duplicate mapping key: a"),
            ("yes: 1\ntrue: 2\n", (2, 1), "duplicate mapping key: true"),
            ("~: 1\n", (1, 1), "cannot deserialize null into string"),
        ] {
            assert_eq!(Node::parse(text), Err(Broken { place: Some(place), problem: problem.to_owned() }), "{text}");
        }
    }

    #[test]
    fn aliases_cannot_multiply_a_document() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text = format!("{text}a{level}: &a{level} [{}]\n", below.trim_end_matches(", "));
        }
        assert!(Node::parse(&text).is_err());
    }

    #[test]
    fn a_tag_counts_wherever_it_stands() {
        let text = "a: [!!str 010, 010, !!str 010]\nb: {\"k\":!!str 010, l: !<tag:yaml.org,2002:str> 010}\n\
                    c: [010,!!str 010]\nd: [!!str &x 010, 010]\n";
        let expected = json!({"a": ["010", 8, "010"], "b": {"k": "010", "l": "010"}, "c": [8, "010"], "d": ["010", 8]});
        assert_eq!(value(text), expected);
    }

    /// `jq -c` prints a cluster on one line without a blank; this took minutes.
    #[test]
    fn a_long_line_without_blanks_is_read_at_once() {
        let items: Vec<String> = (0..40_000).map(|number| format!("{{\"k\":{number}}}")).collect();
        let node = Node::parse(&format!("[{}]", items.join(","))).unwrap();
        assert!(matches!(node.content, Content::List(items) if items.len() == 40_000));
    }

    #[test]
    fn a_large_document_is_read() {
        let items = format!("- [{}0]\n", "1, ".repeat(499)).repeat(510);
        assert!(Node::parse(&items).is_ok());
    }
}
