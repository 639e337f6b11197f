//! Aggregation policies: bound to their table and to those that it may be joined to.

use std::sync::Arc;

use arrow::datatypes::DataType;
use tollgate_catalog::{Table, TableName};

use super::Validator;
use crate::aggregation::{Aggregation, DeclaredJoin, Dimension};
use crate::convert::{comparable, display};
use crate::diagnostics::Location;
use crate::mask::{MaskKind, Unit};
use crate::model::{Aggregates, AggregationRule, Grantee, JoinSpec, Name, Part};
use crate::model::{PolicyKind, PolicyRef};

/// How much of a sum one entity may have unless something else is said, in percent.
const DOMINANCE: u32 = 50;

const SINGLE: &str = "remove it: a group of one entity would show that entity";
const SAME: &str = "name the table's own column instead, which has the same values";

/// A column that is no dimension, why, and what to do.
type Barred = (usize, &'static str, &'static str);

/// A joined table, where that is written, and by whose policy.
pub(super) type Joined = (TableName, Location, TableName);

impl Validator<'_> {
    pub(super) fn aggregation_policy(
        &mut self,
        at: &Location,
        name: &Name,
        (table, table_at): (&TableName, &Location),
        to: &[Grantee],
        written: &Aggregates,
    ) {
        let before = self.errors.len();
        let to = self.subjects(to);
        let Some(table) = self.table(table, table_at) else { return };
        if let Some((what, hint)) = other_than_table(table) {
            let message = format!("an aggregation policy can't stand on {}: {what}", table.name);
            self.error(table_at, message, hint);
            return;
        }
        let least = self.least(&written.least);
        let dominance = written.share.as_ref().map_or(Some(DOMINANCE), |share| self.share(share));
        let entity = self.entity(table, &written.entity);
        let apart = entity.map(|entity| (entity, "tells the entities apart", SINGLE));
        let dimensions = self.dimensions(table, &written.dimensions, apart);
        let measures = self.measures(table, &written.measures, entity, &dimensions);
        let mut joins: Vec<DeclaredJoin> = Vec::new();
        for spec in &written.joins {
            let Some(join) = self.declared_join(table, spec) else { continue };
            let again = |other: &DeclaredJoin| {
                (&other.table, other.column, other.key) == (&join.table, join.column, join.key)
            };
            if joins.iter().any(again) {
                let message = format!("the join to {} is declared twice", join.table);
                self.error(&spec.at, message, "declare it once, with all of its dimensions");
            }
            joins.push(join);
        }
        let (Some(least), Some(dominance), Some(entity)) = (least, dominance, entity) else {
            return;
        };
        if self.errors.len() > before {
            return;
        }
        let policy = Arc::new(PolicyRef::new(at, PolicyKind::AggregationPolicy, &name.text));
        let rule = Aggregation { least, dominance, entity, dimensions, measures, joins };
        let says = written.to_string();
        self.rules(table).aggregations.push(AggregationRule { to, rule, says, policy });
    }

    fn least(&mut self, written: &Name) -> Option<u64> {
        let least = written.text.parse::<u32>().ok().filter(|least| *least >= 2);
        if least.is_none() {
            self.error(
                &written.at,
                format!("{} is not a number of entities that a group can need", written.text),
                format!("write a whole number from 2 to {}: one entity is no group", u32::MAX),
            );
        }
        least.map(u64::from)
    }

    fn share(&mut self, written: &Name) -> Option<u32> {
        let share = written.text.parse().ok().filter(|share| (1..=100).contains(share));
        if share.is_none() {
            self.error(
                &written.at,
                format!("{} is not a share in percent", written.text),
                "write a whole number from 1 to 100; 100 lets one entity have all of a sum",
            );
        }
        share
    }

    /// One column, and the same one in all policies of the table: both apply to who is bound by two.
    fn entity(&mut self, table: &Arc<Table>, written: &[Name]) -> Option<usize> {
        let (one, more) = written.split_first()?;
        if let Some(second) = more.first() {
            self.error(
                &second.at,
                "the entity is one column",
                "name the column that tells one from another; a key of several needs one made of them",
            );
        }
        let entity = self.column(table, one)?;
        let column = table.columns.get(entity)?;
        if !comparable(&column.data_type, &column.data_type) || column.data_type.is_floating() {
            self.error(
                &one.at,
                format!(
                    "column \"{}\" of {} is {}, which tells no entities apart",
                    column.name,
                    table.name,
                    display(&column.data_type)
                ),
                "choose a column of whole numbers, texts or the like",
            );
            return None;
        }
        let other = self.rules(table).aggregations.iter().find(|other| other.rule.entity != entity);
        if let Some(PolicyRef { name, file, line, .. }) = other.map(|other| other.policy.as_ref()) {
            let message =
                format!("{} has another entity by aggregation policy \"{name}\"", table.name);
            let hint =
                format!("name the same one as there, at {file}:{line}, or replace that policy");
            self.error(&one.at, message, hint);
            return None;
        }
        Some(entity)
    }

    /// Without those that are wrong.
    fn dimensions(
        &mut self,
        table: &Arc<Table>,
        written: &[Part],
        barred: Option<Barred>,
    ) -> Vec<Dimension> {
        let mut found: Vec<Dimension> = Vec::new();
        for part in written {
            let Some(dimension) = self.dimension(table, part) else { continue };
            let (name, at) = (&part.column.text, &part.column.at);
            if let Some((_, why, hint)) = barred.filter(|(index, ..)| *index == dimension.column) {
                self.error(at, format!("column \"{name}\" {why}, so it is no dimension"), hint);
            }
            let mut same = found.iter().filter(|other| other.column == dimension.column);
            if found.contains(&dimension) {
                let message = format!("dimension \"{name}\" is named twice");
                self.error(at, message, "name it once");
            } else if same.any(|other| other.bucket.is_none() || dimension.bucket.is_none()) {
                self.error(
                    at,
                    format!("dimension \"{name}\" is named as it is and by date_trunc"),
                    "remove one of the two: the column as it is tells more than its periods",
                );
            }
            found.push(dimension);
        }
        found
    }

    fn dimension(&mut self, table: &Arc<Table>, part: &Part) -> Option<Dimension> {
        let unit = part.unit.as_ref().map(|unit| (unit, Unit::parse(&unit.text)));
        if let Some((unit, None)) = unit {
            self.error(
                &unit.at,
                format!("\"{}\" is not a unit of date_trunc", unit.text),
                "write 'year', 'quarter', 'month', 'week' or 'day'",
            );
        }
        let index = self.column(table, &part.column)?;
        let column = table.columns.get(index)?;
        let of = || {
            let data_type = display(&column.data_type);
            format!("column \"{}\" of {} is {data_type}", column.name, table.name)
        };
        let bucket = match unit {
            None if comparable(&column.data_type, &column.data_type) => None,
            None => {
                let message = format!("{}, of which no groups can be made", of());
                self.error(&part.column.at, message, "choose a column of simple values");
                return None;
            }
            Some((_, None)) => return None,
            Some((_, Some(unit))) if MaskKind::Date(unit).accepts(&column.data_type) => {
                Some(unit.name().to_owned())
            }
            Some((_, Some(_))) => {
                let message = format!("{}, which date_trunc doesn't take", of());
                let hint = "date_trunc is for dates and timestamps; name the column itself";
                self.error(&part.column.at, message, hint);
                return None;
            }
        };
        Some(Dimension { column: index, bucket })
    }

    fn measures(
        &mut self,
        table: &Arc<Table>,
        written: &[Name],
        entity: Option<usize>,
        dimensions: &[Dimension],
    ) -> Vec<usize> {
        let mut found = Vec::new();
        for name in written {
            let Some(index) = self.column(table, name) else { continue };
            let Some(column) = table.columns.get(index) else { continue };
            let named = format!("column \"{}\"", column.name);
            let wrong = if Some(index) == entity {
                Some((
                    format!("{named} tells the entities apart, so it is no measure"),
                    "remove it: entities are counted, not summed",
                ))
            } else if dimensions.iter().any(|dimension| dimension.column == index) {
                Some((
                    format!("{named} is a dimension, so it is no measure"),
                    "remove it from one of the two lists",
                ))
            } else if found.contains(&index) {
                Some((format!("measure \"{}\" is named twice", column.name), "name it once"))
            } else if !column.data_type.is_numeric() {
                let data_type = display(&column.data_type);
                Some((
                    format!("{named} of {} is {data_type}, which can't be summed", table.name),
                    "measures are numbers; all columns can be counted without being named here",
                ))
            } else {
                None
            };
            if let Some((message, hint)) = wrong {
                self.error(&name.at, message, hint);
            }
            found.push(index);
        }
        found
    }

    fn declared_join(&mut self, table: &Arc<Table>, spec: &JoinSpec) -> Option<DeclaredJoin> {
        let joined = self.table(&spec.table, &spec.at)?;
        let wrong = if joined.name == table.name {
            Some(("it is the table itself".to_owned(), "join another table"))
        } else if joined.warehouse != table.warehouse {
            Some((
                "it is in another warehouse".to_owned(),
                "join tables of the same warehouse: no statement reads two",
            ))
        } else {
            other_than_table(joined).map(|(what, _)| (what.to_owned(), "join a table"))
        };
        if let Some((what, hint)) = wrong {
            let message = format!("{} can't be joined to {}: {what}", table.name, joined.name);
            self.error(&spec.at, message, hint);
            return None;
        }
        self.joined.push((joined.name.clone(), spec.at.clone(), table.name.clone()));
        // In doubt the first one is of the joined table.
        let (left, right) = (&spec.on.0, &spec.on.1);
        let is = |key: &Name, column: &Name| {
            joined.column_index(&key.text).is_some() && table.column_index(&column.text).is_some()
        };
        let turned = !is(left, right) && is(right, left);
        let (key_name, column_name) = if turned { (right, left) } else { (left, right) };
        let (key, column) = (self.column(joined, key_name), self.column(table, column_name));
        let by = key.map(|key| (key, "is what the join is by", SAME));
        let dimensions = self.dimensions(joined, &spec.dimensions, by);
        let (key, column) = (key?, column?);
        let of = |table: &Table, index: usize| {
            table.columns.get(index).map_or(DataType::Null, |column| column.data_type.clone())
        };
        let (key_type, column_type) = (of(joined, key), of(table, column));
        // Of two types one is cast, which may fail on a value.
        let both = |is: fn(&DataType) -> bool| is(&key_type) && is(&column_type);
        let same = key_type == column_type || both(DataType::is_integer) || both(is_text);
        if !same || !comparable(&key_type, &column_type) || key_type.is_null() {
            let (key_type, column_type) = (display(&key_type), display(&column_type));
            self.error(
                &spec.on.0.at,
                format!(
                    "column \"{}\" of {} is {key_type}, and column \"{}\" of {} is {column_type}",
                    key_name.text, joined.name, column_name.text, table.name
                ),
                "join by two columns of one type",
            );
            return None;
        }
        Some(DeclaredJoin { table: joined.name.clone(), column, key, dimensions })
    }

    /// Of two tables that answer in aggregates only, each would have to guard the rows of the other.
    pub(super) fn guard_joins(&mut self) {
        for (joined, at, table) in std::mem::take(&mut self.joined) {
            if self.rules.get(&joined).is_some_and(|rules| !rules.aggregations.is_empty()) {
                self.error(
                    &at,
                    format!(
                        "{table} can't be joined to {joined}: it has an aggregation policy itself"
                    ),
                    "remove the join, or that policy",
                );
            }
        }
    }
}

/// Why a relation is no table whose rows could be guarded, and what to do instead.
fn other_than_table(table: &Table) -> Option<(&'static str, &'static str)> {
    if table.view().is_some() {
        Some(("it is a view", "write the policy for the tables that the view reads"))
    } else if table.is_record() {
        Some((
            "it is one of the gateway's own records",
            "restrict the records by grants, row policies and masks",
        ))
    } else {
        None
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
