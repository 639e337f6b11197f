//! `FLATTEN` of a semi-structured value: a row for each of its elements.
//!
//! What stands before it in FROM becomes a derived table that unnests one list for each column of
//! FLATTEN. So elements are computed from columns like any value, of rows that passed, and what
//! stands behind the gate sees nothing of another kind.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Value,
    visit_expressions,
};
use datafusion_sql::sqlparser::tokenizer::Span;
use tollgate_catalog::{Error, ErrorKind};

use super::make::{literal, typed};
use super::star::ident;
use crate::gate::budget::{NODE, bound_list};
use crate::gate::build::{and, bare, query_of};
use crate::gate::items::no_relation;
use crate::gate::scope::{Output, Scope};
use crate::gate::table::{alias_columns, plain_alias};
use crate::gate::{Gate, fold, function, id_of, parts, refuse_if};
use crate::operands::{Element, Typed};

/// The most calls of one statement: each stands around all before it.
const MOST: usize = 16;

/// A call of it in FROM.
pub(in crate::gate) struct Flatten {
    arguments: Vec<FunctionArg>,
    alias: Option<TableAlias>,
}

/// How a call of it is asked for: what is flattened, and whether a value without elements has a row.
struct Asked {
    input: Expr,
    outer: bool,
}

fn refused(what: &str, hint: &str) -> Error {
    Error::not_supported(what).with_hint(hint)
}

fn is_flatten(name: &ObjectName) -> bool {
    matches!(parts(name).as_deref(), Ok([name]) if name == "flatten")
}

