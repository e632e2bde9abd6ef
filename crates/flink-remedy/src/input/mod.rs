//! Manifests from files, directories and standard input: what can be read is read, what cannot is told.

mod error;
mod node;
mod objects;
mod paths;
mod scalar;
mod split;

use std::io::Read;
use std::path::{Path, PathBuf};

pub(crate) use error::{InputError, Place};
pub(crate) use node::{Content, Node};
pub(crate) use objects::Object;

use objects::objects;
use paths::files;
use serde_json::Value;
use split::split;

/// What is shown in place of a path for objects of a cluster.
pub(crate) const CLUSTER: &str = "<cluster>";
/// What is shown in place of a path for standard input.
pub(crate) const STDIN: &str = "<stdin>";

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// Objects that rules judge, and Namespaces, in the order of the input.
    pub(crate) objects: Vec<Object>,
    /// Objects that others are judged upon, and that are not judged themselves.
    pub(crate) context: Vec<Object>,
    /// What could not be read.
    pub(crate) errors: Vec<InputError>,
    /// Documents looked at.
    pub(crate) documents: usize,
}

impl Input {
    /// Reads files, directories (recursively, by name) and, for `-`, standard input.
    pub(crate) fn read(paths: &[PathBuf], stdin: &mut impl Read) -> Self {
        let mut input = Self::default();
        for path in paths {
            if path == Path::new("-") {
                let mut bytes = Vec::new();
                match stdin.read_to_end(&mut bytes) {
                    Ok(_) => input.add(STDIN, &bytes),
                    Err(error) => input.errors.push(InputError::unreadable(STDIN, &error)),
                }
                continue;
            }
            let (found, errors) = files(path);
            input.errors.extend(errors);
            for file in found {
                let name = file.display().to_string();
                match std::fs::read(&file) {
                    Ok(bytes) => input.add(&name, &bytes),
                    Err(error) => input.errors.push(InputError::unreadable(&name, &error)),
                }
            }
        }
        input
    }

    /// Takes objects as an API server gives them, and others that they are judged upon.
    pub(crate) fn of_cluster(objects: Vec<Value>, context: Vec<Value>) -> Self {
        let read = |objects: Vec<Value>| {
            let mut input = Self::default();
            for object in &objects {
                input.add(CLUSTER, object.to_string().as_bytes());
            }
            input
        };
        let mut input = read(objects);
        input.context = read(context).objects;
        input
    }

    fn add(&mut self, file: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let is_lossy = matches!(text, std::borrow::Cow::Owned(_));
        for document in split(&text) {
            self.documents += 1;
            let place = Place { file: file.to_owned(), document: document.number, line: document.line };
            if is_lossy && let Some(at) = document.text.find(char::REPLACEMENT_CHARACTER) {
                let line = document.text[..at].matches('\n').count();
                self.errors.push(InputError::not_utf8(place.below(line + 1)));
                continue;
            }
            match Node::parse(document.text) {
                Ok(node) => objects(node, &place, &mut self.objects, &mut self.errors),
                Err(broken) => self.errors.push(InputError::syntax(&place, &broken, document.text)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_document_spoils_no_other() {
        let good = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: NAME}\n";
        let file = format!("{}---\na: b: c\n---\n{}", good.replace("NAME", "one"), good.replace("NAME", "two"));
        let input = Input::read(&[PathBuf::from("-")], &mut file.as_bytes());
        let names: Vec<&str> = input.objects.iter().map(Object::name).collect();
        assert_eq!(names, ["one", "two"]);
        assert_eq!(input.errors.len(), 1);
        assert!(
            input.errors[0].to_string().starts_with("<stdin>: document 2, line 5, column 5: "),
            "{}",
            input.errors[0]
        );
    }

    #[test]
    fn a_document_that_is_no_text_spoils_no_other() {
        let input = Input::read(&[PathBuf::from("-")], &mut &b"a: 1\n---\nb: \xff\n---\nc: 1\n"[..]);
        assert_eq!((input.documents, input.errors.len()), (3, 1));
        assert!(input.errors[0].to_string().starts_with("<stdin>: document 2, line 3: "), "{}", input.errors[0]);
    }
}
