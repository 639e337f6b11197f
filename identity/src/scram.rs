//! The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 5929, 7677).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use subtle::ConstantTimeEq;

use crate::error::AuthError;
use crate::message::{ClientFinal, ClientFirst, Flag, malformed};
use crate::principal::Principal;
use crate::store::{UserStore, random};
use crate::verifier::{Verifier, decode_key};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

const END_POINT: &str = "tls-server-end-point";

/// What an exchange can be bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelBinding {
    /// A plain socket, or a certificate for which no hash is defined.
    None,
    /// A TLS connection: the hash of the server's certificate (RFC 5929). An empty one counts as
    /// [`ChannelBinding::None`].
    TlsServerEndPoint(Vec<u8>),
}

/// An exchange that awaits the client's first message.
pub struct ScramExchange {
    store: Arc<UserStore>,
    user: String,
    address: IpAddr,
    binding: ChannelBinding,
}

/// An exchange that awaits the client's proof.
pub struct ScramChallenge {
    store: Arc<UserStore>,
    user: String,
    address: IpAddr,
    verifier: Verifier,
    nonce: String,
    /// The `c=` that the client must send, in base64.
    binding: String,
    /// `client-first-message-bare,server-first-message`
    messages: String,
}

impl ScramExchange {
    /// For the user of the start-up message.
    pub fn new(
        store: Arc<UserStore>,
        user: &str,
        address: IpAddr,
        binding: ChannelBinding,
    ) -> Self {
        let binding = match binding {
            ChannelBinding::TlsServerEndPoint(hash) if hash.is_empty() => ChannelBinding::None,
            binding @ (ChannelBinding::None | ChannelBinding::TlsServerEndPoint(_)) => binding,
        };
        ScramExchange { store, user: user.to_owned(), address, binding }
    }

    /// The mechanisms to offer, the better one first.
    pub fn mechanisms(&self) -> &'static [&'static str] {
        match self.binding {
            ChannelBinding::None => &[SCRAM_SHA_256],
            ChannelBinding::TlsServerEndPoint(_) => &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256],
        }
    }

    /// Takes the client's choice and first message; yields the challenge and the message for it.
    pub fn first(
        self,
        mechanism: &str,
        client_first: &[u8],
    ) -> Result<(ScramChallenge, Vec<u8>), AuthError> {
        let nonce = BASE64.encode(random::<18>()?);
        self.first_with_nonce(mechanism, client_first, &nonce)
    }

    /// As `first`, with a nonce from the test vectors.
    pub(crate) fn first_with_nonce(
        self,
        mechanism: &str,
        client_first: &[u8],
        nonce: &str,
    ) -> Result<(ScramChallenge, Vec<u8>), AuthError> {
        if !self.mechanisms().contains(&mechanism) {
            return Err(AuthError::UnsupportedMechanism);
        }
        let message = ClientFirst::parse(client_first)?;
        let binding = BASE64.encode(self.expected_binding(mechanism, message.flag)?);
        let nonce = format!("{}{nonce}", message.nonce);
        let verifier = self.store.verifier(&self.user);
        let salt = BASE64.encode(verifier.salt());
        let reply = format!("r={nonce},s={salt},i={}", verifier.iterations());
        let messages = format!("{},{reply}", message.bare);
        let ScramExchange { store, user, address, .. } = self;
        Ok((
            ScramChallenge { store, user, address, verifier, nonce, binding, messages },
            reply.into_bytes(),
        ))
    }

    /// The GS2 header as sent, and for PLUS what it binds to: repeated under the client's proof,
    /// so that nobody in between can change either.
    fn expected_binding(&self, mechanism: &str, flag: Flag<'_>) -> Result<Vec<u8>, AuthError> {
        let plus = mechanism == SCRAM_SHA_256_PLUS;
        match (flag, plus, &self.binding) {
            (
                Flag::Unsupported,
                false,
                ChannelBinding::None | ChannelBinding::TlsServerEndPoint(_),
            ) => Ok(b"n,,".to_vec()),
            (Flag::NotOffered, false, ChannelBinding::None) => Ok(b"y,,".to_vec()),
            // We offered PLUS and the client didn't hear it: somebody cut it out.
            (Flag::NotOffered, false, ChannelBinding::TlsServerEndPoint(_)) => {
                Err(AuthError::ChannelBinding)
            }
            (Flag::Bound(name), true, ChannelBinding::TlsServerEndPoint(hash)) => {
                if name != END_POINT {
                    return Err(AuthError::ChannelBinding);
                }
                Ok([format!("p={END_POINT},,").as_bytes(), hash].concat())
            }
            (Flag::Bound(_), true, ChannelBinding::None) => Err(AuthError::UnsupportedMechanism),
            (
                Flag::Bound(_),
                false,
                ChannelBinding::None | ChannelBinding::TlsServerEndPoint(_),
            ) => Err(malformed("channel binding without the PLUS mechanism")),
            (
                Flag::Unsupported | Flag::NotOffered,
                true,
                ChannelBinding::None | ChannelBinding::TlsServerEndPoint(_),
            ) => Err(malformed("the PLUS mechanism without channel binding")),
        }
    }
}

impl ScramChallenge {
    /// Takes the client's proof; yields the principal and the message that proves the server.
    pub fn finish(self, client_final: &[u8]) -> Result<(Principal, Vec<u8>), AuthError> {
        let message = ClientFinal::parse(client_final)?;
        if !bool::from(message.binding.as_bytes().ct_eq(self.binding.as_bytes())) {
            return Err(AuthError::ChannelBinding);
        }
        if !bool::from(message.nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(malformed("the nonce does not match"));
        }
        let proof = decode_key(message.proof).ok_or(malformed("bad proof"))?;
        let signed = format!("{},{}", self.messages, message.without_proof);
        let proven = self.verifier.check_proof(signed.as_bytes(), &proof);
        let signature = self.verifier.server_signature(signed.as_bytes());
        let principal = self.store.admit(&self.user, self.address, proven)?;
        Ok((principal, format!("v={}", BASE64.encode(*signature)).into_bytes()))
    }
}

impl fmt::Debug for ScramExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramExchange").field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScramChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramChallenge").field("user", &self.user).finish_non_exhaustive()
    }
}
