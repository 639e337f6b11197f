//! What can go wrong: in an exchange, in a verifier, in a user file.

use std::fmt;

use thiserror::Error;

/// Why an authentication failed. None of the variants says whether the user exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthError {
    /// The client broke the protocol.
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    /// Wrong password or unknown user: the two can't be told apart.
    #[error("password authentication failed")]
    Failed,
    /// A token that isn't good, for whatever reason.
    #[error("token authentication failed")]
    Token,
    /// Certificates that aren't good, for whatever reason, none where one is required, or those of
    /// somebody else than what was shown beside.
    #[error("certificate authentication failed")]
    Certificate,
    /// The client chose a mechanism that wasn't offered.
    #[error("the SASL mechanism was not offered")]
    UnsupportedMechanism,
    /// The client sees another server certificate, or was told that there is no channel binding.
    #[error("SCRAM channel binding check failed")]
    ChannelBinding,
}

impl AuthError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            AuthError::Malformed(_) => "the client must speak SCRAM-SHA-256 as in RFC 5802",
            AuthError::Failed => "check the user name and the password",
            AuthError::Token => "get a new token, and check for whom it was issued",
            AuthError::Certificate => "show a certificate of this user that the server trusts",
            AuthError::UnsupportedMechanism => "use SCRAM-SHA-256, or SCRAM-SHA-256-PLUS over TLS",
            AuthError::ChannelBinding => {
                "something between client and gateway may be terminating TLS"
            }
        }
    }
}

/// Why a verifier could not be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifierError {
    /// The text has another form.
    #[error(
        "verifier is not of the form \"SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>\""
    )]
    Form,
    /// Too few iterations to protect the password, or too many to compute.
    #[error("iterations must be between 4096 and 10000000")]
    Iterations,
    /// The salt is too short or too long.
    #[error("salt must have between 8 and 64 bytes")]
    Salt,
    /// The password is empty or too long.
    #[error("password must have between 1 and 1024 bytes")]
    Password,
}

/// Why an issuer's keys could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IssuerError {
    /// The text is no key set.
    #[error("not a JSON Web Key set")]
    Form,
    /// No key in it can check a token.
    #[error("the key set holds no public key for signatures that is supported")]
    Empty,
}

/// Why authorities of client certificates could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// There is none.
    #[error("there is no certificate of an authority")]
    None,
    /// One of the certificates.
    #[error("a certificate of an authority can't be read")]
    Certificate,
    /// One of the lists of revoked certificates.
    #[error("a list of revoked certificates can't be read")]
    List,
}

/// Why keys could not be read, or a message not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealKeyError {
    /// A key file without a key.
    #[error("there is no key")]
    None,
    /// A line that is something else, from 1.
    #[error("line {0} is not a key of 32 bytes in hexadecimal")]
    NotAKey(usize),
    /// More than a rotation needs.
    #[error("there are more than 8 keys")]
    TooMany,
    /// What a token should hold is too long.
    #[error("the session is too long for a token")]
    TooLong,
    /// Without random bytes nothing is sealed.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// One error in a user file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFileError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
    /// How to put it right.
    pub hint: String,
}

impl fmt::Display for UserFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: error: {}\n  hint: {}", self.line, self.message, self.hint)
    }
}

impl std::error::Error for UserFileError {}
