//! From the start-up packet to a session: parameters, authentication, greeting.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::{Cancel, CancelToken, Session, StartupSettings, revocation};
use tollgate_identity::{AuthError, ChannelBinding, ClientCertificates, Principal, ScramExchange};

use super::error::{Stop, violation};
use super::handshake::{self, Door, Opening};
use super::message::{self, Reader};
use super::session::Connection;
use super::wire::{Socket, Wire};
use crate::listener::Shared;

/// The start-up setting that says what the client authenticates with.
const AUTH: &str = "tollgate.auth";

/// The newest protocol that we speak.
const NEWEST: i32 = 3 << 16 | 2;

/// The bytes of a cancel secret: before protocol 3.2 it had to be a number of 32 bits.
const SHORT_SECRET: usize = 4;
const LONG_SECRET: usize = 32;

/// Takes a connection from its first byte to a session, or to its end.
///
/// Whatever goes wrong here is fatal: no client that failed to authenticate is ever told that the
/// server is ready for a query.
pub(crate) async fn start(
    socket: Box<dyn Socket>,
    peer: SocketAddr,
    shared: &Shared,
) -> Option<Connection> {
    let door = Door { tls: shared.tls.as_ref(), tls_mode: shared.tls_mode, limits: &shared.limits };
    match handshake::open(socket, &door).await {
        Opening::Nothing => None,
        Opening::Cancel { pid, secret, socket } => {
            // Behind a load balancer it may be a session of another gateway.
            if !shared.cancels.cancel(pid, &secret) {
                shared.gateway.peers().pass_on_for_stranger(&Cancel::session(pid, &secret));
            }
            drop(socket);
            None
        }
        Opening::Startup { mut wire, encrypted, certificates, version, body } => {
            let client = Client { peer, encrypted, certificates, version };
            match greet(&mut wire, client, body, shared).await {
                Ok(welcome) => Some(Connection::new(wire, welcome, &shared.limits)),
                Err(Stop::Error(error) | Stop::Fatal(error)) => {
                    wire.last_words(&error).await;
                    None
                }
                Err(Stop::Gone) => None,
            }
        }
    }
}

/// A session and what belongs to it.
pub(crate) struct Welcome {
    pub(crate) session: Session,
    pub(crate) cancel: CancelToken,
    pub(crate) registration: super::cancel::Registration,
    pub(crate) slot: tokio::sync::OwnedSemaphorePermit,
}

struct Client {
    peer: SocketAddr,
    encrypted: bool,
    certificates: Option<ClientCertificates>,
    version: i32,
}

async fn greet(
    wire: &mut Wire,
    client: Client,
    body: Bytes,
    shared: &Shared,
) -> Result<Welcome, Stop> {
    let parameters = Parameters::parse(body)?;
    let version = client.version.min(NEWEST);
    if client.version > NEWEST || !parameters.protocol_options.is_empty() {
        wire.put(&NegotiateProtocolVersion::new(version, parameters.protocol_options))?;
    }

    let user = &parameters.user;
    let certified = by_certificate(user, &client, shared).map_err(Stop::Fatal)?;
    let principal = match (parameters.by_token, certified) {
        (true, Some(_) | None) => by_token(wire, user, &client, shared).await?,
        (false, Some(principal)) => principal,
        (false, None) => authenticate(wire, user, &client, shared).await?,
    };
    tracing::debug!(user = principal.name(), peer = %client.peer, "authenticated");
    wire.put(&Authentication::Ok)?;

    let slot = Arc::clone(&shared.slots).try_acquire_owned().map_err(|_| {
        Error::new(ErrorKind::TooManyConnections, "sorry, too many clients already")
            .with_hint("close idle connections, or ask the operator for a higher limit")
    })?;
    let cancel = CancelToken::new();
    let length = if version >= NEWEST { LONG_SECRET } else { SHORT_SECRET };
    let registration = shared.cancels.register(length, &cancel);
    let settings = StartupSettings { backend_pid: registration.pid, ..parameters.settings };
    let (session, statuses) = Session::new(Arc::clone(&shared.gateway), principal, settings)?;
    // The users may have changed while this one authenticated; from here on a change finds the session.
    if !shared.users.read().is_current(session.principal()) {
        return Err(Stop::Fatal(revocation::ended()));
    }
    for (name, value) in statuses {
        wire.put(&ParameterStatus::new(name, value))?;
    }
    let secret = SecretKey::Bytes(Bytes::copy_from_slice(&registration.secret));
    wire.put(&BackendKeyData::new(registration.pid, secret))?;
    Ok(Welcome { session, cancel, registration, slot })
}

