//! Where a statement runs: at the one warehouse that has all that it reads, or in the gateway itself.
//!
//! It is chosen once, when it is known what the statement names, and proven again for whatever its secured
//! relations read, the mapping tables of row policies among them. Nothing joins what two warehouses have.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_common::Result as PlanResult;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_expr::LogicalPlan;
use tollgate_catalog::{Error, ErrorKind, RawSource, Table, TableName, WarehouseName};

use crate::relation::SecuredSource;

/// Where a secured query runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// It names base tables: the warehouse that has all of them.
    Warehouse(WarehouseName),
    /// It names the gateway's own records: the gateway itself, with rows and masks as anywhere.
    Records,
    /// It names system relations or nothing: the gateway itself.
    System,
}

impl Engine {
    /// The warehouse, if it is one.
    pub fn warehouse(&self) -> Option<&WarehouseName> {
        match self {
            Self::Warehouse(name) => Some(name),
            Self::Records | Self::System => None,
        }
    }

    /// Whether a warehouse runs it.
    pub fn is_warehouse(&self) -> bool {
        self.warehouse().is_some()
    }
}

/// Chooses where a statement over these tables runs. `written` is what its user calls them.
///
/// # Errors
/// They aren't all in one place.
pub(crate) fn choose(
    tables: &BTreeMap<TableName, Arc<Table>>,
    written: &BTreeMap<TableName, String>,
) -> Result<Engine, Error> {
    let mut chosen: Option<(&Arc<Table>, Engine)> = None;
    for table in tables.values() {
        let engine = match (table.is_record(), &table.warehouse) {
            (true, None) => Engine::Records,
            (false, Some(name)) => Engine::Warehouse(name.clone()),
            (true, Some(_)) | (false, None) => {
                return Err(Error::internal(format!("{} is in no warehouse", table.name)));
            }
        };
        match &chosen {
            None => chosen = Some((table, engine)),
            Some((_, before)) if *before == engine => {}
            Some((first, before)) => {
                return Err(match (before, &engine) {
                    (Engine::Warehouse(_), Engine::Warehouse(_)) => {
                        let called = |table: &Table| {
                            written.get(&table.name).map_or("", String::as_str).to_owned()
                        };
                        several(&called(first), &called(table))
                    }
                    (Engine::Warehouse(_) | Engine::Records | Engine::System, _) => {
                        Error::not_supported(
                            "a query over both the gateway's own records and tables",
                        )
                        .with_hint("ask them in queries of their own")
                    }
                });
            }
        }
    }
    Ok(chosen.map_or(Engine::System, |(_, engine)| engine))
}

fn several(first: &str, other: &str) -> Error {
    Error::new(
        ErrorKind::NotSupported,
        format!(
            "relations \"{first}\" and \"{other}\" are in different warehouses, a query over both is not supported"
        ),
    )
    .with_hint("ask each warehouse in a query of its own, and join the results")
}

/// Proves that a secured relation of a base table reads nothing that is elsewhere.
pub(crate) fn confirm(source: &SecuredSource, engine: &Engine) -> Result<(), Error> {
    let mut elsewhere = None;
    reads(source.relation(), &mut |raw| {
        let same = match engine {
            Engine::Warehouse(name) => {
                !raw.is_record() && raw.warehouse.as_ref().is_some_and(|of| of == name)
            }
            Engine::Records => raw.is_record(),
            Engine::System => false,
        };
        if !same {
            elsewhere.get_or_insert_with(|| raw.name.clone());
        }
    })
    .map_err(Error::internal)?;
    match elsewhere {
        None => Ok(()),
        Some(name) => Err(Error::internal(format!("{name} is read from another warehouse"))),
    }
}

/// The raw tables below a secured relation.
fn reads(plan: &LogicalPlan, visit: &mut dyn FnMut(&Table)) -> PlanResult<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(raw) = scan.source.downcast_ref::<RawSource>()
        {
            visit(raw.table());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}
