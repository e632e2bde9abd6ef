/// What is printed in place of a secret value.
pub const MASK: &str = "******";

/// Parts of keys whose values Flink itself hides in its logs and web UI
/// (`GlobalConfiguration.SENSITIVE_KEYS`), and the common credential names of cloud file systems.
const SENSITIVE_PARTS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "access-key",
    "access.key",
    "accesskey",
    "account.key",
    "account-key",
    "private-key",
    "private.key",
    "apikey",
    "api-key",
    "api.key",
    "auth-params",
    "service-key",
    "basic-auth",
    "jaas.config",
    "http-headers",
];

/// Parts of keys whose values are credentials themselves. [`is_secret`] also finds names of Secrets, providers
/// of credentials and switches, which are better masked once too often than shown, and no defect.
pub const CREDENTIAL_PARTS: &[&str] = &[
    "password",
    "passwd",
    "secret-key",
    "secret.key",
    "secretkey",
    "account.key",
    "account-key",
    "private-key",
    "private.key",
    "apikey",
    "api-key",
    "api.key",
    "access-token",
    "auth-token",
    "sas-token",
    "sas.token",
    "session-token",
    "session.token",
    "client-secret",
    "client.secret",
    "auth-params",
];

/// Endings of keys that name where a credential is to be had, or how.
pub const REFERENCE_ENDINGS: &[&str] = &["provider", "file", "path", "class", "enabled", "type", "keyref", "secrets"];

/// Whether the value of this key is itself a credential, not the name of one or a switch.
pub fn is_credential(key: &str) -> bool {
    if !has_any(key, CREDENTIAL_PARTS, &OF_CREDENTIALS) {
        return false;
    }
    let key = key.to_ascii_lowercase();
    !REFERENCE_ENDINGS.iter().any(|end| key.ends_with(end))
}

/// Whether the values of this key must never be printed.
pub fn is_secret(key: &str) -> bool {
    has_any(key, SENSITIVE_PARTS, &OF_SENSITIVE)
}

/// For each byte, in lower case, which of the parts have it in this place; one bit for each part.
const fn having(parts: &[&str], place: usize) -> [u32; 256] {
    let mut having = [0; 256];
    let mut part = 0;
    while part < parts.len() {
        having[parts[part].as_bytes()[place] as usize] |= 1 << part;
        part += 1;
    }
    having
}

/// Which parts begin with which two bytes.
type Beginnings = [[u32; 256]; 2];

const fn beginnings(parts: &[&str]) -> Beginnings {
    [having(parts, 0), having(parts, 1)]
}

static OF_CREDENTIALS: Beginnings = beginnings(CREDENTIAL_PARTS);
static OF_SENSITIVE: Beginnings = beginnings(SENSITIVE_PARTS);

/// Whether the key has one of these in it, in whatever case. Every key of every job is asked: one pass, that looks closer only
/// where two bytes begin a part.
fn has_any(key: &str, parts: &[&str], [first, second]: &Beginnings) -> bool {
    let key = key.as_bytes();
    let at = |having: &[u32; 256], byte: u8| having[usize::from(byte.to_ascii_lowercase())];
    let begins =
        |rest: &[u8], part: &[u8]| rest.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part));
    key.windows(2).enumerate().any(|(place, pair)| {
        at(first, pair[0]) & at(second, pair[1]) != 0 && parts.iter().any(|part| begins(&key[place..], part.as_bytes()))
    })
}

/// The value as it may be printed.
pub fn masked<'a>(key: &str, value: &'a str) -> &'a str {
    if is_secret(key) { MASK } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_by_key() {
        assert_eq!(masked("s3.secret-key", "abc"), MASK);
        assert_eq!(masked("fs.azure.account.key.x.blob", "abc"), MASK);
        assert_eq!(masked("S3.Access-Key", "abc"), MASK);
        assert_eq!(masked("state.backend.type", "rocksdb"), "rocksdb");
    }

    #[test]
    fn what_names_a_credential_is_none() {
        for key in
            ["s3.secret-key", "security.ssl.rest.key-password", "fs.azure.account.key.acme.blob.core.windows.net"]
        {
            assert!(is_credential(key) && is_secret(key), "{key}");
        }
        for key in [
            "kubernetes.secrets",
            "kubernetes.env.secretKeyRef",
            "kubernetes.container.image.pull-secrets",
            "fs.s3a.aws.credentials.provider",
            "fs.s3a.security.credential.provider.path",
            "fs.azure.account.key.provider",
            "security.delegation.tokens.enabled",
            "state.backend.type",
        ] {
            assert!(!is_credential(key), "{key}");
        }
    }
}
