//! Bytes as PostgreSQL writes and reads them in a text (documentation, "Binary Data Types").

use crate::{Error, ErrorKind};

/// Reads the hex format (`\x4142`, with space between bytes) or the escape format (`a\000\\`).
///
/// # Errors
/// The text is neither.
pub fn read(text: &str) -> Result<Vec<u8>, Error> {
    match text.strip_prefix("\\x") {
        Some(digits) => hex(digits),
        None => escaped(text.as_bytes()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidText, "invalid input syntax for type bytea")
        }),
    }
}

/// Writes the hex format.
pub fn write(bytes: &[u8], out: &mut String) {
    out.push_str("\\x");
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(half), 16).unwrap_or_default());
        }
    }
}

fn hex(text: &str) -> Result<Vec<u8>, Error> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidParameterValue, message);
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for character in text.chars() {
        // Spaces are allowed between bytes.
        if high.is_none() && matches!(character, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let digit = character
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{character}\"")))?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(invalid("invalid hexadecimal data: odd number of digits".to_owned())),
    }
}

fn escaped(text: &[u8]) -> Option<Vec<u8>> {
    let octal = |digit: &u8, most: u8| (b'0'..=most).contains(digit).then(|| digit - b'0');
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', tail @ ..] => {
                bytes.push(b'\\');
                tail
            }
            [b'\\', a, b, c, tail @ ..] => {
                bytes.push(octal(a, b'3')? << 6 | octal(b, b'7')? << 3 | octal(c, b'7')?);
                tail
            }
            [b'\\', ..] => return None,
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    fn check(text: &str, expected: Option<&[u8]>) {
        let found = read(text).ok();
        assert_eq!(found.as_deref(), expected, "{text:?}");
        if let Some(bytes) = found {
            let mut again = String::new();
            write(&bytes, &mut again);
            assert_eq!(read(&again).ok().as_deref(), Some(&bytes[..]), "{again}");
        }
    }

    #[test]
    fn both_formats_are_read() {
        check("", Some(b""));
        check("abc", Some(b"abc"));
        check("\\x", Some(b""));
        check("\\x00fF41", Some(b"\0\xffA"));
        check("\\x 00 ff\n41 ", Some(b"\0\xffA"));
        check("\\x0 0", None);
        check("\\x0", None);
        check("\\xzz", None);
        check("a\\000\\\\\\377é", Some(b"a\0\\\xff\xc3\xa9"));
        check("\\400", None);
        check("\\08", None);
        check("\\", None);
        check("\\X41", None);
    }
}
