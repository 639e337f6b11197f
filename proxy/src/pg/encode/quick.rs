//! The common values of the common types, written straight into a cell of fixed size.
//!
//! Each function gives the number of bytes that it wrote, or `None` for a value that it leaves to
//! the writers of all values: nothing here decides what is right, only what is quick.

use super::calendar::{self, DAY};

/// The most bytes of a value in a cell: a `numeric(38)` and a `timestamptz` with seconds in its
/// offset fit.
pub(super) const ROOM: usize = 44;

/// What a value is written into.
pub(super) type Room = [u8; ROOM];

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    let mut rest: &mut [[u8; 2]] = &mut pairs;
    while let Some((pair, more)) = rest.split_first_mut() {
        *pair = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
        rest = more;
    }
    pairs
};

/// The powers of ten that 64 bits hold.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut power: u64 = 1;
    let mut rest: &mut [u64] = &mut powers;
    while let Some((slot, more)) = rest.split_first_mut() {
        *slot = power;
        power = power.wrapping_mul(10);
        rest = more;
    }
    powers
};

/// The largest scale of a decimal here: its fraction, filled up to base 10000, fits 64 bits.
const MAX_SCALE: usize = 16;

/// Writes all of `slot` with the last digits of a number, with zeros before them.
fn padded(mut number: u64, slot: &mut [u8]) {
    let mut pairs = slot.rchunks_exact_mut(2);
    for pair in &mut pairs {
        pair.copy_from_slice(&two(number % 100));
        number /= 100;
    }
    if let [digit] = pairs.into_remainder() {
        *digit = b'0' + (number % 10) as u8;
    }
}

fn two(number: u64) -> [u8; 2] {
    PAIRS.get(number as usize).copied().unwrap_or_default()
}

/// Writes a number from `at` on and gives its end.
fn unsigned(number: u64, at: usize, room: &mut Room) -> Option<usize> {
    let end = at + number.checked_ilog10().unwrap_or(0) as usize + 1;
    padded(number, room.get_mut(at..end)?);
    Some(end)
}

/// Writes a sign if there is one, and gives where the digits begin.
fn sign(negative: bool, room: &mut Room) -> usize {
    if let Some(first) = room.first_mut() {
        *first = b'-';
    }
    usize::from(negative)
}

/// A whole number as text.
pub(super) fn integer(value: i64, room: &mut Room) -> Option<usize> {
    let at = sign(value < 0, room);
    unsigned(value.unsigned_abs(), at, room)
}

/// The whole and the fractional part of a decimal, if both fit 64 bits.
fn parts(value: i128, scale: i8) -> Option<(u64, u64, usize)> {
    let scale = usize::try_from(scale).ok().filter(|scale| *scale <= MAX_SCALE)?;
    let number = u64::try_from(value.unsigned_abs()).ok()?;
    let power = *POWERS.get(scale)?;
    Some((number / power, number % power, scale))
}

/// A decimal as text.
pub(super) fn decimal(value: i128, scale: i8, room: &mut Room) -> Option<usize> {
    let (whole, fraction, scale) = parts(value, scale)?;
    let at = sign(value < 0, room);
    let at = unsigned(whole, at, room)?;
    if scale == 0 {
        return Some(at);
    }
    *room.get_mut(at)? = b'.';
    padded(fraction, room.get_mut(at + 1..at + 1 + scale)?);
    Some(at + 1 + scale)
}

/// A decimal as `numeric_send` writes it: base 10000 digits without zeros at the ends.
pub(super) fn numeric(value: i128, scale: i8, room: &mut Room) -> Option<usize> {
    let (mut whole, fraction, scale) = parts(value, scale)?;
    // Five digits before the point, four after it; `before` of the five are used.
    let mut digits = [0_u16; 9];
    let (left, right) = digits.split_at_mut(5);
    let mut before = 0;
    for digit in left.iter_mut().rev() {
        if whole == 0 {
            break;
        }
        *digit = (whole % 10_000) as u16;
        whole /= 10_000;
        before += 1;
    }
    let groups = scale.div_ceil(4);
    let mut fraction = fraction * POWERS.get(groups * 4 - scale)?;
    for digit in right.iter_mut().take(groups).rev() {
        *digit = (fraction % 10_000) as u16;
        fraction /= 10_000;
    }
    let first = 5 - before;
    let last = digits.iter().rposition(|digit| *digit != 0);
    let first = digits.iter().skip(first).position(|digit| *digit != 0).map_or(9, |at| at + first);
    let used = last.and_then(|last| digits.get(first..=last)).unwrap_or_default();
    let weight = if used.is_empty() { 0 } else { 4 - first.cast_signed() as i16 };
    let sign: u16 = if value < 0 { 0x4000 } else { 0 };
    let header = [used.len() as u16, weight.cast_unsigned(), sign, scale as u16];
    let mut slots = room.chunks_exact_mut(2);
    for (word, slot) in header.iter().chain(used).zip(&mut slots) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
    Some(8 + 2 * used.len())
}

