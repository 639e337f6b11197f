//! Where the ledger is, and who is billed.

use std::path::PathBuf;
use std::time::Duration;

use super::validate::Checker;
use super::{Export, Secret, Warehouse, file, values};
use crate::audit::{Statements, TENANT, TextRule, TextRules};

/// How often old records are deleted, unless the configuration says otherwise.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is attributed to a query is known late, and corrects its receipt.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where decisions and receipts are kept.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The store; none: records are JSON lines only.
    pub store: Option<LedgerStore>,
    /// The name of this gateway among those that share a PostgreSQL.
    pub replica: String,
    /// The file of the key that signs; made if it isn't there.
    pub key: PathBuf,
    /// The attribute of users that names who pays.
    pub tenant: String,
    /// How much of statements' texts is recorded.
    pub texts: TextRules,
    /// How long records are kept; none: until they are deleted by a command.
    pub retention: Option<Retention>,
    /// Where records are sent.
    pub exports: Vec<Export>,
}

/// How long records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The age from which on they are deleted.
    pub keep: Duration,
    /// How often.
    pub every: Duration,
}

/// The stores that a ledger may be in.
#[derive(Debug, Clone)]
pub enum LedgerStore {
    /// A file, with SQLite.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// How many bytes it may have.
        max_size: Option<u64>,
    },
    /// A PostgreSQL: where the URL to connect with is.
    Postgres(Secret),
}

