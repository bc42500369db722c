//! Request targets and hosts (RFC 9112 3.2, RFC 3986).

use super::{Refusal, Span};

/// A target taken apart. Spans are relative to the target itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Present in absolute-form only; it overrules the Host field (RFC 9112 3.2.2).
    pub(super) authority: Option<Span>,
    /// Empty for an absolute URI without a path, which means `/`.
    pub(super) path: Span,
    pub(super) query: Option<Span>,
}

pub(super) fn parse(target: &[u8]) -> Result<Target, Refusal> {
    let (authority, path_start) = match target.first() {
        None => return Err(Refusal::RequestLine),
        Some(b'/') => (None, 0),
        Some(_) => {
            let authority_start = scheme_size(target).ok_or(Refusal::TargetForm)?;
            let rest = &target[authority_start..];
            let size = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
            // RFC 9110 4.2.1: an http URI with an empty host is invalid; 4.2.4: so is userinfo.
            if !is_host(&rest[..size]) {
                return Err(Refusal::HostInvalid);
            }
            let end = authority_start + size;
            (Span::new(authority_start, end), end)
        }
    };
    let query_start = memchr::memchr(b'?', &target[path_start..]).map(|at| path_start + at);
    let path_end = query_start.unwrap_or(target.len());
    if !target[path_start..path_end].iter().all(|&byte| is_path_byte(byte))
        || !target[path_end..].iter().all(|&byte| is_path_byte(byte) || byte == b'?')
    {
        return Err(Refusal::TargetInvalid);
    }
    let span = |start, end| Span::new(start, end).ok_or(Refusal::TargetTooLong);
    Ok(Target { authority, path: span(path_start, path_end)?, query: query_start.map(|at| span(at + 1, target.len())).transpose()? })
}

/// The length of `http://` or `https://`.
fn scheme_size(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let start = target.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(scheme.len())
    })
}

/// RFC 3986 3.3: `pchar` and `/`. A `%` is judged when the path is decoded.
fn is_path_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let allowed = b"-._~!$&'()*+,;=:@/%";
        let mut index = 0;
        while index < allowed.len() {
            table[allowed[index] as usize] = true;
            index += 1;
        }
        let mut byte = 0;
        while byte < 128 {
            if (byte as u8).is_ascii_alphanumeric() {
                table[byte] = true;
            }
            byte += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

/// `uri-host [ ":" port ]`, narrower than RFC 3986 3.2.2 in that a registered name has no
/// sub-delimiters: a comma in a Host is two hosts to somebody.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', ..] => match memchr::memchr(b']', value) {
            Some(end) => (&value[..=end], &value[end + 1..]),
            None => return false,
        },
        _ => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    let port_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let host_valid = match host {
        [b'[', inner @ .., b']'] => inner.len() >= 2 && inner.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')),
        name => !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')),
    };
    port_valid && host_valid
}

/// Appends `text` to `out`, percent-encoded but for letters, digits and the bytes of `kept`.
pub fn percent_encode(text: &str, kept: &[u8], out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            [byte >> 4, byte & 15].into_iter().for_each(|digit| out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
}

/// Decodes `path` into `out` and returns the size of the result.
///
/// An encoded NUL or slash is refused: behind it, two readers see two different paths. `out` as
/// long as `path` is always enough; a shorter one that overflows is `TargetTooLong`.
pub fn percent_decode(path: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
    let digit = |byte: Option<&u8>| byte.and_then(|&b| char::from(b).to_digit(16));
    let mut size = 0;
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        let decoded = if byte == b'%' {
            let high = digit(path.get(at + 1)).ok_or(Refusal::PathEncoding)?;
            let low = digit(path.get(at + 2)).ok_or(Refusal::PathEncoding)?;
            at += 3;
            let value = (high << 4 | low) as u8;
            if value == 0 || value == b'/' {
                return Err(Refusal::PathEncoding);
            }
            value
        } else {
            at += 1;
            byte
        };
        *out.get_mut(size).ok_or(Refusal::TargetTooLong)? = decoded;
        size += 1;
    }
    Ok(size)
}
