use flink_conf::MASK;

/// File systems of object stores and Hadoop that Flink reaches from every node.
const KNOWN: &[&str] = &[
    "abfs", "abfss", "adl", "alluxio", "cosn", "gs", "hdfs", "maprfs", "o3fs", "obs", "ofs", "oss", "s3", "s3a", "s3n",
    "s3p", "swebhdfs", "swift", "viewfs", "wasb", "wasbs", "webhdfs",
];

/// Where a `:` before the path stands for a port; elsewhere it parts a key from its secret.
const WITH_PORT: &[&str] = &["alluxio", "hdfs", "maprfs", "o3fs", "ofs", "swebhdfs", "viewfs", "webhdfs"];

/// Where the container of blobs stands before an `@`, and no credential.
const WITH_CONTAINER: &[&str] = &["abfs", "abfss", "wasb", "wasbs"];

/// What is printed of a directory at most, in characters.
const SHOWN: usize = 60;

/// A directory as Flink's `Path` reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location<'a> {
    /// On the file system of this scheme, in lower case.
    Scheme(String),
    /// At this absolute path of the machine that looks.
    Local(&'a str),
    /// Nowhere that is the same for two processes.
    Relative,
}

impl<'a> Location<'a> {
    /// Reads a directory; one without a scheme is on the default file system (`fs.default-scheme`).
    pub(super) fn of(directory: &'a str, default_scheme: Option<&str>) -> Self {
        let (scheme, path) = match scheme_and_rest(directory) {
            Some((scheme, rest)) => (Some(scheme), without_authority(rest)),
            None => (default_scheme.and_then(scheme_and_rest).map(|(scheme, _)| scheme), directory),
        };
        match scheme.map(str::to_ascii_lowercase) {
            Some(scheme) if scheme != "file" => Self::Scheme(scheme),
            _ if path.starts_with('/') => Self::Local(path),
            _ => Self::Relative,
        }
    }
}

/// The scheme of a directory that is on the file system of other machines, in lower case.
pub(crate) fn scheme_of(directory: &str) -> Option<String> {
    if let Location::Scheme(scheme) = Location::of(directory, None) { Some(scheme) } else { None }
}

/// Whether it is the scheme of a file system that all nodes reach.
pub(super) fn is_known(scheme: &str) -> bool {
    KNOWN.contains(&scheme)
}

/// Whether a URI holds a key, a password or a signature.
pub(crate) fn has_credentials(uri: &str) -> bool {
    masked(uri) != uri
}

/// The directory as it may be printed: without credentials, on one line, within a sentence, of bounded length.
pub(crate) fn shown(directory: &str) -> String {
    let readable = |c: char| if c != ' ' && c.is_whitespace() || flink_conf::is_steering(c) { '_' } else { c };
    let mut shown = masked(directory);
    let end = shown.char_indices().nth(SHOWN).map(|(end, _)| end);
    shown.truncate(end.unwrap_or(shown.len()));
    if !shown.bytes().all(|byte| byte.is_ascii_graphic()) {
        shown = shown.chars().map(readable).collect::<String>().replace(". ", "._");
    }
    if end.is_some() {
        shown.push('…');
    }
    shown
}

/// What stands before an `@` may be a key with its secret, what follows a `?` a signature.
fn masked(uri: &str) -> String {
    let (uri, signature) = match uri.find(['?', '#']) {
        Some(at) => (&uri[..at], format!("{}{MASK}", &uri[at..=at])),
        None => (uri, String::new()),
    };
    let Some((scheme, rest)) = scheme_and_rest(uri) else { return format!("{uri}{signature}") };
    let path = rest.trim_start_matches('/');
    let lead = &uri[..uri.len() - path.len()];
    // A secret may hold a slash, so that the last `@` ends it.
    match path.rsplit_once('@') {
        Some((user, place)) if is_user(&scheme.to_ascii_lowercase(), path.split('/').next().unwrap_or_default()) => {
            let container = user.split_once('@').map_or(user, |(container, _)| container);
            if WITH_CONTAINER.contains(&scheme.to_ascii_lowercase().as_str()) && !container.contains([':', '/']) {
                return format!("{uri}{signature}");
            }
            format!("{lead}{MASK}@{place}{signature}")
        }
        _ => format!("{uri}{signature}"),
    }
}

/// Whether what stands before the path gives more than a host and a port.
fn is_user(scheme: &str, authority: &str) -> bool {
    let is_port = |text: &str| WITH_PORT.contains(&scheme) && text.bytes().all(|byte| byte.is_ascii_digit());
    authority.contains('@') || authority.split_once(':').is_some_and(|(_, after)| !is_port(after))
}

