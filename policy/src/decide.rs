//! The decision: which rows and columns of each named table this caller may see in this statement.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::Column;
use datafusion_expr::utils::{conjunction, disjunction};
use datafusion_expr::{Case, Expr, lit};
use tollgate_catalog::{Table, TableName};
use tollgate_identity::Principal;

use crate::bundle::Bundle;
use crate::model::{Caller, MaskRule, PolicyRef, RowKind, TableRules};
use crate::principal::answer;

/// A statement that knows the base tables it names.
pub trait NamesTables {
    /// The base tables, in the order in which the permit lists them.
    fn tables(&self) -> &[Arc<Table>];
}

/// The caller may not know that this table exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The table; the caller is told the same as for one that doesn't exist.
    pub table: TableName,
}

/// Permission for one statement. Only [`decide`] makes one, and using it consumes it.
///
/// It has no public field and no constructor:
/// ```compile_fail
/// use tollgate_policy::{Permit, PermitParts};
/// fn forge<S>(parts: PermitParts<S>) -> Permit<S> { Permit { parts } }
/// ```
/// ```
/// use tollgate_policy::{Permit, PermitParts};
/// fn open<S>(permit: Permit<S>) -> PermitParts<S> { permit.into_parts() }
/// ```
/// It is for one use:
/// ```compile_fail
/// fn twice<S>(permit: tollgate_policy::Permit<S>) {
///     permit.into_parts();
///     permit.into_parts();
/// }
/// ```
/// ```
/// fn once<S>(permit: tollgate_policy::Permit<S>) {
///     permit.statement();
///     permit.into_parts();
/// }
/// ```
/// And it can't be copied, whatever the statement:
/// ```compile_fail
/// fn copy(permit: &tollgate_policy::Permit<u8>) -> tollgate_policy::Permit<u8> {
///     Clone::clone(permit)
/// }
/// ```
/// ```
/// fn copy(statement: &u8) -> u8 { Clone::clone(statement) }
/// ```
#[derive(Debug)]
pub struct Permit<S> {
    parts: PermitParts<S>,
}

impl<S> Permit<S> {
    /// The statement it is for.
    pub fn statement(&self) -> &S {
        &self.parts.statement
    }

    /// Uses the permit.
    pub fn into_parts(self) -> PermitParts<S> {
        self.parts
    }
}

/// What a permit says.
#[derive(Debug)]
pub struct PermitParts<S> {
    /// The statement.
    pub statement: S,
    /// The caller.
    pub principal: Arc<Principal>,
    /// The caller's active roles.
    pub roles: BTreeSet<String>,
    /// The hash of the bundle that was asked.
    pub bundle_hash: String,
    /// One secured table per table that the statement names, in the same order.
    pub tables: Vec<SecuredTable>,
}

/// What the caller sees of one table.
#[derive(Debug)]
pub struct SecuredTable {
    table: Arc<Table>,
    columns: Vec<SecuredColumn>,
    row_predicate: Option<Expr>,
    policies: Vec<PolicyRef>,
}

/// A visible column.
#[derive(Debug)]
pub struct SecuredColumn {
    /// Its index in the table.
    pub index: usize,
    /// What stands for its values; `None` if they are shown as they are.
    pub mask: Option<Mask>,
}

/// What stands for the values of a column.
#[derive(Debug)]
pub struct Mask {
    /// Over the table's raw columns, unqualified; its type is the column's.
    pub expr: Expr,
    /// The policy that masks.
    pub policy: PolicyRef,
}

impl SecuredTable {
    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The visible columns, in table order.
    pub fn columns(&self) -> &[SecuredColumn] {
        &self.columns
    }

    /// Which rows are visible: over the table's raw columns, unqualified. NULL hides the row.
    pub fn row_predicate(&self) -> Option<&Expr> {
        self.row_predicate.as_ref()
    }

    /// The statements it rests on, sorted by place.
    pub fn policies(&self) -> &[PolicyRef] {
        &self.policies
    }

    /// Whether all rows are visible, and all values of the visible columns as they are.
    pub fn is_unrestricted(&self) -> bool {
        self.row_predicate.is_none() && self.columns.iter().all(|column| column.mask.is_none())
    }
}

