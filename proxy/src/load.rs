//! From a configuration file to all that a server needs, or to every error in any of it.

mod catalog;
mod policies;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use tollgate_catalog::{OWN_SCHEMA, Snapshot, Table};
use tollgate_gateway::KeySource;
use tollgate_gateway::config::{
    Config, ConfigError, Fetching, KeyPlace, MaskKey, Tokens, Warehouse,
};
use tollgate_identity::{ClientAuthority, Issuer, IssuerSettings, SealKeys, UserStore};
use tollgate_policy::{Bundle, MaskSecret, SourceFile};
use tollgate_rewriter::Registry;
use tollgate_warehouse::embedded::Embedded;
use tollgate_warehouse::postgres;

use crate::clients::{self, Clients};
use crate::listener::TlsSettings;
use crate::place::{self, NotFound};
use crate::tls;
use crate::watch::Watch;

pub(crate) use catalog::Found;
use catalog::snapshot;
pub(crate) use policies::again;
use policies::{bundle, folder, source, sources};

/// Everything that a configuration names, read and valid.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Who may connect.
    pub users: Arc<UserStore>,
    /// The tables.
    pub snapshot: Arc<Snapshot>,
    /// The policies.
    pub bundle: Arc<Bundle>,
    /// The functions.
    pub registry: Arc<Registry>,
    /// TLS, if there is a certificate.
    pub tls: Option<TlsSettings>,
    /// What seals tokens and handles of Flight clients.
    pub keys: Arc<SealKeys>,
    /// The issuer whose tokens `users` believe.
    pub(crate) believed: Option<Believed>,
    pub(crate) path: PathBuf,
    pub(crate) watch: Watch,
    pub(crate) secret: Arc<MaskSecret>,
    /// What each warehouse has.
    pub(crate) found: Found,
    /// The policies as they are written.
    pub(crate) sources: Vec<SourceFile>,
}

/// Every error that was found: each says where, what and what to do.
#[derive(Debug, Default)]
pub struct Errors(Vec<String>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Errors {
    fn add(&mut self, error: impl fmt::Display) {
        self.0.push(error.to_string());
    }

    /// The value, or nothing and the errors noted.
    fn note<T, E: fmt::Display>(
        &mut self,
        result: Result<T, impl IntoIterator<Item = E>>,
    ) -> Option<T> {
        result.map_err(|errors| errors.into_iter().for_each(|error| self.add(error))).ok()
    }
}

/// What a reload makes anew.
pub(crate) struct Reloaded {
    pub(crate) users: String,
    /// Whose tokens are believed, if any are.
    pub(crate) believed: Option<Believed>,
    /// Whose client certificates are believed, if any are.
    pub(crate) authority: Option<Arc<ClientAuthority>>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) config: Config,
    /// What each warehouse has.
    pub(crate) found: Found,
    /// The policies as they are written.
    pub(crate) sources: Vec<SourceFile>,
    /// The shared keys, if there is a file of them.
    pub(crate) keys: Option<Arc<SealKeys>>,
    /// The files that are to be watched from now on.
    pub(crate) watch: Watch,
}

/// The issuer whose tokens are believed.
pub(crate) struct Believed {
    pub(crate) issuer: Arc<Issuer>,
    /// Where its keys are fetched, if it hasn't got them.
    pub(crate) source: Option<KeySource>,
}

/// Reads the configuration at `path` and all that it names.
pub fn load(path: &Path) -> Result<Loaded, Errors> {
    load_over(path, None)
}