fn scheme_and_rest(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some((scheme, rest))
}

/// `//host/path` and `/path` both mean `/path`.
fn without_authority(rest: &str) -> &str {
    match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_on_the_file_system_of_its_scheme() {
        for (directory, scheme, known) in [
            ("s3://acme/checkpoints", "s3", true),
            ("s3a://acme/checkpoints", "s3a", true),
            ("s3p://acme/checkpoints", "s3p", true),
            ("S3://acme/checkpoints", "s3", true),
            ("s3:/acme/checkpoints", "s3", true),
            ("gs://acme/checkpoints", "gs", true),
            ("abfs://state@acme.dfs.core.windows.net/checkpoints", "abfs", true),
            ("abfss://state@acme.dfs.core.windows.net/checkpoints", "abfss", true),
            ("wasb://state@acme.blob.core.windows.net/checkpoints", "wasb", true),
            ("wasbs://state@acme.blob.core.windows.net/checkpoints", "wasbs", true),
            ("hdfs:///flink/checkpoints", "hdfs", true),
            ("hdfs://nameservice1:8020/flink/checkpoints", "hdfs", true),
            ("viewfs://cluster/flink/checkpoints", "viewfs", true),
            ("oss://acme/checkpoints", "oss", true),
            ("cosn://acme/checkpoints", "cosn", true),
            ("swift://acme.region/checkpoints", "swift", true),
            ("alluxio://master:19998/checkpoints", "alluxio", true),
            ("nfs://filer/checkpoints", "nfs", false),
            ("juicefs+x://acme/checkpoints", "juicefs+x", false),
        ] {
            assert_eq!(Location::of(directory, None), Location::Scheme(scheme.to_owned()), "{directory}");
            assert_eq!(is_known(scheme), known, "{scheme}");
        }
    }

    #[test]
    fn a_path_is_local_unless_the_default_file_system_is_not() {
        for directory in ["file:///mnt/state", "file:/mnt/state", "FILE://localhost/mnt/state", "/mnt/state"] {
            assert_eq!(Location::of(directory, None), Location::Local("/mnt/state"), "{directory}");
        }
        for directory in ["", "state", "./state", "file:state", "file://", "1a:/state"] {
            assert_eq!(Location::of(directory, None), Location::Relative, "{directory}");
        }
        let hdfs = Some("hdfs://namenode:8020/");
        assert_eq!(Location::of("/mnt/state", hdfs), Location::Scheme("hdfs".to_owned()));
        assert_eq!(Location::of("file:/mnt/state", hdfs), Location::Local("/mnt/state"));
        assert_eq!(Location::of("/mnt/state", Some("file:///")), Location::Local("/mnt/state"));
    }

    #[test]
    fn what_may_be_a_credential_is_not_shown() {
        for (directory, expected) in [
            ("s3://acme/a@b/c", "s3://acme/a@b/c"),
            ("s3://AKIA:hunter2@acme/a", "s3://******@acme/a"),
            ("s3://hunter2@acme/a", "s3://******@acme/a"),
            ("s3:/AKIA:hunter2@acme/a", "s3:/******@acme/a"),
            ("s3a://AKIA:1/hunter2@acme/a", "s3a://******@acme/a"),
            ("s3a://AKIA:hun@ter2@acme/a", "s3a://******@acme/a"),
            ("hdfs://hunter2:x@namenode:8020/a", "hdfs://******@namenode:8020/a"),
            ("hdfs://namenode:8020/users/a@b", "hdfs://namenode:8020/users/a@b"),
            ("abfss://state@acme.dfs.core.windows.net/a", "abfss://state@acme.dfs.core.windows.net/a"),
            ("abfss://state:hunter2@acme.dfs.core.windows.net/a", "abfss://******@acme.dfs.core.windows.net/a"),
            (
                "wasb://state@acme.blob.core.windows.net/a?sig=hunter2",
                "wasb://state@acme.blob.core.windows.net/a?******",
            ),
            ("gs://acme/a#hunter2", "gs://acme/a#******"),
            ("/data/a@b", "/data/a@b"),
            ("s3://acme/a. b\n", "s3://acme/a._b_"),
        ] {
            assert_eq!(shown(directory), expected, "{directory}");
        }
        assert!(has_credentials("s3://AKIA:hunter2@acme/a") && !has_credentials("s3://acme/{namespace}/{name}"));
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let long = format!("s3://{}", "ä".repeat(500));
        assert_eq!(shown(&long).chars().count(), SHOWN + 1);
    }
}
