//! A normaliser for the catalog queries of clients: what the planner or the engine can't run becomes
//! an equivalent that they can.
//!
//! It runs before the gate, which still walks everything, and only over statements whose relations
//! are all of the system. Each rewrite is an equivalence of SQL, or one that the system relations
//! make true: which of them are always empty, which columns are oids, that there are no partitions.

mod calls;
mod casts;
mod empty;
mod lateral;
mod look;
mod subquery;

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Ident, Query, Select, SelectItem, SetExpr, Subscript,
    TableFactor, Value, VisitMut, VisitorMut,
};
use datafusion_sql::sqlparser::tokenizer::Span;
use tollgate_catalog::id;

use self::look::Looked;
use crate::functions::Registry;
use crate::names::output_name;
use crate::system::SystemSchemas;

/// Columns that every relation has in PostgreSQL, beside its own.
const HIDDEN: &[&str] = &["tableoid", "xmin"];

/// Columns that are vectors: they count from 0, unlike arrays.
const VECTORS: &[&str] = &["indkey", "indclass", "indcollation", "indoption", "proargtypes"];

/// Normalises a statement over the catalogs; says whether it is one.
pub(super) fn normalise(
    query: &mut Query,
    registry: &Registry,
    system: &dyn SystemSchemas,
    search_path: &[String],
) -> bool {
    let Some(looked) = look::look(query, system, search_path) else { return false };
    let mut pass = Pass { registry, system, looked, scopes: Vec::new() };
    let _done: ControlFlow<()> = query.visit(&mut pass);
    if let SetExpr::Select(select) = query.body.as_mut() {
        shown(select);
    }
    true
}

/// What a query shows of columns that are functions: their names.
fn shown(select: &mut Select) {
    let aliases = look::aliases(select);
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = output_name(expr);
                if casts::function_name(expr, &aliases) {
                    let (expr, alias) = (expr.clone(), Ident::with_quote('"', name));
                    *item = SelectItem::ExprWithAlias { expr, alias };
                }
            }
            SelectItem::ExprWithAlias { expr, .. } => {
                casts::function_name(expr, &aliases);
            }
            _ => {}
        }
    }
}

/// What a SELECT sees.
struct Scope {
    /// The system relations by alias.
    aliases: Vec<(String, tollgate_catalog::TableName)>,
    /// Whether it can't yield a row.
    empty: bool,
}

struct Pass<'a> {
    registry: &'a Registry,
    system: &'a dyn SystemSchemas,
    looked: Looked,
    scopes: Vec<Scope>,
}