/// The same over another folder of data, if one is named.
pub(crate) fn load_over(path: &Path, data: Option<&Path>) -> Result<Loaded, Errors> {
    let mut errors = Errors::default();
    let Some(mut config) = errors.note(configuration(path)) else { return Err(errors) };
    if let Some(data) = data {
        config = config.over(data);
    }
    let watch = Watch::new(path, &config);
    let registry =
        Arc::new(Registry::new(&tollgate_gateway::Functions::new(Embedded::udf_source())));
    let users =
        users(&config, &mut errors).and_then(|text| parse_users(&config, &text, &mut errors));
    let believed = believed(&config, &mut errors);
    let secret = match secret(&config) {
        Ok(secret) => Some(Arc::new(secret)),
        Err(error) => {
            errors.add(error);
            None
        }
    };
    let found = catalog::find(&config, |_, _| None, &mut errors);
    let snapshot = found.as_ref().and_then(|found| snapshot(&config, found, 1, &mut errors));
    let sources = sources(&config, &mut errors);
    let bundle = match (&snapshot, &sources, &secret) {
        (Some(snapshot), Some(sources), Some(secret)) => {
            bundle(&config, sources, snapshot, &registry, secret, &mut errors)
        }
        _ => None,
    };
    let policies = found.zip(sources).zip(bundle);
    let authority = authority(&config, &mut errors);
    let tls = certificate(&config, authority.as_ref(), &mut errors);
    let keys = seal_keys(&config, &mut errors).or_else(|| errors.note(random_keys()));
    match (users, believed, secret, snapshot, policies, keys) {
        (
            Some(users),
            Some(believed),
            Some(secret),
            Some(snapshot),
            Some(((found, sources), bundle)),
            Some(keys),
        ) if errors.0.is_empty() => {
            let issuer = believed.as_ref().map(|believed| Arc::clone(&believed.issuer));
            let users = Arc::new(users.with_issuer(issuer).with_authority(authority));
            let path = path.to_owned();
            Ok(Loaded {
                config,
                users,
                snapshot,
                bundle,
                registry,
                tls,
                keys,
                believed,
                path,
                watch,
                secret,
                found,
                sources,
            })
        }
        _ => Err(errors),
    }
}

/// Reads again what may change while a server runs: users, tables, policies and warehouses. Where a
/// warehouse can't be asked for its tables, `known` may know those of before.
pub(crate) fn reload<'a>(
    path: &Path,
    version: u64,
    (registry, secret): (&Registry, &MaskSecret),
    known: impl Fn(&Config, &Warehouse, &NotFound) -> Option<&'a Vec<Table>>,
) -> Result<Reloaded, Errors> {
    let mut errors = Errors::default();
    let Some(config) = errors.note(configuration(path)) else { return Err(errors) };
    let watch = Watch::new(path, &config);
    let text = users(&config, &mut errors);
    if let Some(text) = &text {
        parse_users(&config, text, &mut errors);
    }
    let believed = believed(&config, &mut errors);
    let authority = authority(&config, &mut errors);
    let known = |warehouse: &Warehouse, why: &NotFound| known(&config, warehouse, why);
    let found = catalog::find(&config, known, &mut errors);
    let snapshot = found.as_ref().and_then(|found| snapshot(&config, found, version, &mut errors));
    let sources = sources(&config, &mut errors);
    let bundle = match (&snapshot, &sources) {
        (Some(snapshot), Some(sources)) => {
            bundle(&config, sources, snapshot, registry, secret, &mut errors)
        }
        _ => None,
    };
    let keys = seal_keys(&config, &mut errors);
    match (text, believed, snapshot.zip(bundle), found.zip(sources)) {
        (Some(users), Some(believed), Some((snapshot, bundle)), Some((found, sources)))
            if errors.0.is_empty() =>
        {
            Ok(Reloaded {
                users,
                believed,
                authority,
                snapshot,
                bundle,
                config,
                found,
                sources,
                keys,
                watch,
            })
        }
        _ => Err(errors),
    }
}

