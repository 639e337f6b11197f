//! Catalogs, schemas, tables, keys: what the caller may see and nothing else.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::error::Result;
use arrow_flight::sql::metadata::GetCatalogsBuilder;
use arrow_flight::sql::{Command, CommandGetTableTypes, CommandGetTables};
use tollgate_gateway::audit::Meter;
use tollgate_gateway::introspect::{View, VisibleTable};

use crate::auth::{Caller, Shared};
use crate::keys::{self, Named};
use crate::options::Options;
use crate::status::{Answer, internal, status, violation};
use crate::{asked, facts, schema, types};

/// The types of tables.
pub(crate) const TABLE: &str = "TABLE";
pub(crate) const VIEW: &str = "VIEW";

/// The schema of a metadata command's answer.
pub(crate) fn schema(command: &Command) -> Answer<SchemaRef> {
    match command {
        Command::CommandGetCatalogs(_) => Ok(GetCatalogsBuilder::new().schema()),
        Command::CommandGetDbSchemas(command) => Ok(command.clone().into_builder().schema()),
        Command::CommandGetTables(command) => Ok(command.clone().into_builder().schema()),
        Command::CommandGetTableTypes(command) => Ok(command.into_builder().schema()),
        Command::CommandGetPrimaryKeys(_) => Ok(keys::primary_schema()),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Ok(keys::foreign_schema()),
        Command::CommandGetSqlInfo(_) => facts::schema().map_err(internal),
        Command::CommandGetXdbcTypeInfo(_) => types::schema().map_err(internal),
        _ => Err(violation("this command asks for no metadata")),
    }
}

/// The answer to a metadata command, which is recorded, and what counts how much of it is sent.
pub(crate) async fn batch(
    shared: &Shared,
    caller: &Caller,
    command: &Command,
) -> Answer<(RecordBatch, Meter)> {
    let session = shared.session(caller, &Options::default())?;
    let asked = asked::of(command)?;
    let (view, meter) = session.introspect(&asked).await.map_err(|error| status(&error))?;
    Ok((answer(shared, &view, command)?, meter))
}

fn answer(shared: &Shared, view: &View, command: &Command) -> Answer<RecordBatch> {
    let database = shared.gateway.database();
    let batch = match command {
        Command::CommandGetCatalogs(_) => {
            let mut builder = GetCatalogsBuilder::new();
            builder.append(database);
            builder.build()
        }
        Command::CommandGetDbSchemas(command) => {
            let mut builder = command.clone().into_builder();
            for schema in schemas(view) {
                builder.append(database, schema);
            }
            builder.build()
        }
        Command::CommandGetTables(command) => tables(view, database, command),
        Command::CommandGetTableTypes(command) => table_types(*command),
        Command::CommandGetPrimaryKeys(of) => {
            let named = named(&of.catalog, &of.db_schema, &of.table);
            keys::primary(&view.keys(), &named, database).map_err(Into::into)
        }
        Command::CommandGetExportedKeys(of) => {
            let named = named(&of.catalog, &of.db_schema, &of.table);
            keys::foreign(&view.keys(), Some(&named), None, database).map_err(Into::into)
        }
        Command::CommandGetImportedKeys(of) => {
            let named = named(&of.catalog, &of.db_schema, &of.table);
            keys::foreign(&view.keys(), None, Some(&named), database).map_err(Into::into)
        }
        Command::CommandGetCrossReference(of) => {
            let referenced = named(&of.pk_catalog, &of.pk_db_schema, &of.pk_table);
            let referencing = named(&of.fk_catalog, &of.fk_db_schema, &of.fk_table);
            keys::foreign(&view.keys(), Some(&referenced), Some(&referencing), database)
                .map_err(Into::into)
        }
        Command::CommandGetSqlInfo(command) => {
            facts::batch(command, shared.settings.token_lifetime)
        }
        Command::CommandGetXdbcTypeInfo(command) => types::batch(command),
        _ => return Err(violation("this command asks for no metadata")),
    };
    batch.map_err(internal)
}

/// The schemas of the visible tables, each once.
fn schemas(view: &View) -> Vec<&str> {
    let mut schemas: Vec<_> =
        view.tables().iter().map(|visible| visible.table.name.schema.as_str()).collect();
    schemas.dedup();
    schemas
}

fn tables(view: &View, database: &str, command: &CommandGetTables) -> Result<RecordBatch> {
    let mut command = command.clone();
    // The list is as long as a client likes; one that isn't known is kept, since an empty list means all.
    let unknown = command.table_types.first().cloned();
    command.table_types.retain(|kind| kind == TABLE || kind == VIEW);
    command.table_types.sort();
    command.table_types.dedup();
    if command.table_types.is_empty() {
        command.table_types.extend(unknown);
    }
    let mut builder = command.into_builder();
    for visible in view.tables() {
        let table = &visible.table;
        let kind = if table.view().is_some() { VIEW } else { TABLE };
        let schema = table_schema(visible);
        builder.append(database, &table.name.schema, &table.name.table, kind, &schema)?;
    }
    builder.build()
}

/// The visible columns, in the types in which a query gives them.
fn table_schema(visible: &VisibleTable) -> Schema {
    let fields = visible.columns.iter().filter_map(|shown| {
        let column = visible.table.columns.get(shown.index)?;
        // A mask may give NULL.
        let nullable = column.nullable || shown.masked;
        Some(schema::field(&column.name, &column.data_type, nullable))
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    builder.append(TABLE);
    builder.append(VIEW);
    builder.build()
}

fn named<'a>(catalog: &'a Option<String>, schema: &'a Option<String>, table: &'a str) -> Named<'a> {
    // Some drivers send an empty name for one that they don't know.
    let part = |part: &'a Option<String>| part.as_deref().filter(|part| !part.is_empty());
    Named { catalog: part(catalog), schema: part(schema), table }
}
