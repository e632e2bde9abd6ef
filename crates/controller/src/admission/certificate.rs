//! The webhook's certificates: an authority of its own, and the certificate that it serves with.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

/// Clocks of others may be behind ours by so much.
const SKEW: SignedDuration = SignedDuration::from_hours(1);
/// The authority lives so many times as long as a certificate of its.
const AUTHORITY_LIFETIMES: i32 = 8;
const AUTHORITY: &str = "flink-remedy webhook CA";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("it cannot be made: {0}")]
    Issue(#[from] rcgen::Error),
    #[error("it cannot be read: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("it cannot be served with: {0}")]
    Serve(#[from] rustls::Error),
}

/// Keys and certificates, each as PEM.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Certificates {
    pub(crate) authority: String,
    pub(crate) authority_key: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What certificates are to be like.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// DNS names and addresses.
    pub(crate) names: Vec<String>,
    /// How long one is valid.
    pub(crate) lifetime: SignedDuration,
}

impl Wanted {
    /// New certificates, if those that are kept are none, are not for these names, or have less than a third of their time
    /// left. The authority keeps its key when it is renewed: what it has signed before stays good under both its
    /// certificates, so that no call fails while they are replaced.
    ///
    /// # Errors
    /// Names that no certificate can have.
    pub(crate) fn renewed(
        &self,
        kept: Option<&Certificates>,
        now: Timestamp,
    ) -> Result<Option<Certificates>, CertificateError> {
        let serves = |kept: &&Certificates| self.is_good(&kept.certificate, now);
        let lasts = |kept: &&Certificates| is_fresh(&kept.authority, self.lifetime * AUTHORITY_LIFETIMES, now);
        if kept.is_some_and(|kept| serves(&kept) && lasts(&kept)) {
            return Ok(None);
        }
        let authority_key = kept.and_then(|kept| KeyPair::from_pem(&kept.authority_key).ok());
        let authority_key = authority_key.map_or_else(KeyPair::generate, Ok)?;
        let mut authority = lasting(Vec::new(), self.lifetime * AUTHORITY_LIFETIMES, now)?;
        authority.distinguished_name.push(DnType::CommonName, AUTHORITY);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_pem = match kept.filter(lasts) {
            Some(kept) => kept.authority.clone(),
            None => authority.self_signed(&authority_key)?.pem(),
        };
        let (key, mut leaf) = (KeyPair::generate()?, lasting(self.names.clone(), self.lifetime, now)?);
        leaf.distinguished_name.push(DnType::CommonName, "flink-remedy webhook");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let authority_key_pem = authority_key.serialize_pem();
        let certificate = leaf.signed_by(&key, &Issuer::new(authority, authority_key))?.pem();
        Ok(Some(Certificates {
            authority: authority_pem,
            authority_key: authority_key_pem,
            certificate,
            key: key.serialize_pem(),
        }))
    }

    fn is_good(&self, certificate: &str, now: Timestamp) -> bool {
        let names = names(certificate);
        self.names.iter().all(|name| names.contains(name)) && is_fresh(certificate, self.lifetime, now)
    }
}

fn lasting(
    names: Vec<String>,
    lifetime: SignedDuration,
    now: Timestamp,
) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(names)?;
    let at =
        |time: Timestamp| OffsetDateTime::from_unix_timestamp(time.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = at(now.checked_sub(SKEW).unwrap_or(now));
    params.not_after = at(now.checked_add(lifetime).unwrap_or(Timestamp::MAX));
    Ok(params)
}

/// Whether more than a third of its time is left.
fn is_fresh(certificate: &str, lifetime: SignedDuration, now: Timestamp) -> bool {
    let Ok((_, pem)) = parse_x509_pem(certificate.as_bytes()) else { return false };
    let Ok(parsed) = pem.parse_x509() else { return false };
    let ends = Timestamp::from_second(parsed.validity().not_after.timestamp()).unwrap_or(Timestamp::MIN);
    ends.duration_since(now) > lifetime / 3
}

fn names(certificate: &str) -> Vec<String> {
    let Ok((_, pem)) = parse_x509_pem(certificate.as_bytes()) else { return Vec::new() };
    let Ok(parsed) = pem.parse_x509() else { return Vec::new() };
    let Ok(Some(alternatives)) = parsed.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| {
        if let GeneralName::DNSName(name) = name {
            return Some((*name).to_owned());
        }
        let GeneralName::IPAddress(bytes) = name else { return None };
        match **bytes {
            [a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
        }
    };
    alternatives.value.general_names.iter().filter_map(name).collect()
}

/// What the server serves with at the moment; nothing until the first certificate is there.
#[derive(Debug, Default)]
pub(crate) struct Served(RwLock<Option<Arc<CertifiedKey>>>);

impl Served {
    /// Serves with this from the next connection on.
    ///
    /// # Errors
    /// Text that is no certificate, or a key that is of another.
    pub(crate) fn with(&self, certificate: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
        let key = CertifiedKey::from_der(chain, PrivateKeyDer::from_pem_slice(key)?, &ring::default_provider())?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
        Ok(())
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(names: &[&str]) -> Wanted {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Wanted { names, lifetime: SignedDuration::from_hours(90 * 24) }
    }

    fn at(day: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * day)
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_time_is_left_and_its_authority_later() {
        let wanted = wanted(&["flink-remedy.flink-remedy.svc", "127.0.0.1"]);
        let first = wanted.renewed(None, at(0)).unwrap().unwrap();
        assert_eq!(wanted.renewed(Some(&first), at(59)).unwrap(), None);
        let second = wanted.renewed(Some(&first), at(61)).unwrap().unwrap();
        assert!(second.certificate != first.certificate && second.authority == first.authority);
        let third = wanted.renewed(Some(&second), at(481)).unwrap().unwrap();
        assert!(third.authority != first.authority && third.authority_key == first.authority_key);
        assert!(names(&third.certificate) == wanted.names);
    }

    #[test]
    fn other_names_and_broken_files_are_no_certificate() {
        let first = wanted(&["a.n.svc"]).renewed(None, at(0)).unwrap().unwrap();
        assert!(wanted(&["a.n.svc", "b.n.svc"]).renewed(Some(&first), at(0)).unwrap().is_some());
        let broken = Certificates { certificate: "x".into(), authority_key: "x".into(), ..first.clone() };
        assert!(wanted(&["a.n.svc"]).renewed(Some(&broken), at(0)).unwrap().is_some());
        let served = Served::default();
        served.with(first.certificate.as_bytes(), first.key.as_bytes()).unwrap();
        assert!(served.with(first.certificate.as_bytes(), first.authority_key.as_bytes()).is_err());
        assert!(!format!("{first:?}").contains("PRIVATE"));
    }
}
