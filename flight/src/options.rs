//! The options of a session: `catalog`, `schema` and `dialect`. They travel with each call, in the bearer
//! token or in a cookie: setting them answers with new ones, so no replica keeps anything.

use std::collections::HashMap;

use tollgate_gateway::SqlDialect;

use crate::messages::{OptionError, OptionKind, OptionValue, SessionOptions};

/// The most bytes of a schema's name.
const LONGEST: usize = 256;

/// What a session is set to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The schema in which names without one are looked up; empty for none.
    pub(crate) schema: String,
    /// What statements are written in.
    pub(crate) dialect: SqlDialect,
}

/// Between a schema and a dialect in a token: no name of a schema holds it.
const BETWEEN: char = '\0';

impl Options {
    /// As it stands in a token.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self.dialect {
            SqlDialect::PostgreSql => self.schema.clone(),
            other => format!("{}{BETWEEN}{}", self.schema, other.name()),
        }
        .into_bytes()
    }

    /// From a token.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let (schema, dialect) = match text.split_once(BETWEEN) {
            Some((schema, dialect)) => (schema, SqlDialect::from_name(dialect)?),
            None => (text, SqlDialect::default()),
        };
        Some(Self { schema: schema.to_owned(), dialect })
    }

    /// Sets what can be set; gives what couldn't.
    pub(crate) fn set(
        &mut self,
        options: HashMap<String, OptionValue>,
        database: &str,
    ) -> HashMap<String, OptionError> {
        let mut errors = HashMap::new();
        for (name, value) in options {
            let text = match value.value {
                None => Some(String::new()),
                Some(OptionKind::Text(text)) => Some(text),
                Some(
                    OptionKind::Flag(_)
                    | OptionKind::Integer(_)
                    | OptionKind::Number(_)
                    | OptionKind::List(_),
                ) => None,
            };
            let set = match (name.as_str(), text) {
                ("catalog", Some(text)) if text.is_empty() || text == database => Ok(()),
                ("schema", Some(text)) if text.len() <= LONGEST && !text.contains(BETWEEN) => {
                    self.schema = text;
                    Ok(())
                }
                ("dialect", Some(text)) => match text.to_ascii_lowercase().as_str() {
                    "" => {
                        self.dialect = SqlDialect::default();
                        Ok(())
                    }
                    name => SqlDialect::from_name(name)
                        .map(|dialect| self.dialect = dialect)
                        .ok_or(OptionError::INVALID_VALUE),
                },
                ("catalog" | "schema" | "dialect", _) => Err(OptionError::INVALID_VALUE),
                _ => Err(OptionError::INVALID_NAME),
            };
            if let Err(error) = set {
                errors.insert(name, error);
            }
        }
        errors
    }

    /// All that is set.
    pub(crate) fn get(&self, database: &str) -> SessionOptions {
        let mut options = vec![("catalog", database), ("dialect", self.dialect.name())];
        if !self.schema.is_empty() {
            options.push(("schema", &self.schema));
        }
        let value = |text: &str| OptionValue { value: Some(OptionKind::Text(text.to_owned())) };
        SessionOptions {
            options: options
                .into_iter()
                .map(|(name, text)| (name.to_owned(), value(text)))
                .collect(),
        }
    }
}
