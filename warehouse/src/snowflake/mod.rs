//! The warehouse of a Snowflake account: it runs the text that a secured query prints.
//!
//! The client is our own: it speaks the protocol of the official drivers, of which none streams results
//! in Arrow, cancels and renews its session from Rust. Each statement has a session of its own while it
//! runs. Its result comes in pieces that are stored elsewhere; they are fetched in order, a few at a
//! time and as the client asks for rows. Whoever stops waiting ends the statement at the service.
//!
//! | module | |
//! |---|---|
//! | `service` | the form of calls, and which are tried again |
//! | `login` | passwords, keys and tokens |
//! | `session` | sessions, renewal, running and canceling |
//! | `pool` | sessions that wait for a statement |
//! | `compute` | the virtual warehouses, and which of them runs what |
//! | `result` | pieces of a result as a stream |
//! | `decode` | their values into Arrow |
//! | `discover` | which tables there are |
//! | `keys` | which primary and foreign keys they are said to have |
//! | `estimate` | what a statement would scan, and what it has scanned |
//! | `attribution` | what the account attributes to statements that ran |
//! | `error` | the service's errors as public ones |

mod attribution;
mod compute;
mod decode;
mod discover;
mod error;
mod estimate;
mod keys;
mod login;
mod pool;
mod result;
mod service;
mod session;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio_rustls::rustls::ClientConfig;
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::{Parameter, Secured};

use crate::admission::Admitted;
use crate::credits::Terms;
use crate::embedded::{output_schema, shape};
use crate::estimate::{Estimate, is_restricted};
use crate::{BatchStream, Connections, Warehouse};

pub use attribution::{Attributed, Figure, attributed};
pub use compute::{ByRole, chosen, same_warehouse};
pub use discover::{Discovery, discover};
pub use login::{Credential, CredentialKind};

use compute::{Compute, Computes};
use decode::Columns;
pub(crate) use error::refuses_login;
use service::Service;
use session::{Counter, Statement};

/// Values as texts.
type Row = Vec<Option<String>>;

/// The attribute of a principal that the account's history of queries shows.
const TENANT: &str = "tenant_id";

/// How to reach an account.
#[derive(Clone)]
pub struct Options {
    /// The address of the service, as `https://xy12345.snowflakecomputing.com`.
    pub address: String,
    /// The account's name, as `xy12345`.
    pub account: String,
    /// Whom to log in as.
    pub user: String,
    /// What proves it.
    pub credential: Credential,
    /// The database, by its real name.
    pub database: String,
    /// The virtual warehouse that runs statements; the user's own if there is none.
    pub warehouse: Option<String>,
    /// Others that run those of whoever has a role: the first role that fits says which.
    pub by_role: Vec<ByRole>,
    /// The role to take on; the user's own if there is none.
    pub role: Option<String>,
    /// TLS; without, only addresses of this machine are connected to.
    pub tls: Option<Arc<ClientConfig>>,
    /// How long one statement may run at the service.
    pub statement_timeout: Option<Duration>,
    /// What the virtual warehouse costs; nothing: it isn't charged.
    pub credits: Option<Terms>,
    /// The pause before a call is tried again; it doubles with each try.
    pub pause: Duration,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("address", &self.address)
            .field("account", &self.account)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The warehouse.
#[derive(Clone)]
pub struct Snowflake {
    computes: Arc<Computes>,
    /// In seconds.
    timeout: Option<u64>,
}

impl Snowflake {
    /// A warehouse that logs in when it is asked to.
    ///
    /// # Errors
    /// The address isn't one, or is another machine's without TLS.
    pub fn new(options: Options) -> Result<Self, Error> {
        let timeout = options.statement_timeout.map(|timeout| timeout.as_secs().max(1));
        let service = Service::new(options)?;
        if service.options.address.starts_with("https:") && !service.encrypts() {
            return Err(Error::new(ErrorKind::InvalidParameterValue, "TLS trusts no authority")
                .with_hint(
                    "set warehouse.tls_ca to the certificates of the authorities to trust",
                ));
        }
        Ok(Self { computes: Arc::new(Computes::new(service)), timeout })
    }

    /// Ends the sessions that wait for statements.
    pub async fn close(&self) {
        self.computes.close().await;
    }

    /// A secured query as a statement, behind some words.
    fn statement(&self, before: &str, secured: &Secured) -> Result<Statement, Error> {
        let rendering = secured.for_snowflake()?;
        let principal = secured.principal();
        let tenant = principal.attributes().get(TENANT).map(|values| values.join(","));
        Ok(Statement {
            text: format!("{before}{}", rendering.text()),
            bindings: bindings(rendering.parameters())?,
            id: None,
            tag: json!({ "user": principal.name(), "tenant": tenant }),
            timeout: self.timeout,
            describe_only: false,
            counter: Counter::default(),
        })
    }

