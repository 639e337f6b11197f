//! The keys of tables, as `SHOW` tells them. The service enforces none of them: they are for people and their
//! tools, and no plan rests on them.
//!
//! What can't be read is left out, and tables are found without. A key one of whose columns was left out isn't told.

use std::collections::BTreeMap;

use serde_json::{Map, json};
use tollgate_catalog::{Error, ForeignKey, TableName};

use super::discover::{Found, folded};
use super::session::{Counter, Statement};
use super::{Row, Snowflake};

/// How long the service may take, in seconds.
const PATIENCE: u64 = 30;
/// So many rows are shown at most: if there are more, nobody knows which are missing.
const MOST: usize = 10_000;

const PRIMARY: [&str; 6] = [
    "database_name",
    "schema_name",
    "table_name",
    "constraint_name",
    "key_sequence",
    "column_name",
];
const FOREIGN: [&str; 10] = [
    "fk_database_name",
    "fk_schema_name",
    "fk_table_name",
    "fk_name",
    "key_sequence",
    "fk_column_name",
    "pk_database_name",
    "pk_schema_name",
    "pk_table_name",
    "pk_column_name",
];

/// A table by its real names: schema and table.
type Real = (String, String);

/// The columns of a key by their places in it, and those that they reference.
type Places = BTreeMap<u64, (String, Option<(Real, String)>)>;

impl Found<'_> {
    /// Reads the keys of a schema's tables.
    pub(super) async fn keys(&mut self, warehouse: &Snowflake, schema: &str) {
        match shown(warehouse, "PRIMARY", self.database, schema, &PRIMARY).await {
            Ok(rows) => self.primary(rows),
            Err(why) => self.left_out.push(format!("primary keys of schema \"{schema}\": {why}")),
        }
        match shown(warehouse, "IMPORTED", self.database, schema, &FOREIGN).await {
            Ok(rows) => self.foreign(rows),
            Err(why) => self.left_out.push(format!("foreign keys of schema \"{schema}\": {why}")),
        }
    }

    fn primary(&mut self, rows: Vec<Row>) {
        for ((table, _), places) in grouped(rows, self.database) {
            let Some(known) = self.known(&table) else { continue };
            let Some((real, found)) = self.tables.get_mut(&known) else { continue };
            let index = |(column, _): &(String, _)| real.columns.iter().position(|c| c == column);
            if let Some(columns) = places.values().map(index).collect::<Option<Vec<_>>>() {
                found.primary_key = columns;
                real.key_is_claimed = true;
            }
        }
    }

    fn foreign(&mut self, rows: Vec<Row>) {
        for ((table, _), places) in grouped(rows, self.database) {
            let key = self.reference(&table, &places);
            let found = self.known(&table).and_then(|known| self.tables.get_mut(&known));
            if let (Some(key), Some((_, found))) = (key, found) {
                found.foreign_keys.push(key);
            }
        }
    }

    /// A foreign key, if all of it is known here.
    fn reference(&self, table: &Real, places: &Places) -> Option<ForeignKey> {
        let (real, _) = self.tables.get(&self.known(table)?)?;
        let (_, first) = places.values().next()?;
        let (other, _) = first.as_ref()?;
        let references = self.known(other)?;
        let (their, referenced) = self.tables.get(&references)?;
        let mut key =
            ForeignKey { columns: Vec::new(), references, referenced_columns: Vec::new() };
        for (column, to) in places.values() {
            let (of, to) = to.as_ref()?;
            let index = their.columns.iter().position(|name| name == to)?;
            if of != other {
                return None;
            }
            key.columns.push(real.columns.iter().position(|name| name == column)?);
            key.referenced_columns.push(referenced.columns.get(index)?.name.clone());
        }
        Some(key)
    }

    /// The name by which a table is known here, if that very one is.
    fn known(&self, (schema, table): &Real) -> Option<TableName> {
        let name = TableName::new(folded(schema), folded(table));
        let (real, _) = self.tables.get(&name)?;
        (real.schema == *schema && real.table == *table).then_some(name)
    }
}

