//! What names mean: the columns of the relations in FROM, and which of them `USING` merges.
//!
//! The gate writes every column with its relation and every `*` out, so that the planner has no
//! choice in what a name means, and turns `USING` and `NATURAL` into conditions. It knows visible
//! columns only. A name that it doesn't find stays as it is: the planner says that it doesn't exist.

mod renamed;

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    JoinConstraint, ObjectName,
};
use tollgate_catalog::{Error, ErrorKind};

use super::budget::NODE;
use super::parts;

/// A column that a query yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    /// The name that users know.
    pub(super) name: String,
    /// The name in the plan, where no two columns of one query have the same.
    pub(super) real: String,
    /// What its expression weighs in terms of base tables' columns.
    pub(super) reach: u64,
    /// What it is written as, if its relation doesn't hold it.
    pub(super) computed: Option<Box<Expr>>,
    /// Its name in a whole row, if that is another: an alias renames no column of a table's row.
    pub(super) field: Option<String>,
    /// Whether its name was written so, letter by letter, in a dialect whose names have no small letters.
    pub(super) exact: bool,
}

impl Output {
    /// A column whose name is its own.
    pub(super) fn plain(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { real: name.clone(), name, reach: 1, computed: None, field: None, exact: false }
    }
}

/// A relation in FROM under its name.
#[derive(Debug, Clone)]
struct Named {
    /// The alias, or the schema and the name of a relation without one.
    qualifier: Vec<String>,
    /// What it is called in the plan.
    real: Vec<String>,
    columns: Vec<Output>,
    /// The columns of the primary key, if all are visible.
    key: Vec<String>,
    kind: Kind,
    /// Whether an outer join may leave it out, so that it has no row.
    optional: bool,
}

/// What the name of a relation means where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its row.
    Rows,
    /// The one value of a row, as of a function that makes plain values.
    Values,
}

/// What the name of a relation means where a value stands.
pub(super) enum Whole {
    /// Its columns.
    Row(Vec<Column>),
    /// A plain value.
    Value(Box<Column>),
}

impl Named {
    fn is_renamed(&self) -> bool {
        self.real != self.qualifier
    }

    fn column(&self, column: &Output) -> Column {
        let expr = match &column.computed {
            Some(expr) => expr.as_ref().clone(),
            None => qualified(&self.real, &column.real),
        };
        let size = if column.computed.is_some() { column.reach } else { 1 };
        let name = column.name.clone();
        let field = column.field.clone().unwrap_or_else(|| name.clone());
        Column { name, field, expr, size, reach: column.reach, exact: column.exact }
    }
}

/// A column that needs no relation before it, in the order of `*`.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its name in a whole row.
    pub(super) field: String,
    /// How it is written with its relation.
    pub(super) expr: Expr,
    /// What that weighs.
    pub(super) size: u64,
    /// What it weighs in terms of base tables' columns.
    pub(super) reach: u64,
    /// As of an output.
    pub(super) exact: bool,
}

/// The relations that stand side by side in one FROM, or in a part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    relations: Vec<Named>,
    columns: Vec<Column>,
    /// Items of the select list by their aliases, in a dialect in which they can be named beside it.
    aliases: Vec<Column>,
}

/// Which rows a join adds that have no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// None, or those of the left side.
    Left,
    /// Those of the right side.
    Right,
    /// Those of both.
    Full,
    /// The right side is but asked: none of its columns is seen.
    Semi,
}

impl Column {
    /// What a full join makes of two columns: `coalesce(left, right)`. Of several joins it is one
    /// call, since the engine writes all arguments but the last twice.
    fn or(self, right: Self) -> Self {
        let arguments = match self.expr {
            Expr::Function(Function { args: FunctionArguments::List(list), .. }) => list.args,
            single => vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(single))],
        };
        let both = |left: u64, right: u64| {
            left.saturating_add(right.saturating_mul(2)).saturating_add(NODE)
        };
        let size = both(self.size, right.size);
        let reach = both(self.reach, right.reach);
        let mut expr = super::function::call("coalesce", vec![right.expr]);
        if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut expr {
            list.args.splice(..0, arguments);
        }
        Self { name: self.name, field: self.field, expr, size, reach, exact: self.exact }
    }
}

/// `qualifier.column`, all quoted.
fn qualified(qualifier: &[String], column: &str) -> Expr {
    let parts = qualifier.iter().map(String::as_str).chain([column]);
    Expr::CompoundIdentifier(parts.map(|part| Ident::with_quote('"', part)).collect())
}

fn specified_twice(qualifier: &[String]) -> Error {
    let name = qualifier.last().map_or("", String::as_str);
    let message = format!("table name \"{name}\" specified more than once");
    Error::new(ErrorKind::DuplicateAlias, message)
        .with_hint("give each relation an alias of its own")
}

