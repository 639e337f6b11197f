//! Decimals as PostgreSQL's `numeric`, which keeps the scale in text and binary.

use arrow::datatypes::i256;
use bytes::{BufMut, BytesMut};

/// Room for the digits of any 256-bit number.
const ROOM: usize = 80;
/// The largest power of ten in 64 bits.
const CHUNK: u64 = 10_000_000_000_000_000_000;

/// A decimal's sign and digits.
pub(super) struct Digits {
    negative: bool,
    buffer: [u8; ROOM],
    start: usize,
}

impl Digits {
    /// Of a number of up to 128 bits.
    pub(super) fn new(value: i128) -> Digits {
        let mut digits = Digits { negative: value < 0, buffer: [b'0'; ROOM], start: ROOM };
        let mut number = itoa::Buffer::new();
        digits.put(number.format(value.unsigned_abs()).as_bytes(), 1);
        digits
    }

    /// Of a number of 256 bits.
    pub(super) fn wide(value: i256) -> Digits {
        if let Some(narrow) = value.to_i128() {
            return Digits::new(narrow);
        }
        let negative = value < i256::ZERO;
        let mut digits = Digits { negative, buffer: [b'0'; ROOM], start: ROOM };
        let (low, high) = value.wrapping_abs().to_parts();
        let high = high.cast_unsigned();
        let mut limbs = [high >> 64, high, low >> 64, low].map(|part| part as u64);
        while limbs.iter().any(|limb| *limb != 0) {
            let mut rest: u128 = 0;
            for limb in &mut limbs {
                let dividend = rest << 64 | u128::from(*limb);
                *limb = (dividend / u128::from(CHUNK)) as u64;
                rest = dividend % u128::from(CHUNK);
            }
            let mut number = itoa::Buffer::new();
            digits.put(number.format(rest as u64).as_bytes(), 19);
        }
        digits
    }

    /// Puts digits before those already there, as at least `width` of them.
    fn put(&mut self, digits: &[u8], width: usize) {
        let from = self.start.saturating_sub(digits.len());
        if let Some(slots) = self.buffer.get_mut(from..self.start)
            && slots.len() == digits.len()
        {
            slots.copy_from_slice(digits);
        }
        self.start = self.start.saturating_sub(digits.len().max(width));
    }

    /// The digits without leading zeros: none for zero.
    fn significant(&self) -> &[u8] {
        let digits = self.buffer.get(self.start..).unwrap_or_default();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.get(zeros..).unwrap_or_default()
    }

    /// Writes the number divided by ten to the `scale` as text.
    pub(super) fn text(&self, scale: i8, out: &mut BytesMut) {
        let digits = self.significant();
        if self.negative && !digits.is_empty() {
            out.put_u8(b'-');
        }
        let places = usize::try_from(scale).unwrap_or(0);
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
        if whole.is_empty() {
            out.put_u8(b'0');
        }
        out.put_slice(whole);
        if scale < 0 && !digits.is_empty() {
            out.put_bytes(b'0', usize::from(scale.unsigned_abs()));
        }
        if places > 0 {
            out.put_u8(b'.');
            out.put_bytes(b'0', places - fraction.len());
            out.put_slice(fraction);
        }
    }

    /// Writes what `numeric_send` writes: base 10000 digits without zeros at the ends.
    pub(super) fn binary(&self, scale: i8, out: &mut BytesMut) {
        let digits = self.significant();
        let sign: u16 = if self.negative && !digits.is_empty() { 0x4000 } else { 0 };
        // Groups of four decimal digits are aligned at the decimal point.
        let before = i32::try_from(digits.len()).unwrap_or(0) - i32::from(scale);
        let weight = (before + 3).div_euclid(4) - 1;
        let lead = usize::try_from((weight + 1) * 4 - before).unwrap_or(0);
        let mut groups = [0_i16; ROOM / 4 + 2];
        let mut count = 0;
        for (index, digit) in digits.iter().enumerate() {
            let place = index + lead;
            let factor = match place % 4 {
                0 => 1000,
                1 => 100,
                2 => 10,
                _ => 1,
            };
            if let Some(group) = groups.get_mut(place / 4) {
                *group += i16::from(digit - b'0') * factor;
                if *group != 0 {
                    count = place / 4 + 1;
                }
            }
        }
        out.put_i16(i16::try_from(count).unwrap_or(0));
        out.put_i16(if count == 0 { 0 } else { i16::try_from(weight).unwrap_or(0) });
        out.put_u16(sign);
        out.put_u16(u16::try_from(scale).unwrap_or(0));
        for group in groups.iter().take(count) {
            out.put_i16(*group);
        }
    }
}
