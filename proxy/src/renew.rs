//! A server's catalog, policies, users and warehouses anew: all of it by a reload, or one warehouse's
//! tables when it is asked again which it has. Either is valid as a whole and goes live, or nothing does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tollgate_catalog::{Table, WarehouseName};
use tollgate_gateway::config::{Config, Place, Warehouse};
use tollgate_gateway::{KeySource, RemoteKeys, State};
use tollgate_identity::Issuer;
use tollgate_policy::{MaskSecret, SourceFile};
use tollgate_rewriter::Registry;
use tollgate_warehouse::warehouses::{NamedWarehouse, Warehouses};

use crate::flight::Front;
use crate::listener::Shared;
use crate::load::{self, Believed, Found, Reloaded};
use crate::place::{self, NotFound};
use crate::serve::said;
use crate::watch::Watch;

/// What renews a server, and what it knows of the server for that.
pub(crate) struct Renewal {
    pub(crate) path: PathBuf,
    pub(crate) registry: Arc<Registry>,
    pub(crate) secret: Arc<MaskSecret>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) front: Option<Arc<Front>>,
    /// Held while something new is made of it and put in force, so that nothing is lost between two.
    live: Mutex<Live>,
    /// How often all was reloaded.
    reloads: watch::Sender<u64>,
}

/// What is in force.
pub(crate) struct Live {
    pub(crate) config: Arc<Config>,
    /// What each warehouse has.
    pub(crate) found: Found,
    /// The policies as they are written.
    pub(crate) sources: Vec<SourceFile>,
    /// What each warehouse was opened with.
    pub(crate) opened: Opened,
}

/// What each warehouse was opened with: a hash of its secrets.
pub(crate) type Opened = BTreeMap<WarehouseName, Vec<u8>>;

/// The same of all warehouses of a configuration, as they would be opened now.
pub(crate) fn opened(config: &Config) -> Opened {
    let all = config.warehouses.iter();
    all.map(|warehouse| (warehouse.name.clone(), place::fingerprint(warehouse))).collect()
}

impl Live {
    /// Whether a warehouse of another configuration is the one that is open.
    fn has(&self, config: &Config, warehouse: &Warehouse, opened: &Opened) -> bool {
        let name = &warehouse.name;
        let before = self.config.warehouses.iter().find(|before| before.name == *name);
        before.is_some_and(|before| before.opens_as(warehouse))
            && self.opened.get(name) == opened.get(name)
            && self.config.pg.statement_timeout == config.pg.statement_timeout
    }
}

/// What a reload does to keys that are fetched.
enum Fetched {
    /// They are the same issuer's, from the same place.
    AsBefore,
    /// Others take their place, or none.
    Other(Option<RemoteKeys>),
}

impl Renewal {
    pub(crate) fn new(
        (path, registry, secret): (PathBuf, Arc<Registry>, Arc<MaskSecret>),
        shared: Arc<Shared>,
        front: Option<Arc<Front>>,
        live: Live,
    ) -> Self {
        let (live, reloads) = (Mutex::new(live), watch::Sender::new(0));
        Self { path, registry, secret, shared, front, live, reloads }
    }

    /// Tells of each reload.
    pub(crate) fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    /// The configuration that is in force; nothing while it may be replaced.
    pub(crate) fn config(&self) -> Option<Arc<Config>> {
        self.live.try_lock().map(|live| Arc::clone(&live.config))
    }

    /// The warehouses that are to be asked again which tables they have, and how often.
    pub(crate) fn refreshed(&self) -> Vec<(WarehouseName, Duration)> {
        let config = tokio::task::block_in_place(|| Arc::clone(&self.live.lock().config));
        let all = config.warehouses.iter();
        all.filter_map(|warehouse| Some((warehouse.name.clone(), warehouse.refresh?))).collect()
    }

