//! Floats as PostgreSQL prints them: the shortest digits that read back to the same value.
//!
//! PostgreSQL's variant of Ryu never uses a decimal that lies exactly half-way between two floats
//! (1e23 prints as 9.999999999999999e+22), while the `ryu` crate does where ties round to even.
//! Those few values take a slower road.

use bytes::BytesMut;

/// Significant digits of a finite float without its sign: 0.d1d2d3… times ten to the `point`.
struct Shortest {
    digits: [u8; 17],
    length: usize,
    point: i32,
}

/// What differs between the two widths.
#[derive(Clone, Copy)]
enum Width {
    Single(f32),
    Double(f64),
}

/// Writes a `float8`.
pub(super) fn double(value: f64, out: &mut BytesMut) {
    if special(value, out) {
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let printed = buffer.format_finite(value.abs());
    let shortest = shortest(printed, Width::Double(value.abs()));
    general(value.is_sign_negative(), &shortest, 15, out);
}

/// Writes a `float4`.
pub(super) fn single(value: f32, out: &mut BytesMut) {
    if special(f64::from(value), out) {
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let printed = buffer.format_finite(value.abs());
    let shortest = shortest(printed, Width::Single(value.abs()));
    general(value.is_sign_negative(), &shortest, 6, out);
}

/// Writes a float as `jsonb` does, which holds it as a numeric: without an exponent.
pub(super) fn json(value: f64, is_single: bool, out: &mut BytesMut) {
    if !value.is_finite() {
        out.extend_from_slice(b"\"");
        special(value, out);
        out.extend_from_slice(b"\"");
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let single = value.abs() as f32;
    let shortest = if is_single {
        shortest(buffer.format_finite(single), Width::Single(single))
    } else {
        shortest(buffer.format_finite(value.abs()), Width::Double(value.abs()))
    };
    fixed(value < 0.0, &shortest, out);
}

/// Writes a value without digits, if it is one.
fn special(value: f64, out: &mut BytesMut) -> bool {
    let name: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value == f64::INFINITY {
        b"Infinity"
    } else if value == f64::NEG_INFINITY {
        b"-Infinity"
    } else {
        return false;
    };
    out.extend_from_slice(name);
    true
}

/// Like `%g`: an exponent below 1e-4 and from the type's guaranteed digits on.
fn general(negative: bool, value: &Shortest, threshold: i32, out: &mut BytesMut) {
    let exponent = value.point - 1;
    if (-4..threshold).contains(&exponent) {
        return fixed(negative, value, out);
    }
    if negative {
        out.extend_from_slice(b"-");
    }
    let (first, rest) = value.split(1);
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.extend_from_slice(b".");
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.extend_from_slice(b"0");
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent.abs()).as_bytes());
}

fn fixed(negative: bool, value: &Shortest, out: &mut BytesMut) {
    if negative {
        out.extend_from_slice(b"-");
    }
    let whole = usize::try_from(value.point).unwrap_or(0);
    let (head, tail) = value.split(whole);
    out.extend_from_slice(if head.is_empty() { b"0" } else { head });
    zeros(whole.saturating_sub(value.length), out);
    if !tail.is_empty() {
        out.extend_from_slice(b".");
        zeros(usize::try_from(-value.point).unwrap_or(0), out);
        out.extend_from_slice(tail);
    }
}

fn zeros(count: usize, out: &mut BytesMut) {
    out.resize(out.len() + count, b'0');
}

impl Shortest {
    fn split(&self, at: usize) -> (&[u8], &[u8]) {
        let digits = self.digits.get(..self.length).unwrap_or_default();
        digits.split_at_checked(at).unwrap_or((digits, &[]))
    }

    fn number(&self) -> u64 {
        self.split(0).1.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    }

    /// Reads `1.5`, `0.015`, `150.0`, `1.5e-7`.
    fn parse(printed: &[u8]) -> Shortest {
        let mut value = Shortest { digits: [0; 17], length: 0, point: 0 };
        let mut trailing = 0;
        let mut fraction = false;
        let mut bytes = printed.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'0'..=b'9' => {
                    let leading = value.length == 0 && trailing == 0 && *byte == b'0';
                    // A leading zero moves the point only behind it.
                    value.point +=
                        i32::from(!leading && !fraction) - i32::from(leading && fraction);
                    if leading {
                    } else if *byte == b'0' {
                        trailing += 1;
                    } else {
                        value.length += trailing;
                        trailing = 0;
                        if let Some(slot) = value.digits.get_mut(value.length) {
                            *slot = *byte;
                        }
                        value.length += 1;
                    }
                }
                b'.' => fraction = true,
                _ => {
                    let negative = bytes.as_slice().first() == Some(&b'-');
                    let exponent = bytes
                        .by_ref()
                        .filter(|byte| byte.is_ascii_digit())
                        .fold(0, |number, digit| number * 10 + i32::from(digit - b'0'));
                    value.point += if negative { -exponent } else { exponent };
                }
            }
        }
        for slot in &mut value.digits {
            *slot = (*slot).max(b'0');
        }
        value.length = value.length.min(17);
        if value.length == 0 {
            (value.length, value.point) = (1, 1);
        }
        value
    }
}

