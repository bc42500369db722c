//! The private CA, its leaf certificates, and the bad ones.
//!
//! Everything is P-256. The CA lives in a folder so that whoever calls the mock can be told to
//! trust `ca.pem`; leaves are made afresh whenever a provider changes its certificate.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// What is right or wrong with the certificate that a provider shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateKind {
    /// Signed by the CA, valid, for 127.0.0.1, ::1 and localhost.
    #[default]
    Good,
    /// Signed by the CA, but its time is over.
    Expired,
    /// Signed by the CA, but its time has not come.
    NotYetValid,
    /// Signed by the CA, but for another host.
    WrongHost,
    /// Signed by itself.
    SelfSigned,
    /// Signed by a CA that nobody knows.
    UnknownIssuer,
}

impl CertificateKind {
    /// Every kind, for help and tests.
    pub const ALL: &[CertificateKind] = &[
        CertificateKind::Good,
        CertificateKind::Expired,
        CertificateKind::NotYetValid,
        CertificateKind::WrongHost,
        CertificateKind::SelfSigned,
        CertificateKind::UnknownIssuer,
    ];
}

/// Why certificates could not be made or read.
#[derive(Debug)]
pub enum CertError {
    /// A file of the folder could not be read or written.
    File(PathBuf, std::io::Error),
    /// The library refused.
    Generation(rcgen::Error),
    /// The TLS stack refused.
    Tls(rustls::Error),
}

impl fmt::Display for CertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertError::File(path, error) => write!(
                f,
                "{}: {error}; the TLS folder must be writable, or hold the ca.pem and ca-key.pem of an earlier run",
                path.display()
            ),
            CertError::Generation(error) => {
                write!(f, "cannot make certificates: {error}; if ca-key.pem is damaged, remove the TLS folder and start again")
            }
            CertError::Tls(error) => write!(f, "the TLS library refused the certificate: {error}"),
        }
    }
}

impl std::error::Error for CertError {}

impl From<rcgen::Error> for CertError {
    fn from(error: rcgen::Error) -> CertError {
        CertError::Generation(error)
    }
}

impl From<rustls::Error> for CertError {
    fn from(error: rustls::Error) -> CertError {
        CertError::Tls(error)
    }
}

/// The private CA.
pub struct Authority {
    path: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    stranger: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.path.display())
    }
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, PKCS #8.
    pub key_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    /// Opens the CA in `dir`, making it on first use (`ca.pem`, and `ca-key.pem` with mode 0600).
    pub fn open(dir: &Path) -> Result<Authority, CertError> {
        std::fs::create_dir_all(dir).map_err(|error| CertError::File(dir.to_owned(), error))?;
        let path = dir.join("ca.pem");
        let key_path = dir.join("ca-key.pem");
        let key = if path.exists() && key_path.exists() {
            let pem = std::fs::read_to_string(&key_path).map_err(|error| CertError::File(key_path.clone(), error))?;
            KeyPair::from_pem(&pem)?
        } else {
            let key = new_key()?;
            write_private(&key_path, &key.serialize_pem())?;
            let certificate = authority_params("Throwover mock CA").self_signed(&key)?;
            std::fs::write(&path, certificate.pem()).map_err(|error| CertError::File(path.clone(), error))?;
            key
        };
        // A leaf carries its issuer's name and key identifier. Both follow from these parameters
        // and the key, so the CA's certificate need not be parsed again.
        Ok(Authority {
            path,
            issuer: Issuer::new(authority_params("Throwover mock CA"), key),
            stranger: Issuer::new(authority_params("Some other CA"), new_key()?),
        })
    }

    /// Where the CA's certificate is.
    #[must_use]
    pub fn ca_path(&self) -> &Path {
        &self.path
    }

    /// Makes a fresh leaf of this kind.
    pub fn leaf(&self, kind: CertificateKind) -> Result<Leaf, CertError> {
        let key = new_key()?;
        let mut params = leaf_params()?;
        match kind {
            CertificateKind::Expired => {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            }
            CertificateKind::NotYetValid => params.not_before = date_time_ymd(2048, 1, 1),
            CertificateKind::WrongHost => {
                params.subject_alt_names = vec![SanType::DnsName("other.invalid".try_into()?)];
            }
            CertificateKind::Good | CertificateKind::SelfSigned | CertificateKind::UnknownIssuer => {}
        }
        let certificate = match kind {
            CertificateKind::SelfSigned => params.self_signed(&key)?,
            CertificateKind::UnknownIssuer => params.signed_by(&key, &self.stranger)?,
            _ => params.signed_by(&key, &self.issuer)?,
        };
        Ok(Leaf {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        })
    }

    /// A server configuration that shows a fresh leaf of this kind.
    ///
    /// Each has ticket keys of its own: were they shared, a caller could resume past a changed
    /// certificate and never look at it.
    pub fn server_config(&self, kind: CertificateKind) -> Result<Arc<ServerConfig>, CertError> {
        let leaf = self.leaf(kind)?;
        let key = PrivateKeyDer::Pkcs8(leaf.key.into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.certificate], key)?;
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Writes a CA and a good leaf (`leaf.pem`, `leaf-key.pem`) into `dir`, for other programs.
pub fn write_folder(dir: &Path) -> Result<(), CertError> {
    let authority = Authority::open(dir)?;
    let leaf = authority.leaf(CertificateKind::Good)?;
    let path = dir.join("leaf.pem");
    std::fs::write(&path, &leaf.certificate_pem).map_err(|error| CertError::File(path, error))?;
    write_private(&dir.join("leaf-key.pem"), &leaf.key_pem)
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    params
}

fn leaf_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Throwover mock provider");
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Writes a key that only its owner can read, from the first byte on.
fn write_private(path: &Path, text: &str) -> Result<(), CertError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let attempt = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    attempt().map_err(|error| CertError::File(path.to_owned(), error))
}