impl Loaded {
    /// One paragraph for the operator who checks.
    pub fn summary(&self) -> String {
        let tables = || self.snapshot.tables().filter(|table| !table.is_record());
        let columns: usize = tables().map(|table| table.columns.len()).sum();
        let schemas = self.snapshot.schemas().filter(|schema| *schema != OWN_SCHEMA);
        let mut lines = vec![
            format!("{} is valid", self.path.display()),
            format!("  users     {}", self.users.names().count()),
            format!("  schemas   {}", schemas.count()),
            format!("  tables    {}, with {columns} columns", tables().count()),
            format!("  roles     {}", self.bundle.roles().count()),
            format!("  bundle    {}", self.bundle.hash()),
            format!("  tokens    {}", if self.users.issuer().is_some() { "yes" } else { "no" }),
            format!("  tls       {}", if self.tls.is_some() { "yes" } else { "no" }),
        ];
        if let [_, _, ..] = self.config.warehouses.as_slice() {
            for (name, tables) in &self.found {
                let mut schemas: Vec<_> = tables.iter().map(|t| t.name.schema.as_str()).collect();
                schemas.dedup();
                let (schemas, count) = (schemas.join(", "), tables.len());
                lines.push(format!("  warehouse \"{name}\": {count} tables in {schemas}"));
            }
        }
        for user in self.bundle.users() {
            if self.users.issuer().is_none() && !self.users.names().any(|name| name == user) {
                lines.push(format!("  note: user \"{user}\" has roles but can't connect"));
            }
        }
        if self.config.mask_key.is_none() {
            lines
                .push("  note: there is no mask key: hash masks change with each start".to_owned());
        }
        lines.join("\n")
    }
}

impl Loaded {
    /// The policies of another folder, or of one file, over the same catalog and with the same key.
    pub(crate) fn other_bundle(&self, path: &Path) -> Result<Arc<Bundle>, String> {
        let hint = "name a folder of .sql files, or one file";
        let files = if path.is_dir() { folder(path) } else { source(path).map(|file| vec![file]) };
        let files = files.map_err(|error| {
            format!("error: could not read \"{}\": {error}\n  hint: {hint}", path.display())
        })?;
        if files.is_empty() {
            return Err(format!(
                "error: there are no .sql files in \"{}\"\n  hint: {hint}",
                path.display()
            ));
        }
        Bundle::load(&files, &self.snapshot, self.registry.as_ref(), &self.secret)
            .map(|bundle| Arc::new(bundle.paid_by(&self.config.ledger.tenant)))
            .map_err(|diagnostics| diagnostics.to_string())
    }
}

pub(crate) fn configuration(path: &Path) -> Result<Config, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| {
        vec![format!(
            "{}: error: could not read the configuration: {error}\n  hint: name it with --config",
            path.display()
        )]
    })?;
    Config::parse(path, &text).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn users(config: &Config, errors: &mut Errors) -> Option<String> {
    let text = fs::read_to_string(&config.users).map_err(|error| {
        [config.error(
            "users.file",
            format!("could not read \"{}\": {error}", config.users.display()),
            "make it with `tollgate user add NAME --file …`",
        )]
    });
    errors.note(text)
}

fn parse_users(config: &Config, text: &str, errors: &mut Errors) -> Option<UserStore> {
    let file = config.users.display();
    errors.note(UserStore::parse(text).map_err(|errors| {
        let errors = errors.into_iter();
        errors.map(move |error| {
            format!("{file}:{}: error: {}\n  hint: {}", error.line, error.message, error.hint)
        })
    }))
}

/// The issuer of tokens, if there is to be one: with its keys, or with where they are fetched.
fn believed(config: &Config, errors: &mut Errors) -> Option<Option<Believed>> {
    let Some(Tokens { settings, keys }) = &config.tokens else { return Some(None) };
    let believed = match keys {
        KeyPlace::File(path) => issuer(config, settings, path).map(|issuer| (issuer, None)),
        KeyPlace::Address(fetching) => key_source(config, fetching)
            .map(|source| (Issuer::without_keys(settings.clone()), Some(source))),
    };
    let believed = believed.map(|(issuer, source)| Believed { issuer: Arc::new(issuer), source });
    errors.note(believed.map_err(|error| [error])).map(Some)
}