impl VisitorMut for Pass<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        calls::partition_ancestors(select);
        lateral::elements(select);
        name_items(select);
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                casts::output(expr);
            }
        }
        self.scopes.push(Scope {
            aliases: look::aliases(select),
            empty: empty::select(select, self.registry, self.system),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        calls::in_from(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let aliases = self.scopes.last().map(|scope| scope.aliases.as_slice());
        casts::registered(expr, aliases.unwrap_or_default());
        let in_empty = self.scopes.last().is_some_and(|scope| scope.empty);
        empty::fold(expr, in_empty, self.registry, self.system);
        subquery::array(expr);
        subquery::any_of(expr);
        subquery::correlated(expr, self.registry, self.system);
        self.hidden_column(expr);
        subscripts(expr);
        rows(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        calls::rewrite(expr);
        calls::escape(expr);
        self.literals(expr);
        ControlFlow::Continue(())
    }
}

impl Pass<'_> {
    /// `c.tableoid` and `c.xmin`, columns that every relation has in PostgreSQL. Rows of the
    /// catalogs are made for each query, so all are of one transaction.
    fn hidden_column(&self, expr: &mut Expr) {
        let Expr::CompoundIdentifier(idents) = &*expr else { return };
        let [qualifier, column] = idents.as_slice() else { return };
        let column = look::folded(column);
        if !HIDDEN.contains(&column.as_str()) {
            return;
        }
        let alias = look::folded(qualifier);
        let scope = self.scopes.last();
        let table = scope.and_then(|scope| scope.aliases.iter().find(|(name, _)| *name == alias));
        if let Some((_, table)) = table {
            if column == "xmin" {
                *expr = casts::cast(super::expr::number("1"), casts::named("oid"));
                return;
            }
            let name = super::expr::string(&format!("{}.{}", table.schema, table.table));
            *expr = super::function::call("tg_regclass", vec![name]);
        }
    }

    /// Untyped literals take the type of the column that they meet.
    fn literals(&self, expr: &mut Expr) {
        match expr {
            Expr::BinaryOp { left, op, right } if comparison(op) => {
                self.literal(left, right);
                self.literal(right, left);
            }
            Expr::InList { expr, list, .. } => {
                list.iter_mut().for_each(|item| self.literal(expr, item));
            }
            Expr::Function(_) => {
                let Some(("coalesce", [first, rest @ ..])) = calls::split_mut(expr) else { return };
                for argument in rest {
                    if let (Some(first), Some(argument)) =
                        (calls::plain(first), calls::plain_mut(argument))
                    {
                        self.literal(first, argument);
                    }
                }
            }
            _ => {}
        }
    }

    fn literal(&self, column: &Expr, literal: &mut Expr) {
        let Some(name) = look::column_name(column) else { return };
        let Some(text) = look::text_literal(literal) else { return };
        if self.looked.numbers.contains(&name) && text.parse::<u32>().is_ok() {
            *literal = super::expr::number(text);
        } else if self.looked.booleans.contains(&name)
            && let "t" | "true" | "f" | "false" = text
        {
            let value = Value::Boolean(text.starts_with('t'));
            *literal = Expr::Value(value.with_span(Span::empty()));
        } else if let Some(element) = self.looked.lists.get(&name)
            && let Some(array) = casts::array_literal(text, element)
        {
            *literal = array;
        }
    }
}

fn comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// Gives computed items the names that they have before anything is rewritten.
fn name_items(select: &mut Select) {
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let hidden = |column: &Ident| HIDDEN.contains(&look::folded(column).as_str());
        match &*expr {
            Expr::Identifier(_) => continue,
            Expr::CompoundIdentifier(idents) if !idents.last().is_some_and(hidden) => continue,
            _ => {}
        }
        let alias = super::expr::quoted(&output_name(expr));
        let expr = std::mem::replace(expr, super::expr::null());
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// `(a, b) = (c, d)` as equalities of the parts.
fn rows(expr: &mut Expr) {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = expr else { return };
    let (Expr::Tuple(left), Expr::Tuple(right)) = (left.as_ref(), right.as_ref()) else { return };
    if left.len() != right.len() {
        return;
    }
    let equalities = left.iter().zip(right).map(|(left, right)| Expr::BinaryOp {
        left: Box::new(left.clone()),
        op: BinaryOperator::Eq,
        right: Box::new(right.clone()),
    });
    if let Some(all) = subquery::all(equalities.collect()) {
        *expr = Expr::Nested(Box::new(all));
    }
}

/// `t.a[i]` has a compound root. Doing it twice changes nothing.
fn qualified(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return };
    while let (Some(AccessExpr::Dot(Expr::Identifier(field))), true) = (
        access_chain.first(),
        matches!(root.as_ref(), Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
    ) {
        let mut idents = match root.as_ref() {
            Expr::Identifier(ident) => vec![ident.clone()],
            Expr::CompoundIdentifier(idents) => idents.clone(),
            _ => Vec::new(),
        };
        idents.push(field.clone());
        **root = Expr::CompoundIdentifier(idents);
        access_chain.remove(0);
    }
}

/// `(f).x` is a field, and vectors count from 0.
fn subscripts(expr: &mut Expr) {
    qualified(expr);
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return };
    if let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice() {
        let name = id::fold(&field.value, field.quote_style.is_some());
        let root = std::mem::replace(root.as_mut(), super::expr::null());
        *expr = super::function::call("get_field", vec![root, super::expr::string(&name)]);
        return;
    }
    let vector = look::column_name(root).is_some_and(|name| VECTORS.contains(&name.as_str()));
    if let (true, [AccessExpr::Subscript(Subscript::Index { index })]) =
        (vector, access_chain.as_mut_slice())
    {
        let place = std::mem::replace(index, super::expr::null());
        *index = Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(place))),
            op: BinaryOperator::Plus,
            right: Box::new(super::expr::number("1")),
        };
    }
}
