//! When a provider wants to be asked again (RFC 9110 10.2.3).

/// What `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so many milliseconds.
    DelayMs(u64),
    /// At that time, in seconds since 1970.
    UnixSeconds(u64),
}

/// Reads `Retry-After`: seconds (a fraction is tolerated, because providers send it) or an
/// IMF-fixdate. The two obsolete date forms are not read.
pub fn retry_after(value: &[u8]) -> Option<RetryAfter> {
    if value.first()?.is_ascii_digit() {
        decimal_thousandths(value).map(RetryAfter::DelayMs)
    } else {
        imf_fixdate(value).map(RetryAfter::UnixSeconds)
    }
}

/// Reads `retry-after-ms`, rounded down to whole milliseconds.
pub fn retry_after_ms(value: &[u8]) -> Option<u64> {
    decimal_thousandths(value).map(|thousandths| thousandths / 1000)
}

/// `1*10DIGIT [ "." 1*DIGIT ]`, times a thousand; digits beyond the third are dropped.
fn decimal_thousandths(value: &[u8]) -> Option<u64> {
    let dot = memchr::memchr(b'.', value);
    let (whole, fraction) = match dot {
        Some(at) => (&value[..at], &value[at + 1..]),
        None => (value, &b"0"[..]),
    };
    if whole.is_empty() || whole.len() > 10 || fraction.is_empty() {
        return None;
    }
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().chain(b"00").take(3);
    Some(whole.iter().chain(digits).fold(0, |sum, &digit| sum * 10 + u64::from(digit - b'0')))
}

/// RFC 9110 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, as seconds since 1970. The name of the day is
/// not compared with the date.
fn imf_fixdate(value: &[u8]) -> Option<u64> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    const DAYS: &[u8] = b"MonTueWedThuFriSatSun";
    if value.len() != 29 || !value.ends_with(b" GMT") || value[3..5] != *b", " {
        return None;
    }
    let separators = [(7, b' '), (11, b' '), (16, b' '), (19, b':'), (22, b':')];
    if separators.iter().any(|&(at, byte)| value[at] != byte) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        value[range].iter().try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
    };
    DAYS.chunks(3).position(|name| name == &value[..3])?;
    let month = MONTHS.chunks(3).position(|name| name == &value[8..11])? as u64 + 1;
    let (day, year) = (number(5..7)?, number(12..16)?);
    let (hour, minute, second) = (number(17..19)?, number(20..22)?, number(23..25)?);
    unix_seconds([year, month, day], [hour, minute, second])
}

/// Seconds since 1970 of a date and a time that there are.
pub(crate) fn unix_seconds([year, month, day]: [u64; 3], [hour, minute, second]: [u64; 3]) -> Option<u64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let month_fits = (1..=12).contains(&month) && (1..=month_days).contains(&day);
    let in_range = (1970..=9999).contains(&year) && month_fits && hour < 24 && minute < 60 && second <= 60;
    in_range.then(|| ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days of the Gregorian calendar, counted in years that begin in March so that the leap day is
/// the last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // 719 468 days lie between 1 March of year 0 and 1 January 1970.
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}
