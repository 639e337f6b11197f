//! The road of one query, in order, once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use parking_lot::{Mutex, RwLock};
use tollgate_catalog::{Error, Snapshot};
use tollgate_identity::Principal;
use tollgate_policy::Bundle;
use tollgate_rewriter::{
    OutputColumn, Parsed, Prepared, Registry, Secured, SessionFacts, SqlDialect,
};
use tollgate_warehouse::admission::Admission;
use tollgate_warehouse::embedded;
use tollgate_warehouse::warehouses::Warehouses;
use tracing::Instrument;

use crate::audit::{Audit, Ending, Meter};
use crate::cancel::CancelToken;
use crate::introspect;
use crate::keys::RemoteKeys;
use crate::limits::Costs;
use crate::limits::bounds::Deadline;
use crate::limits::budget::Purse;
use crate::peers::{Cancel, Peers};
use crate::plans::{Key, Plans};
use crate::progress::Progress;
use crate::records::Known;
use crate::results::Results;
use crate::revocation::Open;
use crate::sight::{Visible, denied};
use crate::stages::{Stage, Stages};
use crate::state::{State, circumstances};
use crate::stream::{Ends, RowStream};

/// What a gateway is made of.
pub struct GatewayParts {
    /// The catalog.
    pub snapshot: Arc<Snapshot>,
    /// The policies, loaded against that catalog.
    pub bundle: Arc<Bundle>,
    /// The functions that exist.
    pub registry: Arc<Registry>,
    /// Where queries over base tables run.
    pub warehouses: Arc<Warehouses>,
    /// The audit trail.
    pub audit: Arc<Audit>,
    /// Where the money of budgets is held.
    pub purse: Arc<dyn Purse>,
    /// The rest.
    pub settings: GatewaySettings,
}

/// A statement that was decided and recorded, not run.
pub(crate) struct Explained {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) secured: Secured,
}

/// What is the same for every session.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The name of the one database.
    pub database: String,
    /// The most queries that the gateway itself runs at once: over system catalogs and its own records.
    pub max_concurrent: usize,
    /// How long a statement may take unless its session says otherwise.
    pub statement_timeout: Option<Duration>,
    /// Bytes, as estimated, for statements and plans that sessions share; 0 shares none.
    pub plan_cache: u64,
    /// Bytes for results over tables that say how old one may be; 0 keeps none.
    pub result_cache: u64,
    /// The roles whose members may read the policies: `EXPLAIN ACCESS` names them to no one else.
    pub policy_readers: BTreeSet<String>,
}

/// The gateway: everything that sessions share.
pub struct Gateway {
    state: RwLock<Arc<State>>,
    /// The keys of tokens, if they are fetched.
    pub(crate) keys: RwLock<Option<Arc<RemoteKeys>>>,
    pub(crate) registry: Arc<Registry>,
    /// Runs queries over the system catalogs.
    pub(crate) system: embedded::Context,
    pub(crate) admission: Admission,
    pub(crate) costs: Arc<Costs>,
    pub(crate) plans: Plans,
    pub(crate) results: Results,
    /// What a change of users or policies must reach.
    pub(crate) open: Open,
    pub(crate) peers: Arc<Peers>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) stages: Arc<Stages>,
    pub(crate) settings: GatewaySettings,
}

impl Gateway {
    /// Composes a gateway.
    ///
    /// # Errors
    /// The engine of the system catalogs can't start.
    pub fn new(parts: GatewayParts) -> Result<Arc<Self>, Error> {
        let GatewayParts { snapshot, bundle, registry, warehouses, audit, purse, settings } = parts;
        tell_collisions(&snapshot);
        let open = Open::default();
        let peers = Peers::of(audit.place());
        let stopped = open.clone();
        peers.listen(move |cancel| {
            if let Cancel::Statement { id, principal } = cancel {
                stopped.stop(id, principal, None);
            }
        });
        let admission = Admission::new(settings.max_concurrent);
        admission.resize(warehouses.sizes());
        let state = State { snapshot, bundle, warehouses }.with_views();
        Ok(Arc::new(Self {
            state: RwLock::new(Arc::new(state)),
            keys: RwLock::default(),
            registry,
            system: embedded::Context::new(&embedded::Options::default())?,
            admission,
            costs: Arc::new(Costs::new(purse)),
            plans: Plans::new(settings.plan_cache),
            results: Results::new(settings.result_cache),
            open,
            peers: Arc::new(peers),
            audit,
            stages: Arc::default(),
            settings,
        }))
    }

    /// The gateways that share the ledger.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The name of the one database.
    pub fn database(&self) -> &str {
        &self.settings.database
    }