/// Rows of a `SHOW`, with these columns only; or why there are none.
async fn shown(
    warehouse: &Snowflake,
    what: &str,
    database: &str,
    schema: &str,
    columns: &[&str],
) -> Result<Vec<Row>, String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let statement = Statement {
        text: format!("SHOW {what} KEYS IN SCHEMA {}.{}", quoted(database), quoted(schema)),
        bindings: Map::new(),
        id: None,
        tag: json!({ "user": null, "tenant": null }),
        timeout: Some(PATIENCE),
        describe_only: false,
        counter: Counter::default(),
    };
    let said = |error: Error| match error.cause() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let (names, rows) = warehouse.show(statement).await.map_err(said)?;
    if rows.len() >= MOST {
        return Err(format!("there are more than {MOST} columns in them"));
    }
    let place = |column: &&str| names.iter().position(|name| name == column);
    let places = columns.iter().map(place).collect::<Option<Vec<_>>>();
    let places = places.ok_or("the service tells other columns of them")?;
    let pick = |row: Row| places.iter().map(|place| row.get(*place).cloned().flatten()).collect();
    Ok(rows.into_iter().map(pick).collect())
}

/// The keys in rows, each by its table and name. One that leads out of the database, or that a row of can't be read of, is
/// left out.
fn grouped(rows: Vec<Row>, database: &str) -> BTreeMap<(Real, String), Places> {
    let mut keys: BTreeMap<(Real, String), Option<Places>> = BTreeMap::new();
    for row in rows {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        let [Some(at), Some(schema), Some(table), Some(name)] = [next(), next(), next(), next()]
        else {
            continue;
        };
        let place = next().and_then(|number| number.parse::<u64>().ok());
        let column = next();
        let other = match (next(), next(), next(), next()) {
            (None, None, None, None) => Some(None),
            (Some(at), Some(schema), Some(table), Some(column)) if at == database => {
                Some(Some(((schema, table), column)))
            }
            _ => None,
        };
        let key = keys.entry(((schema, table), name)).or_insert_with(|| Some(Places::new()));
        let part = place.zip(column).zip(other).filter(|_| at == database);
        let whole = match (key.as_mut(), part) {
            (Some(places), Some(((place, column), other))) => {
                places.insert(place, (column, other)).is_none()
            }
            _ => false,
        };
        if !whole {
            *key = None;
        }
    }
    keys.into_iter().filter_map(|(of, places)| Some((of, places?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Row, grouped};

    fn row(words: &str) -> Row {
        words.split(' ').map(|word| Some(word.to_owned())).collect()
    }

    #[test]
    fn keys_are_whole_or_left_out() {
        let rows = [
            "D S T pk 2 B",
            "D S T pk 1 A",
            "OTHER S U pk 1 A",
            "D S V pk 1 A",
            "D S V pk 1 B",
            "D S W pk x A",
            "D S X pk 1 A",
        ];
        let keys = grouped(rows.map(row).to_vec(), "D");
        let told: Vec<_> = keys
            .iter()
            .map(|(((_, table), _), places)| {
                let columns = places.values().map(|(column, _)| column.as_str());
                (table.as_str(), columns.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(told, [("T", vec!["A", "B"]), ("X", vec!["A"])]);
        let rows = ["D S T fk 1 A D S U ID", "D S T out 1 A OTHER S U ID"];
        let keys = grouped(rows.map(row).to_vec(), "D");
        assert_eq!(keys.len(), 1);
        let places = keys.values().next().and_then(|places| places.get(&1).cloned());
        let to = (("S".to_owned(), "U".to_owned()), "ID".to_owned());
        assert_eq!(places, Some(("A".to_owned(), Some(to))));
    }
}
