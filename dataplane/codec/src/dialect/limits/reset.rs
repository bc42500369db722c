//! The forms in which a limit's numbers and moments are told.

use crate::head::{self, retry};

/// A plain number of so many seconds is no wait but a moment: seconds since 1970 …
const MOMENT_SECONDS_MIN: u64 = 1_000_000_000;
/// … or milliseconds, from here on.
const MOMENT_MS_MIN: u64 = 100_000_000_000;
/// The longest wait that is told, in milliseconds: a hundred years. Beyond, nobody means it.
const WAIT_MS_MAX: u64 = 3_155_760_000_000;

/// A count; a fraction is dropped, since some count in floats.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let (whole, _) = decimal(value).filter(|(_, rest)| rest.is_empty())?;
    Some(whole / 1_000_000)
}

/// Milliseconds from `wall_ms` until what `value` says, rounded up: a duration as Go writes it
/// (`6m0s`, `20ms`, `7.66s`), seconds, seconds or milliseconds since 1970, or a moment of RFC 3339. One
/// that is past is zero.
pub(super) fn ms_from(value: &[u8], wall_ms: u64) -> Option<u64> {
    if let Some(unix_ms) = rfc3339(value) {
        return Some(unix_ms.saturating_sub(wall_ms)).filter(|ms| *ms <= WAIT_MS_MAX);
    }
    let (millionths, rest) = decimal(value)?;
    let ms = match millionths / 1_000_000 {
        _ if !rest.is_empty() => duration_ms(value)?,
        MOMENT_MS_MIN.. => millionths.div_ceil(1_000_000).saturating_sub(wall_ms),
        MOMENT_SECONDS_MIN.. => millionths.div_ceil(1_000).saturating_sub(wall_ms),
        _ => millionths.div_ceil(1_000),
    };
    Some(ms).filter(|ms| *ms <= WAIT_MS_MAX)
}

/// `1*13DIGIT [ "." *DIGIT ]` in millionths, digits beyond the sixth dropped, and what follows it.
fn decimal(value: &[u8]) -> Option<(u64, &[u8])> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = value.split_at(digits(value));
    if whole.is_empty() || whole.len() > 13 {
        return None;
    }
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => rest.split_at(digits(rest)),
        _ => (&rest[..0], rest),
    };
    let places = fraction.iter().chain(b"000000").take(6);
    Some((whole.iter().chain(places).fold(0, |sum, &digit| sum * 10 + u64::from(digit - b'0')), rest))
}

/// Numbers with units, such as `1h2m3.5s`, in milliseconds rounded up.
fn duration_ms(mut value: &[u8]) -> Option<u64> {
    const UNITS: [(&[u8], u64); 7] = [
        (b"ms", 1_000_000),
        (b"us", 1_000),
        ("µs".as_bytes(), 1_000),
        (b"ns", 1),
        (b"h", 3_600_000_000_000),
        (b"m", 60_000_000_000),
        (b"s", 1_000_000_000),
    ];
    let mut ns = 0_u128;
    while !value.is_empty() {
        let (millionths, rest) = decimal(value)?;
        let (unit, unit_ns) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        ns = ns.saturating_add(u128::from(millionths) * u128::from(*unit_ns) / 1_000_000);
        value = &rest[unit.len()..];
    }
    u64::try_from(ns.div_ceil(1_000_000)).ok()
}

/// `2026-11-21T16:20:00Z`, with a fraction or an offset where there is one, in milliseconds since 1970,
/// rounded up.
fn rfc3339(value: &[u8]) -> Option<u64> {
    let (date, rest) = value.split_at_checked(19)?;
    let separators = [(4, b"-"), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")] as [(usize, &[u8]); 5];
    if separators.iter().any(|(at, bytes)| !bytes.contains(&date[*at])) {
        return None;
    }
    let number =
        |digits: &[u8]| digits.iter().try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')));
    let at = |start: usize| number(&date[start..start + 2]);
    let seconds = retry::unix_seconds([number(&date[..4])?, at(5)?, at(8)?], [at(11)?, at(14)?, at(17)?])?;
    let (fraction_ms, zone) = match rest {
        [b'.', digits @ ..] => {
            let size = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, zone) = digits.split_at(size);
            let past_ms = digits.iter().skip(3).any(|digit| *digit != b'0');
            (digits.iter().chain(b"000").take(3).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')) + u64::from(past_ms), zone)
        }
        _ => (0, rest),
    };
    let offset_s = match zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), hour @ .., b':', m, n] if hour.len() == 2 => {
            let seconds = (number(hour)? * 60 + number(&[*m, *n])?) as i64 * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    Some(seconds.checked_add_signed(-offset_s)? * 1_000 + fraction_ms)
}

/// A duration as Go writes it: `20ms`, `1s`, `6m0s`. From a second on rounded up to whole ones.
pub fn write_duration(out: &mut Vec<u8>, ms: u64) {
    if ms < 1_000 {
        head::write_number(out, ms);
        return out.extend_from_slice(b"ms");
    }
    let seconds = ms.div_ceil(1_000);
    if seconds >= 60 {
        head::write_number(out, seconds / 60);
        out.push(b'm');
    }
    head::write_number(out, seconds % 60);
    out.push(b's');
}

/// Seconds since 1970 as `2026-11-21T16:20:00Z`; beyond the year 9999, its last second.
pub(super) fn write_rfc3339(out: &mut Vec<u8>, seconds: u64) {
    let seconds = seconds.min(253_402_300_799);
    let (year, month, day) = date_of(seconds / 86_400);
    let mut part = |number: u64, width: usize, behind: u8| {
        let mut divisor = 10_u64.pow(width as u32 - 1);
        while divisor > 0 {
            out.push(b'0' + (number / divisor % 10) as u8);
            divisor /= 10;
        }
        out.push(behind);
    };
    part(year, 4, b'-');
    part(month, 2, b'-');
    part(day, 2, b'T');
    part(seconds / 3_600 % 24, 2, b':');
    part(seconds / 60 % 60, 2, b':');
    part(seconds % 60, 2, b'Z');
}

/// The date that so many days after 1970 began: by eras of 400 years that begin in March, so that the
/// leap day is the last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