/// Decides on a statement and consumes it. Total and pure: every internal error denies.
///
/// # Errors
/// The first table of the statement that the caller may not see anything of.
pub fn decide<S: NamesTables>(
    bundle: &Arc<Bundle>,
    principal: &Arc<Principal>,
    statement: S,
) -> Result<Permit<S>, Denied> {
    let roles = bundle.roles_of(principal);
    let caller = Caller { user: principal.name(), roles: &roles };
    let tables = statement
        .tables()
        .iter()
        .map(|table| {
            bundle
                .rules(table)
                .and_then(|rules| secure(rules, table, principal, caller))
                .ok_or_else(|| Denied { table: table.name.clone() })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let bundle_hash = bundle.hash().to_owned();
    let principal = Arc::clone(principal);
    Ok(Permit { parts: PermitParts { statement, principal, roles, bundle_hash, tables } })
}

/// `None` denies.
fn secure(
    rules: &TableRules,
    table: &Arc<Table>,
    principal: &Principal,
    caller: Caller<'_>,
) -> Option<SecuredTable> {
    let (visible, mut policies) = rules.visible(caller)?;
    let row_predicate = row_predicate(rules, principal, caller, &mut policies)?;
    let mut columns = Vec::with_capacity(visible.len());
    for index in visible {
        let raw = &table.columns.get(index)?.name;
        let mask = column_mask(rules.masks.get(index)?, raw, principal, caller, &mut policies)?;
        columns.push(SecuredColumn { index, mask });
    }
    let policies: BTreeSet<PolicyRef> = policies.into_iter().cloned().collect();
    Some(SecuredTable {
        table: Arc::clone(table),
        columns,
        row_predicate,
        policies: policies.into_iter().collect(),
    })
}

/// A row is visible if one applicable permissive policy holds (or the table has none at all), and
/// every applicable restrictive one. The outer `None` denies, the inner one shows every row.
fn row_predicate<'a>(
    rules: &'a TableRules,
    principal: &Principal,
    caller: Caller<'_>,
    policies: &mut Vec<&'a PolicyRef>,
) -> Option<Option<Expr>> {
    let mut has_permissive = false;
    let mut one_of = Vec::new();
    let mut all_of = Vec::new();
    for rule in &rules.rows {
        has_permissive |= rule.kind == RowKind::Permissive;
        if !caller.is_any_of(&rule.to) {
            continue;
        }
        let predicate = answer(&rule.predicate, principal, caller).ok()?;
        policies.push(&rule.policy);
        match rule.kind {
            RowKind::Permissive => one_of.push(predicate),
            RowKind::Restrictive => all_of.push(predicate),
        }
    }
    if has_permissive {
        all_of.insert(0, disjunction(one_of).unwrap_or_else(|| lit(false)));
    }
    Some(conjunction(all_of))
}

/// The strictest mask wins on each row: from the weakest on, each takes over where it applies.
/// The outer `None` denies, the inner one shows the value.
fn column_mask<'a>(
    masks: &'a [MaskRule],
    raw: &str,
    principal: &Principal,
    caller: Caller<'_>,
    policies: &mut Vec<&'a PolicyRef>,
) -> Option<Option<Mask>> {
    let mut shown: Option<Mask> = None;
    for rule in masks {
        let exempt = rule.except.iter().any(|role| caller.roles.contains(role));
        let expr = match (exempt, &rule.when) {
            (true, None) => continue,
            (false, _) => answer(&rule.expr, principal, caller).ok()?,
            (true, Some(when)) => {
                let value = match shown {
                    Some(weaker) => weaker.expr,
                    None => Expr::Column(Column::new_unqualified(raw)),
                };
                let masked = answer(&rule.expr, principal, caller).ok()?;
                let when = answer(when, principal, caller).ok()?;
                Expr::Case(Case {
                    expr: None,
                    when_then_expr: vec![(Box::new(when), Box::new(value))],
                    else_expr: Some(Box::new(masked)),
                })
            }
        };
        policies.push(&rule.policy);
        shown = Some(Mask { expr, policy: rule.policy.as_ref().clone() });
    }
    Some(shown)
}

#[cfg(test)]
mod tests;
