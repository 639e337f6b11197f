//! Events over HTTP: a JSON array per request (of CloudEvents: the batched mode), with a bearer token.
//! Whatever a receiver answers but success, the events are sent again.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tollgate_gateway::config::{Events, Export};
use tollgate_ledger::export::Event;
use zeroize::Zeroizing;

use super::Trouble;
use super::connect::{ANSWER, Peer};
use crate::place;

/// How long the rest of an answer is waited for: what it says is of no interest.
const REST: Duration = Duration::from_secs(1);

/// What a receiver says that will never take the events as they are.
const REFUSALS: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// The token that goes along, if one is to.
///
/// # Errors
/// It can't be read, or is not one.
pub(super) fn token(export: &Export) -> Result<Option<Zeroizing<String>>, String> {
    let Some(secret) = &export.token else { return Ok(None) };
    let bytes =
        place::secret_of(secret).map_err(|error| format!("could not read the token: {error}"))?;
    let token = std::str::from_utf8(bytes.trim_ascii()).ok();
    let token = token
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    match token {
        Some(token) => Ok(Some(Zeroizing::new(token.to_owned()))),
        None => Err("what is in the token's place is not a token".to_owned()),
    }
}

/// Sends events, and waits until the receiver says that it has them.
///
/// # Errors
/// It doesn't, and why.
pub(super) async fn post(
    peer: &Peer,
    export: &Export,
    token: Option<Zeroizing<String>>,
    events: &[Event],
) -> Result<(), Trouble> {
    let request = request(export, token, events)?;
    let posted = async {
        let stream = peer.connect().await?;
        let said = |error: hyper::Error| format!("the receiver did not answer: {error}");
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(said)?;
        // It is driven here: whoever stops waiting ends it.
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(said)?;
            let status = answer.status();
            let _ = timeout(REST, answer.into_body().frame()).await;
            match status.is_success() {
                true => Ok(()),
                false => Err(Trouble {
                    text: format!("the receiver answers with status {}", status.as_u16()),
                    refuses: REFUSALS.contains(&status),
                }),
            }
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            done = &mut exchange => done,
            // What the answer was is known to the exchange.
            _ = &mut connection => exchange.await,
        }
    };
    let posted = timeout(ANSWER, posted).await;
    posted.unwrap_or_else(|_| Err("the receiver did not answer in time".to_owned().into()))
}

fn request(
    Export { to, events: of, .. }: &Export,
    token: Option<Zeroizing<String>>,
    events: &[Event],
) -> Result<Request<Full<Bytes>>, String> {
    let mut body = "[".to_owned();
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            body.push_str(",\n");
        }
        body.push_str(&event.json);
    }
    body.push(']');
    let host = match to.host.contains(':') {
        true => format!("[{}]:{}", to.host, to.port),
        false => format!("{}:{}", to.host, to.port),
    };
    let content = match of {
        Events::Ocsf => "application/json",
        Events::Usage => "application/cloudevents-batch+json",
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&to.path)
        .header(HOST, host)
        .header(CONTENT_TYPE, content)
        .header(ACCEPT, "*/*")
        .header(USER_AGENT, concat!("tollgate/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = token {
        let bearer = Zeroizing::new(format!("Bearer {}", *token));
        let mut value = HeaderValue::from_str(&bearer).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())
}
