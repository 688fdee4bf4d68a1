//! The server's certificate, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Only one of the two files is configured.
    #[error("set up TLS: http.tls_certificate and http.tls_key must both be set, or neither")]
    Half,
    /// A file could not be read.
    #[error("read {path}: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The pair does not fit together, or the key is of a kind TLS does not take.
    #[error("use the TLS certificate: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The certificate in use and the files it came from.
pub(crate) struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
}

impl Certificates {
    /// Reads both files; `None` when neither is configured.
    pub(crate) fn open(
        chain: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<Option<Arc<Self>>, TlsError> {
        let (chain, key) = match (chain, key) {
            (None, None) => return Ok(None),
            (Some(chain), Some(key)) => (chain.to_owned(), key.to_owned()),
            _ => return Err(TlsError::Half),
        };
        let current = ArcSwap::from_pointee(load(&chain, &key)?);
        Ok(Some(Arc::new(Self { chain, key, current })))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Looks at the files for ever; a pair that does not load leaves the old one in use.
    pub(crate) async fn follow(self: Arc<Self>, every: Duration) {
        let mut known = self.modified();
        let mut ticks = tokio::time::interval(every.max(Duration::from_secs(1)));
        loop {
            ticks.tick().await;
            let now = self.modified();
            if now == known {
                continue;
            }
            known = now;
            match load(&self.chain, &self.key) {
                Ok(config) => {
                    self.current.store(Arc::new(config));
                    tracing::info!(certificate = %self.chain.display(), "certificate reloaded");
                }
                Err(error) => tracing::error!(%error, "the old certificate stays in use"),
            }
        }
    }

    fn modified(&self) -> [Option<SystemTime>; 2] {
        let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
        [time(&self.chain), time(&self.key)]
    }
}

fn load(chain: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| TlsError::Unreadable {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(chain, error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
