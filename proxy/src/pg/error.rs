//! How a step of the conversation can stop, and how an error looks on the wire.

use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_gateway::Notice;

/// Why a step of the conversation stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The client reads the error, and the session goes on.
    Error(Error),
    /// The client reads the error, and the connection ends.
    Fatal(Error),
    /// The client has gone: nothing to say to nobody.
    Gone,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Self {
        Stop::Gone
    }
}

/// The client broke the protocol.
pub(crate) fn violation(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ProtocolViolation, message)
}

/// The response to an error; its private cause goes to the log and nowhere else.
pub(crate) fn response(severity: &str, error: &Error) -> ErrorResponse {
    match error.cause() {
        Some(cause) => tracing::warn!(
            severity,
            sqlstate = error.kind().sqlstate(),
            // Escaped: both may quote the statement, and end in a terminal.
            text = ?error.message(),
            cause = ?shortened(&cause.to_string()),
            "statement failed"
        ),
        None => tracing::debug!(
            severity,
            sqlstate = error.kind().sqlstate(),
            text = ?error.message(),
            "statement refused"
        ),
    }
    let mut fields = head(severity, error.kind().sqlstate(), error.message());
    if let Some(detail) = error.detail() {
        fields.push((b'D', clean(detail)));
    }
    if let Some(hint) = error.hint() {
        fields.push((b'H', clean(hint)));
    }
    if let Some(position) = error.position() {
        fields.push((b'P', position.to_string()));
    }
    ErrorResponse::new(fields)
}

/// As much of a private text as a log line should hold.
fn shortened(text: &str) -> String {
    const MOST: usize = 2000;
    if text.chars().nth(MOST).is_none() {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("…".chars()).collect()
}

/// A notice.
pub(crate) fn notice(notice: &Notice) -> NoticeResponse {
    NoticeResponse::new(head(notice.severity, notice.code, &notice.message))
}

fn head(severity: &str, code: &str, message: &str) -> Vec<(u8, String)> {
    vec![
        (b'S', clean(severity)),
        (b'V', clean(severity)),
        (b'C', clean(code)),
        (b'M', clean(message)),
    ]
}

/// A zero byte would end the field and let the rest be read as another one.
pub(crate) fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}
