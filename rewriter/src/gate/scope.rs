//! What names mean: the columns of the relations in FROM, and which of them `USING` merges.
//!
//! The gate writes every column with its relation and every `*` out, so that the planner has no
//! choice in what a name means, and turns `USING` and `NATURAL` into conditions. It knows visible
//! columns only. A name that it doesn't find stays as it is: the planner says that it doesn't exist.

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
}

impl Output {
    /// A column whose name is its own.
    pub(super) fn plain(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { real: name.clone(), name, reach: 1 }
    }
}

/// A relation in FROM under its name.
#[derive(Debug, Clone)]
struct Named {
    /// The alias, or the schema and the name of a relation without one.
    qualifier: Vec<String>,
    columns: Vec<Output>,
    /// The columns of the primary key, if all are visible.
    key: Vec<String>,
}

/// A column that needs no relation before it, in the order of `*`.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// How it is written with its relation.
    pub(super) expr: Expr,
    /// What that weighs.
    pub(super) size: u64,
    /// What it weighs in terms of base tables' columns.
    pub(super) reach: u64,
}

/// The relations that stand side by side in one FROM, or in a part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    relations: Vec<Named>,
    columns: Vec<Column>,
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
        Self { name: self.name, expr, size, reach }
    }
}

/// `qualifier.column`, all quoted.
fn qualified(qualifier: &[String], column: &str) -> Expr {
    let parts = qualifier.iter().map(String::as_str).chain([column]);
    Expr::CompoundIdentifier(parts.map(|part| Ident::with_quote('"', part)).collect())
}

fn ambiguous(name: &str) -> Error {
    Error::new(ErrorKind::AmbiguousColumn, format!("column reference \"{name}\" is ambiguous"))
}

impl Scope {
    /// One relation.
    pub(super) fn of(qualifier: Vec<String>, columns: Vec<Output>, key: Vec<String>) -> Self {
        let named = |column: &Output| Column {
            name: column.name.clone(),
            expr: qualified(&qualifier, &column.real),
            size: 1,
            reach: column.reach,
        };
        let all = columns.iter().map(named).collect();
        Self { relations: vec![Named { qualifier, columns, key }], columns: all }
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
        let columns = named.columns.iter().map(|column| Column {
            name: column.name.clone(),
            expr: qualified(&named.qualifier, &column.real),
            size: 1,
            reach: column.reach,
        });
        Some(columns.collect())
    }

    /// The weight of a column of the relation of that name, if there is that relation, and if it has
    /// the column; an error if it has several.
    pub(super) fn find(
        &self,
        qualifier: &[String],
        column: &str,
    ) -> Result<Option<Option<u64>>, Error> {
        let Some(named) = self.relation(qualifier) else { return Ok(None) };
        let mut found = named.columns.iter().filter(|known| known.name == column);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(ambiguous(column)),
            (found, None) => Ok(Some(found.map(|column| column.reach))),
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
        Ok((Self { relations, columns: merged }, weight))
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
            let column = |name: &String| keys.contains(&qualified(&named.qualifier, name));
            !named.key.is_empty() && named.key.iter().all(column)
        };
        self.relations
            .iter()
            .filter(grouped)
            .flat_map(|named| {
                named.columns.iter().map(|column| qualified(&named.qualifier, &column.real))
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
