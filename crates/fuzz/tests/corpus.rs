//! What once covered something new, or broke something, still holds.
#![allow(clippy::unwrap_used, reason = "test code: a broken assumption ends the test")]

use std::fs;
use std::path::Path;

#[test]
fn everything_in_the_corpus_holds() {
    for (name, target) in fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 10, "{} has {} files", folder.display(), files.len());
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| target(&bytes));
            assert!(held.is_ok(), "{} does not hold", file.display());
        }
    }
}
