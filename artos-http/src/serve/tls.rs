//! Encrypted connections.

use std::{error::Error, fmt, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// A certificate and its key, for a [`Server`](super::Server) that encrypts.
///
/// TLS 1.3 and 1.2 are spoken, with HTTP/2 for clients that know it, and HTTP/1.1.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// A certificate or a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct TlsError {
    what: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TlsError {
    fn new(what: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self { what, source: Some(Box::new(source)) }
    }
}

impl Tls {
    /// Reads a chain of certificates, that of the service first, and its private key; both in PEM.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read, or the key is not that of the certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|error| TlsError::new("the certificate is no PEM", error))?;
        if chain.is_empty() {
            return Err(TlsError { what: "there is no certificate", source: None });
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsError::new("the private key is no PEM", error))?;
        // Named here, because a process may have several and then there is no default.
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new("TLS is not available", error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::new("the certificate and the key do not fit", error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