fn shortest(printed: &str, width: Width) -> Shortest {
    let value = Shortest::parse(printed.as_bytes());
    if !is_boundary(&value, width) {
        return value;
    }
    for precision in 0..17 {
        let (printed, same) = match width {
            Width::Single(float) => {
                let printed = format!("{float:.precision$e}");
                let same = printed.parse() == Ok(float);
                (printed, same)
            }
            Width::Double(float) => {
                let printed = format!("{float:.precision$e}");
                let same = printed.parse() == Ok(float);
                (printed, same)
            }
        };
        let candidate = Shortest::parse(printed.as_bytes());
        if same && !is_boundary(&candidate, width) {
            return candidate;
        }
    }
    value
}

/// Whether the decimal lies exactly half-way between the float and one of its neighbours.
fn is_boundary(value: &Shortest, width: Width) -> bool {
    let (mantissa, exponent, is_power) = match width {
        Width::Single(float) => {
            let bits = float.to_bits();
            let (field, fraction) = (bits >> 23, u64::from(bits & 0x7f_ffff));
            let implied = if field == 0 { 0 } else { 1 << 23 };
            (fraction | implied, field.max(1).cast_signed() - 150, fraction == 0 && field > 1)
        }
        Width::Double(float) => {
            let bits = float.to_bits();
            let (field, fraction) = ((bits >> 52) as i32, bits & 0xf_ffff_ffff_ffff);
            let implied = if field == 0 { 0 } else { 1 << 52 };
            (fraction | implied, field.max(1) - 1075, fraction == 0 && field > 1)
        }
    };
    if mantissa == 0 {
        return false;
    }
    let number = value.number();
    let scale = value.point - i32::try_from(value.length).unwrap_or(0);
    let below =
        if is_power { (4 * mantissa - 1, exponent - 2) } else { (2 * mantissa - 1, exponent - 1) };
    equal(number, scale, 2 * mantissa + 1, exponent - 1) || equal(number, scale, below.0, below.1)
}

/// Whether `number` · 10^`scale` is exactly `odd` · 2^`exponent`.
fn equal(number: u64, scale: i32, odd: u64, exponent: i32) -> bool {
    let twos = number.trailing_zeros();
    let odd_number = u128::from(number.checked_shr(twos).unwrap_or(0));
    // Both odd parts must agree once the powers of five stand on one side.
    let Some(fives) = 5_u128.checked_pow(scale.unsigned_abs()) else { return false };
    let agree = if scale >= 0 {
        odd_number.checked_mul(fives) == Some(u128::from(odd))
    } else {
        u128::from(odd).checked_mul(fives) == Some(odd_number)
    };
    agree && twos.cast_signed() + scale == exponent
}
