//! What rewriting costs: from text to a secured plan, cold and from a prepared statement.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tollgate_catalog::{Snapshot, TableName};
use tollgate_gateway::introspect::SystemRelations;
use tollgate_identity::{Principal, UserStore};
use tollgate_policy::{Bundle, Circumstances, MaskSecret, SourceFile, Standing};
use tollgate_rewriter::{Prepared, Registry, Secured, SessionFacts, VisibleTable, VisibleTables};
use tollgate_warehouse::embedded;

use crate::server::{POLICIES, users};
use crate::{Result, percentiles};

/// As a dashboard tool writes it: about 600 bytes.
const DASHBOARD: &str = "WITH monthly AS (
  SELECT date_trunc('month', e.at) AS month, e.status AS status, count(*) AS events,
         sum(e.amount) AS amount, avg(e.score) AS score
  FROM bench.events e
  WHERE e.at >= TIMESTAMP '2024-01-01' AND e.at < TIMESTAMP '2025-01-01' AND e.status IN ('status 1', 'status 2')
  GROUP BY date_trunc('month', e.at), e.status
)
SELECT m.month, m.status, m.events, m.amount, m.score,
       sum(m.amount) OVER (PARTITION BY m.status ORDER BY m.month) AS running,
       CASE WHEN m.events > 100 THEN 'many' ELSE 'few' END AS size
FROM monthly m JOIN (SELECT DISTINCT status FROM bench.events WHERE active) s ON s.status = m.status
WHERE m.amount > 10 ORDER BY m.month, m.status LIMIT 1000";
const ROUNDS: usize = 2000;

struct Visible<'a>(&'a Snapshot, &'a Bundle, &'a Principal, &'a Standing);

impl VisibleTables for Visible<'_> {
    fn table(&self, name: &TableName) -> Option<VisibleTable> {
        let table = self.0.table(name)?;
        let columns = self.1.visible(self.2, self.3, table)?;
        Some(VisibleTable { table: Arc::clone(table), columns })
    }
}

/// What a gateway has before a statement comes, without the gateway.
pub(crate) struct Road {
    snapshot: Snapshot,
    registry: Registry,
    bundle: Arc<Bundle>,
    users: UserStore,
    facts: SessionFacts,
    now: Circumstances,
}

