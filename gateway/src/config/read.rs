//! From text to the raw shape, going on after an error, and the line of every key.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::ConfigError;
use super::file::File;

/// At which line each key is: `pg.listen`, `tables[0].name`.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(BTreeMap<String, u64>);

impl Lines {
    /// The line of `key`, or of the nearest table around it, or 1.
    pub(super) fn of(&self, key: &str) -> u64 {
        let mut key = key;
        loop {
            if let Some(line) = self.0.get(key) {
                return *line;
            }
            match key.rfind(['.', '[']).and_then(|end| key.get(..end)) {
                Some(parent) => key = parent,
                None => return 1,
            }
        }
    }
}

/// An error whose place is not rendered yet.
#[derive(Debug)]
pub(super) struct Problem {
    place: Place,
    message: String,
    hint: String,
}

#[derive(Debug)]
enum Place {
    Key(String),
    Line(u64),
}

impl Problem {
    /// A problem with the value at `key`.
    pub(super) fn new(key: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place: Place::Key(key.to_owned()), message: message.into(), hint: hint.into() }
    }

    /// The line it is at.
    pub(super) fn line(&self, lines: &Lines) -> u64 {
        match &self.place {
            Place::Key(key) => lines.of(key),
            Place::Line(line) => *line,
        }
    }

    /// The error in `file`.
    pub(super) fn at(self, file: &str, lines: &Lines) -> ConfigError {
        ConfigError {
            file: file.to_owned(),
            line: self.line(lines),
            message: self.message,
            hint: self.hint,
        }
    }
}

/// Reads the text. After an error in one key the key is left out and the rest is read.
pub(super) fn read(text: &str) -> (Option<File>, Lines, Vec<Problem>) {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().map(|error| problem(text, error)).collect();
        return (None, Lines::default(), problems);
    }
    let mut lines = Lines::default();
    note_table(text, "", root.get_ref(), &mut lines.0);
    let mut problems = Vec::new();
    loop {
        let error = match File::deserialize(toml::Deserializer::from(root.clone())) {
            Ok(file) => return (Some(file), lines, problems),
            Err(error) => error,
        };
        problems.push(problem(text, &error));
        let removed = error.span().is_some_and(|span| remove_from_table(root.get_mut(), &span));
        if !removed {
            return (None, lines, problems);
        }
    }
}

fn problem(text: &str, error: &toml::de::Error) -> Problem {
    let message = error.message().lines().collect::<Vec<_>>().join(", ").replace('`', "\"");
    let hint = if message.starts_with("unknown field") {
        "correct the key's spelling or remove it"
    } else if message.starts_with("unknown variant") || message.starts_with("invalid") {
        "`tollgate config schema` prints what each key may hold"
    } else {
        "correct the TOML at this line"
    };
    let start = error.span().map_or(0, |span| span.start);
    Problem { place: Place::Line(line_at(text, start)), message, hint: hint.to_owned() }
}

fn line_at(text: &str, offset: usize) -> u64 {
    let before = text.as_bytes().iter().take(offset);
    before.fold(1, |line, byte| if *byte == b'\n' { line + 1 } else { line })
}

fn note_table(text: &str, path: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, u64>) {
    for (key, value) in table {
        let path = match path {
            "" => key.get_ref().to_string(),
            _ => format!("{path}.{}", key.get_ref()),
        };
        lines.insert(path.clone(), line_at(text, key.span().start));
        note_value(text, &path, value.get_ref(), lines);
    }
}

fn note_value(text: &str, path: &str, value: &DeValue<'_>, lines: &mut BTreeMap<String, u64>) {
    if let Some(table) = value.as_table() {
        note_table(text, path, table, lines);
    }
    if let Some(array) = value.as_array() {
        for (index, element) in array.iter().enumerate() {
            let path = format!("{path}[{index}]");
            lines.insert(path.clone(), line_at(text, element.span().start));
            note_value(text, &path, element.get_ref(), lines);
        }
    }
}

/// Removes the innermost entry that the span of an error lies in.
fn remove_from_table(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    for (_, value) in table.iter_mut() {
        if remove_from_value(value.get_mut(), span) {
            return true;
        }
    }
    let found = table.iter().find_map(|(key, value)| {
        (within(&key.span(), span) || within(&value.span(), span)).then(|| key.clone())
    });
    found.is_some_and(|key: Spanned<_>| table.remove(&key).is_some())
}

fn remove_from_value(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => remove_from_table(table, span),
        DeValue::Array(array) => remove_from_array(array, span),
        _ => false,
    }
}

fn remove_from_array(array: &mut DeArray<'_>, span: &Range<usize>) -> bool {
    array.iter_mut().any(|element| remove_from_value(element.get_mut(), span))
}

fn within(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && outer.start < outer.end
}
