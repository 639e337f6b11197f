//! The database: SQLite or PostgreSQL, its migrations, and the statements that both understand.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyRow};
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, Row};

use crate::chain::Hash;
use crate::error::LedgerError;
use crate::keys::PublicKey;

/// Where a ledger is.
#[derive(Clone)]
pub enum Place {
    /// In a file, with SQLite.
    Sqlite(PathBuf),
    /// In a PostgreSQL; the URL to connect with.
    Postgres(String),
}

/// The kinds of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Versions of the store, oldest first.
const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/1_ledger.sql"),
    include_str!("../migrations/2_exports.sql"),
    include_str!("../migrations/3_prices.sql"),
    include_str!("../migrations/4_corrections.sql"),
];

/// The version that has corrections.
const CORRECTIONS: i64 = 4;

/// How long a new gateway waits for the one before it to let a ledger go.
pub(crate) const HANDOVER: Duration = Duration::from_secs(10);

/// The advisory lock under which a PostgreSQL is migrated.
const MIGRATION_LOCK: i64 = 0x746f_6c6c_6761_7465;

/// A connection to the database.
pub(crate) struct Store {
    pub(crate) connection: AnyConnection,
    pub(crate) engine: Engine,
}

/// A chain as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct ChainRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) epoch: i64,
    pub(crate) seq: i64,
    pub(crate) hash: Hash,
    pub(crate) at: i64,
    pub(crate) public_key: PublicKey,
    pub(crate) signature: Vec<u8>,
    pub(crate) open_from: i64,
}

/// A signed end of a chain as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct EndRow {
    pub(crate) seq: i64,
    pub(crate) hash: Hash,
    pub(crate) at: i64,
    pub(crate) signature: Vec<u8>,
}

/// One record as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct RecordRow {
    pub(crate) seq: i64,
    pub(crate) kind: i64,
    pub(crate) at: i64,
    pub(crate) principal: String,
    pub(crate) body: String,
    pub(crate) hash: Vec<u8>,
}

impl Place {
    /// What an operator calls it; without a password.
    pub fn name(&self) -> String {
        match self {
            Place::Sqlite(path) => path.display().to_string(),
            Place::Postgres(_) => "the ledger's PostgreSQL".to_owned(),
        }
    }

    /// Holds the store for one writer, once the one before has let it go. A PostgreSQL is locked chain by
    /// chain instead.
    pub(crate) async fn lock(&self) -> Result<Option<File>, LedgerError> {
        let Place::Sqlite(path) = self else { return Ok(None) };
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let said = |error| LedgerError::File { path: path.clone(), error };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(said)?;
        let until = Instant::now() + HANDOVER;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(TryLockError::WouldBlock) => return Err(LedgerError::InUse(self.name())),
                Err(TryLockError::Error(error)) => return Err(said(error)),
            }
        }
    }

    fn url(&self, write: bool) -> Result<String, LedgerError> {
        match self {
            Place::Postgres(url) => Ok(url.clone()),
            Place::Sqlite(path) => {
                let path = std::path::absolute(path)
                    .map_err(|error| LedgerError::File { path: path.clone(), error })?;
                let mode = if write { "rwc" } else { "ro" };
                Ok(format!("sqlite://{}?mode={mode}", percent(&path)))
            }
        }
    }
}

/// A path as a part of a URL.
fn percent(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt;
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                text.push(char::from(*byte));
            }
            // Writing to a String can't fail.
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

impl Store {
    /// Connects to write, and brings the tables to this program's version. `max_bytes`: see
    /// [`crate::Options`].
    pub(crate) async fn open(place: &Place, max_bytes: Option<u64>) -> Result<Store, LedgerError> {
        // New tables are no records: they come whatever the bound.
        let mut store = Store::reopen(place, None).await?;
        store.migrate().await?;
        store.bound(max_bytes).await?;
        Ok(store)
    }

