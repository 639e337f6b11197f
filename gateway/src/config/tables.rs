//! What the configuration says about tables, put onto what the warehouse found.

use tollgate_catalog::{Column, ForeignKey, Storage, Table, TableName};

use super::{Config, ConfigError, TableDeclaration};

/// Adds the declared keys and comments to `tables`; all names that don't exist are reported.
pub fn declare(config: &Config, tables: &mut [Table]) -> Result<(), Vec<ConfigError>> {
    let known = tables.to_vec();
    let mut errors = Vec::new();
    for (index, declared) in config.tables.iter().enumerate() {
        let key = format!("tables[{index}]");
        match tables.iter_mut().find(|table| table.name == declared.name) {
            Some(table) => {
                Declaring { config, key, known: &known, errors: &mut errors }.table(declared, table)
            }
            None => errors.push(config.error(
                &format!("{key}.name"),
                format!("table \"{}\" does not exist", declared.name),
                "correct the name, or add its file to the data folder",
            )),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// One declaration on its way onto its table.
struct Declaring<'a> {
    config: &'a Config,
    key: String,
    known: &'a [Table],
    errors: &'a mut Vec<ConfigError>,
}

impl Declaring<'_> {
    fn table(&mut self, declared: &TableDeclaration, table: &mut Table) {
        if declared.comment.is_some() {
            table.comment.clone_from(&declared.comment);
        }
        table.cache_for = declared.cache_for;
        for (name, comment) in &declared.columns {
            match table.columns.iter_mut().find(|column: &&mut Column| column.name == *name) {
                Some(column) => column.comment = Some(comment.clone()),
                None => self.unknown(&format!("columns.{name}"), name, &declared.name),
            }
        }
        if !declared.primary_key.is_empty() {
            table.primary_key = self.indexes("primary_key", &declared.primary_key, table);
            if let Storage::Snowflake(real) = &mut table.storage {
                // Whoever declares it says that it holds.
                real.key_is_claimed = false;
            }
        }
        for (number, foreign) in declared.foreign_keys.iter().enumerate() {
            let place = format!("foreign_keys[{number}]");
            let columns = self.indexes(&place, &foreign.columns, table);
            self.referenced(&place, &foreign.references, &foreign.referenced_columns);
            let key = ForeignKey {
                columns,
                references: foreign.references.clone(),
                referenced_columns: foreign.referenced_columns.clone(),
            };
            // The warehouse may have said it as well.
            if !table.foreign_keys.contains(&key) {
                table.foreign_keys.push(key);
            }
        }
    }

    /// The indexes of columns of the declared table; those that don't exist are noted.
    fn indexes(&mut self, place: &str, names: &[String], table: &Table) -> Vec<usize> {
        let mut indexes = Vec::new();
        for name in names {
            match table.column_index(name) {
                Some(index) => indexes.push(index),
                None => self.unknown(place, name, &table.name),
            }
        }
        indexes
    }

    /// Notes what doesn't exist on the other side of a foreign key.
    fn referenced(&mut self, place: &str, table: &TableName, columns: &[String]) {
        let Some(other) = self.known.iter().find(|other| other.name == *table) else {
            self.errors.push(self.config.error(
                &format!("{}.{place}.references", self.key),
                format!("table \"{table}\" does not exist"),
                "correct the name of the referenced table",
            ));
            return;
        };
        self.indexes(&format!("{place}.referenced_columns"), columns, other);
    }

    fn unknown(&mut self, place: &str, column: &str, table: &TableName) {
        self.errors.push(self.config.error(
            &format!("{}.{place}", self.key),
            format!("column \"{column}\" of table \"{table}\" does not exist"),
            "correct the column's name",
        ));
    }
}