async fn authenticate(
    wire: &mut Wire,
    user: &str,
    client: &Client,
    shared: &Shared,
) -> Result<Principal, Stop> {
    let binding = match &shared.tls {
        Some(settings) if client.encrypted => {
            ChannelBinding::TlsServerEndPoint(settings.end_point_hash.clone())
        }
        Some(_) | None => ChannelBinding::None,
    };
    let users = Arc::clone(&shared.users.read());
    let address = client.peer.ip().to_canonical();
    let exchange = ScramExchange::new(users, user, address, binding);
    let mechanisms = exchange.mechanisms().iter().map(|name| (*name).to_owned()).collect();
    wire.put(&Authentication::SASL(mechanisms))?;
    wire.flush().await?;

    let (mechanism, data) = message::sasl_initial(wire.password().await?)?;
    let (challenge, reply) =
        exchange.first(&mechanism, &data).map_err(|error| refusal(error, user))?;
    wire.put(&Authentication::SASLContinue(reply.into()))?;
    wire.flush().await?;

    let data = wire.password().await?;
    let (principal, reply) = challenge.finish(&data).map_err(|error| refusal(error, user))?;
    wire.put(&Authentication::SASLFinal(reply.into()))?;
    Ok(principal)
}

/// Authenticates by the certificates that the client has shown, as PostgreSQL's `cert` does. If they name
/// nobody, something else has to be shown; if they name somebody else, nothing else helps.
fn by_certificate(
    user: &str,
    client: &Client,
    shared: &Shared,
) -> Result<Option<Principal>, Error> {
    let users = Arc::clone(&shared.users.read());
    let certified = || {
        let judged = users.judge_certificates(client.certificates.as_ref(), now())?;
        judged.allows(user)?;
        let named = judged.names(user);
        named.then(|| users.verify_certificates(judged, client.peer.ip())).transpose()
    };
    certified().map_err(|error| refusal(error, user))
}

/// The time, in seconds since 1970; without a clock everything has expired.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |now| now.as_secs())
}

/// Authenticates by another issuer's token, sent as the password.
async fn by_token(
    wire: &mut Wire,
    user: &str,
    client: &Client,
    shared: &Shared,
) -> Result<Principal, Stop> {
    if !client.encrypted {
        return Err(Stop::Fatal(
            Error::new(ErrorKind::InvalidAuthorization, "a token needs an encrypted connection")
                .with_hint("connect with sslmode=verify-full"),
        ));
    }
    wire.put(&Authentication::CleartextPassword)?;
    wire.flush().await?;
    let data = wire.password().await?;
    let token = data.strip_suffix(b"\0").and_then(|token| str::from_utf8(token).ok());
    shared.gateway.wait_for_key(token.unwrap_or_default()).await;
    let users = Arc::clone(&shared.users.read());
    let principal = token
        .ok_or(AuthError::Token)
        .and_then(|token| users.verify_issued_token(token, client.peer.ip(), now()))
        // Policies know the token's name; the client's own word for it has to be the same.
        .and_then(|principal| match principal.name() == user {
            true => Ok(principal),
            false => Err(AuthError::Token),
        });
    principal.map_err(|error| Stop::Fatal(refusal(error, user)))
}