    /// Connects to write to a store that is there.
    pub(crate) async fn reopen(
        place: &Place,
        max_bytes: Option<u64>,
    ) -> Result<Store, LedgerError> {
        if let Place::Sqlite(path) = place {
            // SQLite would make it readable for all.
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map_err(|error| LedgerError::File { path: path.clone(), error })?;
        }
        let mut store = Store::connect(place, true).await?;
        if store.engine == Engine::Sqlite {
            // A commit is on the disk when it returns; readers don't stop the writer.
            for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"] {
                sqlx::query(pragma).fetch_optional(&mut store.connection).await?;
            }
        }
        store.bound(max_bytes).await?;
        Ok(store)
    }

    /// How large a SQLite may become by this connection.
    async fn bound(&mut self, max_bytes: Option<u64>) -> Result<(), LedgerError> {
        let Some(bytes) = max_bytes.filter(|_| self.engine == Engine::Sqlite) else {
            return Ok(());
        };
        let row = sqlx::query("PRAGMA page_size").fetch_one(&mut self.connection).await?;
        let page: i64 = row.try_get(0)?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        let pragma = format!("PRAGMA max_page_count = {}", pages.max(1));
        sqlx::query(&pragma).fetch_optional(&mut self.connection).await?;
        Ok(())
    }

    /// Connects to read.
    pub(crate) async fn open_to_read(place: &Place) -> Result<Store, LedgerError> {
        if let Place::Sqlite(path) = place {
            File::open(path).map_err(|error| LedgerError::File { path: path.clone(), error })?;
        }
        let mut store = Store::connect(place, false).await?;
        let version = store.version().await?;
        if version > MIGRATIONS.len() as i64 {
            return Err(LedgerError::Newer(version));
        }
        Ok(store)
    }

    /// From now on everything is read as of now.
    pub(crate) async fn hold_still(&mut self) -> Result<(), LedgerError> {
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        sqlx::query(begin).execute(&mut self.connection).await?;
        Ok(())
    }

    async fn connect(place: &Place, write: bool) -> Result<Store, LedgerError> {
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = place.url(write)?.parse()?;
        let mut connection = options.disable_statement_logging().connect().await?;
        if let Place::Sqlite(_) = place {
            // It is waited for whoever writes now; the lock isn't given in turn.
            let patience = "PRAGMA busy_timeout = 600000";
            sqlx::query(patience).fetch_optional(&mut connection).await?;
        }
        let engine = match place {
            Place::Sqlite(_) => Engine::Sqlite,
            Place::Postgres(_) => Engine::Postgres,
        };
        Ok(Store { connection, engine })
    }

    /// Whether it has tables of corrections: one that an older program has written has none until it is
    /// written again.
    pub(crate) async fn has_corrections(&mut self) -> Result<bool, LedgerError> {
        Ok(self.version().await? >= CORRECTIONS)
    }

    async fn version(&mut self) -> Result<i64, LedgerError> {
        let query = "SELECT version FROM tollgate_ledger";
        let row = sqlx::query(query).fetch_one(&mut self.connection).await?;
        Ok(row.try_get(0)?)
    }

    async fn migrate(&mut self) -> Result<(), LedgerError> {
        let (bytes, json) = match self.engine {
            Engine::Sqlite => ("BLOB", "TEXT"),
            Engine::Postgres => ("BYTEA", "JSON"),
        };
        let mut transaction = self.connection.begin_with(begin(self.engine)).await?;
        if self.engine == Engine::Postgres {
            let lock = "SELECT pg_advisory_xact_lock($1)";
            sqlx::query(lock).bind(MIGRATION_LOCK).execute(&mut *transaction).await?;
        }
        let table = "CREATE TABLE IF NOT EXISTS tollgate_ledger (version BIGINT NOT NULL)";
        sqlx::query(table).execute(&mut *transaction).await?;
        let query = "SELECT version FROM tollgate_ledger";
        let row = sqlx::query(query).fetch_optional(&mut *transaction).await?;
        let version: i64 = match &row {
            Some(row) => row.try_get(0)?,
            None => {
                let insert = "INSERT INTO tollgate_ledger (version) VALUES (0)";
                sqlx::query(insert).execute(&mut *transaction).await?;
                0
            }
        };
        let known = MIGRATIONS.len() as i64;
        if version > known {
            return Err(LedgerError::Newer(version));
        }
        let done = usize::try_from(version)
            .map_err(|_| LedgerError::Damaged(format!("it has version {version}")))?;
        for migration in MIGRATIONS.iter().skip(done) {
            let text = migration.replace("{bytes}", bytes).replace("{json}", json);
            (&mut *transaction).execute(sqlx::raw_sql(&text)).await?;
        }
        if version < known {
            let update = "UPDATE tollgate_ledger SET version = $1";
            sqlx::query(update).bind(known).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Holds a chain of a PostgreSQL as long as this connection lives; says whether it could.
    pub(crate) async fn lock_chain(&mut self, name: &str) -> Result<bool, LedgerError> {
        match self.engine {
            Engine::Sqlite => Ok(true),
            Engine::Postgres => {
                let query = "SELECT pg_try_advisory_lock($1)";
                let key = lock_key(name);
                let row = sqlx::query(query).bind(key).fetch_one(&mut self.connection).await?;
                Ok(row.try_get(0)?)
            }
        }
    }

    /// Gives a chain back.
    pub(crate) async fn unlock_chain(&mut self, name: &str) -> Result<(), LedgerError> {
        if self.engine == Engine::Postgres {
            let query = "SELECT pg_advisory_unlock($1)";
            sqlx::query(query).bind(lock_key(name)).execute(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Gives back all that is held, then ends the connection. A PostgreSQL notices the end of a connection
    /// a while later, and whoever comes next would find locks that nobody holds.
    pub(crate) async fn close(mut self) -> Result<(), LedgerError> {
        if self.engine == Engine::Postgres {
            let all = "SELECT pg_advisory_unlock_all()";
            sqlx::query(all).execute(&mut self.connection).await?;
        }
        Ok(self.connection.close().await?)
    }

    /// The time of a PostgreSQL, in microseconds since 1970.
    pub(crate) async fn server_time(&mut self) -> Result<Option<i64>, LedgerError> {
        if self.engine == Engine::Sqlite {
            return Ok(None);
        }
        let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT";
        Ok(Some(sqlx::query(query).fetch_one(&mut self.connection).await?.try_get(0)?))
    }

    /// All chains, by their ids.
    pub(crate) async fn chains(&mut self) -> Result<Vec<ChainRow>, LedgerError> {
        let query = "SELECT id, name, epoch, seq, hash, at, public_key, signature, open_from \
                     FROM chains ORDER BY id";
        let rows = sqlx::query(query).fetch_all(&mut self.connection).await?;
        rows.iter().map(chain_row).collect()
    }

    /// Records of a chain after one, in order, at most so many.
    pub(crate) async fn records(
        &mut self,
        chain: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<RecordRow>, LedgerError> {
        let query = "SELECT seq, kind, at, principal, body, hash FROM records \
                     WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let rows = sqlx::query(query)
            .bind(chain)
            .bind(after)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(record_row).collect()
    }

    /// How many records there are: of a chain, or of all.
    pub(crate) async fn count(&mut self, chain: Option<i64>) -> Result<i64, LedgerError> {
        let row = match chain {
            Some(chain) => {
                let query = "SELECT count(*) FROM records WHERE chain = $1";
                sqlx::query(query).bind(chain).fetch_one(&mut self.connection).await?
            }
            None => {
                let query = "SELECT count(*) FROM records";
                sqlx::query(query).fetch_one(&mut self.connection).await?
            }
        };
        Ok(row.try_get(0)?)
    }

    /// The kept checkpoints of a chain after one, in order, at most so many.
    pub(crate) async fn checkpoints(
        &mut self,
        chain: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<EndRow>, LedgerError> {
        let query = "SELECT seq, hash, at, signature FROM checkpoints \
                     WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let rows = sqlx::query(query)
            .bind(chain)
            .bind(after)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(end_row).collect()
    }

    /// Up to where a chain was cut last.
    pub(crate) async fn cut(&mut self, chain: i64) -> Result<Option<EndRow>, LedgerError> {
        let query = "SELECT seq, hash, at, signature FROM cuts WHERE chain = $1 \
                     ORDER BY seq DESC LIMIT 1";
        let row = sqlx::query(query).bind(chain).fetch_optional(&mut self.connection).await?;
        row.as_ref().map(end_row).transpose()
    }
}

/// How a transaction that writes begins. SQLite takes its lock at once: a transaction that gets it
/// later may have to fail instead of waiting.
pub(crate) fn begin(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => "BEGIN",
    }
}

/// The advisory lock of a chain.
pub(crate) fn lock_key(name: &str) -> i64 {
    let mut bytes = [0; 8];
    let hash = Hash::genesis(name);
    for (to, from) in bytes.iter_mut().zip(hash.bytes()) {
        *to = *from;
    }
    i64::from_be_bytes(bytes)
}

fn hash(bytes: &[u8]) -> Result<Hash, LedgerError> {
    Hash::read(bytes).ok_or_else(|| LedgerError::Damaged("a hash has not 32 bytes".to_owned()))
}

pub(crate) fn chain_row(row: &AnyRow) -> Result<ChainRow, LedgerError> {
    let key: Vec<u8> = row.try_get(6)?;
    Ok(ChainRow {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        epoch: row.try_get(2)?,
        seq: row.try_get(3)?,
        hash: hash(&row.try_get::<Vec<u8>, _>(4)?)?,
        at: row.try_get(5)?,
        public_key: PublicKey::from_bytes(&key)
            .ok_or_else(|| LedgerError::Damaged("a public key has not 32 bytes".to_owned()))?,
        signature: row.try_get(7)?,
        open_from: row.try_get(8)?,
    })
}

fn end_row(row: &AnyRow) -> Result<EndRow, LedgerError> {
    Ok(EndRow {
        seq: row.try_get(0)?,
        hash: hash(&row.try_get::<Vec<u8>, _>(1)?)?,
        at: row.try_get(2)?,
        signature: row.try_get(3)?,
    })
}

/// A value of another type than it was written with is empty: whoever verifies sees that it isn't what
/// was written.
fn record_row(row: &AnyRow) -> Result<RecordRow, LedgerError> {
    Ok(RecordRow {
        seq: row.try_get(0)?,
        kind: row.try_get(1).unwrap_or_default(),
        at: row.try_get(2).unwrap_or_default(),
        principal: row.try_get(3).unwrap_or_default(),
        body: row.try_get(4).unwrap_or_default(),
        hash: row.try_get(5).unwrap_or_default(),
    })
}
