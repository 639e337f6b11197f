//! Subqueries in the form that the engine can decorrelate: under an aggregate, with equalities.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArgumentClause, FunctionArguments,
    GroupByExpr, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    SetOperator, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::{calls, casts, comparison, empty, look};
use crate::functions::Registry;
use crate::gate::expr::null;
use crate::gate::function::call;
use crate::system::SystemSchemas;

/// A plain SELECT of one item: no grouping, no LIMIT, nothing that hides rows.
fn plain(query: &mut Query) -> Option<&mut Select> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        GroupByExpr::All(_) => true,
    };
    let plain = !grouped
        && select.distinct.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.projection.len() == 1;
    plain.then_some(select)
}

fn item(select: &mut Select) -> Option<&mut Expr> {
    match select.projection.first_mut()? {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// `ARRAY(SELECT x … ORDER BY k)` as `coalesce((SELECT array_agg(x ORDER BY k) …), '{}')`.
pub(super) fn array(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    if calls::array_query(function).is_none() {
        return;
    }
    let FunctionArguments::Subquery(query) = &mut function.args else { return };
    let mut query = query.clone();
    let order = query.order_by.take();
    let Some(select) = plain(&mut query) else { return };
    let Some(value) = item(select) else { return };
    casts::output(value);
    let mut keys: Vec<OrderByExpr> = match order.map(|order| order.kind) {
        Some(OrderByKind::Expressions(keys)) => keys,
        Some(OrderByKind::All(_)) => return,
        None => Vec::new(),
    };
    for key in &mut keys {
        if is_one(&key.expr) {
            key.expr = value.clone();
        }
    }
    let mut aggregate = call("array_agg", vec![std::mem::replace(value, null())]);
    if let (false, Expr::Function(Function { args: FunctionArguments::List(list), .. })) =
        (keys.is_empty(), &mut aggregate)
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(keys));
    }
    *value = aggregate;
    *expr = call("coalesce", vec![Expr::Subquery(query), empty::no_texts()]);
}

fn is_one(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(digits, _) if digits == "1"))
}

/// The aliases that a query's FROM clauses give, and the qualifiers that its columns have.
#[derive(Default)]
struct Qualifiers {
    own: BTreeSet<String>,
    used: BTreeSet<String>,
    /// Columns without a qualifier.
    bare: BTreeSet<String>,
}

impl Visitor for Qualifiers {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let (name, alias) = match factor {
            TableFactor::Table { name, alias, .. } | TableFactor::Function { name, alias, .. } => {
                (Some(name), alias)
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => (None, alias),
            _ => return ControlFlow::Continue(()),
        };
        let last = name.and_then(|name| name.0.last()).and_then(|part| part.as_ident());
        self.own.extend(alias.as_ref().map(|alias| &alias.name).or(last).map(look::folded));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(idents) => {
                let qualifier = idents.iter().rev().nth(1);
                self.used.extend(qualifier.map(look::folded));
            }
            Expr::Identifier(ident) => {
                self.bare.insert(look::folded(ident));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Brings qualified columns to the form in which [`Qualifiers`] sees them.
struct Qualified;

impl VisitorMut for Qualified {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        super::qualified(expr);
        ControlFlow::Continue(())
    }
}

impl Qualifiers {
    fn of(part: &impl Visit) -> Self {
        let mut qualifiers = Self::default();
        let _done: ControlFlow<()> = part.visit(&mut qualifiers);
        qualifiers
    }
}

/// A correlated `(SELECT x FROM … WHERE …)` gets an aggregate, and keeps only equalities with the
/// outer row; conditions on the outer row alone become a CASE around it.
pub(super) fn correlated(expr: &mut Expr, registry: &Registry, system: &dyn SystemSchemas) {
    if let Expr::Exists { .. } = expr {
        exists(expr, system);
        return;
    }
    if let Expr::InSubquery { subquery, .. } = expr {
        compared(subquery.body.as_mut());
        in_values(expr);
        return;
    }
    let Expr::Subquery(query) = expr else { return };
    let _done: ControlFlow<()> = query.visit(&mut Qualified);
    let names = Qualifiers::of(query.as_ref());
    if names.used.iter().all(|name| names.own.contains(name)) {
        return;
    }
    let ordered = query.order_by.is_some();
    single(query, registry);
    let Some(select) = plain(query) else { return };
    if ordered || select.from.is_empty() || empty::aggregates(select, registry) {
        return;
    }
    let inner = Inner::of(select, &names, system);
    let Split { guards, kept } = inner.split(select);
    select.selection = all(kept);
    let Some(value) = item(select) else { return };
    casts::output(value);
    let taken = std::mem::replace(value, null());
    *value = call("any_value", vec![taken]);
    if let Some(condition) = all(guards) {
        let result = std::mem::replace(expr, null());
        *expr = Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition, result }],
            else_result: None,
        };
    }
}

