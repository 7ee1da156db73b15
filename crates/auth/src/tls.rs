//! The server's side of TLS, from the files that [`crate::init`] made.

use crate::{
    Error, FOLDER,
    authority::{SERVER_CERTIFICATE, SERVER_KEY},
    files,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{path::Path, sync::Arc};

/// TLS 1.2 and 1.3 with the server certificate of a data folder; `protocols` are offered by ALPN in this order.
///
/// # Errors
/// The files are absent, damaged, or do not belong together.
pub fn server_config(data: &Path, protocols: &[&str]) -> Result<Arc<ServerConfig>, Error> {
    let folder = data.join(FOLDER);
    let (chain_path, key_path) = (folder.join(SERVER_CERTIFICATE), folder.join(SERVER_KEY));
    let damaged = |path: &Path, what: String| Error::Damaged {
        path: path.into(),
        what,
    };
    let chain = CertificateDer::pem_slice_iter(&files::read(&chain_path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(&chain_path, format!("it is no certificate: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(&files::read(&key_path)?)
        .map_err(|error| damaged(&key_path, format!("it is no private key: {error}")))?;
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Crypto {
                what: "choosing the versions of TLS",
                why: error.to_string(),
            })?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| {
                damaged(
                    &chain_path,
                    format!("it does not belong to the key: {error}"),
                )
            })?;
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(Arc::new(config))
}
