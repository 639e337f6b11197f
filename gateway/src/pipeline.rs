//! The road of one query, in order, once.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use parking_lot::{Mutex, RwLock};
use tollgate_catalog::{Error, Snapshot, Table, TableName};
use tollgate_identity::Principal;
use tollgate_policy::Bundle;
use tollgate_rewriter::statement::Body;
use tollgate_rewriter::{
    Engine, OutputColumn, Parsed, Prepared, Registry, Secured, SessionFacts, VisibleTables,
};
use tollgate_warehouse::admission::{Admission, Admitted};
use tollgate_warehouse::embedded;
use tollgate_warehouse::{BatchStream, Warehouse};

use crate::audit::{Audit, Decision, Ending, Meter};
use crate::cancel::CancelToken;
use crate::introspect::{SystemRelations, View};
use crate::stream::{RowStream, canceled, timed_out};
use crate::system::SystemCatalogs;

/// What a gateway is made of.
pub struct GatewayParts {
    /// The catalog.
    pub snapshot: Arc<Snapshot>,
    /// The policies, loaded against that catalog.
    pub bundle: Arc<Bundle>,
    /// The functions that exist.
    pub registry: Arc<Registry>,
    /// Where queries over base tables run.
    pub warehouse: Arc<dyn Warehouse>,
    /// The audit trail.
    pub audit: Arc<Audit>,
    /// The rest.
    pub settings: GatewaySettings,
}

/// What is the same for every session.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The name of the one database.
    pub database: String,
    /// The most queries that run at once.
    pub max_concurrent: usize,
    /// How long a statement may take unless its session says otherwise.
    pub statement_timeout: Option<Duration>,
}

/// Catalog and policies that belong together; replaced as one.
pub struct State {
    /// The catalog.
    pub snapshot: Arc<Snapshot>,
    /// The policies.
    pub bundle: Arc<Bundle>,
}

/// The gateway: everything that sessions share.
pub struct Gateway {
    state: RwLock<Arc<State>>,
    pub(crate) registry: Arc<Registry>,
    warehouse: Arc<dyn Warehouse>,
    /// Runs queries over the system catalogs.
    system: embedded::Context,
    admission: Admission,
    pub(crate) audit: Arc<Audit>,
    pub(crate) settings: GatewaySettings,
}

impl Gateway {
    /// Composes a gateway.
    ///
    /// # Errors
    /// The engine of the system catalogs can't start.
    pub fn new(parts: GatewayParts) -> Result<Arc<Self>, Error> {
        let GatewayParts { snapshot, bundle, registry, warehouse, audit, settings } = parts;
        Ok(Arc::new(Self {
            state: RwLock::new(Arc::new(State { snapshot, bundle })),
            registry,
            warehouse,
            system: embedded::Context::new(&embedded::Options::default())?,
            admission: Admission::new(settings.max_concurrent),
            audit,
            settings,
        }))
    }

    /// The catalog and policies in force.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read())
    }

    /// Puts another catalog and bundle in force, for every decision from now on.
    pub fn replace(&self, state: State) {
        *self.state.write() = Arc::new(state);
    }
}

/// One statement that a client sent. Cheap to clone; keeps its plan between executions.
#[derive(Clone)]
pub struct Statement {
    inner: Arc<Inner>,
}

struct Inner {
    parsed: Parsed,
    plan: Mutex<Option<Kept>>,
}

/// A plan, and everything but principal, bundle and snapshot that it was made under.
#[derive(Clone)]
struct Kept {
    prepared: Arc<Prepared>,
    hints: Vec<Option<DataType>>,
    search_path: Vec<String>,
    generation: u64,
}

impl Statement {
    pub(crate) fn new(parsed: Parsed) -> Self {
        Self { inner: Arc::new(Inner { parsed, plan: Mutex::new(None) }) }
    }

    pub(crate) fn parsed(&self) -> &Parsed {
        &self.inner.parsed
    }

    /// The statement's text.
    pub fn sql(&self) -> &str {
        self.inner.parsed.sql()
    }

    /// Whether it returns rows, as far as its text tells.
    pub fn returns_rows_hint(&self) -> bool {
        match self.inner.parsed.body() {
            Body::Query(_) | Body::Explain(_) | Body::Execute { .. } => true,
            Body::Command(command) => {
                matches!(command, tollgate_rewriter::command::Command::Show(_))
            }
            Body::Prepare { .. } => false,
        }
    }
}

/// What a statement takes and gives.
#[derive(Debug, Clone)]
pub struct Description {
    /// The types of its parameters.
    pub parameters: Vec<DataType>,
    /// Its columns; `None` if it returns no rows.
    pub columns: Option<Arc<[OutputColumn]>>,
}

/// What a session brings to a query: who asks, and in which surroundings.
pub(crate) struct Caller<'a> {
    pub(crate) principal: &'a Arc<Principal>,
    pub(crate) facts: &'a SessionFacts,
    /// Changes whenever a setting does.
    pub(crate) generation: u64,
    pub(crate) application: &'a str,
    pub(crate) timeout: Option<Duration>,
}

/// The principal's own view of the catalog: what it hides doesn't exist.
struct Visible<'a> {
    state: &'a State,
    principal: &'a Principal,
}

impl VisibleTables for Visible<'_> {
    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        let table = self.state.snapshot.table(name)?;
        self.state.bundle.visible(self.principal, table)?;
        Some(Arc::clone(table))
    }
}

