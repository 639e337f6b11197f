//! Sessions: logged in, renewed, and one for each statement that runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, oneshot};
use tollgate_catalog::Error;
use zeroize::Zeroizing;

use super::attribution::tag;
use super::compute::is_called;
use super::error::{Said, malformed, public, unreachable};
use super::pool::Pool;
use super::service::{Call, Data, Reply, Service, identifier};
use crate::credits::{Clock, Run};
use crate::estimate::Usage;

/// How often a token is renewed for one call.
const RENEWALS: usize = 3;
/// How long is waited between two questions whether a statement is done.
const LEAST_WAIT: Duration = Duration::from_millis(500);
const MOST_WAIT: Duration = Duration::from_secs(5);

/// How long the service is asked what a statement has scanned.
const PATIENCE: Duration = Duration::from_secs(5);

/// The token of a session is old: another is to be had for the master token.
const EXPIRED: &str = "390112";
/// It is gone, or never was.
const GONE: [&str; 3] = ["390104", "390111", "390114"];
/// The statement runs on.
const RUNNING: [&str; 2] = ["333333", "333334"];

/// What a session is known by.
struct Tokens {
    session: Zeroizing<String>,
    master: Zeroizing<String>,
}

/// A session.
pub(super) struct Session {
    service: Arc<Service>,
    /// The virtual warehouse that runs its statements, also after it has logged in anew; none: the user's own.
    warehouse: Option<Arc<str>>,
    tokens: Mutex<Arc<Tokens>>,
    /// Held by whoever renews, so that others wait for that instead of renewing too.
    renewing: Semaphore,
}

/// A statement of ours with what belongs to it.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) bindings: Map<String, Value>,
    /// What records call it: the account's history of queries shows that.
    pub(super) id: Option<String>,
    /// What else it shows, besides the request.
    pub(super) tag: Value,
    /// How long it may run at the service, in seconds.
    pub(super) timeout: Option<u64>,
    /// Whether it is compiled, and its columns are told, and no more.
    pub(super) describe_only: bool,
    /// What is noted of it.
    pub(super) counter: Counter,
}

/// Where it is noted what a statement uses.
#[derive(Default)]
pub(super) struct Counter {
    /// How long it runs, where that is charged.
    pub(super) time: Option<(Arc<Clock>, Arc<Usage>)>,
    /// Whether others may learn from it how fast the warehouse scans.
    pub(super) tells: bool,
    /// What it has scanned, and who waits for that; dropped when it is done.
    pub(super) scan: Option<(Arc<Usage>, oneshot::Sender<()>)>,
}

impl Session {
    pub(super) async fn open(
        service: Arc<Service>,
        warehouse: Option<Arc<str>>,
    ) -> Result<Self, Error> {
        let tokens = Mutex::new(Arc::new(login(&service, warehouse.as_deref()).await?));
        Ok(Self { service, warehouse, tokens, renewing: Semaphore::new(1) })
    }

    /// Makes a call as this session; with a new token if the old one is.
    async fn call(
        &self,
        method: Method,
        path: &str,
        request: &str,
        body: &Bytes,
    ) -> Result<Reply, Error> {
        for _ in 0..RENEWALS {
            let tokens = Arc::clone(&self.tokens.lock());
            let call = Call {
                method: method.clone(),
                path,
                parameters: Vec::new(),
                request,
                token: Some(&tokens.session),
                body: body.clone(),
            };
            let reply = self.service.call(call).await?;
            match reply.code.as_deref() {
                Some(EXPIRED) => self.renew(&tokens, false).await?,
                Some(code) if GONE.contains(&code) => self.renew(&tokens, true).await?,
                Some(_) | None => return Ok(reply),
            }
        }
        Err(unreachable("the session's token is refused again and again"))
    }

    /// Gets new tokens, unless somebody else just did.
    async fn renew(&self, old: &Arc<Tokens>, gone: bool) -> Result<(), Error> {
        let _alone = self.renewing.acquire().await.map_err(Error::internal)?;
        if !Arc::ptr_eq(old, &self.tokens.lock()) {
            return Ok(());
        }
        let renewed = if gone { None } else { self.renewed(old).await? };
        let tokens = match renewed {
            Some(tokens) => tokens,
            None => login(&self.service, self.warehouse.as_deref()).await?,
        };
        *self.tokens.lock() = Arc::new(tokens);
        Ok(())
    }

    /// New tokens for the master token, or nothing if that is too old as well.
    async fn renewed(&self, old: &Tokens) -> Result<Option<Tokens>, Error> {
        let body = json!({ "oldSessionToken": old.session.as_str(), "requestType": "RENEW" });
        let call = Call {
            method: Method::POST,
            path: "/session/token-request",
            parameters: Vec::new(),
            request: &identifier()?,
            token: Some(&old.master),
            body: body.to_string().into(),
        };
        let reply = self.service.call(call).await?;
        let data = reply.data.unwrap_or_default();
        match (reply.success, data.session_token, data.master_token) {
            (true, Some(session), Some(master)) => {
                Ok(Some(Tokens { session: session.into(), master: master.into() }))
            }
            _ => Ok(None),
        }
    }

