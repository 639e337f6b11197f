//! What a principal sees of the catalog, and the error of what it doesn't.

use std::sync::Arc;

use tollgate_catalog::{Error, Table, TableName};
use tollgate_identity::Principal;
use tollgate_policy::{Bundle, Circumstances, Denied, NamesTables, Standing};
use tollgate_rewriter::{VisibleTable, VisibleTables};

use crate::introspect::{self, VisibleColumn};
use crate::state::{State, no_active_role};

/// The principal's own view of the catalog: what it hides doesn't exist.
pub(crate) struct Visible<'a> {
    pub(crate) state: &'a State,
    pub(crate) principal: &'a Principal,
    pub(crate) circumstances: &'a Circumstances,
    pub(crate) standing: &'a Standing,
}

impl VisibleTables for Visible<'_> {
    fn table(&self, name: &TableName) -> Option<VisibleTable> {
        let table = self.state.snapshot.table(name)?;
        let columns = self.state.bundle.visible(self.principal, self.standing, table)?;
        Some(VisibleTable { table: Arc::clone(table), columns })
    }
}

/// The error of a denial: that of a table which doesn't exist.
pub(crate) fn denied(denied: Denied) -> Error {
    match denied {
        Denied::Table(TableName { schema, table }) => {
            Error::undefined_table(&format!("{schema}.{table}"))
        }
        Denied::NoActiveRole => no_active_role(),
    }
}

/// One table, as if a statement named it.
pub(crate) struct Named(pub(crate) [Arc<Table>; 1]);

impl NamesTables for Named {
    fn tables(&self) -> &[Arc<Table>] {
        &self.0
    }
}

/// What a principal may see of a table: what a statement that names it would be permitted.
pub(crate) fn visible(
    bundle: &Arc<Bundle>,
    principal: &Arc<Principal>,
    circumstances: &Circumstances,
    standing: &Standing,
    table: &Arc<Table>,
) -> Option<introspect::VisibleTable> {
    bundle.visible(principal, standing, table)?;
    let named = Named([Arc::clone(table)]);
    let permit = tollgate_policy::decide(bundle, principal, circumstances, named).ok()?;
    let [secured] = permit.into_parts().tables.try_into().ok()?;
    let columns = secured.columns().iter();
    let columns = columns
        .map(|column| VisibleColumn { index: column.index, masked: column.mask.is_some() })
        .collect();
    Some(introspect::VisibleTable { table: Arc::clone(table), columns })
}
