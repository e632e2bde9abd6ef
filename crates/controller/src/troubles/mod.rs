//! What can go wrong, a closed set: a slug for log lines, and what it means and what to do about it, for the documentation and
//! `flink-remedy explain`.

mod catalogue;
mod of_errors;

pub use catalogue::Trouble;

/// A trouble as people read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Short and stable: the field `trouble` of log lines, an anchor of `docs/guides/troubleshooting.md`.
    pub slug: &'static str,
    /// What it is about, such as `Leader election`.
    pub area: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// An error that knows what a person can do about it.
pub trait Explained {
    /// What it means and what to do.
    fn explanation(&self) -> Explanation;
}

/// Declares a closed set of troubles, by area. The doc comment of each is its meaning, so that none is without.
#[macro_export]
macro_rules! troubles {
    (
        $(#[$attribute:meta])*
        $vis:vis enum $name:ident { $($area:literal: {
            $($(#[doc = $meaning:literal])+ $variant:ident = $slug:literal, $remedy:expr;)+
        })+ }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(clippy::doc_markdown, reason = "the texts are shown to people as they stand")]
        $vis enum $name {
            $($($(#[doc = $meaning])+ $variant,)+)+
        }

        impl $name {
            /// Every one, by area.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// The slug.
            pub fn slug(self) -> &'static str {
                self.explanation().slug
            }

            /// What it means and what to do.
            pub fn explanation(self) -> $crate::Explanation {
                match self {
                    $($(Self::$variant => $crate::Explanation {
                        slug: $slug,
                        area: $area,
                        meaning: concat!($($meaning),+),
                        remedy: $remedy,
                    },)+)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.slug())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::Trouble;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// The arguments of a macro's call, which begin behind its bracket.
    fn arguments(rest: &str) -> &str {
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        &rest[..end.unwrap_or(rest.len())]
    }

    #[test]
    fn every_warning_and_error_of_the_log_names_its_trouble() {
        let mut files = Vec::new();
        for folder in ["src", "../flink-remedy/src"] {
            sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
        }
        let mut seen = 0;
        // These lines themselves are no calls.
        for file in files.iter().filter(|file| !file.ends_with("troubles/mod.rs")) {
            let text = fs::read_to_string(file).unwrap();
            for macro_name in ["warn!(", "error!("] {
                for (start, _) in text.match_indices(macro_name) {
                    let call = arguments(&text[start + macro_name.len()..]);
                    seen += 1;
                    assert!(call.contains("trouble"), "{}: {macro_name}{call}) names no trouble", file.display());
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn every_trouble_has_a_slug_of_its_own_and_whole_sentences() {
        let mut slugs = BTreeSet::new();
        for trouble in Trouble::ALL {
            let told = trouble.explanation();
            assert!(slugs.insert(told.slug), "{} is there twice", told.slug);
            assert!(told.slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", told.slug);
            for text in [told.meaning.trim(), told.remedy] {
                assert!(text.ends_with('.') && text.len() >= 8, "{}: {text}", told.slug);
            }
        }
    }
}
