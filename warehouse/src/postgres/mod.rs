//! The warehouse of a PostgreSQL: it runs the text that a secured query prints.
//!
//! Each query has a connection and a transaction of its own, which only reads. Rows are decoded from the
//! binary format as they come; what isn't asked for stays in the socket. A stream that is dropped
//! cancels its query at the server and gives its connection up.
//!
//! | module | |
//! |---|---|
//! | `decode` | binary values into Arrow |
//! | `discover` | which tables there are |
//! | `error` | the server's errors as public ones |
//! | `estimate` | how much a query would read |
//! | `link` | a connection and its settings |
//! | `pool` | connections |
//! | `tls` | rustls under them |
//! | `value` | values that are bound |

mod decode;
mod discover;
mod error;
mod estimate;
mod link;
mod pool;
mod tls;
mod value;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::try_unfold;
use futures::{FutureExt, StreamExt};
use tokio_postgres::RowStream;
use tollgate_catalog::Error;
use tollgate_rewriter::Secured;

use crate::admission::Admitted;
use crate::embedded::{output_schema, shape};
use crate::estimate::Estimate;
use crate::{BatchStream, Connections, Warehouse};

pub use discover::{Discovery, discover};
pub use tls::trusting;

use decode::Rows;
use error::public;
pub(crate) use error::refuses_login;
use link::Query;
use pool::{Lease, Pool, is_told};

/// How to reach a server.
#[derive(Clone)]
pub struct Options {
    /// Address, database, user and password.
    pub server: tokio_postgres::Config,
    /// TLS; without, only addresses of this machine are connected to.
    pub tls: Option<Arc<tokio_rustls::rustls::ClientConfig>>,
    /// How long one statement may run at the server.
    pub statement_timeout: Option<Duration>,
    /// Whether something stands in between that may give each transaction to another connection; none: that is
    /// found out.
    pub pooled: Option<bool>,
}

/// The address of a server, without a password.
pub fn server(host: &str, port: u16, database: &str, user: &str) -> tokio_postgres::Config {
    let mut server = tokio_postgres::Config::new();
    server.host(host).port(port).dbname(database).user(user);
    server
}

/// The warehouse.
#[derive(Clone)]
pub struct Postgres {
    pool: Arc<Pool>,
    timeout: Option<Duration>,
}

impl Postgres {
    /// A warehouse that connects when it is asked to.
    ///
    /// # Errors
    /// TLS is off and the server is elsewhere.
    pub fn new(options: Options) -> Result<Self, Error> {
        let timeout = options.statement_timeout;
        Ok(Self { pool: Arc::new(Pool::new(options)?), timeout })
    }

    async fn stream(&self, secured: &Secured) -> Result<BatchStream, Error> {
        let rendering = secured.for_postgres()?;
        let expected = decode::columns(secured.output())?;
        let query = Query::of(&rendering)?;
        // A second later than the gateway's own, whose error names the limit.
        let limit = secured.limits().runtime().map(|limit| limit.most + Duration::from_secs(1));
        let timeout = self.timeout.into_iter().chain(limit).min();
        let (lease, rows) = self.pool.query(timeout, &query).await?;
        let schema = output_schema(secured);
        let state = Running { rows: Box::pin(rows), decoder: Rows::new(expected), lease };
        let batches = try_unfold(state, |mut state| async move {
            let batch = state.next().await?;
            Ok(batch.map(|batch| (batch, state)))
        });
        Ok(batches.map(move |batch| shape(batch?, &schema)).boxed())
    }
}

impl Warehouse for Postgres {
    fn connections(&self) -> Option<Connections> {
        Some(self.pool.connections())
    }

    fn reach(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { self.pool.lease(self.timeout).await?.finish().await }.boxed()
    }

    fn run<'a>(&'a self, query: &'a Admitted) -> BoxFuture<'a, Result<BatchStream, Error>> {
        self.stream(query.secured()).boxed()
    }

    fn estimate<'a>(&'a self, query: &'a Secured) -> BoxFuture<'a, Result<Estimate, Error>> {
        self.guess(query).boxed()
    }
}

/// A query whose rows are coming.
struct Running {
    rows: std::pin::Pin<Box<RowStream>>,
    decoder: Rows,
    lease: Lease,
}

impl Running {
    /// The next rows, as many as make a batch.
    async fn next(&mut self) -> Result<Option<arrow::record_batch::RecordBatch>, Error> {
        if self.lease.is_done() {
            return Ok(None);
        }
        let (rows, decoder, mut told) = (&mut self.rows, &mut self.decoder, false);
        let is_full = self.lease.link()?.driven(async {
            while let Some(row) = rows.next().await {
                let row = row.map_err(|error| {
                    told = is_told(&error);
                    public(error)
                });
                decoder.push(&row?)?;
                if decoder.is_full() {
                    return Ok(true);
                }
            }
            Ok(false)
        });
        let is_full = is_full.await;
        if told {
            self.lease.give_back();
        }
        if is_full? {
            return self.decoder.take().map(Some);
        }
        self.lease.give_back();
        if self.decoder.is_empty() { Ok(None) } else { self.decoder.take().map(Some) }
    }
}
