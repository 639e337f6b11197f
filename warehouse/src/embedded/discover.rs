//! Finds the tables in a folder: `<schema>/<table>.parquet`, `<schema>/<table>.csv`, or a folder
//! `<schema>/<table>/` of files of one of these kinds.
//!
//! A Parquet file may say more about its table: the key `tollgate.primary_key` (column names with
//! commas between) and `tollgate.comment` in its key-value metadata, and `comment` in a field's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::reader::{FileReader, SerializedFileReader};
use tollgate_catalog::{Column, Storage, Table, TableName, WarehouseName};

/// What is wrong with a file or a folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct DiscoverError {
    /// The path, relative to the folder that was searched.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What can be done about it.
    pub hint: &'static str,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The tables that can be used, by name. A table of several files is here if one of them can
    /// be read; reading the others fails when a query comes to them.
    pub tables: Vec<Table>,
    /// Everything that is wrong, by path.
    pub errors: Vec<DiscoverError>,
}

/// The tables in a folder, or everything that is wrong with it.
pub fn discover(folder: &Path) -> Result<Vec<Table>, Vec<DiscoverError>> {
    discover_in(folder, |_| true)
}

/// The same in some of its schemas; what is in others may be wrong.
pub fn discover_in(
    folder: &Path,
    schemas: impl Fn(&str) -> bool,
) -> Result<Vec<Table>, Vec<DiscoverError>> {
    let found = search(folder, &schemas);
    if found.errors.is_empty() { Ok(found.tables) } else { Err(found.errors) }
}

/// The tables in a folder that can be used, and everything that is wrong with the others.
pub fn discover_all(folder: &Path) -> Discovery {
    search(folder, &|_| true)
}

fn search(folder: &Path, schemas: &dyn Fn(&str) -> bool) -> Discovery {
    let mut search = Search { root: folder, tables: BTreeMap::new(), errors: Vec::new() };
    for schema in search.entries(folder) {
        if !schema.file_name().and_then(|name| name.to_str()).is_none_or(schemas) {
            continue;
        }
        if schema.is_dir() {
            search.schema(&schema);
        } else if Kind::of(&schema).is_some() {
            search.error(
                &schema,
                "the file is not in the folder of a schema",
                "move it to <folder>/<schema>/<table>.parquet",
            );
        }
    }
    let Search { tables, mut errors, .. } = search;
    errors.sort_by(|a, b| a.path.cmp(&b.path));
    Discovery { tables: tables.into_values().collect(), errors }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parquet,
    Csv,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// What one file says about its table.
struct FileFacts {
    schema: Schema,
    rows: Option<u64>,
}

struct Search<'a> {
    root: &'a Path,
    tables: BTreeMap<TableName, Table>,
    errors: Vec<DiscoverError>,
}

