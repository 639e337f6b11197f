//! `FLATTEN` of a semi-structured value: a row for each of its elements.
//!
//! What stands before it in FROM becomes a derived table that unnests one list for each column of
//! FLATTEN. So elements are computed from columns like any value, of rows that passed, and what
//! stands behind the gate sees nothing of another kind.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, Query, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
    Value, WindowSpec, WindowType, visit_expressions,
};
use tollgate_catalog::{Error, ErrorKind};

use super::make::{literal, typed};
use super::paths;
use super::star::ident;
use crate::gate::budget::{NODE, bound_list};
use crate::gate::build::{and, bare, query_of};
use crate::gate::expr::string;
use crate::gate::items::no_relation;
use crate::gate::scope::{Output, Scope};
use crate::gate::table::{alias_columns, plain_alias};
use crate::gate::{Gate, fold, function, id_of, parts, refuse_if};
use crate::operands::{Asked, Element, MAX_PATH, Mode, Typed, is_path};

/// The most calls of one statement: each stands around all before it.
const MOST: usize = 16;

/// A call of it in FROM.
pub(in crate::gate) struct Flatten {
    arguments: Vec<FunctionArg>,
    alias: Option<TableAlias>,
}

/// The column that tells of which row an element is. Snowflake's own may count rows that are hidden; this one
/// counts those that are there.
const SEQ: &str = "seq";

/// What the columns are called that a statement names.
pub(in crate::gate) fn mentioned(query: &Query) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _: ControlFlow<()> = visit_expressions(query, |expr: &Expr| {
        let last = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(idents) => idents.last(),
            _ => None,
        };
        names.extend(last.map(|ident| ident.value.to_ascii_lowercase()));
        ControlFlow::Continue(())
    });
    names
}

/// The number of a row among those that are there.
fn numbered() -> Expr {
    let mut number = function::call("row_number", Vec::new());
    if let Expr::Function(function) = &mut number {
        function.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: Vec::new(),
            order_by: Vec::new(),
            window_frame: None,
        }));
    }
    number
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
        let (mut input, asked) = asked(arguments)?;
        let columns = Element::ALL.len() + 1;
        let ((), left) = self.within(left, |gate| {
            gate.copied(u64::try_from(columns).unwrap_or(u64::MAX), |gate| gate.expr(&mut input))
        })?;
        self.is_of(&left, &input)?;

        let mut alias = alias.unwrap_or_else(|| plain_alias("flatten"));
        fold(&mut alias.name);
        let names = alias_columns(&mut alias)?;
        if names.len() > columns {
            return Err(refused(
                "an alias of FLATTEN with more names than it has columns",
                "they are seq, key, path, index, value and this",
            ));
        }
        let mut names = names.into_iter();
        // It is counted for all rows: only where somebody asks.
        let seq = names.next().unwrap_or_else(|| SEQ.to_owned());
        let counts = self.mentioned.contains(&seq.to_ascii_lowercase());
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
        if counts {
            self.numbered += 1;
            self.node(2 * NODE)?;
            let real = self.make_up(&seq);
            items.push(SelectItem::ExprWithAlias { expr: numbered(), alias: ident(&real) });
            outputs.push(Output { real, ..Output::plain(seq) });
        }
        let asked = string(&asked.text());
        for element in Element::ALL {
            self.node(3 * NODE)?;
            let real = self.make_up(element.name());
            let made = typed(input.clone(), Typed::Flatten(element), asked.clone());
            let expr = function::call("unnest", vec![made]);
            items.push(SelectItem::ExprWithAlias { expr, alias: ident(&real) });
            let name = names.next().unwrap_or_else(|| element.name().to_owned());
            outputs.push(Output { real, ..Output::plain(name) });
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

/// What is flattened by a call, and what else its arguments say.
fn asked(arguments: Vec<FunctionArg>) -> Result<(Expr, Asked), Error> {
    let hint = "write FLATTEN(INPUT => value [, PATH => 'a.b[0]'] [, OUTER => TRUE] [, RECURSIVE => TRUE] \
                [, MODE => 'OBJECT'])";
    let mut given: [Option<Expr>; 5] = Default::default();
    for argument in arguments {
        let (name, value) = match argument {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), operator: _ } => {
                (id_of(&name), value)
            }
            // The first may go without a name.
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value))
                if given.iter().all(Option::is_none) =>
            {
                ("input".to_owned(), value)
            }
            FunctionArg::Named { .. } | FunctionArg::Unnamed(_) | FunctionArg::ExprNamed { .. } => {
                return Err(refused("this argument of FLATTEN", hint));
            }
        };
        let place =
            ["input", "path", "outer", "recursive", "mode"].iter().position(|of| *of == name);
        let Some(place) = place.and_then(|place| given.get_mut(place)) else {
            return Err(refused("this argument of FLATTEN", hint));
        };
        refuse_if(place.replace(value).is_some(), "an argument of FLATTEN given twice")?;
    }
    let [input, path, outer, recursive, mode] = given;
    let input = input.ok_or_else(|| refused("FLATTEN without INPUT", hint))?;
    let mode = match mode {
        None => Mode::Both,
        Some(mode) => literal(&mode).and_then(Mode::of).ok_or_else(|| {
            refused("this MODE of FLATTEN", "MODE is 'OBJECT', 'ARRAY' or 'BOTH'")
        })?,
    };
    let asked = Asked {
        outer: flag("OUTER", outer)?,
        recursive: flag("RECURSIVE", recursive)?,
        mode,
        path: begin(path)?,
    };
    Ok((input, asked))
}

/// What an argument says that is true or false.
fn flag(name: &str, value: Option<Expr>) -> Result<bool, Error> {
    match value {
        None => Ok(false),
        Some(Expr::Value(value)) if value.value == Value::Boolean(true) => Ok(true),
        Some(Expr::Value(value)) if value.value == Value::Boolean(false) => Ok(false),
        Some(_) => Err(refused("this argument of FLATTEN", &format!("{name} is TRUE or FALSE"))),
    }
}

/// Where in the value it begins.
fn begin(path: Option<Expr>) -> Result<String, Error> {
    let Some(path) = path else { return Ok(String::new()) };
    match literal(&path) {
        Some("") => Ok(String::new()),
        Some(path) if path.len() > MAX_PATH => Err(Error::new(
            ErrorKind::ProgramLimit,
            format!("the PATH of FLATTEN has more than {MAX_PATH} bytes"),
        )
        .with_hint("put it into the input, as in INPUT => value:key[0]")),
        // The warehouse wants a constant, whose keys can't be bound.
        Some(path) if is_path(path) && paths::is_read(path) => Ok(path.to_owned()),
        Some(_) | None => Err(refused(
            "this PATH of FLATTEN",
            "write a constant such as 'a.b[0]'; keys in quotes stand in the input, as in \
             INPUT => value:\"a key\"",
        )),
    }
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
