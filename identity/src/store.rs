//! The users that may log in, immutable; and where a principal is made.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use subtle::Choice;
use zeroize::Zeroizing;

use crate::certificate::ClientAuthority;
use crate::error::{AuthError, UserFileError};
use crate::issuer::Issuer;
use crate::principal::{Attributes, Principal};
use crate::user_file::{self, Contents, MockKey};
use crate::verifier::{DEFAULT_ITERATIONS, Verifier};

/// One user of the store.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) verifier: Verifier,
    pub(crate) attributes: Arc<Attributes>,
}

/// The users by name.
pub(crate) type Users = BTreeMap<String, User>;

/// The users that may log in.
///
/// An unknown user is met with a mock verifier: salt, keys and costs that are the same at every
/// attempt and that look like a real user's. They come from a key that the user file names, so that
/// they outlive a restart as a real user's do; a file without one gives a key of its own verifiers,
/// which nobody outside knows all of.
pub struct UserStore {
    users: Users,
    /// Iterations and salt length of every user, from which a mock verifier picks one, so that
    /// unusual costs don't tell a real user.
    costs: Vec<(NonZeroU32, usize)>,
    secret: MockKey,
    /// Whose tokens are believed beside.
    issuer: Option<Arc<Issuer>>,
    /// Whose client certificates are believed beside.
    authority: Option<Arc<ClientAuthority>>,
}

impl UserStore {
    /// Reads a user file, and reports every error in it, in order of lines.
    pub fn parse(toml: &str) -> Result<UserStore, Vec<UserFileError>> {
        let Contents { users, mock_key } = user_file::parse(toml)?;
        let secret = match mock_key {
            Some(key) => key,
            None if !users.is_empty() => derived(&users),
            None => random().map(Zeroizing::new).map_err(|_| {
                vec![UserFileError {
                    line: 1,
                    message: "the system gave no random bytes".into(),
                    hint: "check the system's random number generator".into(),
                }]
            })?,
        };
        Ok(Self::new(users, secret))
    }

    /// Reads a newer user file. Unlike [`UserStore::parse`] it keeps the key of the mock verifiers:
    /// if their salts changed with a reload, they would show who is unknown.
    pub fn reload(&self, toml: &str) -> Result<UserStore, Vec<UserFileError>> {
        Ok(Self::new(user_file::parse(toml)?.users, self.secret.clone()))
    }

    fn new(users: Users, secret: MockKey) -> Self {
        let costs = users
            .values()
            .map(|user| (user.verifier.iterations(), user.verifier.salt().len()))
            .collect();
        UserStore { users, costs, secret, issuer: None, authority: None }
    }

    /// This store, which believes the tokens of an issuer too, or of none.
    pub fn with_issuer(self, issuer: Option<Arc<Issuer>>) -> UserStore {
        UserStore { issuer, ..self }
    }

    /// This store, which believes the client certificates of authorities too, or of none.
    pub fn with_authority(self, authority: Option<Arc<ClientAuthority>>) -> UserStore {
        UserStore { authority, ..self }
    }

    /// The authorities whose client certificates are believed.
    pub(crate) fn authority(&self) -> Option<&ClientAuthority> {
        self.authority.as_deref()
    }

