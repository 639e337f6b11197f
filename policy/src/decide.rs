//! The decision: which rows and columns of each named table this caller may see in this statement.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::Column;
use datafusion_expr::utils::{conjunction, disjunction};
use datafusion_expr::{Case, Expr, lit};
use tollgate_catalog::{Table, TableName};
use tollgate_identity::Principal;

use crate::aggregation::Aggregation;
use crate::bundle::Bundle;
use crate::limits::Limits;
use crate::model::{MaskRule, PolicyRef, Predicates, RowKind, TableRules};
use crate::principal::answer;
use crate::standing::{Caller, Circumstances, NoActiveRole, Standing};

/// A statement that knows the base tables it names.
pub trait NamesTables {
    /// The base tables, in the order in which the permit lists them.
    fn tables(&self) -> &[Arc<Table>];
}

/// Why there is no permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The caller may not know that this table exists: it is told the same as for one that doesn't.
    Table(TableName),
    /// The access rules leave the caller no role.
    NoActiveRole,
}

/// Permission for one statement. Only [`decide`] makes one, and using it consumes it.
///
/// It has no public field and no constructor:
/// ```compile_fail,E0451
/// use tollgate_policy::{Permit, PermitParts};
/// fn forge<S>(parts: PermitParts<S>) -> Permit<S> { Permit { parts } }
/// ```
/// ```
/// use tollgate_policy::{Permit, PermitParts};
/// fn open<S>(permit: Permit<S>) -> PermitParts<S> { permit.into_parts() }
/// ```
/// It is for its own statement and its own caller; another one can't be put in:
/// ```compile_fail,E0451
/// use tollgate_policy::{Permit, PermitParts};
/// fn swap<S>(permit: Permit<S>, other: S) -> Permit<S> {
///     Permit { parts: PermitParts { statement: other, ..permit.into_parts() } }
/// }
/// ```
/// ```compile_fail,E0616
/// fn hand_on<S>(permit: &mut tollgate_policy::Permit<S>, other: std::sync::Arc<tollgate_identity::Principal>) {
///     permit.parts.principal = other;
/// }
/// ```
/// It is for one use:
/// ```compile_fail,E0382
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
/// ```compile_fail,E0277
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
    /// The caller's roles at this moment.
    pub standing: Standing,
    /// Whether the decision depends on the time of day, so that it holds for one execution only.
    pub reads_clock: bool,
    /// The hash of the bundle that was asked.
    pub bundle_hash: String,
    /// One secured table per table that the statement names, in the same order.
    pub tables: Vec<SecuredTable>,
    /// What it may cost.
    pub limits: Limits,
}

/// What the caller sees of one table. Nobody can widen it:
/// ```compile_fail,E0616
/// fn all_rows(table: &mut tollgate_policy::SecuredTable) {
///     table.row_predicate = None;
/// }
/// ```
/// ```compile_fail,E0451
/// use tollgate_policy::SecuredTable;
/// fn all_rows(table: SecuredTable) -> SecuredTable {
///     SecuredTable { row_predicate: None, ..table }
/// }
/// ```
/// ```compile_fail,E0596
/// fn unmask(table: &mut tollgate_policy::SecuredTable) {
///     table.columns()[0].mask = None;
/// }
/// ```
/// ```compile_fail,E0616
/// fn open(table: &mut tollgate_policy::SecuredTable) {
///     table.aggregation = None;
/// }
/// ```
/// ```compile_fail,E0594
/// fn loosen(table: &mut tollgate_policy::SecuredTable) {
///     table.aggregation().unwrap().least = 1;
/// }
/// ```
/// ```
/// fn read(table: &tollgate_policy::SecuredTable) -> (bool, bool) {
///     (table.row_predicate().is_none(), table.columns()[0].mask.is_none())
/// }
/// ```
#[derive(Debug)]
pub struct SecuredTable {
    table: Arc<Table>,
    columns: Vec<SecuredColumn>,
    row_predicate: Option<Expr>,
    policies: Vec<PolicyRef>,
    reads: Vec<SecuredTable>,
    aggregation: Option<Aggregation>,
    guarded: Option<Box<SecuredTable>>,
}

