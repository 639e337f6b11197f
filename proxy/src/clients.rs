//! Client certificates: their authorities are read for the configuration, and TLS asks for them.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use tollgate_gateway::config::ClientCertificates;
use tollgate_identity::{AuthorityError, ClientAuthority};

/// What asks clients for certificates, for the authorities in force: a reload may change them.
///
/// A handshake with a bad certificate fails. Whom a good one names is judged later.
#[derive(Debug)]
pub struct Clients {
    authority: RwLock<Option<Arc<ClientAuthority>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Default for Clients {
    /// For no authority: no client is asked.
    fn default() -> Self {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        Self { authority: RwLock::default(), algorithms }
    }
}

impl Clients {
    /// Puts other authorities in force, for every handshake from now on.
    pub(crate) fn replace(&self, authority: Option<Arc<ClientAuthority>>) {
        *self.authority.write() = authority;
    }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.authority.read().is_some()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.authority.read().as_ref().is_some_and(|authority| authority.is_required())
    }

    /// None: they change, and without them clients show what they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let authority = self.authority.read().clone();
        let authority = authority.ok_or_else(|| Error::General("no authority".to_owned()))?;
        authority.verify(leaf, others, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Reads authorities and what they have revoked. An error names the key of the configuration it is about.
pub(crate) fn read(
    clients: &ClientCertificates,
) -> Result<ClientAuthority, (&'static str, String)> {
    let bad = |key, error: String| {
        let file = match (key, &clients.crl) {
            ("client_certificates.crl", Some(crl)) => crl,
            (_, Some(_) | None) => &clients.ca,
        };
        (key, format!("could not read \"{}\": {error}", file.display()))
    };
    let (ca, crl) = ("client_certificates.ca", "client_certificates.crl");
    let authorities = CertificateDer::pem_file_iter(&clients.ca)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(ca, error.to_string()))?;
    let mut lists = Vec::new();
    if let Some(path) = &clients.crl {
        lists = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(crl, error.to_string()))?;
        if lists.is_empty() {
            return Err(bad(crl, "there is no list in it".to_owned()));
        }
    }
    ClientAuthority::new(clients.settings.clone(), authorities, lists).map_err(|error| {
        let key = match error {
            AuthorityError::None | AuthorityError::Certificate => ca,
            AuthorityError::List => crl,
        };
        bad(key, error.to_string())
    })
}
