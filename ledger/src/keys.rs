//! The key that signs, in a file that only its owner may read, and the public key beside it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::chain::{hex, unhex};
use crate::error::LedgerError;

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An Ed25519 key that signs.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads the key in a file, PEM. If there is no such file, it is made, with a new key that only the
    /// owner may read; the public key is put beside it, with the extension `pub`.
    ///
    /// # Errors
    /// The file can't be read or made, or it holds something else.
    pub fn open(path: &Path) -> Result<SigningKey, LedgerError> {
        match fs::read_to_string(path) {
            Ok(text) => SigningKey::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => SigningKey::create(path),
            Err(error) => Err(LedgerError::File { path: path.to_owned(), error }),
        }
    }

    /// Reads the key in a file; it is not made.
    ///
    /// # Errors
    /// The file can't be read, or it holds something else.
    pub fn read(path: &Path) -> Result<SigningKey, LedgerError> {
        let text = fs::read_to_string(path)
            .map_err(|error| LedgerError::File { path: path.to_owned(), error })?;
        SigningKey::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<SigningKey, LedgerError> {
        let wrong = || LedgerError::Key { path: path.to_owned(), what: "an Ed25519 private key" };
        let der = from_pem(text, "PRIVATE KEY").ok_or_else(wrong)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| wrong())?;
        Ok(SigningKey(pair))
    }

    fn create(path: &Path) -> Result<SigningKey, LedgerError> {
        let file = |error| LedgerError::File { path: path.to_owned(), error };
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| LedgerError::System("the system gave no random bytes".to_owned()))?;
        let pem = to_pem(der.as_ref(), "PRIVATE KEY");
        let key = SigningKey::parse(path, &pem)?;
        let public = public_path(path);
        fs::write(&public, key.public().pem())
            .map_err(|error| LedgerError::File { path: public, error })?;
        // Written as a whole under another name, then moved: there is never half a key.
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut out = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(file)?;
        out.write_all(pem.as_bytes()).and_then(|()| out.sync_all()).map_err(file)?;
        fs::rename(&new, path).map_err(file)?;
        Ok(key)
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// Where the public key of a key file is.
pub fn public_path(path: &Path) -> PathBuf {
    path.with_extension("pub")
}

/// An Ed25519 key that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads the key in a file: PEM, or 64 hexadecimal digits.
    ///
    /// # Errors
    /// The file can't be read, or it holds something else.
    pub fn open(path: &Path) -> Result<PublicKey, LedgerError> {
        let text = fs::read_to_string(path)
            .map_err(|error| LedgerError::File { path: path.to_owned(), error })?;
        let bytes = match from_pem(&text, "PUBLIC KEY") {
            Some(der) => der.strip_prefix(SPKI.as_slice()).map(<[u8]>::to_vec),
            None => unhex(text.trim()),
        };
        bytes.and_then(|bytes| PublicKey::from_bytes(&bytes)).ok_or_else(|| LedgerError::Key {
            path: path.to_owned(),
            what: "an Ed25519 public key",
        })
    }

    /// From its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<PublicKey> {
        bytes.try_into().ok().map(PublicKey)
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// As PEM, for other programs.
    pub fn pem(&self) -> String {
        to_pem(&[SPKI.as_slice(), self.0.as_slice()].concat(), "PUBLIC KEY")
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

fn to_pem(der: &[u8], label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn from_pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (base64, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let base64: String = base64.split_whitespace().collect();
    STANDARD.decode(base64).ok()
}