/// A visible column.
#[derive(Debug, Clone)]
pub struct SecuredColumn {
    /// Its index in the table.
    pub index: usize,
    /// What stands for its values; `None` if they are shown as they are.
    pub mask: Option<Mask>,
}

/// What stands for the values of a column.
#[derive(Debug, Clone)]
pub struct Mask {
    /// Over the table's raw columns, unqualified; its type is the column's.
    pub expr: Expr,
    /// The policy that masks.
    pub policy: PolicyRef,
    /// What a statement may do with the column: the least that any of its masks allows.
    pub predicates: Predicates,
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

    /// If it is a view, what it reads, in the order of [`tollgate_catalog::View::reads`]: with its
    /// author's rights every column, and with the caller's rows and masks.
    pub fn reads(&self) -> &[SecuredTable] {
        &self.reads
    }

    /// The same, to be taken apart.
    pub fn take_reads(&mut self) -> Vec<SecuredTable> {
        std::mem::take(&mut self.reads)
    }

    /// The rule, if the caller may see aggregates only.
    pub fn aggregation(&self) -> Option<&Aggregation> {
        self.aggregation.as_ref()
    }

    /// Where there is such a rule, what its guard reads: the same rows and columns, and the entity as
    /// it is, even where it is masked or not granted. It is taken once.
    pub fn take_guarded(&mut self) -> Option<Self> {
        self.guarded.take().map(|guarded| *guarded)
    }

    /// What a guard reads. A view isn't guarded itself.
    fn below_guard(&self, entity: usize) -> Option<Self> {
        if !self.reads.is_empty() || entity >= self.table.columns.len() {
            return None;
        }
        let others = self.columns.iter().filter(|column| column.index != entity).cloned();
        let mut columns: Vec<_> =
            others.chain([SecuredColumn { index: entity, mask: None }]).collect();
        columns.sort_by_key(|column| column.index);
        Some(Self {
            table: Arc::clone(&self.table),
            columns,
            row_predicate: self.row_predicate.clone(),
            policies: self.policies.clone(),
            reads: Vec::new(),
            aggregation: None,
            guarded: None,
        })
    }

    /// Whether it is no view, all rows are visible themselves, and all values of the visible columns
    /// as they are.
    pub fn is_unrestricted(&self) -> bool {
        self.table.view().is_none()
            && self.aggregation.is_none()
            && self.row_predicate.is_none()
            && self.columns.iter().all(|column| column.mask.is_none())
    }
}

