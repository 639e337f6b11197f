//! Session commands: settings and the transaction block.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::OutputColumn;
use tollgate_rewriter::command::{Command, Discard};

use super::{Notice, Outcome, Savepoint, Session, TransactionState};
use crate::settings::Settings;
use crate::stream::{RowStream, Tag};

/// The most savepoints in one transaction.
const MAX_SAVEPOINTS: usize = 1024;

pub(super) const ISOLATION: &str = "transaction_isolation";
pub(super) const DEFAULT_ISOLATION: &str = "default_transaction_isolation";

impl Session {
    pub(super) fn command(&mut self, command: &Command) -> Result<Outcome, Error> {
        let tag = match command {
            Command::Set { name, value, local } => {
                self.set(name, value.as_deref(), *local)?;
                "SET"
            }
            Command::Show(name) => return self.show(name),
            Command::Reset(name) => {
                match name {
                    Some(name) => self.settings.set(name, None)?,
                    None => self.settings.reset_all(),
                }
                self.settings_changed();
                "RESET"
            }
            Command::Discard(what) => {
                if *what == Discard::All {
                    if self.transaction != TransactionState::Idle {
                        return Err(Error::new(
                            ErrorKind::InFailedTransaction,
                            "DISCARD ALL cannot run inside a transaction block",
                        ));
                    }
                    self.settings.reset_all();
                    self.settings_changed();
                    self.prepared.clear();
                    self.deallocated.push(None);
                    "DISCARD ALL"
                } else {
                    match what {
                        Discard::All | Discard::Plans => "DISCARD PLANS",
                        Discard::Sequences => "DISCARD SEQUENCES",
                        Discard::Temp => "DISCARD TEMP",
                    }
                }
            }
            Command::Begin { start, isolation } => {
                self.begin();
                self.isolate(*isolation)?;
                if *start { "START TRANSACTION" } else { "BEGIN" }
            }
            Command::Commit => self.commit(),
            Command::Rollback => self.rollback(),
            Command::Savepoint(name) => {
                self.inside_block("SAVEPOINT")?;
                if self.savepoints.len() >= MAX_SAVEPOINTS {
                    return Err(Error::new(ErrorKind::ProgramLimit, "too many savepoints"));
                }
                self.savepoints
                    .push(Savepoint { name: name.clone(), settings: self.settings.clone() });
                "SAVEPOINT"
            }
            Command::Release(name) => {
                self.inside_block("RELEASE SAVEPOINT")?;
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at);
                "RELEASE"
            }
            Command::RollbackTo(name) => {
                self.inside_block("ROLLBACK TO SAVEPOINT")?;
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at + 1);
                if let Some(savepoint) = self.savepoints.last() {
                    self.settings = savepoint.settings.clone();
                    self.settings_changed();
                }
                self.transaction = TransactionState::Open;
                "ROLLBACK"
            }
            Command::Characteristics { session: true, isolation } => {
                if let Some(level) = isolation {
                    self.settings.set(DEFAULT_ISOLATION, Some(level))?;
                    self.settings_changed();
                }
                "SET"
            }
            Command::Characteristics { session: false, isolation } => {
                if self.transaction == TransactionState::Idle {
                    self.warn("25P01", "SET TRANSACTION can only be used in transaction blocks");
                } else {
                    self.isolate(*isolation)?;
                }
                "SET"
            }
            Command::Deallocate(name) => {
                match name {
                    Some(name) => {
                        self.prepared.remove(name);
                    }
                    None => self.prepared.clear(),
                }
                self.deallocated.push(name.clone());
                if name.is_some() { "DEALLOCATE" } else { "DEALLOCATE ALL" }
            }
            Command::Close(None) => "CLOSE CURSOR ALL",
            Command::Close(Some(name)) => {
                return Err(Error::new(
                    ErrorKind::InvalidCursorName,
                    format!("cursor \"{name}\" does not exist"),
                ));
            }
            // Front ends that have cursors keep them.
            Command::Fetch(_) => return Err(elsewhere("cursors")),
            Command::Unlisten => "UNLISTEN",
        };
        Ok(Outcome::Command { tag: tag.to_owned() })
    }

    fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), Error> {
        if local && self.transaction == TransactionState::Idle {
            self.warn("25P01", "SET LOCAL can only be used in transaction blocks");
            // The value is still checked.
            return self.settings.clone().set(name, value);
        }
        let before = self.settings.get(name)?.to_owned();
        self.settings.set(name, value)?;
        if local {
            self.local.entry(name.to_owned()).or_insert(before);
        } else {
            self.local.remove(name);
        }
        self.settings_changed();
        Ok(())
    }

    fn show(&mut self, name: &str) -> Result<Outcome, Error> {
        let columns = show_columns(name);
        let batch = if name == "all" {
            let all = self.settings.all();
            let names = all.iter().map(|(name, _, _)| name.as_str()).collect();
            let values = all.iter().map(|(_, value, _)| value.as_str()).collect();
            let texts = all.iter().map(|(_, _, text)| text.as_str()).collect();
            text_batch(&columns, &[names, values, texts])?
        } else {
            text_batch(&columns, &[vec![self.settings.get(name)?]])?
        };
        Ok(Outcome::Rows(RowStream::fixed(columns, batch, Tag::Show)))
    }

    /// Notes the isolation level of the open transaction.
    fn isolate(&mut self, level: Option<&str>) -> Result<(), Error> {
        if let Some(level) = level {
            self.settings.set(ISOLATION, Some(level))?;
            self.settings_changed();
        }
        Ok(())
    }

    fn begin(&mut self) {
        if self.transaction == TransactionState::Idle {
            self.transaction = TransactionState::Open;
            self.at_begin = Some(self.settings.clone());
        } else {
            self.warn("25001", "there is already a transaction in progress");
        }
    }

    fn commit(&mut self) -> &'static str {
        match self.transaction {
            TransactionState::Failed => self.rollback(),
            TransactionState::Idle => {
                self.warn("25P01", "there is no transaction in progress");
                "COMMIT"
            }
            TransactionState::Open => {
                for (name, value) in std::mem::take(&mut self.local) {
                    // The value was in force before, so it is a good one; fixed ones never get here.
                    let _ = self.settings.set(&name, Some(&value));
                }
                self.end_block();
                "COMMIT"
            }
        }
    }

    fn rollback(&mut self) -> &'static str {
        match self.at_begin.take() {
            Some(settings) => {
                self.settings = settings;
                self.end_block();
            }
            None => self.warn("25P01", "there is no transaction in progress"),
        }
        "ROLLBACK"
    }

    fn end_block(&mut self) {
        self.transaction = TransactionState::Idle;
        self.at_begin = None;
        self.local.clear();
        self.savepoints.clear();
        self.settings_changed();
    }

    fn inside_block(&self, what: &str) -> Result<(), Error> {
        if self.transaction == TransactionState::Idle {
            return Err(Error::new(
                ErrorKind::NoActiveTransaction,
                format!("{what} can only be used in transaction blocks"),
            ));
        }
        Ok(())
    }

    fn savepoint(&self, name: &str) -> Result<usize, Error> {
        self.savepoints.iter().rposition(|savepoint| savepoint.name == name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidSavepoint, format!("savepoint \"{name}\" does not exist"))
        })
    }

    fn warn(&mut self, code: &'static str, message: &str) {
        self.notices.push(Notice { severity: "WARNING", code, message: message.to_owned() });
    }
}

/// The error of what the PostgreSQL protocol alone has.
pub(super) fn elsewhere(what: &str) -> Error {
    Error::not_supported(&format!("{what} in this protocol"))
        .with_hint("send the query by itself and read its rows as they come")
}

pub(super) fn show_columns(name: &str) -> Arc<[OutputColumn]> {
    if name == "all" {
        text_columns(&["name", "setting", "description"])
    } else {
        text_columns(&[Settings::shown_name(name).as_str()])
    }
}

pub(super) fn text_columns(names: &[&str]) -> Arc<[OutputColumn]> {
    names
        .iter()
        .map(|name| OutputColumn {
            name: (*name).to_owned(),
            data_type: DataType::Utf8,
            nullable: false,
            table_column: None,
            own: false,
        })
        .collect()
}

pub(super) fn text_batch(
    columns: &[OutputColumn],
    values: &[Vec<&str>],
) -> Result<RecordBatch, Error> {
    let fields = columns.iter().map(|column| Field::new(&column.name, DataType::Utf8, false));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let arrays = values
        .iter()
        .map(|values| -> arrow::array::ArrayRef { Arc::new(StringArray::from(values.clone())) })
        .collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(Error::internal)
}
