//! The gate over queries: WITH, set operations, SELECT, ORDER BY, LIMIT.

use std::collections::HashSet;

use datafusion_sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, LimitClause, NamedWindowExpr, OrderBy, OrderByExpr,
    OrderByKind, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier, WildcardAdditionalOptions,
};
use tollgate_catalog::{Error, ErrorKind};

use super::{Gate, fold, parts, quoted_name, refuse_if, writes};
use crate::names::output_name;

impl Gate<'_> {
    pub(super) fn query(&mut self, query: &mut Query) -> Result<(), Error> {
        self.deeper(|gate| {
            let scope = gate.ctes.len();
            let outer = std::mem::replace(&mut gate.in_select_list, false);
            let result = gate.query_in_scope(query);
            gate.in_select_list = outer;
            gate.ctes.truncate(scope);
            result
        })
    }

    fn query_in_scope(&mut self, query: &mut Query) -> Result<(), Error> {
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
        if let Some(with) = with {
            for cte in &mut with.cte_tables {
                refuse_if(cte.from.is_some(), "FROM after a common table expression")?;
                let name = tollgate_catalog::id::fold(
                    &cte.alias.name.value,
                    cte.alias.name.quote_style.is_some(),
                );
                for column in &mut cte.alias.columns {
                    refuse_if(column.data_type.is_some(), "a typed column alias")?;
                    fold(&mut column.name);
                }
                refuse_if(cte.alias.at.is_some(), "an AT alias")?;
                self.cte_count += 1;
                let unique = format!("{name}·{}", self.cte_count);
                if with.recursive {
                    self.ctes.push((name.clone(), unique.clone()));
                    self.query(&mut cte.query)?;
                } else {
                    self.query(&mut cte.query)?;
                    self.ctes.push((name.clone(), unique.clone()));
                }
                // MATERIALIZED or not is advice about speed; the result is the same.
                cte.materialized = None;
                cte.alias.name = Ident::with_quote('"', unique);
            }
        }
        self.renamed.clear();
        self.set_expr(body)?;
        let renamed = std::mem::take(&mut self.renamed);
        if let Some(order_by) = order_by {
            rename_keys(order_by, &renamed);
            self.order_by(order_by)?;
        }
        if let Some(clause) = limit_clause {
            match clause {
                LimitClause::LimitOffset { limit, offset, limit_by } => {
                    refuse_if(!limit_by.is_empty(), "LIMIT BY")?;
                    if let Some(limit) = limit {
                        self.expr(limit)?;
                    }
                    if let Some(offset) = offset {
                        self.expr(&mut offset.value)?;
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
        Ok(())
    }

    fn set_expr(&mut self, body: &mut SetExpr) -> Result<(), Error> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                match set_quantifier {
                    SetQuantifier::Distinct | SetQuantifier::None => {}
                    // The engine pairs no rows: it would keep or drop all copies of a row at once.
                    SetQuantifier::All => match op {
                        SetOperator::Union => {}
                        SetOperator::Except | SetOperator::Minus | SetOperator::Intersect => {
                            return Err(Error::not_supported("EXCEPT ALL or INTERSECT ALL"));
                        }
                    },
                    SetQuantifier::ByName
                    | SetQuantifier::AllByName
                    | SetQuantifier::DistinctByName => {
                        return Err(Error::not_supported("a set operation BY NAME"));
                    }
                }
                self.deeper(|gate| {
                    gate.set_expr(left)?;
                    gate.set_expr(right)
                })
            }
            SetExpr::Values(values) => {
                refuse_if(values.explicit_row, "VALUES ROW")?;
                for row in &mut values.rows {
                    for value in &mut row.content {
                        self.expr(value)?;
                    }
                }
                Ok(())
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
                self.select(&mut select)?;
                *body = SetExpr::Select(Box::new(select));
                Ok(())
            }
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<(), Error> {
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
        refuse_if(qualify.is_some(), "QUALIFY")?;
        refuse_if(value_table_mode.is_some(), "SELECT AS STRUCT or VALUE")?;
        match flavor {
            SelectFlavor::Standard => {}
            SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect => {
                return Err(Error::not_supported("FROM before SELECT"));
            }
        }
        for source in from {
            self.table_with_joins(source)?;
        }
        // Inside the statement a name must stay what it is; at its top the edge restores it.
        let star = self.depth == 1
            && projection.len() > 1
            && projection.iter().any(|item| {
                matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
            });
        self.in_select_list = true;
        self.projection(projection, star)?;
        self.in_select_list = false;
        match distinct {
            Some(Distinct::On(keys)) => {
                for key in keys {
                    self.expr(key)?;
                }
            }
            Some(Distinct::Distinct | Distinct::All) | None => {}
        }
        if let Some(selection) = selection {
            self.expr(selection)?;
        }
        match group_by {
            GroupByExpr::Expressions(keys, modifiers) => {
                refuse_if(!modifiers.is_empty(), "GROUP BY … WITH")?;
                for key in keys {
                    self.expr(key)?;
                }
            }
            GroupByExpr::All(_) => return Err(Error::not_supported("GROUP BY ALL")),
        }
        if let Some(having) = having {
            self.expr(having)?;
        }
        for window in named_window {
            fold(&mut window.0);
            match &mut window.1 {
                NamedWindowExpr::NamedWindow(name) => fold(name),
                NamedWindowExpr::WindowSpec(spec) => self.window(spec)?,
            }
        }
        Ok(())
    }

    /// Walks the select list and gives every unnamed item the name that PostgreSQL gives it.
    /// Of several items of one name the later are renamed; the true names return at the edge.
    /// Beside a `star` every named item is renamed: it may have the name of a column under the star.
    fn projection(&mut self, projection: &mut Vec<SelectItem>, star: bool) -> Result<(), Error> {
        let mut renamed = Vec::new();
        let mut seen = HashSet::new();
        let mut unique = |name: String| {
            let mut n = 1;
            let mut candidate = if star { format!("{name}{DUPLICATE}{n}") } else { name.clone() };
            while !seen.insert(candidate.clone()) {
                n += 1;
                candidate = format!("{name}{DUPLICATE}{n}");
            }
            if star {
                renamed.push((name, candidate.clone()));
            }
            candidate
        };
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = unique(output_name(expr));
                    self.expr(expr)?;
                    let bare = match &*expr {
                        Expr::Identifier(ident) => Some(ident.value.as_str()),
                        Expr::CompoundIdentifier(parts) => {
                            parts.last().map(|ident| ident.value.as_str())
                        }
                        _ => None,
                    };
                    if bare != Some(name.as_str()) {
                        let taken = std::mem::replace(expr, super::expr::null());
                        *item = SelectItem::ExprWithAlias {
                            expr: taken,
                            alias: Ident::with_quote('"', name),
                        };
                    }
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.expr(expr)?;
                    fold(alias);
                    alias.value = unique(alias.value.clone());
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(Error::not_supported("a list of aliases"));
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    plain_wildcard(options)?;
                    match kind {
                        SelectItemQualifiedWildcardKind::ObjectName(name) => {
                            let folded = parts(name)?;
                            *name = quoted_name(folded.iter().map(String::as_str));
                        }
                        SelectItemQualifiedWildcardKind::Expr(_) => {
                            return Err(Error::not_supported("the fields of a composite value"));
                        }
                    }
                }
                SelectItem::Wildcard(options) => plain_wildcard(options)?,
            }
        }
        self.renamed = renamed;
        Ok(())
    }

    fn order_by(&mut self, order_by: &mut OrderBy) -> Result<(), Error> {
        refuse_if(order_by.interpolate.is_some(), "INTERPOLATE")?;
        match &mut order_by.kind {
            OrderByKind::All(_) => Err(Error::not_supported("ORDER BY ALL")),
            OrderByKind::Expressions(keys) => self.order_keys(keys),
        }
    }

    pub(super) fn order_keys(&mut self, keys: &mut [OrderByExpr]) -> Result<(), Error> {
        for key in keys {
            refuse_if(key.with_fill.is_some(), "WITH FILL")?;
            self.expr(&mut key.expr)?;
        }
        Ok(())
    }
}

/// ORDER BY may name an output column, so it follows a renaming.
fn rename_keys(order_by: &mut OrderBy, renamed: &[(String, String)]) {
    let OrderByKind::Expressions(keys) = &mut order_by.kind else { return };
    for key in keys {
        if let Expr::Identifier(ident) = &mut key.expr {
            fold(ident);
            if let Some((_, new)) = renamed.iter().find(|(old, _)| *old == ident.value) {
                ident.value.clone_from(new);
            }
        }
    }
}

/// Between a name and its number, where one select list has a name twice. Can't be typed by
/// accident.
pub(crate) const DUPLICATE: &str = "\u{b7}dup\u{b7}";

fn plain_wildcard(options: &WildcardAdditionalOptions) -> Result<(), Error> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    refuse_if(opt_ilike.is_some(), "* ILIKE")?;
    refuse_if(opt_exclude.is_some(), "* EXCLUDE")?;
    refuse_if(opt_except.is_some(), "* EXCEPT")?;
    refuse_if(opt_replace.is_some(), "* REPLACE")?;
    refuse_if(opt_rename.is_some(), "* RENAME")?;
    refuse_if(opt_alias.is_some(), "an alias of *")
}