/// Decides on a statement and consumes it. Total and pure: every internal error denies.
///
/// # Errors
/// The first table of the statement that the caller may not see anything of, or no role is active.
pub fn decide<S: NamesTables>(
    bundle: &Arc<Bundle>,
    principal: &Arc<Principal>,
    circumstances: &Circumstances,
    statement: S,
) -> Result<Permit<S>, Denied> {
    let standing =
        bundle.standing(principal, circumstances).map_err(|NoActiveRole| Denied::NoActiveRole)?;
    let caller = Caller { user: principal.name(), standing: &standing };
    let mut reads_clock = false;
    let tables = statement
        .tables()
        .iter()
        .map(|table| {
            reads_clock |= bundle.reads_clock(table);
            secure(bundle, table, principal, caller)
                .ok_or_else(|| Denied::Table(table.name.clone()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    // A rehearsal shows what would be seen, and is nobody's to pay for.
    let limits = if principal.is_rehearsed() {
        Limits::default()
    } else {
        bundle.limits(principal, &standing)
    };
    let bundle_hash = bundle.hash().to_owned();
    let principal = Arc::clone(principal);
    let parts =
        PermitParts { statement, principal, standing, reads_clock, bundle_hash, tables, limits };
    Ok(Permit { parts })
}

/// `None` denies.
pub(crate) fn secure(
    bundle: &Bundle,
    table: &Arc<Table>,
    principal: &Principal,
    caller: Caller<'_>,
) -> Option<SecuredTable> {
    let rules = bundle.rules(table)?;
    let (visible, policies) = bundle.sees(caller, table)?;
    restrict(bundle, Some(rules), table, (visible, policies), principal, caller)
}

/// A table as a view reads it: with its author's rights, and the caller's rows and masks.
pub(crate) fn read_by_author(
    bundle: &Bundle,
    rules: &TableRules,
    table: &Arc<Table>,
    principal: &Principal,
    caller: Caller<'_>,
) -> Option<SecuredTable> {
    let all = (0..table.columns.len()).collect();
    restrict(bundle, Some(rules), table, (all, Vec::new()), principal, caller)
}

/// The rows and masks of columns that the caller, or the author of a view, may read.
fn restrict<'a>(
    bundle: &Bundle,
    rules: Option<&'a TableRules>,
    table: &Arc<Table>,
    (visible, mut policies): (Vec<usize>, Vec<&'a PolicyRef>),
    principal: &Principal,
    caller: Caller<'_>,
) -> Option<SecuredTable> {
    let reads = table.view().into_iter().flat_map(|view| &view.reads);
    let reads = reads.map(|(read, _)| {
        let rules = match bundle.has_rules(read) {
            true => Some(bundle.rules(read)?),
            false => None,
        };
        let all = (0..read.columns.len()).collect();
        restrict(bundle, rules, read, (all, Vec::new()), principal, caller)
    });
    let reads = reads.collect::<Option<Vec<_>>>()?;
    let Some(rules) = rules else {
        let unmasked = visible.into_iter().map(|index| SecuredColumn { index, mask: None });
        return Some(SecuredTable {
            table: Arc::clone(table),
            columns: unmasked.collect(),
            row_predicate: None,
            policies: Vec::new(),
            reads,
            aggregation: None,
            guarded: None,
        });
    };
    let row_predicate = row_predicate(rules, principal, caller, &mut policies)?;
    let mut columns = Vec::with_capacity(visible.len());
    for index in visible {
        let raw = &table.columns.get(index)?.name;
        let mask = column_mask(rules.masks.get(index)?, raw, principal, caller, &mut policies)?;
        columns.push(SecuredColumn { index, mask });
    }
    let aggregation = aggregation(rules, caller, &mut policies)?;
    let policies: BTreeSet<PolicyRef> = policies.into_iter().cloned().collect();
    let mut secured = SecuredTable {
        table: Arc::clone(table),
        columns,
        row_predicate,
        policies: policies.into_iter().collect(),
        reads,
        aggregation: None,
        guarded: None,
    };
    if let Some(rule) = aggregation {
        secured.guarded = Some(Box::new(secured.below_guard(rule.entity)?));
        secured.aggregation = Some(rule);
    }
    Some(secured)
}

/// Of all aggregation policies that bind the caller the strictest in each respect. The outer `None`
/// denies, the inner one shows rows.
fn aggregation<'a>(
    rules: &'a TableRules,
    caller: Caller<'_>,
    policies: &mut Vec<&'a PolicyRef>,
) -> Option<Option<Aggregation>> {
    let mut strictest: Option<Aggregation> = None;
    for bound in rules.aggregations.iter().filter(|bound| caller.is_bound_by(&bound.to)) {
        policies.push(&bound.policy);
        strictest = Some(match strictest {
            None => bound.rule.clone(),
            Some(other) => other.and(&bound.rule)?,
        });
    }
    Some(strictest)
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
        let applies = match rule.kind {
            RowKind::Permissive => caller.may_use(&rule.to),
            RowKind::Restrictive => caller.is_bound_by(&rule.to),
        };
        if !applies {
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
    let mut predicates = Predicates::Masked;
    for rule in masks {
        let exempt = rule.except.iter().any(|role| caller.standing.active.contains(role));
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
        predicates = predicates.max(rule.predicates);
        shown = Some(Mask { expr, policy: rule.policy.as_ref().clone(), predicates });
    }
    Some(shown)
}

#[cfg(test)]
mod tests;
