//! Numbers as they are written, without the rounding of binary fractions: 19.99 is a multiple of 0.01.

use std::cmp::Ordering;

/// The most digits that count: so many fit 128 bits, and one more times ten.
const DIGITS_MAX: u32 = 36;

/// `digits * 10^exponent`. The last of the digits is no zero, but for the number that is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: u128,
    /// How many digits there are.
    count: u32,
    exponent: i32,
}

impl Decimal {
    /// Reads a number of JSON's grammar; `None` where it has too many digits.
    pub(super) fn of(text: &[u8]) -> Option<Decimal> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
        let (mut digits, mut count, mut exponent, mut zeros, mut fraction) = (0_u128, 0_u32, 0_i32, 0_u32, false);
        for &byte in &text[..end] {
            match byte {
                b'.' => fraction = true,
                b'0' => {
                    zeros = if count > 0 { zeros + 1 } else { 0 };
                    exponent -= i32::from(fraction);
                }
                _ => {
                    // Zeros count once another digit follows them.
                    count += zeros + 1;
                    if count > DIGITS_MAX {
                        return None;
                    }
                    digits = digits * 10_u128.pow(zeros + 1) + u128::from(byte.wrapping_sub(b'0'));
                    zeros = 0;
                    exponent -= i32::from(fraction);
                }
            }
        }
        if digits == 0 {
            return Some(Decimal { negative: false, digits: 0, count: 0, exponent: 0 });
        }
        let written = match text.get(end + 1..) {
            Some(written) => std::str::from_utf8(written).ok()?.parse::<i32>().ok()?,
            None => 0,
        };
        let exponent = exponent.checked_add(i32::try_from(zeros).ok()?)?.checked_add(written)?;
        Some(Decimal { negative, digits, count, exponent })
    }

    /// True for a whole number, however it is written.
    pub(super) fn is_whole(&self) -> bool {
        self.exponent >= 0
    }

    /// How it compares to another.
    pub(super) fn order(&self, other: &Decimal) -> Ordering {
        let sign = |number: &Decimal| (number.digits > 0) as i8 * if number.negative { -1 } else { 1 };
        let order = sign(self).cmp(&sign(other));
        if order != Ordering::Equal || self.digits == 0 {
            return order;
        }
        let size = |number: &Decimal| i64::from(number.exponent) + i64::from(number.count);
        let digits = |number: &Decimal, count: u32| number.digits * 10_u128.pow(count - number.count);
        let longer = self.count.max(other.count);
        let order = size(self).cmp(&size(other)).then_with(|| digits(self, longer).cmp(&digits(other, longer)));
        if self.negative { order.reverse() } else { order }
    }

    /// True for a multiple of `part`; `None` where the numbers are too far from each other to tell, or `part` is
    /// nothing to divide by.
    pub(super) fn is_multiple_of(&self, part: &Decimal) -> Option<bool> {
        if part.negative || part.digits == 0 {
            return None;
        }
        let least = self.exponent.min(part.exponent);
        let scaled = |number: &Decimal| {
            let up = u32::try_from(number.exponent.checked_sub(least)?).ok()?;
            number.digits.checked_mul(10_u128.checked_pow(up)?)
        };
        if self.digits == 0 {
            return Some(true);
        }
        Some(scaled(self)? % scaled(part)? == 0)
    }
}
