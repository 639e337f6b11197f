//! The user file: TOML in, every error with its line; TOML out.
//!
//! ```toml
//! mock_key = "…"
//!
//! [users.ana]
//! verifier = "SCRAM-SHA-256$4096:…"
//! attributes = { tenant_id = "acme", regions = ["eu", "us"] }
//! ```

use std::ops::Range;
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::UserFileError;
use crate::principal::Attributes;
use crate::store::{User, UserStore, Users};
use crate::verifier::{Verifier, decode_key};
use zeroize::Zeroizing;

/// The key from which the verifiers of unknown users are made.
pub(crate) type MockKey = Zeroizing<[u8; 32]>;

const VERIFIER_HINT: &str = "write the user's verifier as PostgreSQL's pg_authid shows it";

/// What a user file holds.
pub(crate) struct Contents {
    pub(crate) users: Users,
    pub(crate) mock_key: Option<MockKey>,
}

/// Reads a user file, or reports every error, in order of lines.
pub(crate) fn parse(text: &str) -> Result<Contents, Vec<UserFileError>> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, errors: Vec::new(), lost: Vec::new() };
    for error in &syntax {
        reader.syntax_error(error);
    }
    let contents = reader.document(document.get_ref());
    let mut errors = reader.errors;
    if errors.is_empty() && syntax.is_empty() {
        return Ok(contents);
    }
    errors.sort_by_key(|error| error.line);
    Err(errors)
}

struct Reader<'a> {
    text: &'a str,
    errors: Vec<UserFileError>,
    /// The lines that are not TOML: no complaints about what they hold or what is missing then.
    lost: Vec<u64>,
}

