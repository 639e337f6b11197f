//! The raw tables: files as table providers, one for each table of a snapshot.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use arrow::csv::reader::Format;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use datafusion::datasource::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::SessionState;
use datafusion::object_store::path::Path;
use parking_lot::Mutex;
use tollgate_catalog::{Storage, Table, TableName};
use url::Url;

use crate::error::data_file;

/// Providers kept at most; beyond that the cache starts anew.
const CAPACITY: usize = 4096;
/// So much is read of a file, and of names twice as much as they have bytes, to find its header line.
const HEADER: usize = 64 * 1024;

/// Which files make up a table: how a scan in a physical plan is recognised.
#[derive(Debug)]
pub(crate) struct Files {
    table: TableName,
    locations: HashSet<Path>,
    magnitude: Option<usize>,
    records: bool,
}

impl Files {
    /// The files of `table`; a view has none.
    pub(crate) fn of(table: &Table) -> Result<Self> {
        let urls = urls(table)?;
        let locations = urls.iter().map(|url| url.prefix().clone()).collect();
        let magnitude = table.row_count.map(magnitude);
        Ok(Self { table: table.name.clone(), locations, magnitude, records: table.is_record() })
    }

    /// Whether there are none: the rows are the gateway's own records.
    pub(crate) fn are_records(&self) -> bool {
        self.records
    }

    /// The number of rows of the whole table, up to the next power of ten.
    pub(crate) fn magnitude(&self) -> Option<usize> {
        self.magnitude
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &TableName {
        &self.table
    }

    /// Whether a file belongs to the table.
    pub(crate) fn contains(&self, location: &Path) -> bool {
        self.locations.contains(location)
    }
}

/// A raw table, ready to be scanned.
#[derive(Debug, Clone)]
pub(crate) struct RawTable {
    pub(crate) provider: Arc<dyn TableProvider>,
    pub(crate) files: Arc<Files>,
}

/// Keeps the provider of each table, so that file statistics are read once.
#[derive(Debug, Default)]
pub(crate) struct RawTables {
    // The key is the table's address; the value holds the table, so that it isn't reused.
    cache: Mutex<HashMap<usize, (Arc<Table>, RawTable)>>,
    /// The tables that are no files: the gateway's own records.
    records: HashMap<TableName, Arc<dyn TableProvider>>,
}

impl RawTables {
    /// The gateway's own records.
    pub(crate) fn of_records(records: HashMap<TableName, Arc<dyn TableProvider>>) -> Self {
        Self { records, ..Self::default() }
    }

    /// The provider of `table`'s raw rows.
    ///
    /// # Errors
    /// A file of the table has gone or is empty: to the engine it would be a file without rows. Or its
    /// header line names other columns: values would stand under another's name.
    pub(crate) fn get(&self, state: &SessionState, table: &Arc<Table>) -> Result<RawTable> {
        if table.is_record() {
            let provider = self.records.get(&table.name).map(Arc::clone);
            let provider =
                provider.ok_or_else(|| internal_datafusion_err!("records that nobody provides"))?;
            return Ok(RawTable { provider, files: Arc::new(Files::of(table)?) });
        }
        present(table)?;
        let key = Arc::as_ptr(table) as usize;
        if let Some((_, raw)) = self.cache.lock().get(&key) {
            return Ok(raw.clone());
        }
        let raw = RawTable {
            provider: Arc::new(open(state, table)?),
            files: Arc::new(Files::of(table)?),
        };
        let mut cache = self.cache.lock();
        if cache.len() >= CAPACITY {
            cache.clear();
        }
        cache.insert(key, (Arc::clone(table), raw.clone()));
        Ok(raw)
    }
}

fn magnitude(rows: u64) -> usize {
    let mut power = 1_usize;
    while u64::try_from(power).is_ok_and(|power| power < rows) {
        power = power.saturating_mul(10);
        if power == usize::MAX {
            break;
        }
    }
    power
}

fn open(state: &SessionState, table: &Table) -> Result<ListingTable> {
    let format: Arc<dyn FileFormat> = match &table.storage {
        Storage::Parquet(_) => {
            let options = state.table_options().parquet.clone();
            Arc::new(ParquetFormat::new().with_options(options))
        }
        Storage::Csv(_) => Arc::new(CsvFormat::default().with_has_header(true)),
        Storage::Postgres { .. } | Storage::Snowflake(_) | Storage::Ledger => {
            return Err(internal_datafusion_err!("a table of another warehouse"));
        }
        Storage::View(_) => return Err(internal_datafusion_err!("a view has no raw rows")),
    };
    let options = ListingOptions::new(format).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls(table)?)
        .with_listing_options(options)
        .with_schema(table.arrow_schema());
    let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(ListingTable::try_new(config)?.with_cache(cache))
}

fn present(table: &Table) -> Result<()> {
    let files = match &table.storage {
        Storage::Parquet(files) | Storage::Csv(files) => files.as_slice(),
        Storage::Postgres { .. } | Storage::Snowflake(_) | Storage::View(_) | Storage::Ledger => {
            &[]
        }
    };
    let damaged = files.iter().find_map(|file| intact(table, file).err());
    match damaged {
        None => Ok(()),
        Some(error) => Err(DataFusionError::External(Box::new(data_file(error)))),
    }
}

fn intact(table: &Table, file: &FilePath) -> Result<(), IoError> {
    if std::fs::metadata(file)?.len() == 0 {
        return Err(IoErrorKind::UnexpectedEof.into());
    }
    match &table.storage {
        Storage::Csv(_) => headed(table, file),
        Storage::Parquet(_)
        | Storage::Postgres { .. }
        | Storage::Snowflake(_)
        | Storage::View(_)
        | Storage::Ledger => Ok(()),
    }
}

/// The engine takes a CSV file's values by position; the names are read as discovery reads them.
fn headed(table: &Table, file: &FilePath) -> Result<(), IoError> {
    let wrong = |what: &'static str| IoError::new(IoErrorKind::InvalidData, what);
    // Each byte may be a quote, which is doubled; then there are quotes around it, and a comma.
    let names: usize = table.columns.iter().map(|column| 2 * column.name.len() + 3).sum();
    let most = u64::try_from(HEADER.max(names)).map_err(IoError::other)?;
    // The reader's own error stays out: it may quote values.
    let (found, _) = Format::default()
        .with_header(true)
        .infer_schema(File::open(file)?.take(most), Some(0))
        .map_err(|_| wrong("the file has no header line any more"))?;
    let found = found.fields().iter().map(|field| field.name());
    if found.eq(table.columns.iter().map(|column| &column.name)) {
        return Ok(());
    }
    Err(wrong("the header line names other columns than the catalog"))
}

fn urls(table: &Table) -> Result<Vec<ListingTableUrl>> {
    let files: &[PathBuf] = match &table.storage {
        Storage::Parquet(files) | Storage::Csv(files) => files,
        Storage::Postgres { .. } | Storage::Snowflake(_) | Storage::View(_) | Storage::Ledger => {
            &[]
        }
    };
    files.iter().map(|file| url(file)).collect()
}

// Not `ListingTableUrl::parse`: it would take `*` or `?` in a file's name for a pattern.
fn url(file: &FilePath) -> Result<ListingTableUrl> {
    let file = std::path::absolute(file).map_err(DataFusionError::from)?;
    let url = Url::from_file_path(&file)
        .map_err(|()| internal_datafusion_err!("a table's file has no absolute path"))?;
    ListingTableUrl::try_new(url, None)
}
