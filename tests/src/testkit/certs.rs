//! Certificates for listeners and for trust.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A private CA and a certificate for `localhost` and `127.0.0.1`, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The CA's certificate.
    pub ca: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Identity {
    /// Makes one in `folder`.
    pub fn make(folder: &Path) -> Identity {
        mock::certs::write_folder(folder).expect("the folder of a test can be written");
        Identity { ca: folder.join("ca.pem"), certificate: folder.join("leaf.pem"), key: folder.join("leaf-key.pem") }
    }
}

/// A client side that trusts the CA in this file.
pub fn trust(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(ca).expect("the file holds a certificate");
    roots.add(certificate).expect("the certificate is a CA's");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
