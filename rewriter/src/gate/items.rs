//! A select list as it is made: stars written out, no two columns of one name.

use std::collections::{HashMap, HashSet};

use datafusion_sql::sqlparser::ast::{Expr, Ident, SelectItem, WildcardAdditionalOptions};
use tollgate_catalog::{Error, ErrorKind};

use super::budget::bound_list;
use super::refuse_if;
use super::scope::{self, Output};
use crate::made_up::mark;

/// Between a name and its number, where one select list has a name twice. No
/// identifier has it.
pub(crate) const DUPLICATE: &str = concat!(mark!(), "dup", mark!());

/// A select list that is being made.
#[derive(Default)]
pub(super) struct List {
    pub(super) items: Vec<SelectItem>,
    pub(super) columns: Vec<Output>,
    seen: HashSet<String>,
    /// The last number of a name that is there several times.
    numbers: HashMap<String, usize>,
}

impl List {
    /// Adds an item, and gives its name in the plan.
    pub(super) fn push(&mut self, expr: Expr, name: String, reach: u64, exact: bool) -> String {
        let mut real = name.clone();
        if !self.seen.insert(real.clone()) {
            // On from the last one: a list of one name alone must not try all numbers for each.
            let number = self.numbers.entry(name.clone()).or_insert(1);
            while !self.seen.insert(real.clone()) {
                *number += 1;
                real = format!("{name}{DUPLICATE}{number}");
            }
        }
        let bare = match &expr {
            Expr::Identifier(ident) => Some(ident.value.as_str()),
            Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.as_str()),
            _ => None,
        };
        self.items.push(if bare == Some(real.as_str()) {
            SelectItem::UnnamedExpr(expr)
        } else {
            SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', &real) }
        });
        let yields = real.clone();
        self.columns.push(Output { name, real, reach, computed: None, field: None, exact });
        yields
    }

    pub(super) fn star(&mut self, columns: Vec<scope::Column>) -> Result<(), Error> {
        bound_list(self.items.len() + columns.len(), "a select list")?;
        for column in columns {
            self.push(column.expr, column.name, column.reach, column.exact);
        }
        Ok(())
    }
}

/// The items of a `*` over these columns, and what they yield.
pub(super) fn star(columns: &[scope::Column]) -> Result<(Vec<SelectItem>, Vec<Output>), Error> {
    let mut list = List::default();
    list.star(columns.to_vec())?;
    Ok((list.items, list.columns))
}

/// The error of `missing.*`.
pub(super) fn no_relation(qualifier: &[String]) -> Error {
    let name = qualifier.last().map_or("", String::as_str);
    Error::new(ErrorKind::UndefinedTable, format!("missing FROM-clause entry for table \"{name}\""))
}

/// Refuses what other dialects write after a star.
pub(super) fn plain_wildcard(options: &WildcardAdditionalOptions) -> Result<(), Error> {
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
