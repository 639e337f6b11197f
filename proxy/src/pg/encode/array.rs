//! Lists as PostgreSQL's arrays: nested lists are further dimensions of the same array.

use std::ops::Range;

use arrow::array::{Array, ArrayRef};
use bytes::{BufMut, BytesMut};
use tollgate_catalog::{Error, ErrorKind, pg_type};

use super::column::{Column, Values};
use super::{Context, at, begin, finish};

/// PostgreSQL's `MAXDIM`.
const MAX_DIMENSIONS: usize = 6;

/// Where the elements of each list are.
pub(super) enum Extents<'a> {
    Offsets(&'a [i32]),
    LargeOffsets(&'a [i64]),
    Fixed(usize),
    Views(&'a [i32], &'a [i32]),
    LargeViews(&'a [i64], &'a [i64]),
}

/// A column of lists.
pub(super) struct List<'a> {
    extents: Extents<'a>,
    elements: Box<Column<'a>>,
    /// The OID of the elements' type.
    element_type: u32,
}

/// The lengths of an array's dimensions.
#[derive(Default)]
struct Dimensions {
    lengths: [Option<usize>; MAX_DIMENSIONS],
    has_nulls: bool,
}

impl<'a> List<'a> {
    pub(super) fn bind(extents: Extents<'a>, elements: &'a ArrayRef) -> Result<List<'a>, Error> {
        let element_type = pg_type::of(elements.data_type()).oid;
        Ok(List { extents, elements: Box::new(Column::bind(elements.as_ref())?), element_type })
    }

    /// The elements of a row's list, and the column they are in.
    pub(super) fn elements(&self, row: usize) -> (&Column<'a>, Range<usize>) {
        let number = |value: i64| usize::try_from(value).unwrap_or(0);
        let range = match &self.extents {
            Extents::Offsets(offsets) => {
                number(at(offsets, row).into())..number(at(offsets, row + 1).into())
            }
            Extents::LargeOffsets(offsets) => {
                number(at(offsets, row))..number(at(offsets, row + 1))
            }
            Extents::Fixed(size) => row * size..(row + 1) * size,
            Extents::Views(offsets, sizes) => {
                let start = number(at(offsets, row).into());
                start..start + number(at(sizes, row).into())
            }
            Extents::LargeViews(offsets, sizes) => {
                let start = number(at(offsets, row));
                start..start + number(at(sizes, row))
            }
        };
        (&self.elements, range)
    }

    /// Writes what `array_out` prints.
    pub(super) fn text(
        &self,
        row: usize,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        if self.elements.lists().is_some() && self.dimensions(row)?.is_empty() {
            out.put_slice(b"{}");
            return Ok(());
        }
        self.braces(row, context, out)
    }

    fn braces(&self, row: usize, context: &mut Context, out: &mut BytesMut) -> Result<(), Error> {
        let (elements, range) = self.elements(row);
        let first = range.start;
        out.put_u8(b'{');
        for element in range {
            if element > first {
                out.put_u8(b',');
            }
            match elements.locate(element) {
                None => out.put_slice(b"NULL"),
                Some((Values::List(list), row)) => list.braces(row, context, out)?,
                Some((values, row)) => {
                    let start = out.len();
                    values.text(row, context, out)?;
                    quote(start, &mut context.scratch, out);
                }
            }
        }
        out.put_u8(b'}');
        Ok(())
    }

    /// Writes what `array_send` sends.
    pub(super) fn binary(
        &self,
        row: usize,
        context: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        let dimensions = self.dimensions(row)?;
        let mut leaf = self;
        while let Some(inner) = leaf.elements.lists() {
            leaf = inner;
        }
        let lengths = || dimensions.lengths.iter().map_while(|length| *length);
        let count = if dimensions.is_empty() { 0 } else { lengths().count() };
        out.put_i32(i32::try_from(count).unwrap_or(0));
        out.put_i32(dimensions.has_nulls.into());
        out.put_u32(leaf.element_type);
        for length in lengths().take(count) {
            out.put_i32(i32::try_from(length).map_err(|_| too_large())?);
            out.put_i32(1);
        }
        if count > 0 { self.leaves(row, context, out) } else { Ok(()) }
    }

    fn leaves(&self, row: usize, context: &mut Context, out: &mut BytesMut) -> Result<(), Error> {
        let (elements, range) = self.elements(row);
        for element in range {
            match elements.locate(element) {
                None => out.put_i32(-1),
                Some((Values::List(list), row)) => list.leaves(row, context, out)?,
                Some((values, row)) => {
                    let value = begin(out);
                    values.binary(row, context, out)?;
                    finish(out, value, 0)?;
                }
            }
        }
        Ok(())
    }

    fn dimensions(&self, row: usize) -> Result<Dimensions, Error> {
        let mut dimensions = Dimensions::default();
        self.measure(row, 0, &mut dimensions)?;
        Ok(dimensions)
    }

    fn measure(&self, row: usize, level: usize, dimensions: &mut Dimensions) -> Result<(), Error> {
        let (elements, range) = self.elements(row);
        let length = dimensions.lengths.get_mut(level).ok_or_else(too_large)?;
        if *length.get_or_insert(range.len()) != range.len() {
            return Err(ragged());
        }
        let nested = elements.lists().is_some();
        for element in range {
            match elements.locate(element) {
                Some((Values::List(list), row)) => {
                    list.measure(row, level + 1, dimensions)?;
                }
                None if nested => return Err(ragged()),
                None => dimensions.has_nulls = true,
                Some(_) => {}
            }
        }
        Ok(())
    }
}

impl Dimensions {
    fn is_empty(&self) -> bool {
        self.lengths.contains(&Some(0))
    }
}

fn ragged() -> Error {
    let message = "multidimensional arrays must have sub-arrays with matching dimensions";
    Error::new(ErrorKind::DataException, message).with_hint("select the elements one by one")
}

fn too_large() -> Error {
    Error::new(ErrorKind::ProgramLimit, "array size exceeds the maximum allowed")
        .with_hint("select the elements one by one")
}

/// Puts the element written from `start` on in quotes, where `array_out` does.
fn quote(start: usize, scratch: &mut Vec<u8>, out: &mut BytesMut) {
    let Some(element) = out.get(start..) else { return };
    let special = |byte: &u8| {
        matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 11 | 12)
    };
    if !element.is_empty() && !element.eq_ignore_ascii_case(b"null") && !element.iter().any(special)
    {
        return;
    }
    scratch.clear();
    scratch.extend_from_slice(element);
    out.truncate(start);
    out.reserve(scratch.len() + 2);
    out.put_u8(b'"');
    for byte in scratch.iter() {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}
