//! Bearer tokens: what a client shows at each call in place of its password.
//!
//! A token is sealed and says who authenticated, with which credential, until when, and what the
//! front end keeps about the session. It is proof of an authentication only while the user exists
//! and has the same credential; attributes and address are those of the call, never the token's.

use std::net::IpAddr;

use ring::digest;
use subtle::ConstantTimeEq;

use crate::error::{AuthError, SealKeyError};
use crate::principal::Principal;
use crate::seal::SealKeys;
use crate::store::UserStore;

const PURPOSE: &str = "token";

/// The most bytes that a front end may keep in a token.
const MAX_SESSION: usize = 4096;

/// What a valid token says beside who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFacts {
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// What the front end keeps in it.
    pub session: Vec<u8>,
}

impl UserStore {
    /// A token for somebody who has authenticated.
    ///
    /// # Errors
    /// The session is too long, or the system gave no random bytes.
    pub fn issue_token(
        &self,
        keys: &SealKeys,
        principal: &Principal,
        facts: &TokenFacts,
    ) -> Result<Vec<u8>, SealKeyError> {
        if facts.session.len() > MAX_SESSION {
            return Err(SealKeyError::TooLong);
        }
        let name = principal.name().as_bytes();
        let length = u16::try_from(name.len()).map_err(|_| SealKeyError::TooLong)?;
        let mut message = facts.expires.to_be_bytes().to_vec();
        message.extend_from_slice(&self.credential(principal.name()));
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(name);
        message.extend_from_slice(&facts.session);
        keys.seal_for(PURPOSE, &message)
    }

    /// The principal that a token stands for at the time `now`, in seconds since 1970.
    ///
    /// # Errors
    /// The same one for a token that isn't ours, was changed, has ended, or whose user is gone or
    /// has another credential.
    pub fn verify_token(
        &self,
        keys: &SealKeys,
        token: &[u8],
        address: IpAddr,
        now: u64,
    ) -> Result<(Principal, TokenFacts), AuthError> {
        let message = keys.open_for(PURPOSE, token).ok_or(AuthError::Failed)?;
        let token = Token::parse(&message).ok_or(AuthError::Failed)?;
        let same = token.credential.ct_eq(&self.credential(token.name));
        if now >= token.expires {
            return Err(AuthError::Failed);
        }
        let principal = self.admit(token.name, address, same)?;
        let session = token.session.to_vec();
        Ok((principal, TokenFacts { expires: token.expires, session }))
    }

    /// A hash of what the user authenticates with now: it changes with the password.
    fn credential(&self, user: &str) -> [u8; 32] {
        let verifier = self.verifier(user).to_string();
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref());
        hash
    }
}

struct Token<'a> {
    expires: u64,
    credential: [u8; 32],
    name: &'a str,
    session: &'a [u8],
}

impl<'a> Token<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let (expires, rest) = message.split_first_chunk::<8>()?;
        let (credential, rest) = rest.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (name, session) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        Some(Self {
            expires: u64::from_be_bytes(*expires),
            credential: *credential,
            name: str::from_utf8(name).ok()?,
            session,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests"
    )]

    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use super::TokenFacts;
    use crate::{AuthError, SealKeys, UserStore, Verifier};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn verifier(password: &str) -> Verifier {
        Verifier::from_password(password, 4096, b"0123456789abcdef").unwrap()
    }

    fn attributes(value: &str) -> crate::Attributes {
        BTreeMap::from([("tenant".to_owned(), vec![value.to_owned()])])
    }

    #[test]
    fn a_token_is_its_user_with_todays_attributes() {
        let keys = SealKeys::random().unwrap();
        let empty = UserStore::parse("").unwrap();
        let store = empty.with_user("ana", verifier("pencil"), attributes("acme"));
        let ana = store.verify_password("ana", "pencil", HERE).unwrap();
        let facts = TokenFacts { expires: 100, session: b"schema".to_vec() };
        let token = store.issue_token(&keys, &ana, &facts).unwrap();

        let (again, said) = store.verify_token(&keys, &token, HERE, 99).unwrap();
        assert_eq!((again.name(), said), ("ana", facts));
        assert_ne!(again.id(), ana.id());

        let moved = store.with_user("ana", verifier("pencil"), attributes("globex"));
        let (again, _) = moved.verify_token(&keys, &token, HERE, 99).unwrap();
        assert_eq!(again.attributes(), &attributes("globex"));
    }

    #[test]
    fn what_is_no_proof_any_more_fails_alike() {
        let keys = SealKeys::random().unwrap();
        let empty = UserStore::parse("").unwrap();
        let store = empty.with_user("ana", verifier("pencil"), attributes("acme"));
        let ana = store.verify_password("ana", "pencil", HERE).unwrap();
        let facts = TokenFacts { expires: 100, session: Vec::new() };
        let token = store.issue_token(&keys, &ana, &facts).unwrap();
        let changed = store.with_user("ana", verifier("eraser"), attributes("acme"));
        let other = SealKeys::random().unwrap();
        let handle = keys.seal("token", b"forged").unwrap();
        let cases = [
            (&store, &keys, token.as_slice(), 100),
            (&changed, &keys, &token, 99),
            (&empty, &keys, &token, 99),
            (&store, &other, &token, 99),
            (&store, &keys, &token[1..], 99),
            (&store, &keys, &handle, 99),
            (&store, &keys, b"", 99),
        ];
        for (store, keys, token, now) in cases {
            let refused = store.verify_token(keys, token, HERE, now).unwrap_err();
            assert_eq!(refused, AuthError::Failed);
        }
    }
}
