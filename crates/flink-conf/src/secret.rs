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
    let key = key.to_ascii_lowercase();
    CREDENTIAL_PARTS.iter().any(|part| key.contains(part)) && !REFERENCE_ENDINGS.iter().any(|end| key.ends_with(end))
}

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