impl Reader<'_> {
    fn error(&mut self, at: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let line = self.line(at.start);
        if !self.lost.contains(&line) {
            self.errors.push(UserFileError { line, message: message.into(), hint: hint.into() });
        }
    }

    fn line(&self, offset: usize) -> u64 {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() as u64
    }

    fn syntax_error(&mut self, error: &toml::de::Error) {
        let at = error.span().unwrap_or(0..0);
        if error.message() != "duplicate key" {
            let message = error.message().replace('\n', ", ");
            self.error(at.clone(), message, "the user file must be valid TOML");
            self.lost.push(self.line(at.start));
            return;
        }
        let key =
            self.text.get(at.clone()).unwrap_or_default().trim_matches(['"', '\'']).to_owned();
        let line = self.line(at.start);
        let header = self.header(line);
        match header {
            // A section that stands twice; its keys are reported again one by one, which says nothing new.
            Some((at_line, _))
                if at_line != line && self.errors.iter().any(|e| e.line == at_line) => {}
            Some((at_line, "[users]")) if at_line != line => self.duplicate_user(at, &key),
            Some((at_line, header)) if at_line == line && header.starts_with("[users.") => {
                self.duplicate_user(at, &key);
            }
            Some(_) | None => {
                self.error(at, format!("\"{key}\" is set twice"), "remove one of the two")
            }
        }
    }

    fn duplicate_user(&mut self, at: Range<usize>, name: &str) {
        self.error(
            at,
            format!("user \"{name}\" is defined twice"),
            "keep one section for each user",
        );
    }

    /// The section header that a line is under, or is.
    fn header(&self, line: u64) -> Option<(u64, &str)> {
        let lines = (1..=line).zip(self.text.lines());
        lines
            .filter(|(_, text)| text.trim_start().starts_with('['))
            .last()
            .map(|(line, text)| (line, text.trim()))
    }

    fn document(&mut self, document: &DeTable<'_>) -> Contents {
        let mut users = Users::new();
        let mut mock_key = None;
        for (key, value) in document {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("users", DeValue::Table(table)) => {
                    for (name, value) in table {
                        if let Some(user) = self.user(name, value) {
                            users.insert(name.get_ref().clone().into_owned(), user);
                        }
                    }
                }
                ("users", _) => self.error(
                    key.span(),
                    "\"users\" is not a table",
                    "write a section [users.<name>]",
                ),
                ("mock_key", _) => mock_key = self.mock_key(value),
                (key_text, _) => {
                    let message = format!("unknown key \"{key_text}\"");
                    let hint = "a user file has \"mock_key\" and sections [users.<name>]";
                    self.error(key.span(), message, hint);
                }
            }
        }
        Contents { users, mock_key }
    }

    fn mock_key(&mut self, value: &Spanned<DeValue<'_>>) -> Option<MockKey> {
        let key = match value.get_ref() {
            DeValue::String(text) => decode_key(text),
            _ => None,
        };
        if key.is_none() {
            let hint = "write 32 random bytes in base64, as `openssl rand -base64 32` prints them";
            self.error(value.span(), "\"mock_key\" is not 32 bytes in base64", hint);
        }
        key
    }

    fn user(
        &mut self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<User> {
        let name = key.get_ref().as_ref();
        if !UserStore::is_valid_name(name) {
            let message = format!("{} is not a user name", quote(name));
            self.error(key.span(), message, "use 1 to 128 bytes without control characters");
        }
        let DeValue::Table(table) = value.get_ref() else {
            self.error(
                key.span(),
                format!("user \"{name}\" is not a table"),
                "write a section [users.<name>]",
            );
            return None;
        };
        let (mut verifier, mut has_verifier, mut attributes) = (None, false, Attributes::new());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "verifier" => {
                    has_verifier = true;
                    verifier = self.verifier(value);
                }
                "attributes" => attributes = self.attributes(value),
                other => {
                    let message = format!("unknown key \"{other}\" of user \"{name}\"");
                    self.error(key.span(), message, "a user has \"verifier\" and \"attributes\"");
                }
            }
        }
        if !has_verifier && self.lost.is_empty() {
            self.error(key.span(), format!("user \"{name}\" has no verifier"), VERIFIER_HINT);
        }
        Some(User { verifier: verifier?, attributes: Arc::new(attributes) })
    }

    fn verifier(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Verifier> {
        let DeValue::String(text) = value.get_ref() else {
            self.error(value.span(), "verifier is not a string", VERIFIER_HINT);
            return None;
        };
        text.parse()
            .map_err(|error| self.error(value.span(), format!("{error}"), VERIFIER_HINT))
            .ok()
    }

    fn attributes(&mut self, value: &Spanned<DeValue<'_>>) -> Attributes {
        let DeValue::Table(table) = value.get_ref() else {
            self.error(
                value.span(),
                "attributes are not a table",
                "write attributes = { name = \"value\" }",
            );
            return Attributes::new();
        };
        table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), self.values(key.get_ref(), value)))
            .collect()
    }

    fn values(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let one = std::slice::from_ref(value);
        let items =
            if let DeValue::Array(items) = value.get_ref() { items.iter() } else { one.iter() };
        let mut values = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => values.push(text.clone().into_owned()),
                _ => {
                    let message =
                        format!("attribute \"{name}\" is neither a string nor a list of strings");
                    self.error(item.span(), message, "put the value in quotes");
                }
            }
        }
        values
    }
}

/// Writes a user file so that [`parse`] reads the same.
pub(crate) fn print(users: &Users, mock_key: &MockKey) -> String {
    let sections = users.iter().map(|(name, user)| section(name, user));
    std::iter::once(mock_key_line(mock_key)).chain(sections).collect::<Vec<_>>().join("\n")
}

/// The line of the key, which must come before all sections.
pub(crate) fn mock_key_line(key: &MockKey) -> String {
    format!("mock_key = {}\n", quote(&BASE64.encode(key.as_slice())))
}

/// The section of one user.
pub(crate) fn section(name: &str, user: &User) -> String {
    let verifier = quote(&user.verifier.to_string());
    let mut out = format!("[users.{}]\nverifier = {verifier}\n", key(name));
    if !user.attributes.is_empty() {
        let attributes: Vec<_> = user
            .attributes
            .iter()
            .map(|(name, values)| format!("{} = {}", key(name), list(values)))
            .collect();
        out.push_str(&format!("attributes = {{ {} }}\n", attributes.join(", ")));
    }
    out
}

fn list(values: &[String]) -> String {
    match values {
        [one] => quote(one),
        many => {
            format!("[{}]", many.iter().map(|value| quote(value)).collect::<Vec<_>>().join(", "))
        }
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { name.to_owned() } else { quote(name) }
}

/// A basic string of TOML.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
