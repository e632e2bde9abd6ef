use std::path::{Path, PathBuf};

use super::InputError;

const MANIFESTS: &[&str] = &["yaml", "yml", "json"];

/// The files that a path stands for: itself, or the manifests below it by name. Hidden entries are left out,
/// and links to directories are not followed: they could lead back.
pub(super) fn files(path: &Path) -> (Vec<PathBuf>, Vec<InputError>) {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    if path.is_dir() {
        walk(path, &mut files, &mut errors);
    } else {
        files.push(path.to_owned());
    }
    (files, errors)
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>, errors: &mut Vec<InputError>) {
    let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => return errors.push(InputError::unlisted(directory, &error)),
    };
    entries.sort();
    for entry in entries.into_iter().filter(|entry| !is_hidden(entry)) {
        if entry.is_dir() {
            if !entry.is_symlink() {
                walk(&entry, files, errors);
            }
        } else if entry.extension().is_some_and(|extension| MANIFESTS.iter().any(|known| extension == *known)) {
            files.push(entry);
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
