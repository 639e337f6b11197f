//! Certificates: read for the listener, made for the demo.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::clients::Clients;
use crate::files;
use crate::listener::TlsSettings;

/// Reads a certificate chain and its key, for a server that may ask clients for certificates. An
/// error names the key of the configuration it is about.
pub(crate) fn read(
    cert: &Path,
    key: &Path,
    clients: Clients,
) -> Result<TlsSettings, (&'static str, String)> {
    let bad_cert = |error: String| {
        ("pg.cert", format!("could not read the certificate \"{}\": {error}", cert.display()))
    };
    let bad_key = |error: String| {
        ("pg.key", format!("could not read the private key \"{}\": {error}", key.display()))
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad_cert(error.to_string()))?;
    let Some(leaf) = chain.first().cloned() else {
        return Err(bad_cert("it holds no certificate".to_owned()));
    };
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| bad_key(error.to_string()))?;
    let clients = Arc::new(clients);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad_cert(error.to_string()))?
        .with_client_cert_verifier(Arc::<Clients>::clone(&clients))
        .with_single_cert(chain, key_der)
        .map_err(|error| bad_key(error.to_string()))?;
    Ok(TlsSettings { clients, ..TlsSettings::new(config, &leaf) })
}

/// Makes an authority and a certificate for this machine: `ca.pem`, `server.pem`,
/// `server-key.pem`. The authority's key is not kept.
pub(crate) fn generate(folder: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "Tollgate demo authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;

    fs::write(folder.join("ca.pem"), authority.pem())?;
    fs::write(folder.join("server.pem"), certificate.pem())?;
    files::write_private(&folder.join("server-key.pem"), key.serialize_pem().as_bytes())?;
    Ok(())
}