fn key_source(config: &Config, fetching: &Fetching) -> Result<KeySource, ConfigError> {
    let Fetching { address, ca, refresh, again, keep } = fetching.clone();
    let mut authorities = Vec::new();
    if address.is_encrypted() {
        let hint = "name a PEM file with the certificates of authorities";
        let bad = |error: String| config.error("tokens.jwks_ca", error, hint);
        authorities = place::authorities_of(ca.as_deref()).map_err(bad)?;
        postgres::trusting(&authorities).map_err(|error| bad(error.to_string()))?;
    }
    Ok(KeySource { address, authorities, refresh, again, keep })
}

fn issuer(config: &Config, settings: &IssuerSettings, path: &Path) -> Result<Issuer, ConfigError> {
    let hint = "save the issuer's key set (its \"jwks_uri\") in this file";
    let file = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        config.error("tokens.keys", format!("could not read \"{file}\": {error}"), hint)
    });
    text.and_then(|text| {
        let issuer = Issuer::new(settings.clone(), &text);
        issuer.map_err(|error| config.error("tokens.keys", format!("\"{file}\": {error}"), hint))
    })
}

fn secret(config: &Config) -> Result<MaskSecret, String> {
    let hint = "write 64 hexadecimal digits, as `openssl rand -hex 32` prints them";
    let (key, text) = match &config.mask_key {
        Some(MaskKey::File(path)) => {
            ("secrets.mask_key_file", fs::read_to_string(path).map_err(|error| error.to_string()))
        }
        Some(MaskKey::Environment(variable)) => {
            ("secrets.mask_key_env", std::env::var(variable).map_err(|error| error.to_string()))
        }
        None => {
            let mut bytes = [0; 32];
            return match SystemRandom::new().fill(&mut bytes) {
                Ok(()) => Ok(MaskSecret::new(bytes)),
                Err(_) => Err("error: the system gave no random bytes".to_owned()),
            };
        }
    };
    let text = text.map_err(|error| {
        config.error(key, format!("could not read the mask key: {error}"), hint).to_string()
    })?;
    match bytes(text.trim()) {
        Some(bytes) => Ok(MaskSecret::new(bytes)),
        None => {
            Err(config.error(key, "the mask key is not 32 bytes in hexadecimal", hint).to_string())
        }
    }
}

fn bytes(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks_exact(2).filter_map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    let bytes: Vec<u8> = if digits.len() == 64 { pairs.collect() } else { return None };
    bytes.try_into().ok()
}

/// The keys that replicas share, if there is a file of them.
fn seal_keys(config: &Config, errors: &mut Errors) -> Option<Arc<SealKeys>> {
    let path = config.flight.as_ref()?.key_file.as_ref()?;
    let keys = fs::read_to_string(path)
        .map_err(|error| error.to_string())
        .and_then(|text| SealKeys::parse(&text).map_err(|error| error.to_string()));
    let keys = keys.map_err(|error| {
        [config.error(
            "flight.key_file",
            format!("could not read the keys in \"{}\": {error}", path.display()),
            "write a key a line: 64 hexadecimal digits, as `openssl rand -hex 32` prints them",
        )]
    });
    errors.note(keys).map(Arc::new)
}

fn random_keys() -> Result<Arc<SealKeys>, [String; 1]> {
    SealKeys::random().map(Arc::new).map_err(|error| [format!("error: {error}")])
}

/// The authorities of client certificates, if there are to be any. What is wrong with them is noted.
fn authority(config: &Config, errors: &mut Errors) -> Option<Arc<ClientAuthority>> {
    let authority = clients::read(config.clients.as_ref()?).map_err(|(key, message)| {
        [config.error(key, message, "name a PEM file with certificates, or lists, of authorities")]
    });
    errors.note(authority).map(Arc::new)
}

fn certificate(
    config: &Config,
    authority: Option<&Arc<ClientAuthority>>,
    errors: &mut Errors,
) -> Option<TlsSettings> {
    let files = config.pg.certificate.as_ref()?;
    let clients = Clients::default();
    clients.replace(authority.cloned());
    errors.note(tls::read(&files.cert, &files.key, clients).map_err(|(key, message)| {
        [config.error(key, message, "name PEM files that belong together")]
    }))
}