impl Checker<'_> {
    pub(super) fn ledger(&mut self, raw: file::Ledger) -> Option<Ledger> {
        let kind = raw.kind.unwrap_or(file::LedgerKind::Sqlite);
        let (sqlite, postgres) = match kind {
            file::LedgerKind::Sqlite => (true, false),
            file::LedgerKind::Postgres => (false, true),
            file::LedgerKind::None => (false, false),
        };
        let foreign = [
            ("ledger.file", raw.file.is_some() && !sqlite),
            ("ledger.max_size", raw.max_size.is_some() && !sqlite),
            ("ledger.url_file", raw.url_file.is_some() && !postgres),
            ("ledger.url_env", raw.url_env.is_some() && !postgres),
            ("ledger.replica", raw.replica.is_some() && !postgres),
        ];
        for (key, _) in foreign.into_iter().filter(|(_, foreign)| *foreign) {
            let message = format!("\"{key}\" is nothing to a ledger of this kind");
            self.note(key, message, "leave it out, or correct \"ledger.kind\"");
        }
        let store = match kind {
            file::LedgerKind::None => None,
            file::LedgerKind::Sqlite => {
                let file = self.base.join(raw.file.as_deref().unwrap_or("ledger.db"));
                Some(LedgerStore::Sqlite { file, max_size: self.max_size(raw.max_size) })
            }
            file::LedgerKind::Postgres => {
                Some(LedgerStore::Postgres(match (raw.url_file, raw.url_env) {
                    (Some(file), None) => Secret::File(self.base.join(file)),
                    (None, Some(variable)) => Secret::Environment(variable),
                    (Some(_), Some(_)) | (None, None) => {
                        let hint = "name a file or a variable that holds \
                                \"postgres://user:password@host/database?sslmode=verify-full\"";
                        self.note(
                            "ledger",
                            "one of \"url_file\" and \"url_env\" must be given",
                            hint,
                        );
                        return None;
                    }
                }))
            }
        };
        let replica = raw.replica.unwrap_or_else(|| "main".to_owned());
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if replica.is_empty() || !replica.chars().all(plain) {
            let hint = "write letters, digits, \"-\", \"_\" and \".\"";
            self.note("ledger.replica", format!("\"{replica}\" is not a replica's name"), hint);
        }
        let texts = self.texts(raw.statements.unwrap_or(Statements::Redacted), raw.texts);
        let retention = self.retention(raw.keep, raw.prune_every, store.is_some());
        let exports = self.exports(raw.export, store.is_some());
        Some(Ledger {
            store,
            replica,
            key: self.base.join(raw.key.as_deref().unwrap_or("ledger.key")),
            tenant: raw.tenant.unwrap_or_else(|| TENANT.to_owned()),
            texts,
            retention,
            exports,
        })
    }

    fn texts(&mut self, all: Statements, raw: Vec<file::Texts>) -> TextRules {
        let mut rules = Vec::new();
        for (index, file::Texts { roles, tables, store }) in raw.into_iter().enumerate() {
            let key = format!("ledger.texts[{index}]");
            if roles.is_empty() && tables.is_empty() {
                let hint = "name \"roles\" or \"tables\", or set \"ledger.statements\"";
                self.note(&key, "it isn't said which statements are meant", hint);
            }
            let mut patterns = Vec::new();
            for (number, text) in tables.iter().enumerate() {
                match values::tables(text) {
                    Some(pattern) => patterns.push(pattern),
                    None => {
                        let message = format!("\"{text}\" is neither a table nor all of a schema");
                        let hint = "write \"hr.salaries\" or \"hr.*\"";
                        self.note(&format!("{key}.tables[{number}]"), message, hint);
                    }
                }
            }
            let Some(store) = store else {
                let hint = "write store = \"hashed\", \"normalised\" or \"redacted\"";
                self.note(&key, "it isn't said how much is recorded", hint);
                continue;
            };
            if store <= all {
                let (store, all) = (store.name(), all.name());
                let message = format!(
                    "\"{store}\" is no less than what is recorded of all statements, \"{all}\""
                );
                self.note(&format!("{key}.store"), message, "ask for less, or leave it out");
            }
            rules.push(TextRule { roles: roles.into_iter().collect(), tables: patterns, store });
        }
        TextRules { all, rules }
    }

    fn retention(
        &mut self,
        keep: Option<String>,
        every: Option<String>,
        kept: bool,
    ) -> Option<Retention> {
        if keep.is_some() && !kept {
            let message = "there is no ledger to delete from";
            self.note("ledger.keep", message, "leave it out, or correct \"ledger.kind\"");
        }
        if keep.is_none() && every.is_some() {
            let message = "nothing says how old records may become";
            self.note("ledger.prune_every", message, "set \"ledger.keep\", or leave it out");
        }
        keep.as_ref()?;
        let mut some = |key: &str, text, default| {
            let duration = self.duration(key, text, default)?;
            if duration.is_zero() {
                self.note(key, format!("\"{key}\" is 0"), "write some time, as \"400 days\"");
            }
            Some(duration)
        };
        let keep = some("ledger.keep", keep, None);
        let every = some("ledger.prune_every", every, Some(DAY));
        Some(Retention { keep: keep?, every: every? })
    }

    /// Corrections of credits are records.
    pub(super) fn corrected(&mut self, warehouses: Option<&[Warehouse]>, ledger: Option<&Ledger>) {
        let Some(ledger) = ledger else { return };
        let mut asked = warehouses.into_iter().flatten().filter(|one| one.attribution.is_some());
        if ledger.store.is_some() {
            let short = ledger.retention.is_some_and(|retention| retention.keep < WEEK);
            if let Some(warehouse) = asked.next().filter(|_| short) {
                let key = warehouse.key("attribution");
                let message = format!("receipts are kept too short a time for \"{key}\"");
                self.note("ledger.keep", message, "keep them for 7 days at least");
            }
            return;
        }
        for warehouse in asked {
            let hint = "set \"ledger.kind\", or leave it out";
            self.note(&warehouse.key("attribution"), "there is no ledger to correct", hint);
        }
    }

    fn max_size(&mut self, text: Option<String>) -> Option<u64> {
        let text = text?;
        let size = values::size(&text).filter(|size| *size > 0);
        if size.is_none() {
            let hint = "write a number and a unit: \"512 MiB\", \"4 GB\"";
            self.note("ledger.max_size", format!("\"{text}\" is not a size"), hint);
        }
        size
    }
}
