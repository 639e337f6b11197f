//! Relations that stand in the plan by another name than the statement calls them.

use std::collections::{HashMap, HashSet};

use datafusion_sql::sqlparser::ast::Ident;
use tollgate_catalog::Error;

use super::{Named, Output, Scope, qualified, specified_twice};
use crate::gate::items::List;

impl Scope {
    /// The same relations where the plan calls the one that they are by another name.
    pub(in crate::gate) fn called(mut self, name: &str) -> Self {
        for named in &mut self.relations {
            named.real = vec![name.to_owned()];
        }
        let all = self.relations.iter();
        self.columns =
            all.flat_map(|named| named.columns.iter().map(|column| named.column(column))).collect();
        self
    }

    /// The list of a query over these relations that yields all of their columns, and the scope in which they
    /// mean what they do where the plan calls that query by `name`.
    pub(in crate::gate) fn gathered(mut self, name: &str) -> (List, Self) {
        let mut list = List::default();
        let place = vec![name.to_owned()];
        let mut moved = HashMap::new();
        for named in &mut self.relations {
            let mut renamed = Vec::with_capacity(named.columns.len());
            for column in &named.columns {
                let found = named.column(column);
                let real = list.push(found.expr.clone(), found.name, found.reach, found.exact);
                moved.entry(found.expr).or_insert_with(|| real.clone());
                renamed.push((column.real.clone(), real));
            }
            let key = named.key.iter().map(|of| {
                renamed.iter().find(|(real, _)| real == of).map(|(_, real)| real.clone())
            });
            named.key = key.collect::<Option<_>>().unwrap_or_default();
            for (column, (_, real)) in named.columns.iter_mut().zip(renamed) {
                column.real = real;
                column.computed = None;
            }
            named.real.clone_from(&place);
        }
        for column in &mut self.columns {
            let real = match moved.get(&column.expr) {
                Some(real) => real.clone(),
                // What a full join merged.
                None => {
                    let expr = column.expr.clone();
                    list.push(expr, column.name.clone(), column.reach, column.exact)
                }
            };
            column.expr = qualified(&place, &real);
            column.size = 1;
        }
        (list, self)
    }

    /// Demands that a relation that is to stand in the plan by another name is the only one of its name.
    ///
    /// # Errors
    /// A relation has that name too.
    pub(in crate::gate) fn lacks(&self, qualifier: &[String]) -> Result<(), Error> {
        match self.relations.iter().any(|named| named.qualifier.last() == qualifier.last()) {
            true => Err(specified_twice(qualifier)),
            false => Ok(()),
        }
    }

    /// Demands that none of the relations has the name of another one.
    pub(in crate::gate) fn all_differ(&self) -> Result<(), Error> {
        let mut seen = HashSet::new();
        match self.relations.iter().find(|named| !seen.insert(named.qualifier.last())) {
            Some(named) => Err(specified_twice(&named.qualifier)),
            None => Ok(()),
        }
    }

    /// Demands that no relation of the other scope has the name of one of these, where the planner doesn't
    /// see it: one of them is called otherwise in the plan.
    pub(in crate::gate) fn apart(&self, other: &Self) -> Result<(), Error> {
        let names = |scope: &Self, which: fn(&Named) -> bool| -> HashSet<String> {
            let relations = scope.relations.iter().filter(|named| which(named));
            relations.filter_map(|named| named.qualifier.last().cloned()).collect()
        };
        let (all, moved) = (names(self, |_| true), names(self, Named::is_renamed));
        let clash = other.relations.iter().find(|named| {
            let among = if named.is_renamed() { &all } else { &moved };
            named.qualifier.last().is_some_and(|name| among.contains(name))
        });
        clash.map_or(Ok(()), |named| Err(specified_twice(&named.qualifier)))
    }

    /// Whether the relation of that name is called otherwise in the plan.
    pub(in crate::gate) fn is_renamed(&self, qualifier: &[String]) -> bool {
        self.relation(qualifier).is_some_and(Named::is_renamed)
    }

    /// The name in the plan of a column with its relation before it, if there is that relation, and if
    /// it has the column.
    pub(in crate::gate) fn held(&self, idents: &[Ident]) -> Option<Option<&str>> {
        let (name, qualifier) = idents.split_last()?;
        let qualifier: Vec<String> = qualifier.iter().map(|part| part.value.clone()).collect();
        let is_meant =
            |of: &&Named| of.qualifier.ends_with(&qualifier) || of.real.ends_with(&qualifier);
        let known = |column: &&Output| column.real == name.value || column.name == name.value;
        let mut held = None;
        for named in self.relations.iter().filter(is_meant) {
            let found = named.columns.iter().find(known).map(|column| column.real.as_str());
            held = held.or(Some(None));
            if found.is_some() {
                return Some(found);
            }
        }
        held
    }
}
