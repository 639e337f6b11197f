//! Arrays: PostgreSQL's array literals and `array_send`'s layout.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, LargeListArray, ListArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use tollgate_catalog::{Error, ErrorKind, pg_type};

use super::{Decoder, Input, binary, data_type_of_oid};
use crate::pg::encode::Format;

pub(super) fn array(
    decoder: Decoder<'_>,
    input: Input<'_>,
    of: &DataType,
    element: &DataType,
) -> Result<ScalarValue, Error> {
    match input {
        Input::Binary(bytes) => receive(decoder, bytes, of),
        Input::Text(text) => {
            let malformed = || {
                let message = format!("malformed array literal: \"{text}\"");
                Error::new(ErrorKind::InvalidText, message)
            };
            let mut literal = Literal { rest: text.trim_ascii_start() };
            // Lower bounds, `[0:2]={…}`, mean nothing to a list.
            if literal.rest.starts_with('[') {
                let (bounds, rest) = literal.rest.split_once('=').ok_or_else(malformed)?;
                let is_bound = |c: char| "[]:+-0123456789 ".contains(c);
                if !bounds.chars().all(is_bound) {
                    return Err(malformed());
                }
                literal.rest = rest.trim_ascii_start();
            }
            let value = literal.list(decoder, of, element, &malformed)?;
            if literal.rest.trim_ascii().is_empty() { Ok(value) } else { Err(malformed()) }
        }
    }
}

/// What is left of an array literal.
struct Literal<'a> {
    rest: &'a str,
}

impl Literal<'_> {
    fn list(
        &mut self,
        decoder: Decoder<'_>,
        of: &DataType,
        element: &DataType,
        malformed: &dyn Fn() -> Error,
    ) -> Result<ScalarValue, Error> {
        self.rest = self.rest.strip_prefix('{').ok_or_else(malformed)?.trim_ascii_start();
        let mut values = Vec::new();
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return list(values, of, element);
        }
        loop {
            let value = match inner(element) {
                Some(leaf) => self.list(decoder, element, leaf, malformed)?,
                None => {
                    let text = self.item().ok_or_else(malformed)?;
                    let oid = pg_type::of(element).oid;
                    decoder.value(text.as_deref().map(str::as_bytes), Format::Text, oid, element)?
                }
            };
            values.push(value);
            self.rest = self.rest.trim_ascii_start();
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest.trim_ascii_start();
            } else {
                self.rest = self.rest.strip_prefix('}').ok_or_else(malformed)?;
                return list(values, of, element);
            }
        }
    }

    /// One element's text up to its separator; the inner `None` is a null.
    fn item(&mut self) -> Option<Option<String>> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        if self.rest.starts_with('"') {
            characters.next();
            loop {
                match characters.next()?.1 {
                    '\\' => text.push(characters.next()?.1),
                    '"' => break,
                    character => text.push(character),
                }
            }
            self.rest = characters.as_str();
            return Some(Some(text));
        }
        let mut escaped = false;
        // Spaces at the end count only where they are escaped.
        let mut kept = 0;
        let end = loop {
            let (at, character) = characters.next()?;
            match character {
                ',' | '}' => break at,
                '{' | '"' => return None,
                '\\' => {
                    text.push(characters.next()?.1);
                    (escaped, kept) = (true, text.len());
                }
                character => {
                    text.push(character);
                    if !character.is_ascii_whitespace() {
                        kept = text.len();
                    }
                }
            }
        };
        self.rest = self.rest.get(end..)?;
        text.truncate(kept);
        if text.is_empty() {
            return None;
        }
        let is_null = !escaped && text.eq_ignore_ascii_case("null");
        Some((!is_null).then_some(text))
    }
}

/// The elements' type of a list.
fn inner(of: &DataType) -> Option<&DataType> {
    match of {
        DataType::List(field)
        | DataType::ListView(field)
        | DataType::LargeList(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Some(field.data_type()),
        _ => None,
    }
}

/// What is left of a binary array.
struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(binary)?;
        self.rest = rest;
        Ok(taken)
    }

    fn int(&mut self) -> Result<i32, Error> {
        self.take(4)?.try_into().map(i32::from_be_bytes).map_err(|_| binary())
    }
}

