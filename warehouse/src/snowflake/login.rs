//! What the gateway shows when it logs in: a password, a token, or a signature by its key.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value, json};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tollgate_catalog::{Error, ErrorKind};
use zeroize::Zeroizing;

/// How long a signature is good for, in seconds. Each try has one of its own.
const VALID: u64 = 60;

/// Which kind of secret it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// The user's password.
    Password,
    /// The private key of a pair, PEM (PKCS 8, not encrypted).
    KeyPair,
    /// An access token of OAuth.
    OAuth,
    /// A programmatic access token.
    ProgrammaticAccessToken,
}

/// Reads the secret anew; the error is for the operator.
type Source = dyn Fn() -> Result<Zeroizing<Vec<u8>>, String> + Send + Sync;

/// How to log in. The secret is read from where it is kept whenever it is needed, and is erased.
#[derive(Clone)]
pub struct Credential {
    kind: CredentialKind,
    source: Arc<Source>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?})", self.kind)
    }
}

impl Credential {
    /// A secret of some kind; `source` is called on a thread that may wait.
    pub fn new(
        kind: CredentialKind,
        source: impl Fn() -> Result<Zeroizing<Vec<u8>>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { kind, source: Arc::new(source) }
    }

    /// Adds what proves who the gateway is to the data of a login.
    pub(super) async fn prove(
        &self,
        data: &mut Map<String, Value>,
        account: &str,
        user: &str,
    ) -> Result<(), Error> {
        let source = Arc::clone(&self.source);
        let secret =
            tokio::task::spawn_blocking(move || source()).await.map_err(Error::internal)?;
        let secret =
            secret.map_err(|cause| invalid("the credential can't be read").with_cause(cause))?;
        let text = || {
            std::str::from_utf8(secret.trim_ascii_end())
                .map_err(|_| invalid("the credential isn't text"))
        };
        let (authenticator, token) = match self.kind {
            CredentialKind::Password => {
                data.insert("PASSWORD".to_owned(), json!(text()?));
                return Ok(());
            }
            CredentialKind::KeyPair => ("SNOWFLAKE_JWT", signed(&secret, account, user)?),
            CredentialKind::OAuth => ("OAUTH", Zeroizing::new(text()?.to_owned())),
            CredentialKind::ProgrammaticAccessToken => {
                ("PROGRAMMATIC_ACCESS_TOKEN", Zeroizing::new(text()?.to_owned()))
            }
        };
        data.insert("AUTHENTICATOR".to_owned(), json!(authenticator));
        data.insert("TOKEN".to_owned(), json!(token.as_str()));
        Ok(())
    }
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::WarehouseFailed, "the warehouse can't be reached")
        .with_hint("try again later, or ask the operator to look at the gateway's log")
        .with_cause(what)
}

/// A JSON Web Token that the private key signs: who, by which key, until when.
fn signed(pem: &[u8], account: &str, user: &str) -> Result<Zeroizing<String>, Error> {
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| invalid("the file holds no private key that isn't encrypted"))?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err(invalid("the private key is none of RSA")),
    };
    let key = key.map_err(|_| invalid("the private key is none of RSA"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::internal)?.as_secs();
    // An account's region isn't part of its name here.
    let account = account.split('.').next().unwrap_or_default();
    let name = format!("{account}.{user}").to_uppercase();
    let claims = json!({
        "iss": format!("{name}.{}", fingerprint(key.public_key().as_ref())),
        "sub": name,
        "iat": now,
        "exp": now + VALID,
    });
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| invalid("the private key can't sign"))?;
    Ok(Zeroizing::new(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// The hash of a public key as `SubjectPublicKeyInfo` (RFC 5280), which the service shows as
/// `RSA_PUBLIC_KEY_FP`. `key` is an `RSAPublicKey` (RFC 8017).
fn fingerprint(key: &[u8]) -> String {
    // rsaEncryption, without parameters.
    const ALGORITHM: [u8; 15] = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let bits = [&[0], key].concat();
    let inner = [&ALGORITHM[..], &tagged(3, &bits)].concat();
    let info = tagged(0x30, &inner);
    let hash = ring::digest::digest(&ring::digest::SHA256, &info);
    format!("SHA256:{}", STANDARD.encode(hash))
}

/// A value of DER with its tag and length.
fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let skipped = length.iter().take_while(|byte| **byte == 0).count().min(length.len() - 1);
    let digits = length.get(skipped..).unwrap_or_default();
    let mut der = vec![tag];
    if value.len() >= 0x80 {
        // At most eight bytes say the length.
        der.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
    }
    der.extend_from_slice(digits);
    der.extend_from_slice(value);
    der
}