/// `x = ANY (SELECT y …)` over the array of all `y`, so that it may stand in a select list too.
pub(super) fn any_of(expr: &mut Expr) {
    let Expr::AnyOp { right, .. } = expr else { return };
    let Expr::Subquery(query) = right.as_mut() else { return };
    let names = Qualifiers::of(query.as_ref());
    if !names.used.iter().all(|name| names.own.contains(name)) || query.order_by.is_some() {
        return;
    }
    let Some(value) = plain(query).and_then(item) else { return };
    *value = call("array_agg", vec![std::mem::replace(value, null())]);
    let array = std::mem::replace(right.as_mut(), null());
    // Not a subquery to the eye: that would be compared row by row.
    **right = call("coalesce", vec![array]);
}

/// `EXISTS (SELECT … WHERE …)` keeps only equalities with the outer row, so that it may stand in a
/// select list too.
fn exists(expr: &mut Expr, system: &dyn SystemSchemas) {
    let Expr::Exists { subquery, negated } = expr else { return };
    let _done: ControlFlow<()> = subquery.visit(&mut Qualified);
    let names = Qualifiers::of(subquery.as_ref());
    let SetExpr::Select(select) = subquery.body.as_mut() else { return };
    let before = select.selection.clone();
    let inner = Inner::of(select, &names, system);
    if !inner.one_row(select) {
        return;
    }
    let Split { guards, kept } = inner.split(select);
    let Some(condition) = all(guards) else {
        select.selection = before;
        return;
    };
    select.selection = all(kept);
    let found = Expr::Exists { subquery: subquery.clone(), negated: false };
    let truth = |truth: bool| Expr::Value(Value::Boolean(truth).with_span(Span::empty()));
    let both = all(vec![found, condition]).unwrap_or_else(null);
    *expr = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition: both, result: truth(!*negated) }],
        else_result: Some(Box::new(truth(*negated))),
    };
}

/// An aggregate without grouping has one row, whatever its LIMIT from 1 on.
fn single(query: &mut Query, registry: &Registry) {
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let limited = matches!(
        &query.limit_clause,
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by })
            if is_one(limit) && limit_by.is_empty()
    );
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if limited && !grouped && empty::aggregates(select, registry) {
        query.limit_clause = None;
    }
}

/// What a subquery's own relations are.
struct Inner<'a> {
    own: &'a BTreeSet<String>,
    /// All their columns, if all of them are known.
    columns: Option<BTreeSet<String>>,
}

/// The conjuncts of a subquery's condition.
struct Split {
    /// Those that can be evaluated outside of it.
    guards: Vec<Expr>,
    kept: Vec<Expr>,
}

impl<'a> Inner<'a> {
    fn of(select: &Select, names: &'a Qualifiers, system: &dyn SystemSchemas) -> Self {
        let relations = look::aliases(select);
        let mut columns = BTreeSet::new();
        for (_, relation) in &relations {
            let schema = system.schema(relation);
            let fields = schema.iter().flat_map(|schema| schema.fields().iter());
            columns.extend(fields.map(|field| field.name().clone()));
        }
        let known = names.own.iter().all(|alias| relations.iter().any(|(name, _)| name == alias));
        Self { own: &names.own, columns: known.then_some(columns) }
    }

    /// Whether columns of its relations are used, and whether any other is.
    fn sides(&self, part: &Expr) -> (bool, bool) {
        let found = Qualifiers::of(part);
        let own = |name: &String| match &self.columns {
            Some(columns) => columns.contains(name),
            None => true,
        };
        let inner =
            found.bare.iter().any(own) || found.used.iter().any(|name| self.own.contains(name));
        let outer = found.bare.iter().any(|name| !own(name))
            || found.used.iter().any(|name| !self.own.contains(name) && !found.own.contains(name));
        (inner, outer)
    }

    /// Whether its condition leaves at most one row of each relation for an outer row.
    fn one_row(&self, select: &Select) -> bool {
        let conjuncts = conjuncts(select.selection.clone());
        !self.own.is_empty()
            && self.own.iter().all(|alias| conjuncts.iter().any(|part| is_key(part, alias)))
    }

