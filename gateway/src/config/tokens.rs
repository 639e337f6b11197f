//! Whose tokens are believed, and where the keys are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tollgate_identity::IssuerSettings;
use tollgate_warehouse::http::Address;

use super::file;
use super::validate::Checker;

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// What is believed of them.
    pub settings: IssuerSettings,
    /// Where the issuer's keys are.
    pub keys: KeyPlace,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone)]
pub enum KeyPlace {
    /// In a file.
    File(PathBuf),
    /// At an address, from which they are fetched.
    Address(Fetching),
}

/// How keys are fetched.
#[derive(Debug, Clone)]
pub struct Fetching {
    /// Where the issuer publishes them.
    pub address: Address,
    /// The certificates to trust; none: those of the system.
    pub ca: Option<PathBuf>,
    /// How often to look for others.
    pub refresh: Duration,
    /// How long to wait before another try.
    pub again: Duration,
    /// How long keys are believed while no newer ones can be fetched.
    pub keep: Duration,
}

impl Tokens {
    /// The file that they rest on.
    pub fn file(&self) -> Option<&Path> {
        match &self.keys {
            KeyPlace::File(path) => Some(path),
            KeyPlace::Address(fetching) => fetching.ca.as_deref(),
        }
    }
}

impl Checker<'_> {
    pub(super) fn tokens(&mut self, mut raw: file::Tokens) -> Option<Tokens> {
        let keys = self.keys(&mut raw);
        let leeway = self.duration("tokens.leeway", raw.leeway, Some(Duration::from_secs(30)));
        let mut text = |key: &str, value: Option<String>, hint: &str| {
            let value = value.filter(|value| !value.is_empty());
            if value.is_none() {
                self.note(key, format!("\"{key}\" is missing"), hint);
            }
            value
        };
        let issuer = text(
            "tokens.issuer",
            raw.issuer,
            "name the \"iss\" of the tokens, as \"https://id.example.com\"",
        );
        let audience = text(
            "tokens.audience",
            raw.audience,
            "name what must be in \"aud\": without it, tokens for other services would be believed",
        );
        let settings = IssuerSettings {
            issuer: issuer?,
            audience: audience?,
            user: raw.user.unwrap_or_else(|| "sub".to_owned()),
            attributes: raw.attributes,
            mfa: raw.mfa.unwrap_or_else(|| vec!["mfa".to_owned()]),
            purpose: raw.purpose,
            roles: raw.roles,
            leeway: leeway?.as_secs(),
        };
        Some(Tokens { settings, keys: keys? })
    }

    fn keys(&mut self, raw: &mut file::Tokens) -> Option<KeyPlace> {
        let hint = "name the file of the issuer's public keys, keys = \"jwks.json\" under [tokens], or \
                    their address, as jwks_url";
        let Some(url) = raw.jwks_url.take() else {
            let others = [
                ("tokens.jwks_ca", raw.jwks_ca.is_some()),
                ("tokens.refresh", raw.refresh.is_some()),
                ("tokens.refetch", raw.refetch.is_some()),
                ("tokens.keep", raw.keep.is_some()),
            ];
            for (key, _) in others.into_iter().filter(|(_, given)| *given) {
                let message = format!("\"{key}\" is nothing to keys in a file");
                self.note(key, message, "leave it out, or name a \"jwks_url\"");
            }
            return self.path("tokens.keys", raw.keys.take(), hint).map(KeyPlace::File);
        };
        if raw.keys.is_some() {
            let message = "both \"keys\" and \"jwks_url\" are given";
            self.note("tokens.jwks_url", message, "keep one of them");
        }
        let address = Address::parse(&url).map_err(|error| {
            let message = format!("\"{url}\" can't be fetched: {error}");
            self.note("tokens.jwks_url", message, "write it as \"https://id.example.com/jwks\"");
        });
        let mut duration = |key: &str, text: Option<String>, default: u64| {
            let duration = self.duration(key, text, Some(Duration::from_secs(default)))?;
            if duration.is_zero() {
                self.note(key, format!("\"{key}\" is 0"), "write some time, as \"5min\"");
            }
            Some(duration)
        };
        let refresh = duration("tokens.refresh", raw.refresh.take(), 15 * 60);
        let again = duration("tokens.refetch", raw.refetch.take(), 30);
        let keep = duration("tokens.keep", raw.keep.take(), 60 * 60);
        let (refresh, again, keep) = (refresh?, again?, keep?);
        if keep <= refresh {
            let message = "keys are not kept until they are fetched again";
            self.note("tokens.keep", message, "make \"keep\" longer than \"refresh\"");
        }
        let ca = raw.jwks_ca.take().map(|file| self.base.join(file));
        Some(KeyPlace::Address(Fetching { address: address.ok()?, ca, refresh, again, keep }))
    }
}