    /// Reads everything again, and gives the files to watch from then on if that went well.
    pub(crate) fn reload(&self) -> Option<Watch> {
        let mut live = self.live.lock();
        let gateway = &self.shared.gateway;
        let state = gateway.state();
        let version = state.snapshot.version() + 1;
        let failed = Mutex::new(BTreeMap::new());
        let known = |config: &Config, warehouse: &Warehouse, why: &NotFound| {
            let opened = [(warehouse.name.clone(), place::fingerprint(warehouse))].into();
            let same = why.passing && live.has(config, warehouse, &opened);
            let tables: &Vec<Table> = live.found.get(&warehouse.name).filter(|_| same)?;
            tracing::error!(
                warehouse = %warehouse.name,
                "the tables of before stay, the warehouse can't be asked for others\n{}",
                why.errors.join("\n")
            );
            failed.lock().insert(warehouse.name.clone(), why.errors.join("\n"));
            Some(tables)
        };
        let thinking = (&*self.registry, &*self.secret);
        let reloaded = match load::reload(&self.path, version, thinking, known) {
            Ok(reloaded) => reloaded,
            Err(errors) => {
                tracing::error!("reload refused, the old state stays in force\n{errors}");
                return None;
            }
        };
        if let Err(error) = fixed(&live.config, &reloaded.config) {
            tracing::error!("reload refused, the old state stays in force\n{error}");
            return None;
        }
        let opened = opened(&reloaded.config);
        let warehouses = match open(&reloaded.config, &live, &opened, &state.warehouses) {
            Ok(warehouses) => Arc::new(warehouses),
            Err(error) => {
                tracing::error!("reload refused, the old state stays in force\n{error}");
                return None;
            }
        };
        let users = self.shared.users.read().reload(&reloaded.users);
        let (Ok(users), Ok((issuer, fetched))) = (users, self.issuer(reloaded.believed)) else {
            tracing::error!("reload refused, the old state stays in force");
            return None;
        };
        let users = users.with_issuer(issuer).with_authority(reloaded.authority.clone());
        match fetched {
            Fetched::AsBefore => {}
            Fetched::Other(keys) => gateway.replace_keys(keys),
        }
        let Reloaded { snapshot, bundle, config, found, sources, .. } = reloaded;
        let hash = bundle.hash().to_owned();
        let users = Arc::new(users);
        if let Some(front) = &self.front {
            front.flight.replace_users(Arc::clone(&users));
            if let Some(keys) = reloaded.keys {
                front.flight.replace_keys(keys);
            }
        }
        *self.shared.users.write() = Arc::clone(&users);
        if let Some(tls) = &self.shared.tls {
            tls.clients.replace(reloaded.authority);
        }
        let queries =
            gateway.replace(State { snapshot, bundle, warehouses: Arc::clone(&warehouses) });
        let mut failed = failed.into_inner();
        for warehouse in warehouses.iter() {
            match failed.remove(warehouse.name()) {
                Some(why) => {
                    warehouse.refreshes().failed(why);
                }
                None => warehouse.refreshes().asked(),
            }
        }
        let sessions = gateway.end_sessions(|principal| users.is_current(principal));
        *live = Live { config: Arc::new(config), found, sources, opened };
        self.reloads.send_modify(|reloads| *reloads += 1);
        tracing::info!(
            bundle = hash,
            version,
            queries,
            sessions,
            "reloaded; access was revoked of that many"
        );
        Some(reloaded.watch)
    }

    /// Asks a warehouse again which tables it has. Whatever goes wrong, those of before stay.
    pub(crate) async fn refresh(&self, name: &WarehouseName) {
        let (config, reloads) = tokio::task::block_in_place(|| {
            let live = self.live.lock();
            (Arc::clone(&live.config), *self.reloads.borrow())
        });
        let named = config.warehouses.iter().find(|warehouse| warehouse.name == *name);
        let Some(warehouse) = named else { return };
        let found = match &warehouse.place {
            Place::Folder(_) => {
                tokio::task::block_in_place(|| place::tables(&config, [warehouse])).pop()
            }
            Place::Postgres(_) | Place::Snowflake(_) => Some(place::find(&config, warehouse).await),
        };
        let Some(found) = found else { return };
        tokio::task::block_in_place(|| self.put(name, reloads, found));
    }

    /// Puts the tables of a warehouse in force. Those that were asked for before a reload are forgotten: it
    /// has asked as well.
    fn put(&self, name: &WarehouseName, reloads: u64, found: Result<Vec<Table>, NotFound>) {
        let mut live = self.live.lock();
        if *self.reloads.borrow() != reloads {
            return;
        }
        let gateway = &self.shared.gateway;
        let state = gateway.state();
        let Some(warehouse) = state.warehouses.get(name) else { return };
        let stays = |why: String| {
            // At each interval again, but said once.
            if warehouse.refreshes().failed(why.clone()) {
                tracing::error!(warehouse = %name, "the tables of before stay in force\n{why}");
            }
        };
        let tables = match found {
            Ok(tables) => tables,
            Err(why) => return stays(why.errors.join("\n")),
        };
        if live.found.get(name).is_some_and(|before| !differ(before, &tables)) {
            warehouse.refreshes().same();
            return;
        }
        let mut found = live.found.clone();
        found.insert(name.clone(), tables);
        let version = state.snapshot.version() + 1;
        let thinking = (&*self.registry, &*self.secret);
        let made = load::again(&live.config, &found, &live.sources, version, thinking);
        let (snapshot, bundle) = match made {
            Ok(made) => made,
            Err(errors) => return stays(errors.to_string()),
        };
        let warehouses = Arc::clone(&state.warehouses);
        let queries = gateway.replace(State { snapshot, bundle, warehouses });
        live.found = found;
        warehouse.refreshes().changed();
        tracing::info!(
            warehouse = %name,
            version,
            queries,
            "the warehouse has other tables; access was revoked of that many queries"
        );
    }

