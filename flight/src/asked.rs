//! What a metadata command asks for, as records say it: a call with its filters, quoted as in SQL.

use std::collections::BTreeSet;

use arrow_flight::sql::Command;
use tollgate_catalog::{Error, ErrorKind};
use tonic::Status;

use crate::metadata::{TABLE, VIEW};
use crate::statement::encoded;
use crate::status::{Answer, status, violation};

/// The longest filter, in bytes: nothing is called by a longer name.
const LONGEST: usize = 4096;

/// The longest call, in bytes, as it is written down: longer texts have records of their own.
const WHOLE: usize = 8 * 1024;

/// The most values of a list that are written down.
const MANY: usize = 128;

/// The call.
pub(crate) fn of(command: &Command) -> Answer<String> {
    let mut call = Call::default();
    let name = match command {
        Command::CommandGetCatalogs(_) => "GetCatalogs",
        Command::CommandGetDbSchemas(of) => {
            call.name("catalog", of.catalog.as_deref())?;
            call.name("db_schema_filter_pattern", of.db_schema_filter_pattern.as_deref())?;
            "GetDbSchemas"
        }
        Command::CommandGetTables(of) => {
            call.name("catalog", of.catalog.as_deref())?;
            call.name("db_schema_filter_pattern", of.db_schema_filter_pattern.as_deref())?;
            call.name("table_name_filter_pattern", of.table_name_filter_pattern.as_deref())?;
            let kinds: BTreeSet<_> = of.table_types.iter().map(String::as_str).collect();
            kinds.iter().try_for_each(|kind| encoded(kind).map_err(|error| status(&error)))?;
            // There are no tables of the others, so it doesn't matter which they are.
            let known = [TABLE, VIEW].into_iter().filter(|kind| kinds.contains(kind));
            let others = kinds.len() - known.clone().count();
            known.for_each(|kind| call.0.push(format!("table_type = '{kind}'")));
            if others > 0 {
                call.0.push(format!("other_table_types = {others}"));
            }
            if of.include_schema {
                call.0.push("include_schema".to_owned());
            }
            "GetTables"
        }
        Command::CommandGetTableTypes(_) => "GetTableTypes",
        Command::CommandGetPrimaryKeys(of) => {
            call.table("", &of.catalog, &of.db_schema, &of.table)?;
            "GetPrimaryKeys"
        }
        Command::CommandGetExportedKeys(of) => {
            call.table("", &of.catalog, &of.db_schema, &of.table)?;
            "GetExportedKeys"
        }
        Command::CommandGetImportedKeys(of) => {
            call.table("", &of.catalog, &of.db_schema, &of.table)?;
            "GetImportedKeys"
        }
        Command::CommandGetCrossReference(of) => {
            call.table("pk_", &of.pk_catalog, &of.pk_db_schema, &of.pk_table)?;
            call.table("fk_", &of.fk_catalog, &of.fk_db_schema, &of.fk_table)?;
            "GetCrossReference"
        }
        Command::CommandGetSqlInfo(of) => {
            let codes: BTreeSet<_> = of.info.iter().collect();
            call.0.extend(codes.into_iter().take(MANY).map(ToString::to_string));
            "GetSqlInfo"
        }
        Command::CommandGetXdbcTypeInfo(of) => {
            call.0.extend(of.data_type.map(|code| code.to_string()));
            "GetXdbcTypeInfo"
        }
        _ => return Err(violation("this command asks for no metadata")),
    };
    let call = format!("{name}({})", call.0.join(", "));
    if call.len() > WHOLE { Err(too_long("the filters are longer", WHOLE)) } else { Ok(call) }
}

fn too_long(what: &str, most: usize) -> Status {
    let error = Error::new(ErrorKind::ProgramLimit, format!("{what} than {most} bytes"));
    status(&error.with_hint("send shorter filters"))
}

/// The arguments of a call.
#[derive(Default)]
struct Call(Vec<String>);

impl Call {
    fn name(&mut self, argument: &str, name: Option<&str>) -> Answer<()> {
        let Some(name) = name else { return Ok(()) };
        encoded(name).map_err(|error| status(&error))?;
        if name.len() > LONGEST {
            return Err(too_long("a filter is longer", LONGEST));
        }
        self.0.push(format!("{argument} = '{}'", name.replace('\'', "''")));
        Ok(())
    }

    fn table(
        &mut self,
        prefix: &str,
        catalog: &Option<String>,
        schema: &Option<String>,
        table: &str,
    ) -> Answer<()> {
        self.name(&format!("{prefix}catalog"), catalog.as_deref())?;
        self.name(&format!("{prefix}db_schema"), schema.as_deref())?;
        self.name(&format!("{prefix}table"), Some(table))
    }
}
