//! The gate over FROM: tables, derived tables, joins.

use datafusion_sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    TableAlias, TableFactor, TableWithJoins, Value,
};
use tollgate_catalog::{Error, ErrorKind};

use super::{Gate, fold, parts, quoted_name, refuse_if};

/// The most rows that `generate_series` may make: they are made in memory.
const MAX_SERIES: i128 = 1_000_000;

impl Gate<'_> {
    pub(super) fn table_with_joins(&mut self, source: &mut TableWithJoins) -> Result<(), Error> {
        self.table_factor(&mut source.relation)?;
        for join in &mut source.joins {
            self.join(join)?;
        }
        Ok(())
    }

    fn join(&mut self, join: &mut Join) -> Result<(), Error> {
        refuse_if(join.global, "GLOBAL JOIN")?;
        self.table_factor(&mut join.relation)?;
        match &mut join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::CrossJoin(constraint) => self.constraint(constraint),
            JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => {
                // The planner doesn't coalesce the common columns, so rows would lose their keys.
                match constraint {
                    JoinConstraint::Using(_) | JoinConstraint::Natural => {
                        return Err(Error::not_supported(
                            "RIGHT or FULL JOIN with USING or NATURAL",
                        )
                        .with_hint("write the condition with ON"));
                    }
                    JoinConstraint::On(_) | JoinConstraint::None => {}
                }
                self.constraint(constraint)
            }
            JoinOperator::Semi(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::Anti(constraint)
            | JoinOperator::LeftAnti(constraint) => self.constraint(constraint),
            JoinOperator::RightSemi(_) | JoinOperator::RightAnti(_) => {
                Err(Error::not_supported("RIGHT SEMI or ANTI JOIN"))
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => {
                Err(Error::not_supported("APPLY").with_hint("use JOIN LATERAL"))
            }
            JoinOperator::AsOf { .. } => Err(Error::not_supported("ASOF JOIN")),
            JoinOperator::StraightJoin(_) => Err(Error::not_supported("STRAIGHT_JOIN")),
            JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => Err(Error::not_supported("ARRAY JOIN")),
        }
    }

    fn constraint(&mut self, constraint: &mut JoinConstraint) -> Result<(), Error> {
        match constraint {
            JoinConstraint::On(condition) => self.expr(condition),
            JoinConstraint::Using(columns) => {
                for column in columns {
                    let folded = parts(column)?;
                    *column = quoted_name(folded.iter().map(String::as_str));
                }
                Ok(())
            }
            JoinConstraint::Natural | JoinConstraint::None => Ok(()),
        }
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), Error> {
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
                refuse_if(sample.is_some(), "TABLESAMPLE")?;
                refuse_if(!index_hints.is_empty(), "an index hint")?;
                if let Some(args) = args {
                    refuse_if(args.settings.is_some(), "SETTINGS of a table function")?;
                    let name = name.clone();
                    let alias = alias.clone();
                    let arguments = std::mem::take(&mut args.args);
                    *factor = self.table_function(&name, arguments, alias)?;
                    return Ok(());
                }
                self.alias(alias)?;
                self.table_name(name, alias)
            }
            TableFactor::Derived { lateral: _, subquery, alias, sample } => {
                refuse_if(sample.is_some(), "TABLESAMPLE")?;
                self.alias(alias)?;
                self.query(subquery)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.alias(alias)?;
                self.deeper(|gate| gate.table_with_joins(table_with_joins))
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
                self.alias(alias)?;
                for expr in array_exprs {
                    self.expr(expr)?;
                }
                Ok(())
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                let name = name.clone();
                let alias = alias.clone();
                let arguments = std::mem::take(args);
                *factor = self.table_function(&name, arguments, alias)?;
                Ok(())
            }
            TableFactor::TableFunction { .. } => Err(Error::not_supported("TABLE(…) in FROM")),
            TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
                Err(Error::not_supported("JSON_TABLE"))
            }
            TableFactor::Pivot { .. } => Err(Error::not_supported("PIVOT")),
            TableFactor::Unpivot { .. } => Err(Error::not_supported("UNPIVOT")),
            TableFactor::MatchRecognize { .. } => Err(Error::not_supported("MATCH_RECOGNIZE")),
            TableFactor::XmlTable { .. } => Err(Error::not_supported("XMLTABLE")),
            TableFactor::SemanticView { .. } => Err(Error::not_supported("SEMANTIC_VIEW")),
        }
    }

    /// A name in FROM: a common table expression in scope, or a relation of the catalog.
    fn table_name(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
    ) -> Result<(), Error> {
        let folded = parts(name)?;
        if let [single] = folded.as_slice() {
            let cte = self.ctes.iter().rev().find(|(user, _)| user == single);
            if let Some((user, unique)) = cte {
                if alias.is_none() {
                    *alias = Some(TableAlias {
                        explicit: true,
                        name: Ident::with_quote('"', user),
                        columns: Vec::new(),
                        at: None,
                    });
                }
                *name = quoted_name([unique.as_str()]);
                return Ok(());
            }
        }
        let table = self.relation(&folded)?;
        *name = quoted_name([table.schema.as_str(), table.table.as_str()]);
        Ok(())
    }

    pub(super) fn alias(&mut self, alias: &mut Option<TableAlias>) -> Result<(), Error> {
        if let Some(alias) = alias {
            refuse_if(alias.at.is_some(), "an AT alias")?;
            fold(&mut alias.name);
            for column in &mut alias.columns {
                refuse_if(column.data_type.is_some(), "a typed column alias")?;
                fold(&mut column.name);
            }
        }
        Ok(())
    }

    /// `generate_series` over whole numbers, and `unnest`; no other function makes rows.
    fn table_function(
        &mut self,
        name: &ObjectName,
        arguments: Vec<FunctionArg>,
        mut alias: Option<TableAlias>,
    ) -> Result<TableFactor, Error> {
        let folded = parts(name)?;
        let function = match folded.as_slice() {
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
        self.alias(&mut alias)?;
        // PostgreSQL names the one column after the alias.
        let fallback = Ident::with_quote('"', function);
        let mut alias = alias.unwrap_or_else(|| TableAlias {
            explicit: true,
            name: fallback,
            columns: Vec::new(),
            at: None,
        });
        if alias.columns.is_empty() {
            alias.columns = vec![datafusion_sql::sqlparser::ast::TableAliasColumnDef {
                name: alias.name.clone(),
                data_type: None,
            }];
        }
        let array_exprs = match function.as_str() {
            "unnest" => {
                for expr in &mut exprs {
                    self.expr(expr)?;
                }
                exprs
            }
            "generate_series" => vec![series(&exprs)?],
            other => return Err(super::function::undefined(other)),
        };
        Ok(TableFactor::UNNEST {
            alias: Some(alias),
            array_exprs,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        })
    }
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
