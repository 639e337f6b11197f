//! Who is calling: authentication and the principal it yields.
//!
//! A [`Principal`] is proof that somebody authenticated: its fields are private, it can't be
//! cloned, and only [`ScramChallenge::finish`] and [`UserStore`]'s `verify_password`,
//! `verify_token`, `verify_issued_token` and `verify_certificates` return one; a token is issued to a
//! principal only. (A [`Rehearsal`], which only the operator's command line has, makes marked ones that a serving gateway refuses.) The SCRAM
//! exchange is a typestate, so that no step can be left out or done twice:
//! [`ScramExchange`] → [`ScramChallenge`] → [`Principal`].
//!
//! No IO and no clocks here: the caller reads the user file and moves the messages.
//!
//! # What doesn't compile
//!
//! A principal comes out of an authentication:
//!
//! ```
//! use std::{collections::BTreeMap, net::IpAddr};
//! use tollgate_identity::{Principal, UserStore, Verifier};
//!
//! let verifier = Verifier::from_password("pencil", 4096, b"0123456789abcdef").unwrap();
//! let store = UserStore::parse("").unwrap().with_user("ana", verifier, BTreeMap::new());
//! let address = IpAddr::from([127, 0, 0, 1]);
//! let ana: Principal = store.verify_password("ana", "pencil", address).unwrap();
//! assert_eq!(ana.name(), "ana");
//! assert!(store.verify_password("ana", "pencils", address).is_err());
//! ```
//!
//! It can't be written down,
//!
//! ```compile_fail,E0451
//! use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
//! use tollgate_identity::Principal;
//!
//! let ana = Principal {
//!     name: "ana".into(),
//!     attributes: Arc::new(BTreeMap::new()),
//!     address: IpAddr::from([127, 0, 0, 1]),
//!     id: 1,
//!     rehearsed: None,
//! };
//! ```
//!
//! nor called for without proof,
//!
//! ```compile_fail,E0624
//! use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
//! use tollgate_identity::Principal;
//!
//! let ana = Principal::new("ana", Arc::new(BTreeMap::new()), IpAddr::from([127, 0, 0, 1]), 1);
//! ```
//!
//! nor be had by default, by conversion or as a copy, as a verifier (say) can:
//!
//! ```
//! # use tollgate_identity::Verifier;
//! let text = Verifier::from_password("pencil", 4096, b"0123456789abcdef").unwrap().to_string();
//! let verifier: Verifier = text.parse().unwrap();
//! let copy = verifier.clone();
//! # assert_eq!(copy.to_string(), text);
//! ```
//!
//! ```compile_fail,E0277
//! # use tollgate_identity::Principal;
//! let ana: Principal = Default::default();
//! ```
//!
//! ```compile_fail,E0308
//! # use tollgate_identity::Principal;
//! let ana = Principal::from("ana");
//! ```
//!
//! ```compile_fail,E0277
//! # use tollgate_identity::Principal;
//! fn needs_clone<T: Clone>() {}
//! needs_clone::<Principal>();
//! ```
//!
//! Certificates come out of a connection whose client has proven to hold their key:
//!
//! ```compile_fail,E0423
//! # use tollgate_identity::ClientCertificates;
//! let shown = ClientCertificates(vec![].into());
//! ```
//!
//! A challenge comes out of a client's first message:
//!
//! ```
//! use std::{net::IpAddr, sync::Arc};
//! use tollgate_identity::{ChannelBinding, ScramChallenge, ScramExchange, UserStore};
//!
//! let store = Arc::new(UserStore::parse("").unwrap());
//! let exchange = ScramExchange::new(store, "ana", IpAddr::from([127, 0, 0, 1]), ChannelBinding::None);
//! let (challenge, reply): (ScramChallenge, Vec<u8>) =
//!     exchange.first("SCRAM-SHA-256", b"n,,n=,r=clientnonce").unwrap();
//! assert!(reply.starts_with(b"r=clientnonce"));
//! assert!(challenge.finish(b"c=biws,r=clientnonce,p=AAAA").is_err());
//! ```
//!
//! It can't be written down, not even in part (another user's name, say), and has no default,
//!
//! ```compile_fail,E0451
//! # use tollgate_identity::ScramChallenge;
//! fn swap(challenge: ScramChallenge) -> ScramChallenge {
//!     ScramChallenge { user: "eve".into(), ..challenge }
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use tollgate_identity::ScramChallenge;
//! let challenge: ScramChallenge = Default::default();
//! ```
//!
//! the exchange can't finish without it,
//!
//! ```compile_fail,E0599
//! # use std::{net::IpAddr, sync::Arc};
//! # use tollgate_identity::{ChannelBinding, ScramExchange, UserStore};
//! # let store = Arc::new(UserStore::parse("").unwrap());
//! let exchange = ScramExchange::new(store, "ana", IpAddr::from([127, 0, 0, 1]), ChannelBinding::None);
//! let principal = exchange.finish(b"c=biws,r=clientnonce,p=AAAA");
//! ```
//!
//! and a challenge is answered once:
//!
//! ```compile_fail,E0382
//! # use std::{net::IpAddr, sync::Arc};
//! # use tollgate_identity::{ChannelBinding, ScramExchange, UserStore};
//! # let store = Arc::new(UserStore::parse("").unwrap());
//! let exchange = ScramExchange::new(store, "ana", IpAddr::from([127, 0, 0, 1]), ChannelBinding::None);
//! let (challenge, _) = exchange.first("SCRAM-SHA-256", b"n,,n=,r=clientnonce").unwrap();
//! challenge.finish(b"c=biws,r=clientnonce,p=AAAA").is_err();
//! challenge.finish(b"c=biws,r=clientnonce,p=AAAA").is_err();
//! ```

mod certificate;
mod error;
mod issuer;
mod message;
mod principal;
mod rehearsal;
mod scram;
mod seal;
mod store;
mod token;
mod user_file;
mod verifier;

pub use certificate::{
    AuthoritySettings, CertificateName, ClientAuthority, ClientCertificates, Judged,
};
pub use error::{
    AuthError, AuthorityError, IssuerError, SealKeyError, UserFileError, VerifierError,
};
pub use issuer::{Issuer, IssuerSettings};
pub use principal::{Attributes, Principal};
pub use rehearsal::{Asker, Rehearsal};
pub use scram::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramChallenge, ScramExchange};
pub use seal::SealKeys;
pub use store::UserStore;
pub use token::TokenFacts;
pub use verifier::{DEFAULT_ITERATIONS, Verifier};

#[cfg(test)]
mod tests;