impl Search<'_> {
    fn error(&mut self, path: &Path, message: impl Into<String>, hint: &'static str) {
        let path = path.strip_prefix(self.root).unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let path = path.to_string_lossy().into_owned();
        self.errors.push(DiscoverError { path, message: message.into(), hint });
    }

    /// The entries of a folder, by name; hidden ones and those that start with `_` aren't data.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).and_then(|entries| {
            entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>()
        });
        let mut paths = match entries {
            Ok(paths) => paths,
            Err(error) => {
                self.error(
                    folder,
                    format!("the folder can't be read ({})", error.kind()),
                    "check that it exists and that the gateway may read it",
                );
                Vec::new()
            }
        };
        paths.retain(|path| {
            path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with(['.', '_']))
        });
        paths.sort();
        paths
    }

    fn schema(&mut self, folder: &Path) {
        let Some(schema) = self.name(folder, folder.file_name()) else { return };
        for entry in self.entries(folder) {
            if entry.is_dir() {
                let files = self.entries(&entry);
                let files: Vec<_> =
                    files.into_iter().filter(|file| Kind::of(file).is_some()).collect();
                self.table(&schema, &entry, entry.file_name(), files);
            } else if Kind::of(&entry).is_some() {
                self.table(&schema, &entry, entry.file_stem(), vec![entry.clone()]);
            }
        }
    }

    fn name(&mut self, path: &Path, name: Option<&std::ffi::OsStr>) -> Option<String> {
        let name = name.and_then(|name| name.to_str()).map(str::to_ascii_lowercase);
        if name.is_none() {
            self.error(path, "the name is not valid UTF-8", "rename it");
        }
        name
    }

    fn table(
        &mut self,
        schema: &str,
        path: &Path,
        name: Option<&std::ffi::OsStr>,
        files: Vec<PathBuf>,
    ) {
        let Some(name) = self.name(path, name) else { return };
        let name = TableName::new(schema, name);
        let Some(kind) = files.first().and_then(|file| Kind::of(file)) else {
            let hint = "put Parquet or CSV files into it, or remove it";
            return self.error(path, "the folder holds no data file", hint);
        };
        if files.iter().any(|file| Kind::of(file) != Some(kind)) {
            let hint = "keep one kind of file in a table's folder";
            return self.error(path, "the folder holds both Parquet and CSV files", hint);
        }
        if self.tables.contains_key(&name) {
            let hint = "rename one of them; names are compared in lower case";
            return self.error(path, format!("the table {name} exists already"), hint);
        }
        if let Some(table) = self.build(name.clone(), path, kind, files) {
            self.tables.insert(name, table);
        }
    }

    fn build(
        &mut self,
        name: TableName,
        path: &Path,
        kind: Kind,
        files: Vec<PathBuf>,
    ) -> Option<Table> {
        let mut first: Option<FileFacts> = None;
        let mut rows = Some(0);
        let mut bytes = 0;
        for file in &files {
            bytes += fs::metadata(file).map_or(0, |facts| facts.len());
            let facts = match facts(file, kind) {
                Ok(facts) => facts,
                Err(message) => {
                    rows = None;
                    self.error(file, message, "replace the file by an intact copy");
                    continue;
                }
            };
            rows = rows.zip(facts.rows).map(|(sum, more)| sum + more);
            match &mut first {
                None => first = Some(facts),
                Some(first) => match merge(&first.schema, &facts.schema) {
                    Some(merged) => first.schema = merged,
                    None => {
                        let hint = "give all files of a table the same columns in the same order";
                        self.error(file, "the columns differ from the table's other files", hint);
                        return None;
                    }
                },
            }
        }
        let schema = first?.schema;
        let columns: Vec<Column> = schema.fields().iter().map(|field| column(field)).collect();
        for (index, column) in columns.iter().enumerate() {
            if columns.iter().take(index).any(|other| other.name == column.name) {
                let message = format!("the column \"{}\" occurs twice", column.name);
                self.error(path, message, "rename one of the columns");
                return None;
            }
        }
        if columns.is_empty() {
            self.error(path, "the table has no column", "remove it");
            return None;
        }
        let primary_key = self.primary_key(path, &schema, &columns);
        Some(Table {
            name,
            columns,
            primary_key,
            foreign_keys: Vec::new(),
            cache_for: None,
            comment: schema.metadata().get("tollgate.comment").cloned(),
            row_count: rows,
            bytes: Some(bytes),
            warehouse: Some(WarehouseName::default()),
            storage: match kind {
                Kind::Parquet => Storage::Parquet(files),
                Kind::Csv => Storage::Csv(files),
            },
        })
    }

    fn primary_key(&mut self, path: &Path, schema: &Schema, columns: &[Column]) -> Vec<usize> {
        let Some(key) = schema.metadata().get("tollgate.primary_key") else { return Vec::new() };
        let indexes = key
            .split(',')
            .map(|name| columns.iter().position(|column| column.name == name.trim()))
            .collect::<Option<Vec<_>>>();
        if indexes.is_none() {
            let hint = "name the table's columns in \"tollgate.primary_key\", with commas between";
            self.error(path, "the primary key names a column that doesn't exist", hint);
        }
        indexes.unwrap_or_default()
    }
}

// The readers' own texts stay out: they may quote values.
fn facts(file: &Path, kind: Kind) -> Result<FileFacts, String> {
    let open =
        File::open(file).map_err(|error| format!("the file can't be read ({})", error.kind()))?;
    match kind {
        Kind::Parquet => {
            let damaged = |_| "the file is not an intact Parquet file".to_owned();
            let reader = SerializedFileReader::new(open).map_err(damaged)?;
            let footer = reader.metadata().file_metadata();
            let schema =
                parquet_to_arrow_schema(footer.schema_descr(), footer.key_value_metadata())
                    .map_err(damaged)?;
            Ok(FileFacts { schema, rows: u64::try_from(footer.num_rows()).ok() })
        }
        Kind::Csv => {
            // Every row counts: one that doesn't fit the types would fail queries that may not see it.
            let (schema, rows) = Format::default()
                .with_header(true)
                .infer_schema(open, None)
                .map_err(|_| "the file is not a CSV file with a header line".to_owned())?;
            Ok(FileFacts { schema, rows: u64::try_from(rows).ok() })
        }
    }
}

/// The schema of two files: the same columns; one may hold NULL if it may in either file.
fn merge(a: &Schema, b: &Schema) -> Option<Schema> {
    if a.fields().len() != b.fields().len() {
        return None;
    }
    let fields = a
        .fields()
        .iter()
        .zip(b.fields())
        .map(|(a, b)| {
            let same = a.name() == b.name() && stored(a.data_type()) == stored(b.data_type());
            let nullable = a.is_nullable() || b.is_nullable();
            same.then(|| Arc::new(Field::clone(a).with_nullable(nullable)))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Schema::new_with_metadata(fields, a.metadata().clone()))
}

fn column(field: &Field) -> Column {
    Column {
        name: field.name().clone(),
        data_type: stored(field.data_type()),
        nullable: field.is_nullable(),
        comment: field.metadata().get("comment").cloned(),
    }
}

/// The type in which values are read: one layout for each kind of value.
fn stored(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => stored(values),
        DataType::List(item) | DataType::LargeList(item) => {
            let item = Field::clone(item).with_data_type(stored(item.data_type()));
            DataType::List(Arc::new(item))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
