//! What a metadata command asks for, as records say it: a call with its filters, quoted as in SQL.

use std::collections::BTreeSet;

use arrow_flight::sql::Command;
use tollgate_catalog::{Error, ErrorKind};

use crate::status::{Answer, status, violation};

/// The longest filter, in bytes: nothing is called by a longer name.
const LONGEST: usize = 4096;

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
            for kind in of.table_types.iter().collect::<BTreeSet<_>>().into_iter().take(MANY) {
                call.name("table_type", Some(kind))?;
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
    Ok(format!("{name}({})", call.0.join(", ")))
}

/// The arguments of a call.
#[derive(Default)]
struct Call(Vec<String>);

impl Call {
    fn name(&mut self, argument: &str, name: Option<&str>) -> Answer<()> {
        let Some(name) = name else { return Ok(()) };
        if name.len() > LONGEST {
            return Err(status(
                &Error::new(
                    ErrorKind::ProgramLimit,
                    format!("a filter is longer than {LONGEST} bytes"),
                )
                .with_hint("send a shorter one"),
            ));
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