    /// Takes the condition of `select` apart.
    fn split(&self, select: &mut Select) -> Split {
        let one_row = self.one_row(select);
        let mut guards = Vec::new();
        let mut kept = Vec::new();
        let mut mixed = Vec::new();
        for conjunct in conjuncts(select.selection.take()) {
            match self.sides(&conjunct) {
                (false, true) => guards.push(conjunct),
                (true, true) if !is_equality(&conjunct) => mixed.push(conjunct),
                (true, _) | (false, false) => kept.push(conjunct),
            }
        }
        select.selection = all(kept.clone());
        for conjunct in mixed {
            // With at most one row, a comparison can be made outside.
            match conjunct {
                Expr::BinaryOp { mut left, op, mut right } if one_row && comparison(&op) => {
                    self.outside(&mut left, select);
                    self.outside(&mut right, select);
                    guards.push(Expr::BinaryOp { left, op, right });
                }
                Expr::AnyOp { mut left, compare_op, mut right, is_some } if one_row => {
                    self.outside(&mut left, select);
                    self.outside(&mut right, select);
                    // Not a subquery to the eye: that would be compared row by row.
                    let array = std::mem::replace(right.as_mut(), null());
                    *right = call("coalesce", vec![array]);
                    guards.push(Expr::AnyOp { left, compare_op, right, is_some });
                }
                other => kept.push(other),
            }
        }
        Split { guards, kept }
    }

    /// Replaces a value of the only row by a subquery for it.
    fn outside(&self, side: &mut Expr, select: &Select) {
        if self.sides(side) == (true, false) {
            let mut inner = select.clone();
            let value = std::mem::replace(side, null());
            inner.projection = vec![SelectItem::UnnamedExpr(call("any_value", vec![value]))];
            *side = Expr::Subquery(Box::new(of(inner)));
        }
    }
}

fn of(select: Select) -> Query {
    of_body(SetExpr::Select(Box::new(select)))
}

/// A query that is nothing but its body.
pub(super) fn of_body(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `x IN (a UNION ALL VALUES …)`, where `a` has no rows, as a list.
fn in_values(expr: &mut Expr) {
    let Expr::InSubquery { expr: subject, subquery, negated } = expr else { return };
    let body = match subquery.body.as_ref() {
        SetExpr::SetOperation { op: SetOperator::Union, left, right, .. } => match left.as_ref() {
            SetExpr::Select(select) if calls::is_partition_ancestors(select) => right.as_ref(),
            _ => return,
        },
        body => body,
    };
    let SetExpr::Values(values) = body else { return };
    let mut list = Vec::with_capacity(values.rows.len());
    for row in &values.rows {
        let [value] = row.content.as_slice() else { return };
        list.push(value.clone());
    }
    let subject = Box::new(std::mem::replace(subject.as_mut(), null()));
    *expr = Expr::InList { expr: subject, list, negated: *negated };
}

/// The values of `x IN (query)`.
fn compared(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            if let Some(value) = item(select) {
                casts::compared(value);
            }
        }
        SetExpr::Query(query) => compared(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            compared(left);
            compared(right);
        }
        _ => {}
    }
}

fn conjuncts(condition: Option<Expr>) -> Vec<Expr> {
    let mut pending: Vec<Expr> = condition.into_iter().collect();
    let mut found = Vec::new();
    while let Some(next) = pending.pop() {
        match next {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                pending.push(*right);
                pending.push(*left);
            }
            Expr::Nested(inner)
                if matches!(inner.as_ref(), Expr::BinaryOp { op: BinaryOperator::And, .. }) =>
            {
                pending.push(*inner);
            }
            other => found.push(other),
        }
    }
    found
}

/// The conjunction of conditions, if there are any.
pub(super) fn all(conditions: Vec<Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    })
}

/// Whether a condition makes two columns equal: the engine joins on such.
fn is_equality(expr: &Expr) -> bool {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = expr else { return false };
    [left, right].into_iter().all(|side| look::column_name(side).is_some())
}

/// Columns of which a value is in one row only: a table has one index, that of its primary key.
const KEYS: &[&str] = &["oid", "indrelid"];

/// Whether a condition fixes a row of the relation with this alias.
fn is_key(condition: &Expr, alias: &str) -> bool {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return false };
    [left, right].into_iter().any(|side| match side.as_ref() {
        Expr::CompoundIdentifier(idents) => {
            let mut parts = idents.iter().rev().map(look::folded);
            parts.next().is_some_and(|name| KEYS.contains(&name.as_str()))
                && parts.next().as_deref() == Some(alias)
        }
        _ => false,
    })
}
