//! The raw tables: files as table providers, one for each table of a snapshot.

use std::collections::{HashMap, HashSet};
use std::path::Path as FilePath;
use std::sync::Arc;

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

/// Providers kept at most; beyond that the cache starts anew.
const CAPACITY: usize = 4096;

/// Which files make up a table: how a scan in a physical plan is recognised.
#[derive(Debug)]
pub(crate) struct Files {
    table: TableName,
    locations: HashSet<Path>,
}

impl Files {
    /// The files of `table`.
    pub(crate) fn of(table: &Table) -> Result<Self> {
        let urls = urls(table)?;
        let locations = urls.iter().map(|url| url.prefix().clone()).collect();
        Ok(Self { table: table.name.clone(), locations })
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
}

impl RawTables {
    /// The provider of `table`'s raw rows.
    pub(crate) fn get(&self, state: &SessionState, table: &Arc<Table>) -> Result<RawTable> {
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

fn open(state: &SessionState, table: &Table) -> Result<ListingTable> {
    let format: Arc<dyn FileFormat> = match &table.storage {
        Storage::Parquet(_) => {
            let options = state.table_options().parquet.clone();
            Arc::new(ParquetFormat::new().with_options(options))
        }
        Storage::Csv(_) => Arc::new(CsvFormat::default().with_has_header(true)),
    };
    let options = ListingOptions::new(format).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls(table)?)
        .with_listing_options(options)
        .with_schema(table.arrow_schema());
    let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(ListingTable::try_new(config)?.with_cache(cache))
}

fn urls(table: &Table) -> Result<Vec<ListingTableUrl>> {
    let (Storage::Parquet(files) | Storage::Csv(files)) = &table.storage;
    files.iter().map(|file| url(file)).collect()
}

// Not `ListingTableUrl::parse`: it would take `*` or `?` in a file's name for a pattern.
fn url(file: &FilePath) -> Result<ListingTableUrl> {
    let file = std::path::absolute(file).map_err(DataFusionError::from)?;
    let url = Url::from_file_path(&file)
        .map_err(|()| internal_datafusion_err!("a table's file has no absolute path"))?;
    ListingTableUrl::try_new(url, None)
}