fn receive(decoder: Decoder<'_>, bytes: &[u8], of: &DataType) -> Result<ScalarValue, Error> {
    let mut bytes = Bytes { rest: bytes };
    let (dimensions, flags, oid) = (bytes.int()?, bytes.int()?, bytes.int()?.cast_unsigned());
    let mut depth = 0;
    let mut leaf = of;
    while let Some(element) = inner(leaf) {
        leaf = element;
        depth += 1;
    }
    let same = oid == pg_type::of(leaf).oid
        || data_type_of_oid(oid).is_some_and(|sent| pg_type::of(&sent) == pg_type::of(leaf));
    if !same {
        return Err(Error::new(ErrorKind::DatatypeMismatch, "wrong element type")
            .with_hint("send the array with the element type of its announced type"));
    }
    if !matches!(flags, 0 | 1) {
        return Err(binary());
    }
    let mut lengths = Vec::new();
    // An empty array has no dimensions.
    if dimensions != 0 {
        if dimensions != depth {
            return Err(Error::not_supported("an array of other dimensions than its type's"));
        }
        for _ in 0..dimensions {
            lengths.push(usize::try_from(bytes.int()?).map_err(|_| binary())?);
            bytes.int()?;
        }
    }
    if lengths.contains(&0) {
        lengths.clear();
    }
    let value = dimension(decoder, &mut bytes, &lengths, oid, of)?;
    if bytes.rest.is_empty() { Ok(value) } else { Err(binary()) }
}

fn dimension(
    decoder: Decoder<'_>,
    bytes: &mut Bytes<'_>,
    lengths: &[usize],
    oid: u32,
    of: &DataType,
) -> Result<ScalarValue, Error> {
    let element = inner(of).ok_or_else(binary)?;
    let Some((length, lengths)) = lengths.split_first() else {
        return list(Vec::new(), of, element);
    };
    let mut values = Vec::new();
    for _ in 0..*length {
        if inner(element).is_some() {
            values.push(dimension(decoder, bytes, lengths, oid, element)?);
            continue;
        }
        let data = match bytes.int()? {
            -1 => None,
            size => Some(bytes.take(usize::try_from(size).map_err(|_| binary())?)?),
        };
        values.push(decoder.value(data, Format::Binary, oid, element)?);
    }
    list(values, of, element)
}

fn list(values: Vec<ScalarValue>, of: &DataType, element: &DataType) -> Result<ScalarValue, Error> {
    let values = alike(values, element)?;
    let elements: ArrayRef = if values.is_empty() {
        new_empty_array(element)
    } else {
        ScalarValue::iter_to_array(values).map_err(Error::internal)?
    };
    let field = Arc::new(Field::new_list_field(elements.data_type().clone(), true));
    match of {
        DataType::LargeList(_) => {
            let offsets = OffsetBuffer::from_lengths([elements.len()]);
            let array = LargeListArray::try_new(field, offsets, elements, None);
            Ok(ScalarValue::LargeList(Arc::new(array.map_err(Error::internal)?)))
        }
        DataType::FixedSizeList(_, size) => {
            if i32::try_from(elements.len()) != Ok(*size) {
                let message = format!("array must have {size} elements");
                return Err(Error::new(ErrorKind::InvalidParameterValue, message));
            }
            // With no elements, the number of lists can't be told from them.
            let array = FixedSizeListArray::try_new_with_length(field, *size, elements, None, 1);
            Ok(ScalarValue::FixedSizeList(Arc::new(array.map_err(Error::internal)?)))
        }
        _ => {
            let offsets = OffsetBuffer::from_lengths([elements.len()]);
            let array = ListArray::try_new(field, offsets, elements, None);
            Ok(ScalarValue::List(Arc::new(array.map_err(Error::internal)?)))
        }
    }
}

/// Elements of one type: where one didn't fit its type exactly, all take a type wide enough.
fn alike(values: Vec<ScalarValue>, element: &DataType) -> Result<Vec<ScalarValue>, Error> {
    let types: Vec<DataType> = values.iter().map(ScalarValue::data_type).collect();
    let Some(other) = types.iter().find(|of| *of != element) else { return Ok(values) };
    let (mut whole, mut scale) = (0, 0);
    for of in &types {
        if let DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) = of
        {
            whole = whole.max(i16::from(*p) - i16::from(*s));
            scale = scale.max(i16::from(*s));
        } else if *of == DataType::UInt64 {
            whole = whole.max(20);
        }
    }
    let common = match u8::try_from(whole + scale).ok().zip(i8::try_from(scale).ok()) {
        Some((0, _)) => other.clone(),
        Some((precision @ ..=38, scale)) => DataType::Decimal128(precision, scale),
        Some((precision @ ..=76, scale)) => DataType::Decimal256(precision, scale),
        _ => {
            return Err(Error::new(ErrorKind::NumericOutOfRange, "value overflows numeric format"));
        }
    };
    let cast = |value: ScalarValue| value.cast_to(&common).map_err(Error::internal);
    values.into_iter().map(cast).collect()
}