    /// Runs a statement to its end and gives the answer about its result.
    async fn run(&self, request: &str, statement: &Statement) -> Result<Data, Failure> {
        let mut parameters = Map::new();
        parameters.insert("QUERY_TAG".to_owned(), json!(tag(request, statement)));
        if let Some(seconds) = statement.timeout {
            parameters.insert("STATEMENT_TIMEOUT_IN_SECONDS".to_owned(), json!(seconds));
        }
        let body = json!({
            "sqlText": statement.text,
            "asyncExec": false,
            "sequenceId": 1,
            "isInternal": false,
            "describeOnly": statement.describe_only,
            "parameters": parameters,
            "bindings": statement.bindings,
            "queryContextDTO": { "entries": [] },
        });
        let body = Bytes::from(body.to_string());
        let mut reply =
            self.call(Method::POST, "/queries/v1/query-request", request, &body).await?;
        let mut wait = LEAST_WAIT;
        let mut path = None;
        while reply.code.as_deref().is_some_and(|code| RUNNING.contains(&code)) {
            path = reply.data.take().and_then(|data| data.get_result_url).or(path);
            let Some(path) = &path else {
                return Err(malformed("a statement runs on, and nobody knows where").into());
            };
            reply = self.call(Method::GET, path, request, &Bytes::new()).await?;
            if reply.code.as_deref().is_some_and(|code| RUNNING.contains(&code)) {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(MOST_WAIT);
            }
        }
        if !reply.success {
            return Err(Failure::Said(said(reply)));
        }
        reply.data.ok_or_else(|| malformed("an answer without data").into())
    }

    /// Asks to end a statement, whether or not it runs.
    async fn abort(&self, request: &str) {
        let body = Bytes::from(json!({ "requestId": request }).to_string());
        if let Ok(own) = identifier() {
            let path = "/queries/v1/abort-request";
            let _ = self.call(Method::POST, path, &own, &body).await;
        }
    }

    /// The bytes that a statement has scanned, if the service tells them.
    async fn scanned(&self, query: &str) -> Result<Option<u64>, Error> {
        // It becomes a part of a path.
        if !query.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(malformed("a statement's id that is none"));
        }
        let path = format!("/monitoring/queries/{query}");
        let reply = self.call(Method::GET, &path, &identifier()?, &Bytes::new()).await?;
        let queries = reply.data.and_then(|data| data.queries).unwrap_or_default();
        Ok(queries.first().and_then(|query| query.stats.as_ref()?.scan_bytes))
    }

    pub(super) async fn close(&self) {
        let tokens = Arc::clone(&self.tokens.lock());
        end(&self.service, &tokens).await;
    }

    pub(super) async fn heartbeat(&self) -> bool {
        let Ok(request) = identifier() else { return false };
        let path = "/session/heartbeat";
        self.call(Method::POST, path, &request, &Bytes::new()).await.is_ok_and(|said| said.success)
    }
}

