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

/// Whether the values of this key must never be printed.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SENSITIVE_PARTS.iter().any(|part| key.contains(part))
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
}