impl Gate<'_> {
    /// The call of FLATTEN that a relation is, if it is one; it is taken out.
    pub(in crate::gate) fn flattened(&self, factor: &mut TableFactor) -> Option<Flatten> {
        if !self.is_snowflake() {
            return None;
        }
        match factor {
            TableFactor::Function { lateral: true, name, args, with_ordinality: false, alias }
                if is_flatten(name) =>
            {
                Some(Flatten { arguments: std::mem::take(args), alias: alias.take() })
            }
            TableFactor::TableFunction {
                expr:
                    Expr::Function(Function {
                        name,
                        uses_odbc_syntax: false,
                        parameters: FunctionArguments::None,
                        args: FunctionArguments::List(list),
                        filter: None,
                        null_treatment: None,
                        over: None,
                        within_group,
                    }),
                alias,
            } if is_flatten(name)
                && list.duplicate_treatment.is_none()
                && list.clauses.is_empty()
                && within_group.is_empty() =>
            {
                Some(Flatten { arguments: std::mem::take(&mut list.args), alias: alias.take() })
            }
            _ => None,
        }
    }

    /// The call that a join adds to each row of its left side, if it is one.
    ///
    /// # Errors
    /// It is joined in another way.
    pub(in crate::gate) fn flattens(&self, join: &mut Join) -> Result<Option<Flatten>, Error> {
        if matches!(join.join_operator, JoinOperator::AsOf { .. }) {
            return Ok(None);
        }
        let Some(call) = self.flattened(&mut join.relation) else { return Ok(None) };
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::CrossJoin(constraint) => constraint,
            _ => {
                return Err(refused(
                    "an outer join with FLATTEN",
                    "use JOIN LATERAL FLATTEN(INPUT => …, OUTER => TRUE)",
                ));
            }
        };
        let bare = match constraint {
            JoinConstraint::None => true,
            JoinConstraint::On(Expr::Value(value)) => value.value == Value::Boolean(true),
            JoinConstraint::On(_) | JoinConstraint::Using(_) | JoinConstraint::Natural => false,
        };
        match bare && !join.global {
            true => Ok(Some(call)),
            false => {
                Err(refused("a condition of a join with FLATTEN", "put the condition into WHERE"))
            }
        }
    }

    /// What stands before a call, with a row for each element; and what can be named then.
    pub(in crate::gate) fn flatten(
        &mut self,
        from: Vec<TableWithJoins>,
        left: Scope,
        conditions: Vec<Expr>,
        call: Flatten,
    ) -> Result<(TableFactor, Scope), Error> {
        let Flatten { arguments, alias } = call;
        self.count_relation()?;
        self.flattened += 1;
        if self.flattened > MOST {
            let message = format!("the statement has more than {MOST} calls of FLATTEN");
            return Err(Error::new(ErrorKind::ProgramLimit, message)
                .with_hint("split it into several statements"));
        }
        if from.is_empty() {
            return Err(refused(
                "FLATTEN without a table before it",
                "name the table whose column it flattens in the same FROM",
            ));
        }
        let Asked { mut input, outer } = asked(arguments)?;
        let columns = Element::ALL.len();
        let ((), left) = self.within(left, |gate| {
            gate.copied(u64::try_from(columns).unwrap_or(u64::MAX), |gate| gate.expr(&mut input))
        })?;
        self.is_of(&left, &input)?;

        let mut alias = alias.unwrap_or_else(|| plain_alias("flatten"));
        fold(&mut alias.name);
        // Snowflake's first one is SEQ, which isn't there: all names would be those of others.
        if !alias_columns(&mut alias)?.is_empty() {
            return Err(refused(
                "an alias of FLATTEN with names for its columns",
                "name its columns key, path, index, value and this, and rename them in the select list",
            ));
        }
        let qualifier = vec![alias.name.value];
        left.lacks(&qualifier)?;
        left.all_differ()?;

        self.step()?;
        self.step()?;
        let place = self.make_up(&qualifier.concat());
        // Before anything is made of them.
        let width = left.reaches().count();
        bound_list(width + columns, "a select list")?;
        left.reaches().try_for_each(|reach| self.reference(1, reach))?;
        let (list, mut scope) = left.gathered(&place);
        // What a full join merged.
        for column in list.columns.iter().skip(width) {
            self.reference(1, column.reach)?;
        }
        let (mut items, mut outputs) = (list.items, Vec::with_capacity(columns));
        bound_list(items.len() + columns, "a select list")?;
        let outer = Expr::Value(Value::Boolean(outer).with_span(Span::empty()));
        for element in Element::ALL {
            self.node(3 * NODE)?;
            let real = self.make_up(element.name());
            let made = typed(input.clone(), Typed::Flatten(element), outer.clone());
            let expr = function::call("unnest", vec![made]);
            items.push(SelectItem::ExprWithAlias { expr, alias: ident(&real) });
            outputs.push(Output { real, ..Output::plain(element.name()) });
        }
        scope.add(Scope::of(qualifier, outputs, Vec::new()).called(&place));

        let mut select = bare(super::pivot::nothing());
        select.from = from;
        select.projection = items;
        for condition in conditions {
            select.selection = Some(and(select.selection.take(), condition));
        }
        let factor = TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query_of(SetExpr::Select(Box::new(select)))),
            alias: Some(plain_alias(&place)),
            sample: None,
        };
        Ok((factor, scope))
    }

    /// Demands that all columns of a value are of the relations that it is joined with.
    fn is_of(&self, left: &Scope, input: &Expr) -> Result<(), Error> {
        let elsewhere = |idents: &[Ident]| {
            self.scopes.iter().chain(&self.beside).any(|scope| scope.held(idents).is_some())
        };
        let found = visit_expressions(input, |part: &Expr| {
            let error = match part {
                Expr::Identifier(ident) => Some(Error::undefined_column(&ident.value)),
                Expr::CompoundIdentifier(idents) => match left.held(idents) {
                    Some(Some(_)) => None,
                    Some(None) => {
                        let name: Vec<_> = idents.iter().map(|part| part.value.as_str()).collect();
                        Some(Error::undefined_column(&name.join(".")))
                    }
                    None if elsewhere(idents) => Some(refused(
                        "FLATTEN of a value of another part of the statement",
                        "put it behind a comma in the FROM that has the table",
                    )),
                    None => {
                        let qualifier = idents.iter().rev().skip(1).map(|part| part.value.clone());
                        Some(no_relation(&qualifier.take(1).collect::<Vec<_>>()))
                    }
                },
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => Some(refused(
                    "a subquery in FLATTEN",
                    "compute it in a subquery in FROM, and flatten its column",
                )),
                _ => None,
            };
            error.map_or(ControlFlow::Continue(()), ControlFlow::Break)
        });
        match found {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

/// What the arguments of a call say.
fn asked(arguments: Vec<FunctionArg>) -> Result<Asked, Error> {
    let hint = "write FLATTEN(INPUT => value) or FLATTEN(INPUT => value, OUTER => TRUE)";
    let (mut input, mut outer) = (None, None);
    for argument in arguments {
        let (name, value) = match argument {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), operator: _ } => {
                (id_of(&name), value)
            }
            // The first may go without a name.
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if input.is_none() => {
                ("input".to_owned(), value)
            }
            FunctionArg::Named { .. } | FunctionArg::Unnamed(_) | FunctionArg::ExprNamed { .. } => {
                return Err(refused("this argument of FLATTEN", hint));
            }
        };
        let truth = |value: &Expr| match value {
            Expr::Value(value) => match value.value {
                Value::Boolean(truth) => Some(truth),
                _ => None,
            },
            _ => None,
        };
        match name.as_str() {
            "input" => {
                refuse_if(input.replace(value).is_some(), "an argument of FLATTEN given twice")?;
            }
            "outer" => {
                let Some(truth) = truth(&value) else {
                    return Err(refused("this argument of FLATTEN", "OUTER is TRUE or FALSE"));
                };
                refuse_if(outer.replace(truth).is_some(), "an argument of FLATTEN given twice")?;
            }
            "path" => {
                return Err(refused(
                    "PATH of FLATTEN",
                    "put the path into the input, as in INPUT => value:key[0]",
                ));
            }
            "recursive" if truth(&value) == Some(false) => {}
            "recursive" => {
                return Err(refused("RECURSIVE of FLATTEN", "flatten what it yields once more"));
            }
            "mode" if literal(&value).is_some_and(|mode| mode.eq_ignore_ascii_case("both")) => {}
            "mode" => {
                return Err(refused(
                    "MODE of FLATTEN",
                    "elements of arrays have an INDEX, those of objects a KEY: ask for it in WHERE",
                ));
            }
            _ => return Err(refused("this argument of FLATTEN", hint)),
        }
    }
    let input = input.ok_or_else(|| refused("FLATTEN without INPUT", hint))?;
    Ok(Asked { input, outer: outer.unwrap_or(false) })
}

/// Demands of joins after a call behind a comma that they give the same with what stands before the comma on
/// their left side.
pub(in crate::gate) fn stays(joins: &[Join]) -> Result<(), Error> {
    let regroups = |join: &Join| match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::AsOf { constraint, .. } => {
            matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => true,
    };
    match joins.iter().any(regroups) {
        true => Err(refused(
            "this join after a comma and FLATTEN",
            "put what stands before it into a subquery; JOIN, LEFT JOIN and ASOF JOIN with ON can stay",
        )),
        false => Ok(()),
    }
}

/// The conditions of inner joins that the planner can't have there: they may leave for WHERE if no join after
/// them adds rows without them.
pub(in crate::gate) fn leaving(source: &mut TableWithJoins) -> Vec<Expr> {
    let adds = |join: &Join| {
        matches!(
            join.join_operator,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_)
        )
    };
    let last = source.joins.iter().rposition(adds).map_or(0, |last| last + 1);
    let mut leaving = Vec::new();
    for join in source.joins.iter_mut().skip(last) {
        if let JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition)) = &mut join.join_operator
            && crate::gate::build::has_query(&*condition)
        {
            leaving.extend(crate::gate::build::take_queries(condition));
        }
    }
    leaving
}
