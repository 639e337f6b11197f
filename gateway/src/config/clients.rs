//! Whose client certificates are believed.

use std::path::PathBuf;

use tollgate_identity::{AuthoritySettings, CertificateName};

use super::file;
use super::validate::Checker;

/// Whose client certificates are believed, and in which files they stand.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// What is believed of them.
    pub settings: AuthoritySettings,
    /// The certificates of the authorities.
    pub ca: PathBuf,
    /// The lists of what they have revoked.
    pub crl: Option<PathBuf>,
}

impl Checker<'_> {
    /// `tls`: whether the server has a certificate of its own.
    pub(super) fn clients(
        &mut self,
        raw: file::ClientCertificates,
        tls: bool,
    ) -> Option<ClientCertificates> {
        if !tls {
            self.note(
                "client_certificates",
                "client certificates need TLS, and the server has no certificate",
                "set \"cert\" and \"key\" under [pg]",
            );
        }
        let ca = self.path(
            "client_certificates.ca",
            raw.ca,
            "name the file of the authorities: ca = \"clients-ca.pem\" under [client_certificates]",
        );
        let name = match raw.name.unwrap_or(file::CertificateName::Cn) {
            file::CertificateName::Cn => CertificateName::CommonName,
            file::CertificateName::Email => CertificateName::Email,
            file::CertificateName::Dns => CertificateName::Dns,
            file::CertificateName::Uri => CertificateName::Uri,
        };
        let required = raw.required.unwrap_or(false);
        Some(ClientCertificates {
            settings: AuthoritySettings { name, users: raw.users, required },
            ca: ca?,
            crl: raw.crl.map(|file| self.base.join(file)),
        })
    }
}
