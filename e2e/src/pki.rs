//! The keys of one control plane: a CA, the server's certificate, the service account key.

use std::fs;
use std::path::Path;

use crate::cluster::configuration::ADDRESS as NODE;
use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// The address of the service `kubernetes`: the first of the range.
const SERVICE: &str = "10.96.0.1";

/// Writes `ca.crt`, `server.crt`, `server.key`, `sa.key` and `sa.pub` into `dir`.
pub(crate) fn write(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name.push(DnType::CommonName, "flink-remedy e2e CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    fs::write(dir.join("ca.crt"), ca.self_signed(&ca_key)?.pem())?;

    let server_key = KeyPair::generate()?;
    let names = ["127.0.0.1", NODE, SERVICE, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let mut server = CertificateParams::new(names.map(String::from))?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server = server.signed_by(&server_key, &Issuer::new(ca, ca_key))?;
    fs::write(dir.join("server.crt"), server.pem())?;
    fs::write(dir.join("server.key"), server_key.serialize_pem())?;

    let tokens = KeyPair::generate()?;
    fs::write(dir.join("sa.key"), tokens.serialize_pem())?;
    fs::write(dir.join("sa.pub"), tokens.public_key_pem())?;
    Ok(())
}