    /// The issuer whose tokens are believed.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_deref()
    }

    /// May a user be called so? Any text without control characters, of 1 to 128 bytes.
    pub fn is_valid_name(name: &str) -> bool {
        (1..=128).contains(&name.len()) && !name.chars().any(char::is_control)
    }

    /// The names of the users, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// Whether an authentication still stands: the user exists and has the same attributes, or its
    /// token's issuer is still believed; its certificate, if it came with one, is still good. A new
    /// password ends no session.
    pub fn is_current(&self, principal: &Principal) -> bool {
        if let Some(attested) = principal.attests() {
            return !self.has(principal.name())
                && self.issuer().is_some_and(|issuer| issuer.believes(attested));
        }
        principal.certificates().is_none_or(|shown| self.still_names(shown, principal.name()))
            && self
                .users
                .get(principal.name())
                .is_some_and(|user| user.attributes.as_ref() == principal.attributes())
    }

    /// Whether there is a user of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// The user file of this store. It holds the verifiers: keep it from other readers.
    pub fn to_toml(&self) -> String {
        user_file::print(&self.users, &self.secret)
    }

    /// `toml`, which is this store's file, with a new user at its end; comments stay. A file without
    /// a key for the mock verifiers gets the one in force, so that it outlives the new user.
    pub fn append(
        &self,
        toml: &str,
        name: &str,
        verifier: Verifier,
        attributes: Attributes,
    ) -> Result<String, Vec<UserFileError>> {
        let mut text = match user_file::parse(toml)?.mock_key {
            Some(_) => String::new(),
            None => user_file::mock_key_line(&self.secret) + "\n",
        };
        let user = User { verifier, attributes: Arc::new(attributes) };
        text.push_str(&format!("{}\n\n{}", toml.trim_end(), user_file::section(name, &user)));
        Ok(text)
    }

    /// This store with one user added or replaced. The name should be
    /// [valid](UserStore::is_valid_name), or the file won't be read again.
    pub fn with_user(&self, name: &str, verifier: Verifier, attributes: Attributes) -> UserStore {
        let mut users = self.users.clone();
        users.insert(name.to_owned(), User { verifier, attributes: Arc::new(attributes) });
        Self::new(users, self.secret.clone())
            .with_issuer(self.issuer.clone())
            .with_authority(self.authority.clone())
    }

    /// Checks a password that came over an encrypted connection. Runs PBKDF2, thus slow by design,
    /// for unknown users too.
    pub fn verify_password(
        &self,
        user: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<Principal, AuthError> {
        let matches =
            self.verifier(user).check_password(password).map_err(|_| AuthError::Failed)?;
        self.admit(user, address, matches)
    }

    /// The user's verifier, or a mock. The mock is made in either case: the same work.
    pub(crate) fn verifier(&self, user: &str) -> Verifier {
        let mock = self.mock(user);
        self.users.get(user).map_or(mock, |user| user.verifier.clone())
    }

    /// What the file says about a user.
    pub fn attributes(&self, name: &str) -> Option<&Attributes> {
        self.users.get(name).map(|user| user.attributes.as_ref())
    }

    /// The one place where a principal of a client is made: for a user that exists and gave proof.
    pub(crate) fn admit(
        &self,
        user: &str,
        address: IpAddr,
        proven: Choice,
    ) -> Result<Principal, AuthError> {
        let id = u64::from_be_bytes(random()?);
        match (self.users.get(user), bool::from(proven)) {
            (Some(found), true) => {
                Ok(Principal::new(user, Arc::clone(&found.attributes), address, id))
            }
            (Some(_) | None, false) | (None, true) => Err(AuthError::Failed),
        }
    }

    fn mock(&self, user: &str) -> Verifier {
        let key = hmac::Key::new(hmac::HMAC_SHA512, &*self.secret);
        let derive = |label: &[u8]| {
            let mut context = hmac::Context::with_key(&key);
            context.update(label);
            context.update(user.as_bytes());
            context.sign()
        };
        let pick = derive(b"cost:")
            .as_ref()
            .iter()
            .take(8)
            .fold(0, |n: usize, b| n << 8 | usize::from(*b));
        let cost =
            pick.checked_rem(self.costs.len()).and_then(|pick| self.costs.get(pick).copied());
        let (iterations, salt_length) = cost.unwrap_or((DEFAULT, 16));
        let salt = derive(b"salt:").as_ref().iter().take(salt_length).copied().collect();
        Verifier::mock(iterations, salt, derive(b"keys:").as_ref())
    }
}

/// A key that the verifiers of all users give together.
fn derived(users: &Users) -> MockKey {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"tollgate mock verifiers");
    for user in users.values() {
        let verifier = Zeroizing::new(user.verifier.to_string());
        context.update(&[0]);
        context.update(verifier.as_bytes());
    }
    let mut key = Zeroizing::new([0; 32]);
    for (to, from) in key.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    key
}

const DEFAULT: NonZeroU32 = NonZeroU32::MIN.saturating_add(DEFAULT_ITERATIONS - 1);

impl fmt::Debug for UserStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserStore").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

/// Random bytes; without them nobody is let in.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AuthError::Failed)?;
    Ok(bytes)
}
