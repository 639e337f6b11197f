//! Names that the rewriter makes up: each has a character that no identifier of a statement, and no name of the
//! catalog that a statement names, may have.

use datafusion_sql::sqlparser::tokenizer::Token;
use tollgate_catalog::Error;

/// The character, in a form that other names can be made of at compile time. Not the middle dot of Catalan words
/// (U+00B7): that one is for everybody.
macro_rules! mark {
    () => {
        "\u{2e31}"
    };
}
pub(crate) use mark;

/// What is in each name that is made up.
pub(crate) const MARK: &str = mark!();

/// Refuses a name that could be one of ours.
pub(crate) fn is_users(name: &str) -> Result<(), Error> {
    if name.contains(MARK) {
        return Err(Error::not_supported(&format!("the character \"{MARK}\" in a name"))
            .with_hint("the gateway makes names of its own with it; use another name"));
    }
    Ok(())
}

/// Refuses a token that could be such a name: the parser takes a text between single quotes for an identifier where it
/// wants one.
pub(crate) fn may_be_typed(token: &Token) -> Result<(), Error> {
    match token {
        Token::Word(word) => is_users(&word.value),
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)
            if text.contains(MARK) =>
        {
            Err(Error::not_supported(&format!("the character \"{MARK}\" between quotes"))
                .with_hint("give the text as a parameter"))
        }
        _ => Ok(()),
    }
}