/// The text for the client: the same for an unknown user and for a wrong password.
fn refusal(error: AuthError, user: &str) -> Error {
    tracing::info!(user, %error, "authentication failed");
    match error {
        AuthError::Malformed(what) => violation("malformed SCRAM message").with_detail(what),
        AuthError::Failed => Error::new(
            ErrorKind::InvalidPassword,
            format!("password authentication failed for user \"{user}\""),
        ),
        AuthError::Token => Error::new(
            ErrorKind::InvalidPassword,
            format!("token authentication failed for user \"{user}\""),
        ),
        AuthError::Certificate => Error::new(
            ErrorKind::InvalidAuthorization,
            format!("certificate authentication failed for user \"{user}\""),
        ),
        AuthError::UnsupportedMechanism => {
            violation("client selected an invalid SASL authentication mechanism")
        }
        AuthError::ChannelBinding => {
            Error::new(ErrorKind::InvalidAuthorization, "SCRAM channel binding check failed")
        }
    }
    .with_hint(error.hint())
}

/// The parameters of the start-up packet.
#[derive(Debug)]
struct Parameters {
    user: String,
    settings: StartupSettings,
    /// Whether the password is to be another issuer's token.
    by_token: bool,
    /// The `_pq_.` options: we know none.
    protocol_options: Vec<String>,
}

impl Parameters {
    fn parse(body: Bytes) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let (mut user, mut database, mut application_name) = (None, None, String::new());
        let (mut options, mut named) = (Vec::new(), Vec::new());
        let mut protocol_options = Vec::new();
        loop {
            let name = reader.text()?;
            if name.is_empty() {
                break;
            }
            let value = reader.text()?;
            match name.as_str() {
                "user" => user = Some(value),
                "database" => database = Some(value),
                "application_name" => application_name = value,
                "options" => options.extend(command_line(&value)?),
                "replication" => match value.to_ascii_lowercase().as_str() {
                    "" | "0" | "f" | "false" | "n" | "no" | "off" => {}
                    _ => return Err(Error::not_supported("replication")),
                },
                option if option.starts_with("_pq_.") => protocol_options.push(name),
                _ => named.push((name, value)),
            }
        }
        if !reader.is_empty() {
            return Err(violation(
                "invalid startup packet layout: expected terminator as last byte",
            ));
        }
        let user = user.filter(|user| !user.is_empty()).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidAuthorization,
                "no PostgreSQL user name specified in startup packet",
            )
        })?;
        let database = database.filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
        // As in PostgreSQL, a setting of its own overrules the same one in `options`.
        options.append(&mut named);
        let mut by_token = false;
        for (_, value) in options.extract_if(.., |(name, _)| name == AUTH) {
            by_token = match value.as_str() {
                "token" => true,
                "password" => false,
                _ => {
                    return Err(Error::new(
                        ErrorKind::InvalidParameterValue,
                        format!("invalid value for parameter \"{AUTH}\": \"{value}\""),
                    )
                    .with_hint("write \"token\" or \"password\""));
                }
            };
        }
        let settings =
            StartupSettings { application_name, database, options, ..StartupSettings::default() };
        Ok(Self { user, settings, by_token, protocol_options })
    }
}

/// The settings in the parameter `options`: `-c name=value` and `--name=value`, words separated by
/// white space, with a backslash before a character that is meant literally.
fn command_line(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut settings = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") if word == "-c" => words.next(),
            Some(rest) => Some(rest.to_owned()),
            None => None,
        };
        let (name, value) = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='))
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Syntax,
                    format!("invalid command-line argument for server process: {word}"),
                )
                .with_hint("write options as \"-c name=value\"")
            })?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let literal = if character == '\\' { characters.next() } else { Some(character) };
        word.get_or_insert_default().extend(literal);
    }
    words.extend(word);
    words
}

/// The parameters of a start-up packet, for fuzzing.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(body: Bytes) -> Result<String, Error> {
    Parameters::parse(body).map(|parameters| format!("{parameters:?}"))
}

#[cfg(test)]
mod tests;
