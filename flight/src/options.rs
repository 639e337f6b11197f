//! The options of a session, `catalog` and `schema`. They live in the bearer token: setting them
//! answers with a new one, so no replica keeps anything and cookies aren't needed.

use std::collections::HashMap;

use crate::messages::{OptionError, OptionKind, OptionValue, SessionOptions};

/// The most bytes of a schema's name.
const LONGEST: usize = 256;

/// What a session is set to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The schema in which names without one are looked up; empty for none.
    pub(crate) schema: String,
}

impl Options {
    /// As it stands in a token.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.schema.clone().into_bytes()
    }

    /// From a token.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self { schema: str::from_utf8(bytes).ok()?.to_owned() })
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
                ("schema", Some(text)) if text.len() <= LONGEST && !text.contains('\0') => {
                    self.schema = text;
                    Ok(())
                }
                ("catalog" | "schema", _) => Err(OptionError::INVALID_VALUE),
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
        let mut options = vec![("catalog", database)];
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
