//! A file into its documents, before anything is parsed, so that one broken document spoils no other.

use serde::de::IgnoredAny;

/// One document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// Its number in the file, from 1; documents without content do not count.
    pub(super) number: usize,
    /// The line of the file on which `text` begins, from 1.
    pub(super) line: usize,
    /// Its text, with the separator line that opens it: something may follow on that line.
    pub(super) text: &'a str,
}

/// Splits YAML at its document lines, and JSON values that merely follow each other where they end.
///
/// A `---` at the beginning of a line ends a document wherever it stands, also inside a block scalar.
pub(super) fn split(file: &str) -> Vec<Document<'_>> {
    let file = file.strip_prefix('\u{feff}').unwrap_or(file);
    let ends = json_values(file).unwrap_or_else(|| document_lines(file));
    let mut documents = Vec::new();
    let (mut start, mut line) = (0, 1);
    for end in ends.into_iter().chain([file.len()]) {
        let text = &file[start..end];
        if !is_blank(text) {
            documents.push(Document { number: documents.len() + 1, line, text });
        }
        line += text.matches('\n').count();
        start = end;
    }
    documents
}

/// The offsets at which documents end. What only announces a document (`%YAML 1.2`) belongs to it.
fn document_lines(file: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut start, mut offset) = (0, 0);
    for line in file.split_inclusive('\n') {
        let next = offset + line.len();
        if is_marker(line, "---") && !is_directives(&file[start..offset]) {
            ends.push(offset);
            start = offset;
        } else if is_marker(line, "...") {
            ends.push(next);
            start = next;
        }
        offset = next;
    }
    ends
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_directives(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !is_comment(line)).peekable();
    lines.peek().is_some() && lines.all(|line| line.starts_with('%'))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let rest =
            ["---", "..."].iter().find(|marker| is_marker(line, marker)).map_or(line, |marker| &line[marker.len()..]);
        is_comment(rest)
    })
}

/// Where the values of a stream of JSON end (`jq '.items[]'` prints such), if it is one and has several.
fn json_values(file: &str) -> Option<Vec<usize>> {
    if !file.trim_start().starts_with('{') {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(file).into_iter::<IgnoredAny>();
    let mut ends = Vec::new();
    while let Some(value) = stream.next() {
        value.ok()?;
        ends.push(stream.byte_offset());
    }
    (ends.len() > 1).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(file: &str) -> Vec<(usize, usize, &str)> {
        split(file).into_iter().map(|document| (document.number, document.line, document.text)).collect()
    }

    #[test]
    fn documents_are_counted_by_content_and_keep_their_line() {
        assert_eq!(parts("a: 1\n"), [(1, 1, "a: 1\n")]);
        assert_eq!(parts("---\na: 1\n---\nb: 2"), [(1, 1, "---\na: 1\n"), (2, 3, "---\nb: 2")]);
        assert_eq!(parts("# c\n---\n\n--- # x\r\na: 1\r\n"), [(1, 4, "--- # x\r\na: 1\r\n")]);
        assert_eq!(parts("a: 1\n...\n# c\n---\nb: 2\n"), [(1, 1, "a: 1\n...\n"), (2, 4, "---\nb: 2\n")]);
        assert_eq!(parts("--- {a: 1}\n"), [(1, 1, "--- {a: 1}\n")]);
        assert_eq!(parts("\u{feff}a: 1"), [(1, 1, "a: 1")]);
        assert_eq!(parts(""), []);
        assert_eq!(parts("---\n# nothing\n...\n"), []);
    }

    #[test]
    fn only_a_marker_of_its_own_splits() {
        assert_eq!(parts("a: |\n  ---\n----\n").len(), 1);
        assert_eq!(parts("a: 1\n---b: 2\n").len(), 1);
        assert_eq!(parts("%YAML 1.2\n---\na: 1\n"), [(1, 1, "%YAML 1.2\n---\na: 1\n")]);
    }

    #[test]
    fn json_values_that_follow_each_other_are_documents() {
        assert_eq!(parts("{\"a\": 1}\n{\"b\": \"}{\"}"), [(1, 1, "{\"a\": 1}"), (2, 1, "\n{\"b\": \"}{\"}")]);
        assert_eq!(parts("{\"a\": 1}\n").len(), 1);
        assert_eq!(parts("{a: 1}\n---\n{b: 1}\n").len(), 2);
    }
}
