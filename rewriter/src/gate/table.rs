//! The gate over FROM: tables, derived tables, joins.

use datafusion_sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value,
};
use tollgate_catalog::{Error, ErrorKind};

use super::scope::{self, Output, Scope, Side};
use super::snowflake::flatten::{leaving, stays};
use super::{Gate, fold, parts, quoted_name, refuse_if};

/// The most rows that `generate_series` may make: they are made in memory.
const MAX_SERIES: i128 = 1_000_000;

impl Gate<'_> {
    /// Walks FROM and gives what can be named after it, and conditions of inner joins that the planner
    /// can't have there: they belong to WHERE.
    pub(super) fn from(
        &mut self,
        from: &mut Vec<TableWithJoins>,
    ) -> Result<(Scope, Vec<Expr>), Error> {
        let mut scope = Scope::default();
        let mut moved = Vec::new();
        for mut source in std::mem::take(from) {
            if let Some(call) = self.flattened(&mut source.relation) {
                stays(&source.joins)?;
                let (left, conditions) = (std::mem::take(from), std::mem::take(&mut moved));
                let (factor, found) = self.flatten(left, scope, conditions, call)?;
                source.relation = factor;
                scope = self.joins(found, &mut source)?;
            } else {
                self.beside.push(scope);
                let found = self.table_with_joins(&mut source)?;
                scope = self.beside.pop().unwrap_or_default();
                scope.apart(&found)?;
                scope.add(found);
            }
            moved.extend(leaving(&mut source));
            from.push(source);
        }
        Ok((scope, moved))
    }

    fn table_with_joins(&mut self, source: &mut TableWithJoins) -> Result<Scope, Error> {
        let scope = self.table_factor(&mut source.relation)?;
        self.joins(scope, source)
    }

    /// Walks the joins of a relation that was walked.
    fn joins(&mut self, mut scope: Scope, source: &mut TableWithJoins) -> Result<Scope, Error> {
        for mut join in std::mem::take(&mut source.joins) {
            if let Some(call) = self.flattens(&mut join)? {
                let (relation, joins) = (join.relation, std::mem::take(&mut source.joins));
                let relation = std::mem::replace(&mut source.relation, relation);
                let mut left = TableWithJoins { relation, joins };
                let conditions = leaving(&mut left);
                (source.relation, scope) = self.flatten(vec![left], scope, conditions, call)?;
            } else {
                scope = self.join(scope, &mut join)?;
                source.joins.push(join);
            }
        }
        Ok(scope)
    }

    fn join(&mut self, left: Scope, join: &mut Join) -> Result<Scope, Error> {
        refuse_if(join.global, "GLOBAL JOIN")?;
        if matches!(join.join_operator, JoinOperator::AsOf { .. }) {
            return self.asof(left, join);
        }
        self.beside.push(left);
        let mut right = self.table_factor(&mut join.relation)?;
        let mut left = self.beside.pop().unwrap_or_default();
        left.apart(&right)?;
        let missing = match &join.join_operator {
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => Missing::Right,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Missing::Left,
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                Missing::None
            }
            JoinOperator::FullOuter(_)
            | JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::RightAnti(_)
            | JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::AsOf { .. }
            | JoinOperator::StraightJoin(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => Missing::Both,
        };
        let (constraint, side) = match &mut join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::CrossJoin(constraint) => (constraint, Side::Left),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                (constraint, Side::Right)
            }
            JoinOperator::FullOuter(constraint) => (constraint, Side::Full),
            JoinOperator::Semi(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::Anti(constraint)
            | JoinOperator::LeftAnti(constraint) => (constraint, Side::Semi),
            JoinOperator::RightSemi(_) | JoinOperator::RightAnti(_) => {
                return Err(Error::not_supported("RIGHT SEMI or ANTI JOIN"));
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => {
                return Err(Error::not_supported("APPLY").with_hint("use JOIN LATERAL"));
            }
            JoinOperator::AsOf { .. } => {
                return Err(Error::not_supported("ASOF JOIN"));
            }
            JoinOperator::StraightJoin(_) => return Err(Error::not_supported("STRAIGHT_JOIN")),
            JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => return Err(Error::not_supported("ARRAY JOIN")),
        };
        if let JoinConstraint::On(condition) = constraint {
            let mut both = left.clone();
            both.add(right.clone());
            self.within(both, |gate| gate.condition(|gate| gate.expr(condition)))?;
        }
        refuse_if(
            missing != Missing::None && right.is_computed(),
            "an outer join of this function",
        )?;
        if matches!(missing, Missing::Left | Missing::Both) {
            left.make_optional();
        }
        if matches!(missing, Missing::Right | Missing::Both) {
            right.make_optional();
        }
        let (scope, weight) = left.join(right, constraint, side)?;
        self.reference(weight, weight)?;
        Ok(scope)
    }

    pub(super) fn table_factor(&mut self, factor: &mut TableFactor) -> Result<Scope, Error> {
        self.count_relation()?;
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                refuse_if(!with_hints.is_empty(), "a table hint")?;
                refuse_if(version.is_some(), "time travel")?;
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                refuse_if(!partitions.is_empty(), "PARTITION of a table")?;
                refuse_if(json_path.is_some(), "a path into a table")?;
                let sample = self.sample(sample.take())?;
                refuse_if(!index_hints.is_empty(), "an index hint")?;
                if let Some(args) = args {
                    refuse_if(args.settings.is_some(), "SETTINGS of a table function")?;
                    refuse_if(sample.is_some(), "TABLESAMPLE of a function")?;
                    let name = name.clone();
                    let alias = alias.clone();
                    let arguments = std::mem::take(&mut args.args);
                    let (made, scope) = self.table_function(&name, arguments, alias)?;
                    *factor = made;
                    return Ok(scope);
                }
                match sample {
                    Some(sample) => self.sampled(name, alias, sample),
                    None => self.table_name(name, alias),
                }
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                refuse_if(sample.is_some(), "TABLESAMPLE of a query")?;
                let columns = if *lateral {
                    self.lateral(|gate| gate.query(subquery))?
                } else {
                    self.query(subquery)?
                };
                self.aliased(alias, columns)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let scope = self.deeper(|gate| gate.table_with_joins(table_with_joins))?;
                let Some(alias) = alias.take() else { return Ok(scope) };
                // The alias hides what is inside, and the planner can't have two columns of a name.
                let inside = std::mem::replace(
                    table_with_joins.as_mut(),
                    TableWithJoins {
                        relation: TableFactor::Derived {
                            lateral: false,
                            subquery: Box::new(super::build::empty()),
                            alias: None,
                            sample: None,
                        },
                        joins: Vec::new(),
                    },
                );
                let (items, columns) = super::items::star(scope.columns())?;
                self.node(u64::try_from(items.len()).unwrap_or(u64::MAX))?;
                let mut alias = Some(alias);
                let scope = self.aliased(&mut alias, columns)?;
                *factor = super::build::derived(inside, items, alias);
                Ok(scope)
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset,
                with_offset_alias,
                with_ordinality,
            } => {
                refuse_if(*with_offset || with_offset_alias.is_some(), "WITH OFFSET")?;
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                let mut arrays = std::mem::take(array_exprs);
                self.lateral(|gate| arrays.iter_mut().try_for_each(|expr| gate.expr(expr)))?;
                let alias = alias.take();
                let (made, scope) = self.rows("unnest", arrays, alias)?;
                *factor = made;
                Ok(scope)
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                let name = name.clone();
                let alias = alias.clone();
                let arguments = std::mem::take(args);
                let (made, scope) = self.table_function(&name, arguments, alias)?;
                *factor = made;
                Ok(scope)
            }
            TableFactor::TableFunction { .. } => Err(Error::not_supported("TABLE(…) in FROM")),
            TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
                Err(Error::not_supported("JSON_TABLE"))
            }
            TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => self.pivoted(factor),
            TableFactor::MatchRecognize { .. } => Err(Error::not_supported("MATCH_RECOGNIZE")),
            TableFactor::XmlTable { .. } => Err(Error::not_supported("XMLTABLE")),
            TableFactor::SemanticView { .. } => Err(Error::not_supported("SEMANTIC_VIEW")),
        }
    }

    /// Runs `f` where what stands to the left in FROM can be named.
    pub(super) fn lateral<T>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outside = self.scopes.len();
        self.scopes.append(&mut self.beside);
        let result = f(self)?;
        self.beside = self.scopes.split_off(outside);
        Ok(result)
    }

    /// A name in FROM: a common table expression in scope, or a relation of the catalog.
    fn table_name(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
    ) -> Result<Scope, Error> {
        let folded = parts(name)?;
        if let [single] = folded.as_slice() {
            let cte = self.ctes.iter_mut().rev().find(|cte| cte.user == *single);
            if let Some(cte) = cte {
                if cte.is_numbered {
                    // Each place that names it reads it anew.
                    if cte.is_named {
                        return Err(Error::not_supported("SEQ in what is named twice")
                            .with_hint("name the column by which the rows differ instead"));
                    }
                    self.numbered += 1;
                }
                cte.is_named = true;
                *name = quoted_name([cte.unique.as_str()]);
                let (columns, cost) = (cte.columns.clone(), cte.cost);
                self.inlined(cost)?;
                alias.get_or_insert_with(|| plain_alias(single));
                return self.aliased(alias, columns);
            }
        }
        let relation = self.relation(&folded)?;
        let table = &relation.name;
        *name = quoted_name([table.schema.as_str(), table.table.as_str()]);
        let Some(alias) = alias else {
            let qualifier = vec![table.schema.clone(), table.table.clone()];
            return Ok(Scope::of(qualifier, relation.columns, relation.key));
        };
        fold(&mut alias.name);
        let names = alias_columns(alias)?;
        let key = if names.is_empty() { relation.key } else { Vec::new() };
        let columns = scope::rename_table(relation.columns, &names);
        complete_alias(alias, &columns);
        Ok(Scope::of(vec![alias.name.value.clone()], columns, key))
    }

    /// A relation under its alias, which it gets if it has none.
    pub(super) fn aliased(
        &mut self,
        alias: &mut Option<TableAlias>,
        columns: Vec<Output>,
    ) -> Result<Scope, Error> {
        let alias = match alias {
            Some(alias) => alias,
            none => none.insert(plain_alias(&self.make_up("derived"))),
        };
        refuse_if(alias.at.is_some(), "an AT alias")?;
        fold(&mut alias.name);
        let names = alias_columns(alias)?;
        let columns = scope::rename(columns, &names);
        complete_alias(alias, &columns);
        Ok(Scope::of(vec![alias.name.value.clone()], columns, Vec::new()))
    }

    /// `generate_series` and `unnest`; no other function makes rows.
    fn table_function(
        &mut self,
        name: &ObjectName,
        arguments: Vec<FunctionArg>,
        alias: Option<TableAlias>,
    ) -> Result<(TableFactor, Scope), Error> {
        let folded = parts(name)?;
        let function = match folded.as_slice() {
            [function] if self.is_snowflake() => {
                let name = function.to_ascii_uppercase();
                return Err(Error::not_supported(&format!("the table function {name}"))
                    .with_hint("take what is needed by its path, as in value:key[0]::string"));
            }
            [function] => function,
            [schema, function] if schema == "pg_catalog" => function,
            _ => return Err(super::function::undefined(&folded.join("."))),
        };
        let mut exprs = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                FunctionArg::Unnamed(
                    FunctionArgExpr::QualifiedWildcard(_)
                    | FunctionArgExpr::Wildcard
                    | FunctionArgExpr::WildcardWithOptions(_),
                )
                | FunctionArg::Named { .. }
                | FunctionArg::ExprNamed { .. } => {
                    return Err(Error::not_supported("named arguments of a table function"));
                }
            }
        }
        let arrays = match function.as_str() {
            "json_each_text" | "jsonb_each_text" | "json_to_record" | "jsonb_to_record" => {
                return self.json_rows(function, &exprs, alias);
            }
            "unnest" => {
                self.lateral(|gate| exprs.iter_mut().try_for_each(|expr| gate.expr(expr)))?;
                exprs
            }
            "generate_series" => {
                if exprs.iter().all(|expr| whole_number(expr).is_some()) {
                    vec![series(&exprs)?]
                } else {
                    self.lateral(|gate| exprs.iter_mut().try_for_each(|expr| gate.expr(expr)))?;
                    vec![super::function::call("tg_date_series", exprs)]
                }
            }
            other => return Err(super::function::undefined(other)),
        };
        self.rows(function, arrays, alias)
    }

    /// Rows of arrays that have passed the gate, under the function's name if there is no alias.
    fn rows(
        &mut self,
        function: &str,
        array_exprs: Vec<Expr>,
        alias: Option<TableAlias>,
    ) -> Result<(TableFactor, Scope), Error> {
        let alias = alias.unwrap_or_else(|| plain_alias(function));
        // PostgreSQL names a single column after the alias, and several after the function.
        let name = match array_exprs.as_slice() {
            [_] => {
                let quoted = alias.name.quote_style.is_some();
                tollgate_catalog::id::fold(&alias.name.value, quoted)
            }
            _ => function.to_owned(),
        };
        let columns = array_exprs.iter().map(|_| Output::plain(name.as_str())).collect();
        let mut alias = Some(alias);
        let mut scope = self.aliased(&mut alias, columns)?;
        if let [_] = array_exprs.as_slice() {
            scope = scope.of_values();
        }
        if let Some(alias) = &mut alias
            && alias.columns.is_empty()
        {
            alias.columns = array_exprs.iter().map(|_| alias_column(&name)).collect();
        }
        let factor = TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        };
        Ok((factor, scope))
    }
}

