//! The gate over queries: WITH, set operations, SELECT, ORDER BY, LIMIT.

use datafusion_sql::sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, Ident, LimitClause, NamedWindowExpr, OrderBy, OrderByExpr,
    OrderByKind, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier,
};
use tollgate_catalog::{Error, ErrorKind};

use super::budget::{Cost, bound_list, bound_sets};
use super::items::{List, no_relation};
use super::scope::{self, Output, Scope};
use super::table::{alias_columns, complete_alias};
use super::{Gate, fold, parts, refuse_if, writes};

impl Gate<'_> {
    /// Walks a query and gives the columns that it yields.
    pub(super) fn query(&mut self, query: &mut Query) -> Result<Vec<Output>, Error> {
        self.step()?;
        self.deeper(|gate| {
            let scope = gate.ctes.len();
            let outer = std::mem::replace(&mut gate.in_select_list, false);
            let beside = std::mem::take(&mut gate.beside);
            let result = gate.query_in_scope(query);
            gate.beside = beside;
            gate.in_select_list = outer;
            gate.ctes.truncate(scope);
            result
        })
    }

    /// Walks a query whose first column is meant. PostgreSQL has queries without any, which the planner
    /// doesn't know here.
    pub(super) fn values_of(&mut self, query: &mut Query, without: &str) -> Result<(), Error> {
        match self.query(query)?.is_empty() {
            true => Err(Error::new(ErrorKind::Syntax, without)),
            false => Ok(()),
        }
    }

    fn query_in_scope(&mut self, query: &mut Query) -> Result<Vec<Output>, Error> {
        self.translate_query(query)?;
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty() {
            return Err(writes("SELECT FOR UPDATE or FOR SHARE"));
        }
        refuse_if(for_clause.is_some(), "the FOR clause")?;
        refuse_if(settings.is_some(), "the SETTINGS clause")?;
        refuse_if(format_clause.is_some(), "the FORMAT clause")?;
        refuse_if(!pipe_operators.is_empty(), "pipe syntax")?;
        let recursive = self.recursive.take();
        if let Some(with) = with {
            for cte in &mut with.cte_tables {
                self.cte(cte, with.recursive)?;
            }
        }
        let found = self.set_expr(body, recursive)?;
        if let Some(order_by) = order_by {
            self.order_by(order_by, &found)?;
        }
        if let (SetExpr::Select(select), Some(scope)) = (body.as_mut(), &found.scope) {
            super::group::complete(select, order_by.as_ref(), scope);
        }
        if let Some(clause) = limit_clause {
            match clause {
                LimitClause::LimitOffset { limit, offset, limit_by } => {
                    refuse_if(!limit_by.is_empty(), "LIMIT BY")?;
                    for count in limit.iter_mut().chain(offset.as_mut().map(|of| &mut of.value)) {
                        self.expr(count)?;
                        super::limit::bigint(count);
                    }
                }
                LimitClause::OffsetCommaLimit { .. } => {
                    return Err(Error::new(ErrorKind::Syntax, "LIMIT #,# syntax is not supported")
                        .with_hint("use separate LIMIT and OFFSET clauses"));
                }
            }
        }
        if let Some(taken) = fetch.take() {
            refuse_if(taken.with_ties, "FETCH … WITH TIES")?;
            refuse_if(taken.percent, "FETCH … PERCENT")?;
            let mut quantity = taken.quantity.unwrap_or_else(|| super::expr::number("1"));
            self.expr(&mut quantity)?;
            match limit_clause {
                Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => {
                    *limit = Some(quantity);
                }
                None => {
                    *limit_clause = Some(LimitClause::LimitOffset {
                        limit: Some(quantity),
                        offset: None,
                        limit_by: Vec::new(),
                    });
                }
                Some(
                    LimitClause::LimitOffset { limit: Some(_), .. }
                    | LimitClause::OffsetCommaLimit { .. },
                ) => {
                    return Err(Error::new(
                        ErrorKind::Syntax,
                        "multiple LIMIT clauses are not allowed",
                    ));
                }
            }
        }
        self.limit_by_query(body.as_mut(), order_by, limit_clause, &found.columns)?;
        Ok(found.columns)
    }

    /// A common table expression, which comes into scope after its query, or in it if it recurs.
    fn cte(&mut self, cte: &mut Cte, recursive: bool) -> Result<(), Error> {
        refuse_if(cte.from.is_some(), "FROM after a common table expression")?;
        refuse_if(cte.alias.at.is_some(), "an AT alias")?;
        fold(&mut cte.alias.name);
        let names = alias_columns(&mut cte.alias)?;
        let unique = self.make_up(&cte.alias.name.value);
        let place = self.ctes.len();
        let mut known = super::Cte {
            user: cte.alias.name.value.clone(),
            unique: unique.clone(),
            columns: names.iter().map(Output::plain).collect(),
            cost: Cost::default(),
            is_named: false,
            is_numbered: false,
        };
        let numbered = self.numbered;
        let columns = if recursive {
            self.ctes.push(known);
            self.recursive = Some(place);
            let (columns, cost) = self.aside(|gate| gate.query(&mut cte.query))?;
            self.recursive = None;
            let columns = scope::rename(columns, &names);
            if let Some(known) = self.ctes.get_mut(place) {
                known.columns.clone_from(&columns);
                known.cost = cost;
            }
            columns
        } else {
            let (columns, cost) = self.aside(|gate| gate.query(&mut cte.query))?;
            known.columns = scope::rename(columns, &names);
            known.cost = cost;
            let columns = known.columns.clone();
            self.ctes.push(known);
            columns
        };
        if let Some(known) = self.ctes.get_mut(place) {
            known.is_numbered = self.numbered > numbered;
        }
        complete_alias(&mut cte.alias, &columns);
        // MATERIALIZED or not is advice about speed; the result is the same.
        cte.materialized = None;
        cte.alias.name = Ident::with_quote('"', unique);
        Ok(())
    }

    /// Walks a query's body. Of a recursive common table expression, the first leg tells the columns.
    fn set_expr(&mut self, body: &mut SetExpr, recursive: Option<usize>) -> Result<Found, Error> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => Ok(Found { columns: self.query(query)?, scope: None }),
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                self.translate_operation(op);
                match set_quantifier {
                    SetQuantifier::Distinct | SetQuantifier::None => {}
                    SetQuantifier::All => {}
                    SetQuantifier::ByName
                    | SetQuantifier::AllByName
                    | SetQuantifier::DistinctByName => {
                        return Err(Error::not_supported("a set operation BY NAME"));
                    }
                }
                let columns = self.deeper(|gate| {
                    gate.step()?;
                    let mut columns = gate.set_expr(left, recursive)?.columns;
                    if let Some(known) = recursive.and_then(|place| gate.ctes.get_mut(place)) {
                        let names = known.columns.iter().map(|column| column.name.clone());
                        let names: Vec<String> = names.collect();
                        known.columns = scope::rename(columns.clone(), &names);
                    }
                    let asofs = gate.asofs;
                    // A condition moves into both.
                    for (left, right) in columns.iter_mut().zip(gate.set_expr(right, None)?.columns)
                    {
                        left.reach = left.reach.saturating_add(right.reach);
                    }
                    let itself = recursive.and_then(|place| gate.ctes.get(place));
                    if gate.asofs > asofs && itself.is_some_and(|cte| cte.is_named) {
                        return Err(Error::not_supported("ASOF JOIN in a recursive term")
                            .with_hint("join with what the recursive query yields"));
                    }
                    Ok(columns)
                })?;
                // The engine pairs no rows: it would keep or drop all copies of a row at once.
                if *set_quantifier == SetQuantifier::All && *op != SetOperator::Union {
                    let op = *op;
                    let legs = [left, right].map(|leg| std::mem::replace(leg, gone()));
                    let names: Vec<String> =
                        columns.iter().map(|column| column.real.clone()).collect();
                    let made = ["one", "other", "both"].map(|name| self.make_up(name));
                    *body = super::sets::all(op, legs, &names, &made);
                }
                Ok(Found { columns, scope: None })
            }
            SetExpr::Values(values) => {
                refuse_if(values.explicit_row, "VALUES ROW")?;
                if super::build::has_query(values) && values.rows.len() <= MAX_VALUES {
                    *body = super::build::selects(std::mem::take(&mut values.rows));
                    return self.set_expr(body, recursive);
                }
                for row in &mut values.rows {
                    for value in &mut row.content {
                        self.expr(value)?;
                    }
                }
                let width = values.rows.first().map_or(0, |row| row.content.len());
                let names = (1..=width).map(|number| Output::plain(format!("column{number}")));
                Ok(Found { columns: names.collect(), scope: None })
            }
            SetExpr::Insert(_) => Err(writes("INSERT")),
            SetExpr::Update(_) => Err(writes("UPDATE")),
            SetExpr::Delete(_) => Err(writes("DELETE")),
            SetExpr::Merge(_) => Err(writes("MERGE")),
            SetExpr::Table(table) => {
                let names: Vec<String> = table
                    .schema_name
                    .iter()
                    .chain(table.table_name.iter())
                    .map(|part| tollgate_catalog::id::fold(part, false))
                    .collect();
                let mut select = super::build::table_command(&names);
                let found = self.select(&mut select)?;
                *body = SetExpr::Select(Box::new(select));
                Ok(found)
            }
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<Found, Error> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        // A hint is a comment; comments die at the parser.
        optimizer_hints.clear();
        refuse_if(select_modifiers.is_some(), "a SELECT modifier")?;
        refuse_if(top.is_some(), "TOP")?;
        refuse_if(exclude.is_some(), "EXCLUDE")?;
        if into.is_some() {
            return Err(writes("SELECT INTO"));
        }
        refuse_if(!lateral_views.is_empty(), "LATERAL VIEW")?;
        refuse_if(prewhere.is_some(), "PREWHERE")?;
        refuse_if(!connect_by.is_empty(), "CONNECT BY")?;
        refuse_if(!cluster_by.is_empty(), "CLUSTER BY")?;
        refuse_if(!distribute_by.is_empty(), "DISTRIBUTE BY")?;
        refuse_if(!sort_by.is_empty(), "SORT BY")?;
        refuse_if(qualify.is_some() && !self.is_snowflake(), "QUALIFY")?;
        refuse_if(value_table_mode.is_some(), "SELECT AS STRUCT or VALUE")?;
        match flavor {
            SelectFlavor::Standard => {}
            SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect => {
                return Err(Error::not_supported("FROM before SELECT"));
            }
        }
        let (scope, moved) = self.from(from)?;
        let (columns, scope) = self.within(scope, |gate| {
            gate.in_select_list = true;
            let columns = gate.projection(projection)?;
            gate.in_select_list = false;
            match distinct {
                Some(Distinct::On(keys)) => {
                    for key in keys {
                        gate.output_key(key, projection, &columns)?;
                    }
                }
                Some(Distinct::Distinct | Distinct::All) | None => {}
            }
            if let Some(selection) = selection {
                gate.condition(|gate| gate.expr(selection))?;
            }
            for condition in moved {
                *selection = Some(super::build::and(selection.take(), condition));
            }
            match group_by {
                GroupByExpr::Expressions(keys, modifiers) => {
                    refuse_if(!modifiers.is_empty(), "GROUP BY … WITH")?;
                    gate.row_keys(keys, projection)?;
                    bound_list(keys.len(), "GROUP BY")?;
                    let sets = keys.iter().map(super::group::sets).fold(1, u64::saturating_mul);
                    bound_sets(sets)?;
                    gate.copied(sets, |gate| {
                        keys.iter_mut().try_for_each(|key| gate.group_key(key, &columns))
                    })?;
                }
                GroupByExpr::All(_) => gate.group_all(group_by, projection, &columns)?,
            }
            if let Some(having) = having {
                gate.condition(|gate| gate.expr(having))?;
            }
            if let Some(qualify) = qualify {
                gate.qualify(qualify, projection)?;
            }
            for window in named_window {
                fold(&mut window.0);
                match &mut window.1 {
                    NamedWindowExpr::NamedWindow(name) => fold(name),
                    NamedWindowExpr::WindowSpec(spec) => gate.window(spec)?,
                }
            }
            Ok(columns)
        })?;
        Ok(Found { columns, scope: Some(scope) })
    }

    /// Walks the select list, writes stars out, and gives every unnamed item the name that PostgreSQL
    /// gives it. Of several items of one name the later are renamed; the edge restores the names.
    fn projection(&mut self, projection: &mut Vec<SelectItem>) -> Result<Vec<Output>, Error> {
        let mut list = List::default();
        bound_list(projection.len(), "a select list")?;
        for item in std::mem::take(projection) {
            match item {
                SelectItem::UnnamedExpr(mut expr) => {
                    let (name, exact) = self.item_name(&expr);
                    let ((), reach) = self.reach_of(|gate| gate.value(&mut expr))?;
                    list.push(expr, name, reach, exact);
                }
                SelectItem::ExprWithAlias { mut expr, mut alias } => {
                    let ((), reach) = self.reach_of(|gate| gate.value(&mut expr))?;
                    let exact = alias.quote_style.is_some();
                    fold(&mut alias);
                    self.note_alias(&alias.value, &expr, reach);
                    list.push(expr, alias.value, reach, exact);
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(Error::not_supported("a list of aliases"));
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    let qualifier = match &kind {
                        SelectItemQualifiedWildcardKind::ObjectName(name) => parts(name)?,
                        SelectItemQualifiedWildcardKind::Expr(_) => {
                            return Err(Error::not_supported("the fields of a composite value"));
                        }
                    };
                    let mut scopes = self.scopes.iter().rev();
                    let columns = scopes.find_map(|scope| scope.columns_of(&qualifier));
                    let columns = columns.ok_or_else(|| no_relation(&qualifier))?;
                    list.star(self.star_of(columns, options)?)?;
                }
                SelectItem::Wildcard(options) => {
                    let columns = self.scopes.last().map_or(&[][..], Scope::columns);
                    if columns.is_empty() {
                        return Err(Error::new(
                            ErrorKind::Syntax,
                            "SELECT * with no tables specified is not valid",
                        ));
                    }
                    list.star(self.star_of(columns.to_vec(), options)?)?;
                }
            }
        }
        *projection = list.items;
        self.node(u64::try_from(list.columns.len()).unwrap_or(u64::MAX))?;
        Ok(list.columns)
    }

    /// A key of GROUP BY: a column of FROM, or else a column of the result.
    fn group_key(&mut self, key: &mut Expr, columns: &[Output]) -> Result<(), Error> {
        if let Expr::Identifier(ident) = key {
            let name = tollgate_catalog::id::fold(&ident.value, ident.quote_style.is_some());
            let local = self.scopes.last().map_or(Ok(None), |scope| scope.column(&name))?;
            if local.is_none()
                && let Some(column) = columns.iter().find(|column| column.name == name)
            {
                *ident = Ident::with_quote('"', &column.real);
                return self.reference(column.reach, column.reach);
            }
        }
        if let Some(column) = super::group::number(key).and_then(|place| columns.get(place)) {
            self.reference(column.reach, column.reach)?;
        }
        self.expr(key)
    }

    /// A key of DISTINCT ON: an item of the select list by its name or number, or an expression.
    fn output_key(
        &mut self,
        key: &mut Expr,
        projection: &[SelectItem],
        columns: &[Output],
    ) -> Result<(), Error> {
        let item = match &*key {
            Expr::Identifier(ident) => {
                let name = tollgate_catalog::id::fold(&ident.value, ident.quote_style.is_some());
                projection.iter().zip(columns).find_map(|(item, column)| match item {
                    SelectItem::ExprWithAlias { expr, alias } if alias.value == name => {
                        Some((expr, column))
                    }
                    _ => None,
                })
            }
            Expr::Value(_) => super::group::place(key, projection)
                .zip(super::group::number(key).and_then(|place| columns.get(place))),
            _ => None,
        };
        match item {
            Some((expr, column)) => {
                *key = expr.clone();
                self.reference(column.reach, column.reach)
            }
            None => self.expr(key),
        }
    }

    /// ORDER BY names a column of the result, or computes from columns of FROM.
    fn order_by(&mut self, order_by: &mut OrderBy, found: &Found) -> Result<(), Error> {
        refuse_if(order_by.interpolate.is_some(), "INTERPOLATE")?;
        let keys = match &mut order_by.kind {
            OrderByKind::All(_) => return Err(Error::not_supported("ORDER BY ALL")),
            OrderByKind::Expressions(keys) => keys,
        };
        bound_list(keys.len(), "ORDER BY")?;
        for key in keys {
            if let Expr::Identifier(ident) = &mut key.expr {
                let name = tollgate_catalog::id::fold(&ident.value, ident.quote_style.is_some());
                if let Some(column) = found.columns.iter().find(|column| column.name == name) {
                    refuse_if(key.with_fill.is_some(), "WITH FILL")?;
                    *ident = Ident::with_quote('"', &column.real);
                    self.reference(column.reach, column.reach)?;
                    continue;
                }
            }
            let scope = found.scope.clone().unwrap_or_default();
            self.within(scope, |gate| gate.order_keys(std::slice::from_mut(key)))?;
        }
        Ok(())
    }

    pub(super) fn order_keys(&mut self, keys: &mut [OrderByExpr]) -> Result<(), Error> {
        for key in keys {
            refuse_if(key.with_fill.is_some(), "WITH FILL")?;
            self.expr(&mut key.expr)?;
        }
        Ok(())
    }
}

/// In place of a leg that was taken out.
fn gone() -> Box<SetExpr> {
    super::build::empty().body
}

/// What a query's body yields, and what its ORDER BY may compute from.
struct Found {
    columns: Vec<Output>,
    scope: Option<Scope>,
}

/// The most rows of VALUES with a subquery in it: each becomes a SELECT.
const MAX_VALUES: usize = 64;
