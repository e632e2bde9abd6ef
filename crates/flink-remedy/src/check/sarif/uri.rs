use std::fmt::Write;
use std::path::{Component, Path};

use crate::input::STDIN;

/// A file as a URI reference: relative to the working directory where it is below it, as code scanning expects
/// files of a repository; `-` for standard input.
pub(super) fn of(file: &str, here: Option<&Path>) -> String {
    if file == STDIN {
        return "-".to_owned();
    }
    let path = Path::new(file);
    let path = here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    let scheme = if path.is_absolute() { "file:///" } else { "" };
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    let parts: Vec<String> = parts.map(|part| percent_encoded(&part)).collect();
    format!("{scheme}{}", parts.join("/"))
}

/// All but the unreserved characters of RFC 3986: so no colon can look like the end of a scheme.
fn percent_encoded(part: &str) -> String {
    let mut encoded = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_relative_references() {
        let here = Some(Path::new("/repo"));
        for (file, expected) in [
            ("app.yaml", "app.yaml"),
            ("./a/b.yaml", "a/b.yaml"),
            ("/repo/a/b.yaml", "a/b.yaml"),
            ("../b.yaml", "../b.yaml"),
            ("/other/b c.yaml", "file:///other/b%20c.yaml"),
            ("a:b/ä#?%.yaml", "a%3Ab/%C3%A4%23%3F%25.yaml"),
            ("<stdin>", "-"),
        ] {
            assert_eq!(of(file, here), expected);
        }
        assert_eq!(of("/repo/a.yaml", None), "file:///repo/a.yaml");
    }
}
