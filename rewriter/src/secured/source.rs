//! The secured relations that names become.

use std::sync::Arc;

use datafusion_expr::TableSource;
use tollgate_catalog::{Error, ErrorKind, TableName};
use tollgate_policy::SecuredTable;

use super::Place;
use super::describe::describe;
use crate::dialect::SqlDialect;
use crate::lineage;
use crate::plan::{self, Sources};
use crate::relation::SecuredSource;
use crate::route;

/// The secured relation of a table, or of a view over what the caller sees of what it reads. `named`
/// is what the statement names: an error must not name what a view reads.
pub(super) fn source(
    mut secured: SecuredTable,
    named: &TableName,
    place: Place<'_>,
    text: &mut String,
) -> Result<SecuredSource, Error> {
    let table = Arc::clone(secured.table());
    let source = match table.view() {
        None => {
            let source = SecuredSource::new(secured).map_err(Error::internal)?;
            route::confirm(&source, place.engine)?;
            if let Some((_, guarded)) = source.rule() {
                route::confirm(guarded, place.engine)?;
            }
            source
        }
        Some(view) => {
            let reads = secured.take_reads();
            let query = place.views.get(&table.name);
            let (Some(query), true) = (query, reads.len() == view.reads.len()) else {
                return Err(Error::internal("the permit doesn't cover what a view reads"));
            };
            let mut sources = Sources::new();
            for read in reads {
                let name = read.table().name.clone();
                let read = source(read, named, place, text)?;
                let read: Arc<dyn TableSource> = Arc::new(read);
                sources.insert(name, read);
            }
            let rows = sources.values().any(|source| {
                source.downcast_ref::<SecuredSource>().is_some_and(|source| source.rule().is_some())
            });
            let planned = plan::plan(
                query.clone(),
                SqlDialect::PostgreSql,
                true,
                &sources,
                place.registry,
                &[],
            );
            let planned = planned.map_err(|error| {
                if error.kind() != ErrorKind::InsufficientPrivilege {
                    return Error::internal(format!("{}: {error}", table.name));
                }
                let (what, hint) = if rows {
                    (
                        "does with rows what is allowed with aggregates only",
                        "ask the operator for a view that aggregates them",
                    )
                } else {
                    (
                        "tests values that are masked",
                        "ask the operator for a view that only shows them",
                    )
                };
                let message = format!("view \"{}.{}\" {what}", named.schema, named.table);
                Error::new(ErrorKind::InsufficientPrivilege, message).with_hint(hint)
            })?;
            // Of what was written: a guard tests more than its author does.
            let marks = lineage::marks_of(planned.asked.as_ref().unwrap_or(&planned.plan))?;
            SecuredSource::view(secured, planned.plan, marks).map_err(Error::internal)?
        }
    };
    describe(&source, text);
    Ok(source)
}