    /// The rows of a statement of the gateway's own, as texts.
    async fn ask(
        &self,
        compute: &Compute,
        statement: Statement,
        columns: usize,
    ) -> Result<Vec<Row>, Error> {
        let data = session::run(&compute.pool, statement).await?;
        let described = data.rowtype.clone().unwrap_or_default();
        let expected = Columns::of(&vec![DataType::Utf8; columns], &described)?;
        let batches = result::rows(Arc::clone(&compute.pool.service), expected, data)?;
        rows_of(batches).await
    }

    /// The rows of a command of the gateway's own, which come in JSON whatever a session asks for: the names of
    /// the columns, and their values as texts.
    async fn show(&self, statement: Statement) -> Result<(Vec<String>, Vec<Row>), Error> {
        let pool = &self.computes.default().pool;
        let data = session::run(pool, statement).await?;
        let described = data.rowtype.clone().unwrap_or_default();
        let names: Vec<String> = described.into_iter().map(|column| column.name).collect();
        if data.query_result_format.as_deref() != Some("json") {
            return Err(error::malformed("the rows of a command in another format"));
        }
        let columns = Columns::texts(names.len());
        let batches = result::rows(Arc::clone(&pool.service), columns, data)?;
        Ok((names, rows_of(batches).await?))
    }

    /// Compiles a statement there, and compares the columns with those that clients are told. Nothing runs, and no
    /// virtual warehouse starts.
    async fn compile(&self, secured: &Secured) -> Result<bool, Error> {
        let statement = Statement { describe_only: true, ..self.statement("", secured)? };
        let data = session::run(&self.computes.of(secured).pool, statement).await?;
        Columns::new(secured.output(), &data.rowtype.unwrap_or_default())?;
        Ok(true)
    }

    async fn stream(&self, admitted: &Admitted) -> Result<BatchStream, Error> {
        let secured = admitted.secured();
        let compute = self.computes.of(secured);
        if let Some(name) = compute.name() {
            admitted.usage().runs_on(name);
        }
        let mut statement = self.statement("", secured)?;
        statement.id = admitted.usage().statement().map(str::to_owned);
        let clock = compute.clock.as_ref();
        statement.counter.time =
            clock.map(|clock| (Arc::clone(clock), Arc::clone(admitted.usage())));
        statement.counter.tells = clock.is_some() && !is_restricted(secured)?;
        // The end waits until it is known what was scanned, where it is charged for.
        let limits = secured.limits();
        let charged = limits.counts_bytes() || limits.prices_bytes();
        let learns = clock.is_some() && limits.has_budget() && limits.prices_credits();
        let mut counted = None;
        if charged || learns {
            let (done, wait) = oneshot::channel();
            statement.counter.scan = Some((Arc::clone(admitted.usage()), done));
            counted = charged.then_some(wait);
        }
        let data = session::run(&compute.pool, statement).await?;
        if let Some(rows) = data.total.and_then(|rows| u64::try_from(rows).ok()) {
            admitted.usage().will_return(rows);
        }
        let described = data.rowtype.clone().unwrap_or_default();
        let columns = Columns::new(secured.output(), &described)?;
        let schema = output_schema(secured);
        let rows = result::rows(Arc::clone(&compute.pool.service), columns, data)?;
        let rows = rows.map(move |batch| shape(batch?, &schema));
        Ok(rows.chain(estimate::last(counted)).boxed())
    }
}

/// Rows of texts.
async fn rows_of(batches: BatchStream) -> Result<Vec<Row>, Error> {
    let batches: Vec<RecordBatch> = batches.try_collect().await?;
    let rows = batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(move |row| {
            let values = batch.columns().iter().map(|column| {
                let column = column.as_string::<i32>();
                column.is_valid(row).then(|| column.value(row).to_owned())
            });
            values.collect()
        })
    });
    Ok(rows.collect())
}

/// The values of `:1`, `:2`, … as the protocol has them.
fn bindings(parameters: &[Parameter]) -> Result<Map<String, Value>, Error> {
    let bound = parameters.iter().enumerate().map(|(index, parameter)| match parameter {
        Parameter::Text(text) => {
            Ok(((index + 1).to_string(), json!({ "type": "TEXT", "value": text })))
        }
        // They are printed as texts of digits.
        Parameter::Bytes(_) | Parameter::Written { .. } => {
            Err(Error::internal("a value among the parameters that is no text"))
        }
    });
    bound.collect()
}

impl Warehouse for Snowflake {
    fn estimate<'a>(&'a self, query: &'a Secured) -> BoxFuture<'a, Result<Estimate, Error>> {
        self.guess(query).boxed()
    }

    fn compiles<'a>(&'a self, query: &'a Secured) -> BoxFuture<'a, Result<bool, Error>> {
        self.compile(query).boxed()
    }

    fn charges_credits(&self) -> bool {
        self.computes.charge()
    }

    fn connections(&self) -> Option<Connections> {
        Some(self.computes.connections())
    }

    fn reach(&self) -> BoxFuture<'_, Result<(), Error>> {
        session::reach(&self.computes.default().pool).boxed()
    }

    fn run<'a>(&'a self, query: &'a Admitted) -> BoxFuture<'a, Result<BatchStream, Error>> {
        self.stream(query).boxed()
    }
}
