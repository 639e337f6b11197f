//! The client's two messages, taken apart (RFC 5802, section 7).

use crate::error::AuthError;

/// No honest message comes near.
const MAX_MESSAGE: usize = 4096;

/// What the client says about channel binding (`gs2-cbind-flag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag<'a> {
    /// `n`: can't do it.
    Unsupported,
    /// `y`: could do it, but thinks that the server can't.
    NotOffered,
    /// `p=<name>`: does it.
    Bound(&'a str),
}

/// `n,,n=ana,r=nonce`
pub(crate) struct ClientFirst<'a> {
    pub(crate) flag: Flag<'a>,
    /// All after the GS2 header: a part of what is signed.
    pub(crate) bare: &'a str,
    pub(crate) nonce: &'a str,
}

/// `c=biws,r=nonce,p=proof`
pub(crate) struct ClientFinal<'a> {
    /// All before the proof: a part of what is signed.
    pub(crate) without_proof: &'a str,
    pub(crate) binding: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) proof: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, AuthError> {
        let (flag, rest) = text(message)?.split_once(',').ok_or(malformed("no GS2 header"))?;
        let (authorization, bare) = rest.split_once(',').ok_or(malformed("no GS2 header"))?;
        if !authorization.is_empty() {
            return Err(malformed("authorization identities are not supported"));
        }
        let flag = match (flag, flag.strip_prefix("p=")) {
            ("n", _) => Flag::Unsupported,
            ("y", _) => Flag::NotOffered,
            (_, Some(name)) => Flag::Bound(name),
            (_, None) => return Err(malformed("unknown channel binding flag")),
        };
        let mut attributes = bare.split(',');
        // The user name is ignored, as in PostgreSQL: the one of the start-up message counts.
        value(attributes.next(), "n=").ok_or(malformed("no user name"))?;
        let nonce = value(attributes.next(), "r=").ok_or(malformed("no nonce"))?;
        if nonce.is_empty() || !nonce.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("the nonce must be printable ASCII"));
        }
        check_extensions(attributes)?;
        Ok(ClientFirst { flag, bare, nonce })
    }
}

impl<'a> ClientFinal<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, AuthError> {
        let (without_proof, proof) =
            text(message)?.rsplit_once(",p=").ok_or(malformed("no proof"))?;
        let mut attributes = without_proof.split(',');
        let binding = value(attributes.next(), "c=").ok_or(malformed("no channel binding"))?;
        let nonce = value(attributes.next(), "r=").ok_or(malformed("no nonce"))?;
        check_extensions(attributes)?;
        Ok(ClientFinal { without_proof, binding, nonce, proof })
    }
}

pub(crate) fn malformed(why: &'static str) -> AuthError {
    AuthError::Malformed(why)
}

fn text(message: &[u8]) -> Result<&str, AuthError> {
    if message.len() > MAX_MESSAGE {
        return Err(malformed("the message is too long"));
    }
    let text = str::from_utf8(message).map_err(|_| malformed("not UTF-8"))?;
    if text.contains('\0') { Err(malformed("zero byte")) } else { Ok(text) }
}

fn value<'a>(attribute: Option<&'a str>, name: &str) -> Option<&'a str> {
    attribute?.strip_prefix(name)
}

/// Optional extensions are skipped; `m` is reserved for those that must not be.
fn check_extensions<'a>(attributes: impl Iterator<Item = &'a str>) -> Result<(), AuthError> {
    for attribute in attributes {
        match attribute.split_once('=') {
            Some(("m", _)) => return Err(malformed("mandatory extensions are not supported")),
            Some(("c" | "n" | "p" | "r", _)) => return Err(malformed("attribute out of order")),
            Some((name, _)) if name.len() == 1 && name.bytes().all(|b| b.is_ascii_alphabetic()) => {
            }
            Some(_) | None => return Err(malformed("bad extension")),
        }
    }
    Ok(())
}
