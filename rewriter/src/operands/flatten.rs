//! `FLATTEN`: its columns, and what a call of it asks for beside the value.

/// A column of FLATTEN, but for `SEQ`: that one is of the row before it, and counted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Key,
    Path,
    Index,
    Value,
    This,
}

impl Element {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 5] = [Self::Key, Self::Path, Self::Index, Self::Value, Self::This];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Path => "path",
            Self::Index => "index",
            Self::Value => "value",
            Self::This => "this",
        }
    }

    /// The function that lists it.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Key => "tg_flatten_key",
            Self::Path => "tg_flatten_path",
            Self::Index => "tg_flatten_index",
            Self::Value => "tg_flatten_value",
            Self::This => "tg_flatten_this",
        }
    }

    /// The one that a function lists.
    pub(crate) fn of(function: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.function() == function)
    }
}

/// What of a value is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Objects,
    Arrays,
    Both,
}

/// Every one with the letter that stands for it, and with Snowflake's word.
const MODES: [(Mode, char, &str); 3] =
    [(Mode::Objects, 'o', "OBJECT"), (Mode::Arrays, 'a', "ARRAY"), (Mode::Both, 'b', "BOTH")];

impl Mode {
    /// The one that Snowflake calls so.
    pub(crate) fn of(word: &str) -> Option<Self> {
        let mut known = MODES.into_iter();
        known.find(|(.., name)| name.eq_ignore_ascii_case(word)).map(|(mode, ..)| mode)
    }

    /// Snowflake's word.
    pub(crate) fn word(self) -> &'static str {
        MODES.iter().find(|(mode, ..)| *mode == self).map_or("", |(.., word)| word)
    }
}

/// What a call asks for beside the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether a value without elements has a row.
    pub(crate) outer: bool,
    /// Whether elements are taken apart, too.
    pub(crate) recursive: bool,
    pub(crate) mode: Mode,
    /// Where in the value it begins: `a.b[0]`, or nothing.
    pub(crate) path: String,
}

impl Asked {
    /// As the text that it is in a plan.
    pub(crate) fn text(&self) -> String {
        let mode = MODES.iter().find(|(mode, ..)| *mode == self.mode).map_or('-', |(_, of, _)| *of);
        let flag = |is: bool, letter: char| if is { letter } else { '-' };
        let (outer, recursive) = (flag(self.outer, 'o'), flag(self.recursive, 'r'));
        format!("{outer}{recursive}{mode}{}", self.path)
    }

    /// What a text of it says.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let mut flag = |letter: char| match letters.next()? {
            '-' => Some(false),
            other => (other == letter).then_some(true),
        };
        let (outer, recursive) = (flag('o')?, flag('r')?);
        let mode = letters.next()?;
        let (mode, ..) = *MODES.iter().find(|(_, letter, _)| *letter == mode)?;
        let path = letters.as_str();
        (path.is_empty() || is_path(path)).then(|| Self {
            outer,
            recursive,
            mode,
            path: path.to_owned(),
        })
    }
}

/// The longest path of a call, in bytes.
pub(crate) const MAX_PATH: usize = 256;

/// Whether a path may stand in a text for a warehouse as it is: names and places, and no other signs.
pub(crate) fn is_path(path: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'[' | b']');
    (1..=MAX_PATH).contains(&path.len()) && path.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::{Asked, MODES, Mode};

    #[test]
    fn what_a_call_asks_for_is_read_as_it_was_written() {
        for (mode, ..) in MODES {
            for (outer, recursive, path) in [
                (false, false, ""),
                (true, false, "a"),
                (false, true, "a.b_1[0]"),
                (true, true, "o"),
            ] {
                let asked = Asked { outer, recursive, mode, path: path.to_owned() };
                assert_eq!(Asked::of(&asked.text()), Some(asked));
            }
            assert_eq!(Mode::of(mode.word()), Some(mode));
        }
        for text in
            ["", "-", "--", "---", "xxb", "--c", "--ba b", "--b'", "-ob", "--b$", "--b\"a\""]
        {
            assert_eq!(Asked::of(text), None, "{text}");
        }
    }
}