impl Road {
    /// Over the tables in `folder/data`, with the policies and users of the benchmark.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let tables = embedded::discover(&folder.join("data"))
            .map_err(|errors| format!("{} data files can't be read", errors.len()))?;
        Self::over(Snapshot::new(1, tables), POLICIES)
    }

    /// Over the tables of a catalog, with these policies.
    pub(crate) fn over(snapshot: Snapshot, policies: &str) -> Result<Self> {
        let registry =
            Registry::new(&tollgate_gateway::Functions::new(embedded::Embedded::udf_source()));
        let file = SourceFile { path: "bench.sql".to_owned(), text: policies.to_owned() };
        let bundle = Bundle::load(&[file], &snapshot, &registry, &MaskSecret::new([7; 32]))
            .map_err(|errors| errors.to_string())?;
        let users = UserStore::parse(&users()?).map_err(|_| "the user file must parse")?;
        let facts = SessionFacts {
            user: "ana".to_owned(),
            database: "tollgate".to_owned(),
            search_path: vec!["public".to_owned()],
            version: String::new(),
            backend_pid: 1,
            settings: Arc::new(BTreeMap::new()),
        };
        let now = Circumstances { now: 0, mfa: false, purpose: None };
        Ok(Self { snapshot, registry, bundle: Arc::new(bundle), users, facts, now })
    }

    pub(crate) fn principal(&self, user: &str) -> Result<Arc<Principal>> {
        Ok(Arc::new(self.users.verify_password(user, "demo", [127, 0, 0, 1].into())?))
    }

    /// The roles that the principal has for every statement here.
    pub(crate) fn standing(&self, principal: &Principal) -> Result<Standing> {
        let standing = self.bundle.standing(principal, &self.now);
        Ok(standing.map_err(|_| "the caller must have active roles")?)
    }

    /// From text to a secured plan.
    pub(crate) fn prepare(
        &self,
        principal: &Arc<Principal>,
        standing: &Standing,
        sql: &str,
    ) -> Result<Prepared> {
        let visible = Visible(&self.snapshot, &self.bundle, principal, standing);
        let parsed = tollgate_rewriter::parse(sql)?.pop().ok_or("no statement")?;
        let resolved = tollgate_rewriter::resolve(
            &parsed,
            &self.registry,
            &self.facts,
            &visible,
            &SystemRelations,
        )?;
        let permit = tollgate_policy::decide(&self.bundle, principal, &self.now, resolved)
            .map_err(|denied| format!("denied: {denied:?}"))?;
        Ok(tollgate_rewriter::secure(permit, &self.registry, self.snapshot.version(), &[])?)
    }

    /// How long a statement takes that was planned for someone before, and is decided anew; and one
    /// that this session has prepared, values bound.
    pub(crate) fn kept(
        &self,
        principal: &Arc<Principal>,
        standing: &Standing,
        sql: &str,
        rounds: usize,
    ) -> Result<[Vec<Duration>; 2]> {
        let visible = Visible(&self.snapshot, &self.bundle, principal, standing);
        let prepared = Arc::new(self.prepare(principal, standing, sql)?);
        let (mut again, mut kept) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
        for _ in 0..rounds {
            let start = Instant::now();
            let version = self.snapshot.version();
            let statement = prepared.again(&visible, version).ok_or("nobody else's statement")?;
            let permit = tollgate_policy::decide(&self.bundle, principal, &self.now, statement)
                .map_err(|denied| format!("denied: {denied:?}"))?;
            let anew = tollgate_rewriter::secure_again(permit, &self.registry)?;
            std::hint::black_box(anew.ok_or("nobody else's plan")?.bind(Vec::new())?);
            again.push(start.elapsed());
        }
        for _ in 0..rounds {
            let start = Instant::now();
            let same =
                prepared.is_for(principal, standing, self.bundle.hash(), self.snapshot.version());
            std::hint::black_box((same, prepared.bind(Vec::new())?));
            kept.push(start.elapsed());
        }
        Ok([again, kept])
    }
}

pub(crate) fn run(folder: &Path) -> Result<()> {
    let road = Road::new(folder)?;
    let principal = road.principal("ana")?;
    let standing = road.standing(&principal)?;
    let mut cold = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        std::hint::black_box(road.prepare(&principal, &standing, DASHBOARD)?);
        cold.push(start.elapsed());
    }
    let [again, kept] = road.kept(&principal, &standing, DASHBOARD, ROUNDS)?;
    println!(
        "\nrewriting a dashboard query of {} bytes (parse to secured plan), {ROUNDS} rounds",
        DASHBOARD.len()
    );
    let (cold50, cold99) = percentiles(cold);
    println!("cold: median {} µs, p99 {} µs (target 1000)", cold50.as_micros(), cold99.as_micros());
    let (again50, again99) = percentiles(again);
    println!(
        "planned before, decided anew: median {:.1} µs, p99 {:.1} µs (target 50)",
        again50.as_secs_f64() * 1e6,
        again99.as_secs_f64() * 1e6
    );
    let (kept50, kept99) = percentiles(kept);
    println!(
        "prepared: median {:.1} µs, p99 {:.1} µs (target 20)",
        kept50.as_secs_f64() * 1e6,
        kept99.as_secs_f64() * 1e6
    );
    let secured = road.prepare(&principal, &standing, DASHBOARD)?.bind(Vec::new())?;
    for (name, print) in [
        ("PostgreSQL", Secured::for_postgres as fn(&Secured) -> _),
        ("Snowflake", Secured::for_snowflake),
    ] {
        let mut printed = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let text = print(&secured).map_err(|e| format!("{e}: {:?}", e.cause()))?;
            std::hint::black_box(text);
            printed.push(start.elapsed());
        }
        let (printed50, printed99) = percentiles(printed);
        println!(
            "printed and verified for a {name}: median {:.1} µs, p99 {:.1} µs",
            printed50.as_secs_f64() * 1e6,
            printed99.as_secs_f64() * 1e6
        );
    }
    Ok(())
}
