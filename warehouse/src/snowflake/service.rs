//! Calls to the service: their form, and which of them are tried again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use tokio_rustls::rustls::ClientConfig;
use tollgate_catalog::{Error, ErrorKind};
use url::Url;

use super::Options;
use super::error::{lost, malformed, unreachable};
use crate::http::{AGENT, Http, head, origin};

/// The longest answer that is read, in bytes: inline rows are few, but there may be many chunks.
const MAX_ANSWER: usize = 64 << 20;
/// The longest piece of a result as it comes, in bytes. The service makes them of some 10 MiB.
const MAX_CHUNK: usize = 64 << 20;
/// How often a call is made.
const TRIES: u32 = 7;
/// The longest pause between two tries, in times of the shortest.
const LONGEST: u32 = 16;

/// A piece of a result that isn't in the answer itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    pub(super) url: String,
    #[serde(default)]
    pub(super) row_count: u64,
    #[serde(default)]
    pub(super) compressed_size: Option<u64>,
    #[serde(default)]
    pub(super) uncompressed_size: Option<u64>,
}

/// A column as the service describes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Described {
    #[serde(default)]
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) scale: Option<i8>,
}

/// What calls answer; each its own part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Data {
    pub(super) token: Option<String>,
    pub(super) master_token: Option<String>,
    pub(super) session_token: Option<String>,
    pub(super) sql_state: Option<String>,
    pub(super) get_result_url: Option<String>,
    pub(super) rowtype: Option<Vec<Described>>,
    pub(super) query_result_format: Option<String>,
    pub(super) rowset_base64: Option<String>,
    pub(super) rowset: Option<Vec<Vec<Option<String>>>>,
    pub(super) chunks: Option<Vec<Chunk>>,
    /// How many rows there are in all.
    pub(super) total: Option<i64>,
    pub(super) chunk_headers: Option<std::collections::BTreeMap<String, String>>,
    pub(super) qrmk: Option<String>,
    pub(super) query_id: Option<String>,
    pub(super) queries: Option<Vec<Monitored>>,
    pub(super) session_info: Option<SessionInfo>,
}

/// What a session begins with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionInfo {
    #[serde(default)]
    pub(super) warehouse_name: Option<String>,
}

/// What the service has counted of a statement.
#[derive(Debug, Deserialize)]
pub(super) struct Monitored {
    pub(super) stats: Option<Stats>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    pub(super) scan_bytes: Option<u64>,
}

/// An answer of the service.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    #[serde(default)]
    pub(super) success: bool,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) data: Option<Data>,
}

/// A call.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) parameters: Vec<(&'static str, String)>,
    /// The same in all tries, so that the service knows them as one.
    pub(super) request: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) body: Bytes,
}

/// The service of one account.
pub(super) struct Service {
    http: Http,
    base: Url,
    pub(super) options: Options,
    tls: Option<Arc<ClientConfig>>,
}

impl Service {
    pub(super) fn new(options: Options) -> Result<Self, Error> {
        let base = service(&options.address)?;
        let tls = options.tls.clone();
        Ok(Self { http: Http::new(tls.clone()), base, options, tls })
    }

    /// Whether connections can be encrypted.
    pub(super) fn encrypts(&self) -> bool {
        self.tls.is_some()
    }

