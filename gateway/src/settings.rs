//! The settings of a session: which exist, what they may be, and how they read.

mod check;

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate_catalog::{Error, ErrorKind};
use tollgate_rewriter::SqlDialect;

use check::check;

/// The PostgreSQL version that clients are told; they choose their catalog queries by it.
pub const SERVER_VERSION: &str = "15.8";

/// What a client may do with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Any text.
    Text,
    /// One of these, and no other value would be true.
    OneOf(&'static [&'static str]),
    /// `on` or `off` in PostgreSQL's spellings.
    Bool,
    /// A whole number in a range.
    Int(i64, i64),
    /// A time span in milliseconds, or with a unit.
    Millis,
    /// A time zone.
    Zone,
    /// A list of schemas.
    Path,
    /// `ISO` with a field order.
    DateStyle,
    /// Never changes.
    Fixed,
}

struct Definition {
    name: &'static str,
    /// As `SHOW ALL` and ParameterStatus spell it.
    shown: &'static str,
    default: &'static str,
    rule: Rule,
    /// Whether changes are told by ParameterStatus.
    reported: bool,
    description: &'static str,
}

const fn def(
    name: &'static str,
    shown: &'static str,
    default: &'static str,
    rule: Rule,
    reported: bool,
    description: &'static str,
) -> Definition {
    Definition { name, shown, default, rule, reported, description }
}

const ON: &[&str] = &["on"];

/// The setting that says what statements are written in.
pub(crate) const DIALECT: &str = "tollgate.dialect";

/// Every setting there is, by lower-case name.
const DEFINITIONS: &[Definition] = &[
    def(
        "application_name",
        "application_name",
        "",
        Rule::Text,
        true,
        "The name of the client's application.",
    ),
    def(
        "bytea_output",
        "bytea_output",
        "hex",
        Rule::OneOf(&["hex"]),
        false,
        "The text form of bytea.",
    ),
    def(
        "client_encoding",
        "client_encoding",
        "UTF8",
        Rule::OneOf(&["utf8", "utf-8", "unicode"]),
        true,
        "The encoding of text to and from the client.",
    ),
    def(
        "client_min_messages",
        "client_min_messages",
        "notice",
        Rule::OneOf(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning",
            "error",
        ]),
        false,
        "The lowest level of messages that are sent.",
    ),
    def("datestyle", "DateStyle", "ISO, MDY", Rule::DateStyle, true, "The text form of dates."),
    def(
        "default_table_access_method",
        "default_table_access_method",
        "heap",
        Rule::Fixed,
        false,
        "How tables are stored, as the catalogs have it.",
    ),
    def(
        "default_transaction_isolation",
        "default_transaction_isolation",
        "read committed",
        Rule::OneOf(&["read committed", "repeatable read", "serializable", "read uncommitted"]),
        false,
        "The isolation of new transactions.",
    ),
    def(
        "default_transaction_read_only",
        "default_transaction_read_only",
        "on",
        Rule::OneOf(ON),
        true,
        "New transactions only read.",
    ),
    def(
        "extra_float_digits",
        "extra_float_digits",
        "1",
        Rule::Int(1, 3),
        false,
        "Floats are printed in their shortest exact form.",
    ),
    def(
        "idle_in_transaction_session_timeout",
        "idle_in_transaction_session_timeout",
        "0",
        Rule::Millis,
        false,
        "A transaction without a statement for that long ends the session; 0: never.",
    ),
    def("in_hot_standby", "in_hot_standby", "off", Rule::Fixed, true, "Whether this is a standby."),
    def(
        "integer_datetimes",
        "integer_datetimes",
        "on",
        Rule::Fixed,
        true,
        "Datetimes are 64-bit integers.",
    ),
    def(
        "intervalstyle",
        "IntervalStyle",
        "postgres",
        Rule::OneOf(&["postgres"]),
        true,
        "The text form of intervals.",
    ),
    def(
        "is_superuser",
        "is_superuser",
        "off",
        Rule::Fixed,
        true,
        "Whether the user may do everything.",
    ),
    def(
        "jit",
        "jit",
        "off",
        Rule::OneOf(&["off", "false", "0", "no"]),
        false,
        "There is no just-in-time compiler.",
    ),
    def("lc_collate", "lc_collate", "C", Rule::Fixed, false, "The order of text."),
    def("lc_ctype", "lc_ctype", "C", Rule::Fixed, false, "The classes of characters."),
    def(
        "lc_messages",
        "lc_messages",
        "C",
        Rule::Text,
        false,
        "The language of messages; there is one.",
    ),
    def("lc_monetary", "lc_monetary", "C", Rule::Text, false, "Accepted; there is no money type."),
    def("lc_numeric", "lc_numeric", "C", Rule::Text, false, "Accepted; to_char prints in C."),
    def("lc_time", "lc_time", "C", Rule::Text, false, "Accepted; to_char prints in C."),
    def(
        "lock_timeout",
        "lock_timeout",
        "0",
        Rule::Millis,
        false,
        "Accepted; no lock is ever waited for.",
    ),
    def(
        "max_identifier_length",
        "max_identifier_length",
        "63",
        Rule::Fixed,
        false,
        "The longest name that clients should use.",
    ),
    def("max_index_keys", "max_index_keys", "32", Rule::Fixed, false, "The most columns of a key."),
    def(
        "row_security",
        "row_security",
        "on",
        Rule::OneOf(ON),
        false,
        "Row policies apply; always.",
    ),
    def(
        "search_path",
        "search_path",
        "\"$user\", public",
        Rule::Path,
        true,
        "The schemas in which unqualified names are looked up.",
    ),
    def(
        "server_encoding",
        "server_encoding",
        "UTF8",
        Rule::Fixed,
        true,
        "The encoding of text in the gateway.",
    ),
    def(
        "server_version",
        "server_version",
        SERVER_VERSION,
        Rule::Fixed,
        true,
        "The PostgreSQL version that is spoken.",
    ),
    def(
        "server_version_num",
        "server_version_num",
        "150008",
        Rule::Fixed,
        false,
        "The same as a number.",
    ),
    def(
        "session_authorization",
        "session_authorization",
        "",
        Rule::Fixed,
        true,
        "The authenticated user.",
    ),
    def(
        "standard_conforming_strings",
        "standard_conforming_strings",
        "on",
        Rule::OneOf(&["on", "true", "1", "yes"]),
        true,
        "A backslash in a string is a backslash.",
    ),
    def(
        "statement_timeout",
        "statement_timeout",
        "0",
        Rule::Millis,
        false,
        "How long a statement may take; 0 is without end.",
    ),
    def(
        "synchronous_commit",
        "synchronous_commit",
        "on",
        Rule::Bool,
        false,
        "Accepted; nothing is written.",
    ),
    def(
        "tcp_keepalives_idle",
        "tcp_keepalives_idle",
        "0",
        Rule::Int(0, i32::MAX as i64),
        false,
        "Accepted; the listener's setting holds.",
    ),
    def(
        "timezone",
        "TimeZone",
        "UTC",
        Rule::Zone,
        true,
        "The zone in which timestamptz is read and printed.",
    ),
    def(
        DIALECT,
        DIALECT,
        "postgresql",
        Rule::OneOf(SqlDialect::NAMES),
        false,
        "What statements are written in, from the next message on.",
    ),
    def(
        "transaction_isolation",
        "transaction_isolation",
        "read committed",
        Rule::OneOf(&["read committed", "repeatable read", "serializable", "read uncommitted"]),
        false,
        "The isolation of this transaction.",
    ),
    def(
        "transaction_read_only",
        "transaction_read_only",
        "on",
        Rule::OneOf(ON),
        false,
        "This transaction only reads.",
    ),
];