    /// The catalog and policies in force.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read())
    }

    /// Puts another catalog and bundle in force, and other warehouses, for every decision from now on.
    /// Queries that run finish where they are, but those whose access was revoked are cut; says how many.
    pub fn replace(&self, state: State) -> usize {
        tell_collisions(&state.snapshot);
        self.admission.resize(state.warehouses.sizes());
        let state = Arc::new(state.with_views());
        *self.state.write() = Arc::clone(&state);
        self.plans.forget();
        self.results.forget();
        self.open.cut(&state)
    }

    /// Ends the sessions, and with them the queries, of principals that aren't `current` any more;
    /// says how many.
    pub fn end_sessions(&self, current: impl Fn(&Principal) -> bool) -> usize {
        self.open.end(current)
    }
}

/// Warns of relations that clients can't tell apart by their oids.
fn tell_collisions(snapshot: &Snapshot) {
    for (one, other) in introspect::collisions(snapshot) {
        tracing::warn!(%one, %other, "two relations have the same oid: rename one of them");
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

    /// A hash of what was decided when it was last described or executed; `None` if that wasn't a
    /// query. It changes with whatever may change rows, columns or values.
    pub fn decision(&self) -> Option<[u8; 32]> {
        let plan = self.inner.plan.lock();
        let decision = plan.as_ref()?.prepared.decision();
        let mut hash = [0; 32];
        let digest = ring::digest::digest(&ring::digest::SHA256, decision.as_bytes());
        hash.copy_from_slice(digest.as_ref());
        Some(hash)
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
    /// On once the session's access is revoked.
    pub(crate) ended: &'a CancelToken,
    /// Where to note how far its queries are, if anybody wants to know.
    pub(crate) progress: Option<&'a Progress>,
}

impl Gateway {
    /// The statements of a text in a dialect.
    pub(crate) fn parse(&self, dialect: SqlDialect, sql: &str) -> Result<Arc<[Parsed]>, Error> {
        self.stages.time(Stage::Parse, || self.plans.parse(dialect, sql))
    }

    /// What, may it, make it safe: text to a plan over secured relations. Decides anew unless a
    /// decision on the very same inputs is at hand, of which it would be a copy.
    fn prepare(
        &self,
        state: &State,
        caller: &Caller<'_>,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Arc<Prepared>, Error> {
        let circumstances = circumstances(caller.principal)?;
        // Asked at every statement: a rule may have switched a role off since the last one.
        let standing = state.standing(caller.principal, &circumstances)?;
        let (hash, version) = (state.bundle.hash(), state.snapshot.version());
        if let Some(kept) = statement.inner.plan.lock().as_ref()
            && kept.prepared.is_for(caller.principal, &standing, hash, version)
            && kept.hints == hints
            && kept.generation == caller.generation
            && kept.search_path == caller.facts.search_path
        {
            return Ok(Arc::clone(&kept.prepared));
        }
        let visible = Visible {
            state,
            principal: caller.principal,
            circumstances: &circumstances,
            standing: &standing,
        };
        let prepared = self.plan(caller, statement, hints, &visible)?;
        *statement.inner.plan.lock() = Some(Kept {
            prepared: Arc::clone(&prepared),
            hints: hints.to_vec(),
            search_path: caller.facts.search_path.clone(),
            generation: caller.generation,
        });
        Ok(prepared)
    }

    /// Decides, and plans unless someone else's plan is at hand that is the same.
    fn plan(
        &self,
        caller: &Caller<'_>,
        statement: &Statement,
        hints: &[Option<DataType>],
        visible: &Visible<'_>,
    ) -> Result<Arc<Prepared>, Error> {
        let State { snapshot, bundle, .. } = visible.state;
        let key = statement
            .parsed()
            .is_as_written()
            .then(|| Key::new(statement.parsed(), caller.facts, hints, snapshot, visible.standing));
        if let Some(key) = &key
            && let Some(prepared) = self.again(key, visible, caller.principal)?
        {
            return Ok(prepared);
        }
        self.plans.counts.miss();
        let known = Known { records: self.audit.place().is_some() };
        let resolved = self.stages.time(Stage::Resolve, || {
            let (parsed, registry) = (statement.parsed(), &self.registry);
            tollgate_rewriter::resolve(parsed, registry, caller.facts, visible, &known)
        })?;
        let permit = self.stages.time(Stage::Decide, || {
            tollgate_policy::decide(bundle, caller.principal, visible.circumstances, resolved)
        });
        let permit = permit.map_err(denied)?;
        let version = snapshot.version();
        let prepared = self.stages.time(Stage::Secure, || {
            tollgate_rewriter::secure(permit, &self.registry, version, hints)
        });
        let prepared = Arc::new(prepared?);
        if let Some(key) = key {
            self.plans.keep(key, &prepared);
        }
        Ok(prepared)
    }

    /// The plan that was made for someone with the same roles, over what this caller may see. The
    /// decision is made anew.
    fn again(
        &self,
        key: &Key,
        visible: &Visible<'_>,
        principal: &Arc<Principal>,
    ) -> Result<Option<Arc<Prepared>>, Error> {
        let Some(planned) = self.plans.get(key) else { return Ok(None) };
        let State { snapshot, bundle, .. } = visible.state;
        let again = self.stages.time(Stage::Resolve, || planned.again(visible, snapshot.version()));
        let Some(again) = again else { return Ok(None) };
        let permit = self.stages.time(Stage::Decide, || {
            tollgate_policy::decide(bundle, principal, visible.circumstances, again)
        });
        let permit = permit.map_err(denied)?;
        let prepared = self
            .stages
            .time(Stage::Secure, || tollgate_rewriter::secure_again(permit, &self.registry))?
            .map(Arc::new);
        if prepared.is_some() {
            self.plans.counts.hit();
        }
        Ok(prepared)
    }

    /// The plan of a statement that isn't run. What is refused is recorded as if it had been sent to run:
    /// whoever looks for hidden tables leaves a trace.
    pub(crate) async fn look(
        &self,
        caller: &Caller<'_>,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Arc<Prepared>, Error> {
        match self.prepare(&self.state(), caller, statement, hints) {
            Ok(prepared) => Ok(prepared),
            Err(error) => {
                let (id, mut meter) = self.meter(caller);
                self.refused((&id, &mut meter), caller, statement, &error).durable().await?;
                meter.end(Ending::Denied(error.kind()));
                Err(error)
            }
        }
    }

    /// The plan of a statement, to be shown to its user; recorded as a statement of its own.
    pub(crate) async fn explain(
        &self,
        caller: &Caller<'_>,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Explained, Error> {
        let prepared = self.look(caller, statement, hints).await?;
        let (id, mut meter) = self.meter(caller);
        let nulls = prepared.parameters().iter().map(ScalarValue::try_from);
        let nulls = nulls.collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
        let secured = prepared.bind(nulls)?;
        meter.about(&secured);
        self.permitted((&id, &mut meter), caller, statement, &secured).durable().await?;
        meter.end(Ending::Complete);
        Ok(Explained { prepared, secured })
    }

    pub(crate) fn meter(&self, caller: &Caller<'_>) -> (String, Meter) {
        let id = self.audit.next_id();
        let (audit, stages) = (Arc::clone(&self.audit), Arc::clone(&self.stages));
        let meter = Meter::start(audit, id.clone(), caller.principal, stages);
        (id, meter)
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
        let (id, meter) = self.meter(caller);
        let span = meter.span();
        self.road((id, meter), caller, statement, (hints, values), cancel).instrument(span).await
    }

    async fn road(
        &self,
        (id, mut meter): (String, Meter),
        caller: &Caller<'_>,
        statement: &Statement,
        (hints, values): (&[Option<DataType>], Vec<ScalarValue>),
        cancel: &CancelToken,
    ) -> Result<RowStream, Error> {
        // It runs where the tables are that it was decided on, whatever a reload puts in their place.
        let state = self.state();
        let secured = self
            .prepare(&state, caller, statement, hints)
            .and_then(|prepared| Ok((prepared.bind(values)?, prepared)));
        let (secured, prepared) = match secured {
            Ok(secured) => secured,
            Err(error) => {
                self.refused((&id, &mut meter), caller, statement, &error).durable().await?;
                meter.end(Ending::Denied(error.kind()));
                return Err(error);
            }
        };
        let entry = self.open.query(&id, &prepared, caller.ended, || self.state());
        meter.about(&secured);
        let decision = self.permitted((&id, &mut meter), caller, statement, &secured);
        let deadline = Deadline::of(caller.timeout, &secured);
        let ends = Ends { entry, cancel: cancel.clone(), deadline, began: meter.began() };
        let at_warehouse = secured.engine().is_warehouse();
        let both = {
            let start = self.start((caller, &state), secured, &ends, &mut meter);
            let durable = self.recorded(decision, &ends);
            if at_warehouse && !self.audit.is_failing() {
                // The warehouse works while the record goes to disk.
                let started = start.await;
                let durable = durable.await;
                started.and_then(|started| durable.map(|recorded| (recorded, started)))
            } else {
                // What reads records sees its own, and what can't be recorded costs nothing.
                match durable.await {
                    Ok(recorded) => start.await.map(|started| (recorded, started)),
                    Err(error) => Err(error),
                }
            }
        };
        let (recorded, started) = match both {
            Ok(started) => started,
            Err(error) => {
                meter.end(Ending::Failed(error.kind()));
                return Err(error);
            }
        };
        Ok(RowStream::new(recorded, started, meter, ends, Arc::clone(&self.costs)))
    }
}