    /// Makes a call, again if it is worth it: if the service is busy, or the connection broke.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Reply, Error> {
        let started = millis();
        let mut reason = 0;
        for attempt in 0..TRIES {
            if attempt > 0 {
                self.pause(attempt).await?;
            }
            let (url, request) = self.request(&call, attempt, reason, &started)?;
            match self.http.send(&url, request, MAX_ANSWER).await {
                Ok(answer) if answer.status == 200 => {
                    match serde_json::from_slice(&answer.body) {
                        Ok(reply) => return Ok(reply),
                        // Something between here and there answers in its place.
                        Err(_) if attempt < 1 => reason = 0,
                        Err(error) => return Err(malformed(error.to_string())),
                    }
                }
                Ok(answer) if busy(answer.status) && attempt + 1 < TRIES => {
                    reason = answer.status;
                }
                Ok(answer) => return Err(unreachable(format!("HTTP status {}", answer.status))),
                Err(_) if attempt + 1 < TRIES => reason = 0,
                Err(cause) => return Err(unreachable(cause)),
            }
        }
        Err(unreachable("too many tries"))
    }

    fn request(
        &self,
        call: &Call<'_>,
        attempt: u32,
        reason: u16,
        started: &str,
    ) -> Result<(Url, Request<Full<Bytes>>), Error> {
        let mut url = self.inside(call.path)?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("requestId", call.request);
            query.append_pair("request_guid", &identifier()?);
            for (name, value) in &call.parameters {
                query.append_pair(name, value);
            }
            if attempt > 0 {
                query.append_pair("retryCount", &attempt.to_string());
                query.append_pair("retryReason", &reason.to_string());
                query.append_pair("clientStartTime", started);
            }
        }
        let mut request = head(&call.method, &url)
            .header("Accept", "application/snowflake")
            .header("Content-Type", "application/json")
            .header("User-Agent", AGENT);
        if let Some(token) = call.token {
            request = request.header("Authorization", format!("Snowflake Token=\"{token}\""));
        }
        let request = request.body(Full::new(call.body.clone())).map_err(Error::internal)?;
        Ok((url, request))
    }

    /// An address of this very service: one that it names itself may not lead elsewhere.
    fn inside(&self, path: &str) -> Result<Url, Error> {
        let url = self.base.join(path).map_err(|error| malformed(error.to_string()))?;
        if url.origin() != self.base.origin() {
            return Err(malformed("an address of the service leads elsewhere"));
        }
        Ok(url)
    }

    /// Fetches a piece of a result. Where it is stored nobody gets a token of ours.
    pub(super) async fn fetch(
        &self,
        chunk: &Chunk,
        headers: &[(String, String)],
    ) -> Result<Bytes, Error> {
        let url = Url::parse(&chunk.url).map_err(|error| malformed(error.to_string()))?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                self.pause(attempt).await?;
            }
            let mut request = head(&Method::GET, &url);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let request = request.body(Full::default()).map_err(|e| malformed(e.to_string()))?;
            match self.http.send(&url, request, MAX_CHUNK).await {
                Ok(answer) if answer.status == 200 => return Ok(answer.body),
                Ok(answer) if busy(answer.status) && attempt + 1 < TRIES => {}
                Ok(answer) => {
                    // They are kept for some hours only.
                    return Err(lost(format!(
                        "a piece of the result: HTTP status {}",
                        answer.status
                    )));
                }
                Err(_) if attempt + 1 < TRIES => {}
                Err(cause) => return Err(lost(cause)),
            }
        }
        Err(lost("too many tries"))
    }

    /// Waits before another try: twice as long as before the last one, and not in step with others.
    async fn pause(&self, attempt: u32) -> Result<(), Error> {
        let times = 2_u32.saturating_pow(attempt - 1).min(LONGEST);
        let longest = self.options.pause.saturating_mul(times);
        let share = f64::from(u16::from_be_bytes(random()?)) / f64::from(u16::MAX);
        tokio::time::sleep(longest.mul_f64(0.5 + share / 2.0)).await;
        Ok(())
    }
}

/// The address of a service.
///
/// # Errors
/// It isn't one, or would send credentials without TLS to another machine.
fn service(address: &str) -> Result<Url, Error> {
    let invalid = |what: &str| {
        Error::new(ErrorKind::InvalidParameterValue, what.to_owned())
            .with_hint("name the account's address as \"https://xy12345.snowflakecomputing.com\"")
    };
    let url =
        Url::parse(address).map_err(|_| invalid("the address of the service is not valid"))?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the address of the service is not valid"));
    }
    origin(&url).map_err(|cause| invalid(&cause.to_string()))?;
    Ok(url)
}

/// Whether a status says that another try may go well.
fn busy(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

fn millis() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    now.as_millis().to_string()
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::internal("the system gave no random bytes"))?;
    Ok(bytes)
}

/// A random identifier (UUID, version 4).
pub(super) fn identifier() -> Result<String, Error> {
    let mut bits = u128::from_be_bytes(random()?);
    bits = (bits & !(0xf << 76)) | (4 << 76);
    bits = (bits & !(0x3 << 62)) | (2 << 62);
    let hex = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    #[test]
    fn credentials_go_to_other_machines_with_tls_only() {
        for address in ["https://xy.snowflakecomputing.com", "http://127.0.0.1:9", "http://[::1]:9"]
        {
            assert!(super::service(address).is_ok(), "{address}");
        }
        for address in [
            "http://xy.snowflakecomputing.com",
            "ftp://127.0.0.1",
            "https://user:password@host",
            "https://host/path",
            "xy12345",
        ] {
            assert!(super::service(address).is_err(), "{address}");
        }
    }

    #[test]
    fn identifiers_have_the_form_that_the_service_knows() {
        let id = super::identifier().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        assert_ne!(id, super::identifier().unwrap());
    }
}