    /// The issuer to believe from now on. One whose keys are fetched stays with the keys that it has.
    fn issuer(&self, believed: Option<Believed>) -> Result<(Option<Arc<Issuer>>, Fetched), String> {
        let Some(Believed { issuer, source }) = believed else {
            return Ok((None, Fetched::Other(None)));
        };
        let Some(source) = source else { return Ok((Some(issuer), Fetched::Other(None))) };
        let known = self.shared.gateway.keys().filter(|keys| keys.are(&issuer, &source));
        if let Some(keys) = known {
            return Ok((Some(Arc::clone(keys.issuer())), Fetched::AsBefore));
        }
        let keys = fetching(&self.shared, Arc::clone(&issuer), source)?;
        Ok((Some(issuer), Fetched::Other(Some(keys))))
    }
}

/// Refuses what only a restart can change and what new policies, or prices, would be wrong without.
fn fixed(old: &Config, new: &Config) -> Result<(), String> {
    let changed = [
        // Receipts name who pays by the one of the start, prices for tenants must go by the same.
        ("ledger.tenant", old.ledger.tenant != new.ledger.tenant),
        // Those of the start stay in force: less would be thought to be recorded than is.
        ("ledger.statements", old.ledger.texts.all != new.ledger.texts.all),
        ("ledger.texts", old.ledger.texts.rules != new.ledger.texts.rules),
    ];
    let Some((key, _)) = changed.into_iter().find(|(_, changed)| *changed) else { return Ok(()) };
    let message = format!("\"{key}\" can't change while the gateway runs");
    Err(new.error(key, message, "restart the gateway").to_string())
}

/// Whether a warehouse has other tables than before. One that only grows isn't another each time: its
/// numbers of rows and bytes count once one of them has changed by a factor of two.
fn differ(old: &[Table], new: &[Table]) -> bool {
    let rest = |table: &Table| Table { row_count: None, bytes: None, ..table.clone() };
    let far = |old: Option<u64>, new: Option<u64>| match (old, new) {
        (Some(old), Some(new)) => old != new && old.min(new).saturating_mul(2) <= old.max(new),
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    };
    old.len() != new.len()
        || old.iter().zip(new).any(|(old, new)| {
            far(old.row_count, new.row_count) || far(old.bytes, new.bytes) || rest(old) != rest(new)
        })
}

/// The warehouses of a configuration; those that are open and haven't changed stay as they are, with their
/// connections.
fn open(
    config: &Config,
    live: &Live,
    opened: &Opened,
    before: &Warehouses,
) -> Result<Warehouses, String> {
    let one = |warehouse: &Warehouse| -> Result<Arc<NamedWarehouse>, String> {
        let same = before.get(&warehouse.name).filter(|_| live.has(config, warehouse, opened));
        same.map_or_else(|| place::open(config, warehouse), |open| Ok(Arc::clone(open)))
    };
    let all = config.warehouses.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    Ok(Warehouses::new(all))
}

/// Begins to fetch an issuer's keys. Sessions end when theirs is withdrawn.
pub(crate) fn fetching(
    shared: &Arc<Shared>,
    issuer: Arc<Issuer>,
    source: KeySource,
) -> Result<RemoteKeys, String> {
    let shared = Arc::downgrade(shared);
    let withdrawn = move || {
        let Some(shared) = shared.upgrade() else { return };
        let users = Arc::clone(&shared.users.read());
        let sessions = shared.gateway.end_sessions(|principal| users.is_current(principal));
        tracing::info!(sessions, "keys of tokens were withdrawn; that many sessions ended");
    };
    RemoteKeys::start(issuer, source, withdrawn).map_err(said)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use tollgate_gateway::config::Config;

    use super::fixed;

    #[test]
    fn what_the_start_has_fixed_refuses_a_reload() {
        let config = |keys: &str| {
            let text = format!(
                "pg.tls = \"optional\"\nusers.file = \"u\"\npolicies.folder = \"p\"\n\
                 warehouse.data = \"d\"\n[ledger]\n{keys}"
            );
            Config::parse(Path::new("tollgate.toml"), &text).unwrap()
        };
        let rule = "texts = [{ tables = [\"hr.*\"], store = \"hashed\" }]\n";
        let (plain, ruled) = (config(""), config(rule));
        for (old, new, key) in [
            (&plain, &ruled, "ledger.texts"),
            (&ruled, &plain, "ledger.texts"),
            (&ruled, &config(&rule.replace("hashed", "normalised")), "ledger.texts"),
            (&plain, &config("statements = \"hashed\"\n"), "ledger.statements"),
            (&plain, &config("tenant = \"payer\"\n"), "ledger.tenant"),
        ] {
            let error = fixed(old, new).unwrap_err();
            let expected = format!("\"{key}\" can't change while the gateway runs");
            assert!(error.contains(&expected), "{error}");
        }
        assert_eq!(fixed(&ruled, &config(&format!("{rule}keep = \"9 days\"\n"))), Ok(()));
    }
}