/// A `float8` as text.
pub(super) fn double(value: f64, room: &mut Room) -> Option<usize> {
    // Between these, the shortest digits are written without an exponent, and none of them lies
    // half-way between two floats: that takes more digits than the shortest have.
    if !(1e-4..1e15).contains(&value.abs()) && value != 0.0 {
        return None;
    }
    let mut buffer = ryu::Buffer::new();
    plain(buffer.format_finite(value), room)
}

/// A `float4` as text.
pub(super) fn single(value: f32, room: &mut Room) -> Option<usize> {
    if !(1e-4..1e6).contains(&value.abs()) && value != 0.0 {
        return None;
    }
    let mut buffer = ryu::Buffer::new();
    plain(buffer.format_finite(value), room)
}

fn plain(printed: &str, room: &mut Room) -> Option<usize> {
    let digits = printed.strip_suffix(".0").unwrap_or(printed).as_bytes();
    room.get_mut(..digits.len())?.copy_from_slice(digits);
    Some(digits.len())
}

/// A day since 1970 as text.
pub(super) fn date(days: i64, room: &mut Room) -> Option<usize> {
    // Where the year has four digits and no era.
    if !(calendar::days(1, 1, 1)..calendar::days(10_000, 1, 1)).contains(&days) {
        return None;
    }
    let (year, month, day) = calendar::civil(days);
    let year = year.unsigned_abs();
    let ([a, b], [c, d]) = (two(year / 100), two(year % 100));
    let ([e, f], [g, h]) = (two(month.into()), two(day.into()));
    *room.first_chunk_mut()? = [a, b, c, d, b'-', e, f, b'-', g, h];
    Some(10)
}

/// A time of day in microseconds as text, from `at` on; gives its end.
fn clock(micros: u64, at: usize, room: &mut Room) -> Option<usize> {
    let (seconds, mut fraction) = (micros / 1_000_000, micros % 1_000_000);
    let ([a, b], [c, d]) = (two(seconds / 3600), two(seconds / 60 % 60));
    let [e, f] = two(seconds % 60);
    let slot = room.get_mut(at..)?;
    *slot.first_chunk_mut()? = [a, b, b':', c, d, b':', e, f];
    if fraction == 0 {
        return Some(at + 8);
    }
    let mut places = 6;
    while fraction % 10 == 0 {
        fraction /= 10;
        places -= 1;
    }
    *slot.get_mut(8)? = b'.';
    padded(fraction, slot.get_mut(9..9 + places)?);
    Some(at + 9 + places)
}

/// A time of day in microseconds as text.
pub(super) fn time(micros: i64, room: &mut Room) -> Option<usize> {
    let micros = u64::try_from(micros).ok().filter(|micros| *micros <= DAY.cast_unsigned())?;
    clock(micros, 0, room)
}

/// A timestamp in microseconds since 1970 as text, with the offset of its zone in seconds.
pub(super) fn timestamp(micros: i64, offset: Option<i32>, room: &mut Room) -> Option<usize> {
    let local = micros.checked_add(i64::from(offset.unwrap_or(0)) * 1_000_000)?;
    date(local.div_euclid(DAY), room)?;
    *room.get_mut(10)? = b' ';
    let at = clock(local.rem_euclid(DAY).cast_unsigned(), 11, room)?;
    let Some(offset) = offset else { return Some(at) };
    let seconds = u64::from(offset.unsigned_abs());
    // Offsets with minutes are rare, and hours have two digits.
    if seconds % 3600 != 0 || seconds >= 360_000 {
        return None;
    }
    let [a, b] = two(seconds / 3600);
    *room.get_mut(at..)?.first_chunk_mut()? = [if offset < 0 { b'-' } else { b'+' }, a, b];
    Some(at + 3)
}