pub(super) fn ambiguous(name: &str) -> Error {
    Error::new(ErrorKind::AmbiguousColumn, format!("column reference \"{name}\" is ambiguous"))
}

impl Scope {
    /// One relation.
    pub(super) fn of(qualifier: Vec<String>, columns: Vec<Output>, key: Vec<String>) -> Self {
        let real = qualifier.clone();
        let named = Named { qualifier, real, columns, key, kind: Kind::Rows, optional: false };
        let all = named.columns.iter().map(|column| named.column(column)).collect();
        Self { relations: vec![named], columns: all, aliases: Vec::new() }
    }

    /// Notes an item of the select list, which has passed the gate.
    pub(super) fn add_alias(&mut self, item: Column) {
        self.aliases.push(item);
    }

    /// The item of the select list with this alias, if there is one.
    ///
    /// # Errors
    /// Several items have it.
    pub(super) fn alias(&self, name: &str) -> Result<Option<&Column>, Error> {
        let mut found = self.aliases.iter().filter(|item| item.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ambiguous(name)),
            (found, None) => Ok(found),
        }
    }

    /// The same relations, whose names mean plain values.
    pub(super) fn of_values(mut self) -> Self {
        self.relations.iter_mut().for_each(|named| named.kind = Kind::Values);
        self
    }

    /// The name of the relation that this is, if it is one.
    pub(super) fn alone(&self) -> Option<&[String]> {
        match self.relations.as_slice() {
            [named] => Some(&named.qualifier),
            _ => None,
        }
    }

    /// The columns of all relations as they are written, with their names in the plan and what they weigh.
    pub(super) fn all(&self) -> Vec<(Expr, &str, u64)> {
        let all = self.relations.iter();
        all.flat_map(|named| {
            named.columns.iter().map(|column| {
                let found = named.column(column);
                (found.expr, column.real.as_str(), found.reach)
            })
        })
        .collect()
    }

    /// What the columns of all relations weigh.
    pub(super) fn reaches(&self) -> impl Iterator<Item = u64> {
        self.relations.iter().flat_map(|named| named.columns.iter().map(|column| column.reach))
    }

    /// Notes that an outer join may leave these relations out.
    pub(super) fn make_optional(&mut self) {
        self.relations.iter_mut().for_each(|named| named.optional = true);
    }

    /// Whether some columns are computed from other relations.
    pub(super) fn is_computed(&self) -> bool {
        self.relations.iter().flat_map(|named| &named.columns).any(|of| of.computed.is_some())
    }

    /// What the name of a relation means as a value, if there is that relation.
    ///
    /// # Errors
    /// Several relations have the name, or an outer join may leave it out.
    pub(super) fn whole(&self, qualifier: &[String]) -> Result<Option<Whole>, Error> {
        let mut found = self.relations.iter().filter(|of| of.qualifier.ends_with(qualifier));
        let named = match (found.next(), found.next()) {
            (Some(named), None) => named,
            (None, _) => return Ok(None),
            (Some(_), Some(_)) => {
                let name = qualifier.last().map_or("", String::as_str);
                let message = format!("table reference \"{name}\" is ambiguous");
                return Err(Error::new(ErrorKind::AmbiguousColumn, message));
            }
        };
        match (named.kind, named.columns.as_slice()) {
            (Kind::Values, [value]) => Ok(Some(Whole::Value(Box::new(named.column(value))))),
            (Kind::Values, _) | (Kind::Rows, []) => Err(super::row::refused()),
            (Kind::Rows, _) if named.optional => {
                Err(Error::not_supported("the whole row of a relation that an outer join adds")
                    .with_hint("name the columns that are needed"))
            }
            (Kind::Rows, columns) => {
                let columns = columns.iter().map(|column| named.column(column));
                Ok(Some(Whole::Row(columns.collect())))
            }
        }
    }

    /// The columns of `*`.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The relations of both, side by side.
    pub(super) fn add(&mut self, mut other: Self) {
        self.relations.append(&mut other.relations);
        self.columns.append(&mut other.columns);
    }

    /// The column with this name, if there is one.
    ///
    /// # Errors
    /// Several columns have it.
    pub(super) fn column(&self, name: &str) -> Result<Option<&Column>, Error> {
        let mut found = self.columns.iter().filter(|column| column.name == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ambiguous(name)),
            (found, None) => Ok(found),
        }
    }

    fn relation(&self, qualifier: &[String]) -> Option<&Named> {
        self.relations.iter().find(|named| named.qualifier.ends_with(qualifier))
    }

    /// The columns of `relation.*`, or nothing if there is no such relation.
    pub(super) fn columns_of(&self, qualifier: &[String]) -> Option<Vec<Column>> {
        let named = self.relation(qualifier)?;
        Some(named.columns.iter().map(|column| named.column(column)).collect())
    }

    /// A column of the relation of that name, if there is that relation, and if it has the column; an
    /// error if it has several.
    pub(super) fn find(
        &self,
        qualifier: &[String],
        column: &str,
    ) -> Result<Option<Option<Column>>, Error> {
        let Some(named) = self.relation(qualifier) else { return Ok(None) };
        let mut found = named.columns.iter().filter(|known| known.name == column);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ambiguous(column)),
            (found, None) => Ok(Some(found.map(|column| named.column(column)))),
        }
    }

    /// Joins two scopes. `USING` and `NATURAL` become a condition, and their columns one each, which
    /// stand before all others. Gives the weight of that condition too.
    pub(super) fn join(
        mut self,
        right: Self,
        constraint: &mut JoinConstraint,
        side: Side,
    ) -> Result<(Self, u64), Error> {
        let common = match &*constraint {
            JoinConstraint::Using(columns) => {
                columns.iter().map(single).collect::<Result<Vec<_>, _>>()?
            }
            JoinConstraint::Natural => {
                let names = self.columns.iter().map(|column| column.name.clone());
                let known = |name: &String| right.columns.iter().any(|column| column.name == *name);
                names.filter(known).collect()
            }
            JoinConstraint::On(_) | JoinConstraint::None => {
                if side != Side::Semi {
                    self.add(right);
                }
                return Ok((self, 0));
            }
        };
        let mut merged = Vec::with_capacity(common.len());
        let mut equal = Vec::with_capacity(common.len());
        let mut weight: u64 = 0;
        for name in &common {
            let left = self.common(name, "left")?;
            let right = right.common(name, "right")?;
            weight = weight.saturating_add(left.reach).saturating_add(right.reach);
            equal.push(Expr::BinaryOp {
                left: Box::new(left.expr.clone()),
                op: BinaryOperator::Eq,
                right: Box::new(right.expr.clone()),
            });
            merged.push(match side {
                Side::Left | Side::Semi => left,
                Side::Right => right,
                Side::Full => left.or(right),
            });
        }
        *constraint = match super::list::balanced(equal, &BinaryOperator::And) {
            Some(condition) => JoinConstraint::On(condition),
            None => JoinConstraint::On(super::build::truth()),
        };
        if side == Side::Semi {
            return Ok((self, weight));
        }
        let others = |columns: Vec<Column>| {
            columns.into_iter().filter(|column| !common.contains(&column.name)).collect::<Vec<_>>()
        };
        merged.extend(others(self.columns));
        merged.extend(others(right.columns));
        let mut relations = self.relations;
        relations.extend(right.relations);
        Ok((Self { relations, columns: merged, aliases: Vec::new() }, weight))
    }

    /// A column that a join merges.
    fn common(&self, name: &str, side: &str) -> Result<Column, Error> {
        let mut found = self.columns.iter().filter(|column| column.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column.clone()),
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::AmbiguousColumn,
                format!("common column name \"{name}\" appears more than once in {side} table"),
            )),
            (None, _) => Err(Error::new(
                ErrorKind::UndefinedColumn,
                format!(
                    "column \"{name}\" specified in USING clause does not exist in {side} table"
                ),
            )),
        }
    }

    /// The columns that `GROUP BY keys` determines: those of a relation whose whole primary key is
    /// among them.
    pub(super) fn determined(&self, keys: &[Expr]) -> Vec<Expr> {
        let grouped = |named: &&Named| {
            let column = |name: &String| keys.contains(&qualified(&named.real, name));
            !named.key.is_empty() && named.key.iter().all(column)
        };
        self.relations
            .iter()
            .filter(grouped)
            .flat_map(|named| {
                named.columns.iter().map(|column| qualified(&named.real, &column.real))
            })
            .filter(|column| !keys.contains(column))
            .collect()
    }
}

/// The one part of a name in USING.
fn single(name: &ObjectName) -> Result<String, Error> {
    match parts(name)?.as_slice() {
        [name] => Ok(name.clone()),
        _ => Err(Error::new(ErrorKind::Syntax, "a column in USING has no relation before it")),
    }
}

/// The columns of a table under an alias.
pub(super) fn rename_table(columns: Vec<Output>, names: &[String]) -> Vec<Output> {
    let fields: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let renamed = rename(columns, names).into_iter().zip(fields);
    renamed.map(|(column, field)| Output { field: Some(field), ..column }).collect()
}

/// The columns of a relation under an alias: a list of names renames the first of them.
pub(super) fn rename(columns: Vec<Output>, names: &[String]) -> Vec<Output> {
    let mut names = names.iter();
    columns
        .into_iter()
        .map(|column| match names.next() {
            Some(name) => Output { reach: column.reach, ..Output::plain(name) },
            None => column,
        })
        .collect()
}