/// The settings of one session. Cheap to compare and to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
    /// The operator's bound on the statement timeout.
    longest: Option<Duration>,
}

fn definition(name: &str) -> Result<&'static Definition, Error> {
    DEFINITIONS.iter().find(|definition| definition.name == name).ok_or_else(|| {
        Error::new(
            ErrorKind::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        )
    })
}

impl Settings {
    pub(crate) fn new(user: &str, statement_timeout: Option<Duration>) -> Self {
        let mut values: BTreeMap<String, String> = DEFINITIONS
            .iter()
            .map(|definition| (definition.name.to_owned(), definition.default.to_owned()))
            .collect();
        values.insert("session_authorization".to_owned(), user.to_owned());
        if let Some(timeout) = statement_timeout {
            values.insert("statement_timeout".to_owned(), timeout.as_millis().to_string());
        }
        Self { defaults: values.clone(), values, longest: statement_timeout }
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str, Error> {
        definition(name)?;
        self.values
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| Error::internal("a setting has no value"))
    }

    pub(crate) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Sets a value, or the default.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), Error> {
        let definition = definition(name)?;
        let value = match value {
            Some(value) => check(definition, value)?,
            None => self.defaults.get(name).cloned().unwrap_or_default(),
        };
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Takes today's value as the default that RESET returns to: what start-up asked for.
    pub(crate) fn keep_as_default(&mut self) {
        self.defaults.clone_from(&self.values);
    }

    pub(crate) fn reset_all(&mut self) {
        self.values.clone_from(&self.defaults);
    }

    /// The settings that clients follow by ParameterStatus, as they are spelled there.
    pub(crate) fn reported(&self) -> Vec<(String, String)> {
        DEFINITIONS
            .iter()
            .filter(|definition| definition.reported)
            .filter_map(|definition| {
                let value = self.values.get(definition.name)?;
                Some((definition.shown.to_owned(), value.clone()))
            })
            .collect()
    }

    /// Name, value and description of every setting.
    pub(crate) fn all(&self) -> Vec<(String, String, String)> {
        described(&self.values)
    }

    pub(crate) fn shown_name(name: &str) -> String {
        definition(name).map_or_else(|_| name.to_owned(), |found| found.shown.to_owned())
    }

    /// The schemas of the search path, unquoted.
    pub(crate) fn search_path(&self) -> Vec<String> {
        let text = self.values.get("search_path").map_or("", String::as_str);
        text.split(',')
            .map(|part| {
                let part = part.trim();
                match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
                    Some(quoted) => quoted.replace("\"\"", "\""),
                    None => part.to_ascii_lowercase(),
                }
            })
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The statement timeout: the session's own, but never more than the operator's.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let own = self.millis("statement_timeout");
        own.into_iter().chain(self.longest).min()
    }

    /// How long a transaction may be without a statement.
    pub(crate) fn idle_in_transaction(&self) -> Option<Duration> {
        self.millis("idle_in_transaction_session_timeout")
    }

    /// A time; zero is none.
    fn millis(&self, name: &str) -> Option<Duration> {
        let millis = self.values.get(name)?.parse::<u64>().ok()?;
        (millis > 0).then(|| Duration::from_millis(millis))
    }
}

/// Name as it is shown, value and description of each setting in `values`.
pub(crate) fn described(values: &BTreeMap<String, String>) -> Vec<(String, String, String)> {
    DEFINITIONS
        .iter()
        .filter_map(|definition| {
            let value = values.get(definition.name)?;
            Some((definition.shown.to_owned(), value.clone(), definition.description.to_owned()))
        })
        .collect()
}