/// Which sides of a join may be missing in a row of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    None,
    Left,
    Right,
    Both,
}

pub(super) fn plain_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::with_quote('"', name), columns: Vec::new(), at: None }
}

pub(super) fn alias_column(name: &str) -> TableAliasColumnDef {
    TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None }
}

/// The folded names of an alias's columns.
pub(super) fn alias_columns(alias: &mut TableAlias) -> Result<Vec<String>, Error> {
    refuse_if(alias.at.is_some(), "an AT alias")?;
    let mut names = Vec::with_capacity(alias.columns.len());
    for column in &mut alias.columns {
        refuse_if(column.data_type.is_some(), "a typed column alias")?;
        fold(&mut column.name);
        names.push(column.name.value.clone());
    }
    Ok(names)
}

/// An alias may name the first columns only; the planner wants all of them.
pub(super) fn complete_alias(alias: &mut TableAlias, columns: &[Output]) {
    if alias.columns.is_empty() {
        return;
    }
    let rest = columns.iter().skip(alias.columns.len());
    let rest: Vec<_> = rest.map(|column| alias_column(&column.real)).collect();
    alias.columns.extend(rest);
}

/// `generate_series(first, last [, step])` as an array, with a bound on its length.
fn series(exprs: &[Expr]) -> Result<Expr, Error> {
    let numbers: Option<Vec<i64>> = exprs.iter().map(whole_number).collect();
    let (first, last, step) = match numbers.as_deref() {
        Some([first, last]) => (*first, *last, 1),
        Some([first, last, step]) => (*first, *last, *step),
        _ => {
            return Err(Error::not_supported("generate_series with anything but whole numbers"));
        }
    };
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidParameterValue, "step size cannot equal zero"));
    }
    let count = (i128::from(last) - i128::from(first)) / i128::from(step) + 1;
    if count > MAX_SERIES {
        return Err(Error::new(
            ErrorKind::ProgramLimit,
            format!("generate_series makes more than {MAX_SERIES} rows"),
        ));
    }
    let number = |n: i64| super::expr::number(&n.to_string());
    Ok(super::function::call("generate_series", vec![number(first), number(last), number(step)]))
}

fn whole_number(expr: &Expr) -> Option<i64> {
    use datafusion_sql::sqlparser::ast::UnaryOperator;
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole_number(expr)?.checked_neg(),
        Expr::Nested(inner) => whole_number(inner),
        _ => None,
    }
}
