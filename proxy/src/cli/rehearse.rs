//! A gateway that nobody can connect to, on which an operator tries out what users would see.
//!
//! Statements go the road of a client's statements, session and audit trail included; only the
//! principal is made from what the operator says instead of from a proof.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use clap::Args;
use tollgate_catalog::Error;
use tollgate_gateway::{
    Audit, AuditTarget, CancelToken, Gateway, GatewayParts, GatewaySettings, Outcome, Session,
    StartupSettings, Statement,
};
use tollgate_identity::{Asker, Principal, Rehearsal};
use tollgate_policy::Bundle;

use super::user::attributes;
use crate::load::Loaded;
use crate::pg::encode::RowEncoder;
use crate::place;

/// What a client calls itself that is none.
const APPLICATION: &str = "tollgate rehearsal";

/// A gateway for rehearsals.
pub(super) struct Stage {
    gateway: Arc<Gateway>,
    rehearsal: Rehearsal,
    /// Where it is recorded, in words.
    pub(super) recorded: String,
}

/// A row, each value as a client reads it as text; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;

/// The first rows of a result.
pub(super) struct Rows {
    /// The rows, as many as were asked for at most.
    pub(super) rows: Vec<Row>,
    /// Whether there were more.
    pub(super) cut: bool,
}

impl Stage {
    /// A gateway over what was loaded. `record`: in the configured audit trail, if that is a file.
    pub(super) fn new(loaded: &Loaded, record: bool) -> Result<Self, String> {
        let target = match &loaded.config.audit {
            Some(file) if record => AuditTarget::File(file.clone()),
            Some(_) | None => AuditTarget::Nowhere,
        };
        Self::open(loaded, &loaded.bundle, target)
    }

    /// The same with other policies. They aren't in force, so nothing of it is recorded.
    pub(super) fn over(loaded: &Loaded, bundle: &Arc<Bundle>) -> Result<Self, String> {
        Self::open(loaded, bundle, AuditTarget::Nowhere)
    }

    fn open(loaded: &Loaded, bundle: &Arc<Bundle>, target: AuditTarget) -> Result<Self, String> {
        let config = &loaded.config;
        let recorded = match &target {
            AuditTarget::File(file) => format!("recorded as a rehearsal in {}", file.display()),
            AuditTarget::Stdout | AuditTarget::Nowhere => {
                "a rehearsal: not recorded in an audit trail".to_owned()
            }
        };
        let audit = Audit::rehearsal(target)
            .map_err(|error| format!("error: could not open the audit trail: {error}"))?;
        let said = |error: Error| format!("error: {error}");
        let gateway = Gateway::new(GatewayParts {
            snapshot: Arc::clone(&loaded.snapshot),
            bundle: Arc::clone(bundle),
            registry: Arc::clone(&loaded.registry),
            warehouses: Arc::new(place::open_all(config)?),
            audit: Arc::new(audit),
            purse: Arc::new(tollgate_gateway::limits::budget::MemoryPurse::default()),
            settings: GatewaySettings {
                database: config.database.clone(),
                max_concurrent: config.max_concurrent(),
                statement_timeout: config.pg.statement_timeout,
                plan_cache: config.cache.plans,
                result_cache: config.cache.results,
                policy_readers: config.policy_readers.clone(),
            },
        });
        let gateway = gateway.map_err(said)?;
        Ok(Self { gateway, rehearsal: Rehearsal::at_the_command_line(), recorded })
    }

    /// Somebody who connects.
    pub(super) fn principal(&self, asker: &Asker) -> Result<Principal, Error> {
        self.rehearsal.principal(asker.clone()).map_err(|_| {
            Error::internal("the system gave no random bytes for a rehearsed principal")
        })
    }

    /// A session like a client's.
    pub(super) fn session(&self, asker: &Asker) -> Result<Session, Error> {
        let startup = StartupSettings {
            application_name: APPLICATION.to_owned(),
            database: self.gateway.database().to_owned(),
            ..StartupSettings::default()
        };
        let (session, _) =
            Session::new(Arc::clone(&self.gateway), self.principal(asker)?, startup)?;
        Ok(session)
    }

