//! Applies a configuration that was read again to a running edge.

use super::config::{EdgeConfig, now_s};
use super::options::{AdmissionError, EdgeError};
use crate::server::proxy::SharedProxy;
use crate::server::tls::Tls;
use crate::shard::admission::AdmissionPolicy;

/// The parts of a running edge that can be replaced. Shards share them.
#[derive(Debug)]
pub(super) struct Replaceable {
    pub(super) admission: AdmissionPolicy,
    pub(super) tls: Option<Tls>,
    pub(super) proxy: SharedProxy,
}

impl Replaceable {
    /// Replaces the keys of tokens and their set, the origins, the certificates and the proxies. Files are read again.
    ///
    /// # Errors
    /// If one of them cannot be used; then nothing is replaced.
    pub(super) fn replace(&self, config: &EdgeConfig) -> Result<(), EdgeReloadError> {
        let auth = |error| EdgeReloadError::Admission(AdmissionError::Auth(error));
        let origins = config.edge.origins().map_err(AdmissionError::Origins)?;
        config.auth.verifier().map_err(auth)?;
        let key_set = config.auth.key_set().map_err(auth)?;
        if let Some(tls) = &self.tls {
            let options = config.tls.options();
            tls.replace(options, now_s()).map_err(EdgeError::from)?;
        }
        config.auth.apply(&self.admission.verifier).map_err(auth)?;
        self.admission.key_set.replace(key_set);
        self.admission.origins.replace(origins);
        self.proxy.replace(config.proxy.options());
        Ok(())
    }
}

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EdgeReloadError {
    /// Because of keys or origins.
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    /// Because of certificates.
    #[error(transparent)]
    Tls(#[from] EdgeError),
}