impl Gateway {
    /// What, may it, make it safe: text to a plan over secured relations. Decides anew unless a
    /// decision on the very same inputs is at hand, of which it would be a copy.
    pub(crate) fn prepare(
        &self,
        caller: &Caller<'_>,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Arc<Prepared>, Error> {
        let state = self.state();
        if let Some(kept) = statement.inner.plan.lock().as_ref()
            && kept.prepared.is_for(caller.principal, state.bundle.hash(), state.snapshot.version())
            && kept.hints == hints
            && kept.generation == caller.generation
            && kept.search_path == caller.facts.search_path
        {
            return Ok(Arc::clone(&kept.prepared));
        }
        let visible = Visible { state: &state, principal: caller.principal };
        let resolved = tollgate_rewriter::resolve(
            statement.parsed(),
            &self.registry,
            caller.facts,
            &visible,
            &SystemRelations,
        )?;
        let permit = tollgate_policy::decide(&state.bundle, caller.principal, resolved).map_err(
            |denied| {
                Error::undefined_table(&format!("{}.{}", denied.table.schema, denied.table.table))
            },
        )?;
        let prepared = Arc::new(tollgate_rewriter::secure(
            permit,
            &self.registry,
            state.snapshot.version(),
            hints,
        )?);
        *statement.inner.plan.lock() = Some(Kept {
            prepared: Arc::clone(&prepared),
            hints: hints.to_vec(),
            search_path: caller.facts.search_path.clone(),
            generation: caller.generation,
        });
        Ok(prepared)
    }

    /// The whole road. The decision is durable before the stream is returned; the stream writes the
    /// receipt, however it ends.
    pub(crate) async fn run(
        &self,
        caller: &Caller<'_>,
        statement: &Statement,
        hints: &[Option<DataType>],
        values: Vec<ScalarValue>,
        cancel: &CancelToken,
    ) -> Result<RowStream, Error> {
        let id = self.audit.next_id();
        let mut meter =
            Meter::start(Arc::clone(&self.audit), id.clone(), caller.principal.name().to_owned());
        let secured =
            self.prepare(caller, statement, hints).and_then(|prepared| prepared.bind(values));
        let secured = match secured {
            Ok(secured) => secured,
            Err(error) => {
                self.refused(&id, caller, statement, &error).durable().await?;
                meter.end(Ending::Denied);
                return Err(error);
            }
        };
        let decision = self.permitted(&id, caller, &secured);
        let started = self.start(caller, secured, cancel).await;
        // The warehouse works while the record goes to disk.
        let durable = decision.durable().await;
        let (admitted, batches) = match started.and_then(|started| durable.map(|()| started)) {
            Ok(started) => started,
            Err(error) => {
                meter.end(Ending::Failed(error.kind()));
                return Err(error);
            }
        };
        let budget = caller.timeout.map(|timeout| timeout.saturating_sub(meter.elapsed()));
        Ok(RowStream::new(batches, admitted, meter, cancel.clone(), budget))
    }

    /// Admits a secured query and starts it, within its timeout.
    async fn start(
        &self,
        caller: &Caller<'_>,
        secured: Secured,
        cancel: &CancelToken,
    ) -> Result<(Admitted, BatchStream), Error> {
        let work = async {
            let admitted = self.admission.admit(secured).await?;
            let batches = match admitted.secured().engine() {
                Engine::Warehouse => self.warehouse.run(&admitted).await?,
                Engine::System => {
                    let view = Arc::new(self.view(caller));
                    SystemCatalogs { context: &self.system, view }.run(&admitted).await?
                }
            };
            Ok((admitted, batches))
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(canceled()),
            started = tokio::time::timeout(caller.timeout.unwrap_or(Duration::MAX), work) => {
                started.unwrap_or_else(|_| Err(timed_out()))
            }
        }
    }

    /// What the caller may see of the catalog.
    fn view(&self, caller: &Caller<'_>) -> View {
        let state = self.state();
        let tables = state.snapshot.tables().filter_map(|table| {
            Some((Arc::clone(table), state.bundle.visible(caller.principal, table)?))
        });
        View::new(
            tables.collect(),
            caller.facts.user.clone(),
            state.bundle.roles_of(caller.principal).into_iter().collect(),
            caller.facts.database.clone(),
            crate::settings::described(&caller.facts.settings),
            caller.facts.backend_pid,
        )
    }

    fn permitted(&self, id: &str, caller: &Caller<'_>, secured: &Secured) -> crate::audit::Pending {
        self.audit.decide(&Decision {
            id,
            principal: caller.principal.name(),
            roles: secured.roles().iter().map(String::as_str).collect(),
            address: caller.principal.address().to_string(),
            application: caller.application,
            sql: secured.sql(),
            secured_sql: Some(secured.secured_sql()),
            bundle: secured.bundle_hash(),
            snapshot: secured.snapshot_version(),
            tables: secured.tables().iter().map(ToString::to_string).collect(),
            policies: secured
                .policies()
                .iter()
                .map(|policy| {
                    format!("{} {} at {}:{}", policy.kind, policy.name, policy.file, policy.line)
                })
                .collect(),
            outcome: "permitted",
            error: None,
        })
    }

    fn refused(
        &self,
        id: &str,
        caller: &Caller<'_>,
        statement: &Statement,
        error: &Error,
    ) -> crate::audit::Pending {
        let state = self.state();
        let roles = state.bundle.roles_of(caller.principal);
        self.audit.decide(&Decision {
            id,
            principal: caller.principal.name(),
            roles: roles.iter().map(String::as_str).collect(),
            address: caller.principal.address().to_string(),
            application: caller.application,
            sql: statement.sql(),
            secured_sql: None,
            bundle: state.bundle.hash(),
            snapshot: state.snapshot.version(),
            tables: Vec::new(),
            policies: Vec::new(),
            outcome: "denied",
            error: Some(error.kind().label()),
        })
    }
}