    /// The gateway, for whoever explains.
    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The names of the columns that a query would return; nothing is run.
    pub(super) async fn columns(&self, asker: &Asker, sql: &str) -> Result<Vec<String>, Error> {
        let mut session = self.session(asker)?;
        let statements = session.parse(sql)?;
        let statement = only(&statements)?;
        let columns = session.describe(statement, &[]).await?.columns;
        let columns = columns.ok_or_else(|| Error::not_supported("a statement without rows"))?;
        Ok(columns.iter().map(|column| column.name.clone()).collect())
    }

    /// Runs one query, and keeps at most `limit` of its rows.
    pub(super) async fn rows(&self, asker: &Asker, sql: &str, limit: usize) -> Result<Rows, Error> {
        let mut found = Rows { rows: Vec::new(), cut: false };
        self.each(asker, sql, &mut |row| {
            if found.rows.len() == limit {
                found.cut = true;
                return ControlFlow::Break(());
            }
            found.rows.push(row);
            ControlFlow::Continue(())
        })
        .await?;
        Ok(found)
    }

    /// Runs one query, hands each row on, and gives the names of the columns.
    pub(super) async fn each(
        &self,
        asker: &Asker,
        sql: &str,
        visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<Vec<String>, Error> {
        let mut session = self.session(asker)?;
        let statements = session.parse(sql)?;
        let statement = only(&statements)?;
        let cancel = CancelToken::new();
        let mut stream = match session.execute(statement, &[], Vec::new(), &cancel).await? {
            Outcome::Rows(stream) => stream,
            Outcome::Empty | Outcome::Command { .. } => {
                return Err(Error::not_supported("a statement without rows"));
            }
        };
        let columns = Arc::clone(stream.columns());
        let types: Vec<_> = columns.iter().map(|column| column.data_type.clone()).collect();
        let names = columns.iter().map(|column| column.name.clone()).collect();
        let mut encoder = RowEncoder::new(&types, &[], session.time_zone())?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for index in 0..batch.num_rows() {
                let mut message = BytesMut::new();
                encoder.encode(&batch, index..index + 1, &mut message)?;
                if visit(texts(message)?).is_break() {
                    return Ok(names);
                }
                stream.sent(1, 0);
            }
        }
        Ok(names)
    }
}

/// The statement of a text that holds one.
pub(super) fn only(statements: &[Statement]) -> Result<&Statement, Error> {
    match statements {
        [statement] => Ok(statement),
        [] | [_, _, ..] => Err(Error::not_supported("anything but one statement")),
    }
}

/// The options that say who.
#[derive(Args)]
pub(super) struct AskerOptions {
    /// Grant this role instead of those that the policies grant to the user; may be given again
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<String>,
    /// An attribute, instead of those in the file of users; given twice with one key it is a list
    #[arg(long = "attribute", value_name = "KEY=VALUE")]
    attributes: Vec<String>,
    /// The address that the client would have
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// As if a second factor had been proven, for access rules that require one
    #[arg(long)]
    mfa: bool,
    /// The purpose that the client would have proof of, for access rules and policies that ask for it
    #[arg(long, value_name = "NAME")]
    purpose: Option<String>,
}

impl AskerOptions {
    /// The user of that name, with the attributes that it has unless others were given.
    pub(super) fn asker(&self, loaded: &Loaded, name: &str) -> Result<Asker, String> {
        let attributes = match self.attributes.as_slice() {
            [] => loaded.users.attributes(name).cloned().unwrap_or_default(),
            given => attributes(given)?,
        };
        let roles = (!self.roles.is_empty()).then(|| self.roles.iter().cloned().collect());
        Ok(Asker {
            name: name.to_owned(),
            attributes,
            roles,
            address: self.address,
            mfa: self.mfa,
            purpose: self.purpose.clone(),
        })
    }
}

/// The values of a `DataRow` message in text format.
fn texts(mut message: BytesMut) -> Result<Row, Error> {
    let broken = || Error::internal("a row could not be read back");
    // its kind and length
    message.try_get_u8().map_err(|_| broken())?;
    message.try_get_i32().map_err(|_| broken())?;
    let count = message.try_get_i16().map_err(|_| broken())?;
    let mut row = Vec::new();
    for _ in 0..count {
        let length = message.try_get_i32().map_err(|_| broken())?;
        row.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) if length <= message.len() => {
                Some(String::from_utf8_lossy(&message.split_to(length)).into_owned())
            }
            Ok(_) => return Err(broken()),
        });
    }
    Ok(row)
}