/// Why a statement failed: whether the session is as good as before.
enum Failure {
    Said(Said),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

fn said(reply: Reply) -> Said {
    Said {
        code: reply.code.unwrap_or_default(),
        state: reply.data.and_then(|data| data.sql_state).unwrap_or_default(),
        message: reply.message.unwrap_or_default(),
    }
}

/// Logs in. The session's settings are all that a text's meaning depends on.
async fn login(service: &Service, warehouse: Option<&str>) -> Result<Tokens, Error> {
    let options = &service.options;
    let mut data = Map::new();
    for (name, value) in [
        // Of the clients that the service knows, the one that it sends Arrow to and that this one is
        // most like.
        ("CLIENT_APP_ID", "Go"),
        ("CLIENT_APP_VERSION", "1.15.0"),
        ("ACCOUNT_NAME", options.account.as_str()),
        ("LOGIN_NAME", options.user.as_str()),
    ] {
        data.insert(name.to_owned(), json!(value));
    }
    data.insert("CLIENT_ENVIRONMENT".to_owned(), json!({ "APPLICATION": "tollgate" }));
    data.insert(
        "SESSION_PARAMETERS".to_owned(),
        json!({
            "GO_QUERY_RESULT_FORMAT": "ARROW",
            "CLIENT_SESSION_KEEP_ALIVE": true,
            "TIMEZONE": "UTC",
            "WEEK_START": 1,
            "WEEK_OF_YEAR_POLICY": 0,
            "DATE_INPUT_FORMAT": "AUTO",
            "TIME_INPUT_FORMAT": "AUTO",
            "TIMESTAMP_INPUT_FORMAT": "AUTO",
            "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
            "BINARY_INPUT_FORMAT": "HEX",
            "BINARY_OUTPUT_FORMAT": "HEX",
            "TWO_DIGIT_CENTURY_START": 1970,
            "MULTI_STATEMENT_COUNT": 1,
            "ROWS_PER_RESULTSET": 0,
            "QUOTED_IDENTIFIERS_IGNORE_CASE": false,
            "DEFAULT_NULL_ORDERING": "LAST",
            "ABORT_DETACHED_QUERY": true,
        }),
    );
    options.credential.prove(&mut data, &options.account, &options.user).await?;
    let mut parameters = vec![("databaseName", options.database.clone())];
    parameters.extend(warehouse.map(|name| ("warehouse", name.to_owned())));
    parameters.extend(options.role.clone().map(|name| ("roleName", name)));
    let call = Call {
        method: Method::POST,
        path: "/session/v1/login-request",
        parameters,
        request: &identifier()?,
        token: None,
        body: json!({ "data": data }).to_string().into(),
    };
    let mut reply = service.call(call).await?;
    let data = reply.data.take().unwrap_or_default();
    // A name that the account doesn't know, or doesn't give to this user, is answered by none.
    let given = data.session_info.map(|info| info.warehouse_name);
    let elsewhere = warehouse
        .zip(given)
        .is_some_and(|(asked, given)| !given.is_some_and(|given| is_called(asked, &given)));
    match (reply.success, data.token, data.master_token) {
        (true, Some(session), Some(master)) => {
            let tokens = Tokens { session: session.into(), master: master.into() };
            if elsewhere {
                // Nothing may run, and be charged, where nobody sent it.
                end(service, &tokens).await;
                let cause = "the account gives its user another virtual warehouse, or none";
                return Err(unreachable(cause));
            }
            Ok(tokens)
        }
        (true, _, _) => Err(malformed("a login without a token")),
        (false, _, _) => Err(unreachable(said(reply))),
    }
}

/// Ends a session at the service.
async fn end(service: &Service, tokens: &Tokens) {
    let Ok(request) = identifier() else { return };
    let call = Call {
        method: Method::POST,
        path: "/session",
        parameters: vec![("delete", "true".to_owned())],
        request: &request,
        token: Some(&tokens.session),
        body: Bytes::new(),
    };
    let _ = service.call(call).await;
}

/// Whether the service takes a session of ours. No statement is run, so no virtual warehouse starts.
pub(super) async fn reach(pool: &Arc<Pool>) -> Result<(), Error> {
    let lease = pool.lease().await?;
    let Some(session) = lease.session() else { return Ok(()) };
    if !session.heartbeat().await {
        return Err(unreachable("a session isn't kept alive"));
    }
    lease.finish();
    Ok(())
}

/// How often a statement that nobody waits for is asked to end, and how long is waited in between.
const CANCELS: usize = 600;
const PAUSE: Duration = Duration::from_millis(500);

/// Runs a statement on a session of its own. Whoever stops waiting ends it at the service.
pub(super) async fn run(pool: &Arc<Pool>, mut statement: Statement) -> Result<Data, Error> {
    let lease = pool.lease().await?;
    let request = identifier()?;
    let Counter { time, tells, scan } = std::mem::take(&mut statement.counter);
    let (mut answer, wanted) = oneshot::channel();
    let clock = time.as_ref().filter(|_| tells).map(|(clock, _)| Arc::clone(clock));
    // Before anybody can stop waiting: what is sent is charged.
    let running = time.map(|(clock, usage)| clock.begin(&usage));
    tokio::spawn(async move {
        let Some(session) = lease.session() else {
            running.into_iter().for_each(Run::never_was);
            return;
        };
        let began = Instant::now();
        let mut work = std::pin::pin!(session.run(&request, &statement));
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            () = answer.closed() => {
                // A request that comes before the statement has begun is lost, so it is made until
                // the statement ends. The session may be in any state then: it is closed.
                for _ in 0..CANCELS {
                    session.abort(&request).await;
                    if tokio::time::timeout(PAUSE, &mut work).await.is_ok() {
                        break;
                    }
                }
                return;
            }
        };
        let took = began.elapsed();
        let done = match done {
            Ok(data) => {
                drop(running);
                let query = data.query_id.clone();
                let _ = answer.send(Ok(data));
                if let (Some((usage, _done)), Some(query)) = (scan, query) {
                    // Without an answer the estimate stands.
                    let asked = tokio::time::timeout(PATIENCE, session.scanned(&query)).await;
                    if let Ok(Ok(Some(bytes))) = asked {
                        usage.has_scanned(bytes);
                        if let Some(clock) = clock {
                            clock.learn(bytes, took);
                        }
                    }
                }
                lease.finish();
                return;
            }
            Err(Failure::Said(said)) => {
                running.filter(|_| !said.has_run()).into_iter().for_each(Run::never_was);
                lease.finish();
                Err(public(said))
            }
            Err(Failure::Other(error)) => {
                // The service said nothing of it: nothing is charged.
                running.into_iter().for_each(Run::never_was);
                // Whether it runs on, nobody knows.
                session.abort(&request).await;
                Err(error)
            }
        };
        let _ = answer.send(done);
    });
    wanted.await.map_err(Error::internal)?
}
