//! A gateway that nobody can connect to, on which an operator tries out what users would see.
//!
//! Statements go the road of a client's statements, session and audit trail included; only the
//! principal is made from what the operator says instead of from a proof.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tollgate_catalog::Error;
use tollgate_gateway::{
    Audit, AuditTarget, CancelToken, Gateway, GatewayParts, GatewaySettings, Outcome, Session,
    StartupSettings,
};
use tollgate_identity::{Attributes, Principal, Rehearsal};

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
        let config = &loaded.config;
        let (target, recorded) = match &config.audit {
            Some(file) if record => (
                AuditTarget::File(file.clone()),
                format!("recorded as a rehearsal in {}", file.display()),
            ),
            Some(_) | None => {
                (AuditTarget::Nowhere, "a rehearsal: not recorded in an audit trail".to_owned())
            }
        };
        let audit = Audit::rehearsal(target)
            .map_err(|error| format!("error: could not open the audit trail: {error}"))?;
        let said = |error: Error| format!("error: {error}");
        let gateway = Gateway::new(GatewayParts {
            snapshot: Arc::clone(&loaded.snapshot),
            bundle: Arc::clone(&loaded.bundle),
            registry: Arc::clone(&loaded.registry),
            warehouse: place::open(config)?,
            audit: Arc::new(audit),
            settings: GatewaySettings {
                database: config.database.clone(),
                max_concurrent: config.warehouse.max_concurrent,
                statement_timeout: config.pg.statement_timeout,
                plan_cache: config.cache.plans,
                result_cache: config.cache.results,
            },
        });
        let gateway = gateway.map_err(said)?;
        Ok(Self { gateway, rehearsal: Rehearsal::at_the_command_line(), recorded })
    }

    /// Somebody who connects from this machine.
    pub(super) fn principal(
        &self,
        name: &str,
        attributes: Attributes,
        roles: Option<BTreeSet<String>>,
    ) -> Result<Principal, Error> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.rehearsal.principal(name, attributes, roles, address).map_err(|_| {
            Error::internal("the system gave no random bytes for a rehearsed principal")
        })
    }

    /// Runs one query, and keeps at most `limit` of its rows.
    pub(super) async fn rows(
        &self,
        principal: Principal,
        sql: &str,
        limit: usize,
    ) -> Result<Rows, Error> {
        let startup = StartupSettings {
            application_name: APPLICATION.to_owned(),
            database: self.gateway.database().to_owned(),
            ..StartupSettings::default()
        };
        let (mut session, _) = Session::new(Arc::clone(&self.gateway), principal, startup)?;
        let statements = session.parse(sql)?;
        let [statement] = statements.as_slice() else {
            return Err(Error::not_supported("anything but one statement"));
        };
        let cancel = CancelToken::new();
        let mut stream = match session.execute(statement, &[], Vec::new(), &cancel).await? {
            Outcome::Rows(stream) => stream,
            Outcome::Empty | Outcome::Command { .. } => {
                return Err(Error::not_supported("a statement that returns no rows"));
            }
        };
        let types: Vec<_> =
            stream.columns().iter().map(|column| column.data_type.clone()).collect();
        let mut encoder = RowEncoder::new(&types, &[], session.time_zone())?;
        let mut rows = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for index in 0..batch.num_rows() {
                if rows.len() == limit {
                    return Ok(Rows { rows, cut: true });
                }
                let mut message = BytesMut::new();
                encoder.encode(&batch, index..index + 1, &mut message)?;
                rows.push(texts(message)?);
                stream.sent(1, 0);
            }
        }
        Ok(Rows { rows, cut: false })
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
