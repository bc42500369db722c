//! The PROXY protocol, versions 1 and 2: who a connection really comes from, said by the proxy
//! before it (HAProxy's `doc/proxy-protocol.txt`, sections 2.1 and 2.2).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Longest line of version 1, its end included.
const LINE_SIZE_MAX: usize = 107;
/// Longest header of version 2 that is taken, further fields (TLVs) included.
pub const SIZE_MAX: usize = 4_096;
/// Begins a header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family, length.
const PREFIX_SIZE: usize = 16;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Where the connection comes from; `None` when the proxy speaks for itself, or does not know.
    pub source: Option<IpAddr>,
}

/// The bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these bytes are no header of the PROXY protocol")
    }
}

impl std::error::Error for Malformed {}

/// Reads a header from the beginning of `bytes`, and tells how many it took; `None` when more has to
/// come.
///
/// # Errors
/// It is none of either version, or longer than is taken.
pub fn introduction(bytes: &[u8]) -> Result<Option<(Introduction, usize)>, Malformed> {
    let both = |begin: &[u8]| bytes.iter().zip(begin).all(|(byte, expected)| byte == expected);
    if both(SIGNATURE) {
        if bytes.len() < PREFIX_SIZE { Ok(None) } else { binary(bytes) }
    } else if both(b"PROXY ") {
        line(bytes)
    } else {
        Err(Malformed)
    }
}

/// Section 2.1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`.
fn line(bytes: &[u8]) -> Result<Option<(Introduction, usize)>, Malformed> {
    let most = &bytes[..bytes.len().min(LINE_SIZE_MAX)];
    let Some(end) = most.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LINE_SIZE_MAX { Ok(None) } else { Err(Malformed) };
    };
    let text = std::str::from_utf8(&most[..end]).map_err(|_| Malformed)?;
    let used = end + 2;
    let mut words = text.split(' ').skip(1);
    let family = words.next().ok_or(Malformed)?;
    if family == "UNKNOWN" {
        // What follows has to be ignored.
        return Ok(Some((Introduction { source: None }, used)));
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, _) = address().zip(address()).ok_or(Malformed)?;
    for _ in 0..2 {
        let port = words.next().ok_or(Malformed)?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && (port == "0" || !port.starts_with('0'));
        if !digits || port.parse::<u16>().is_err() {
            return Err(Malformed);
        }
    }
    if words.next().is_some() {
        return Err(Malformed);
    }
    Ok(Some((Introduction { source: Some(source.to_canonical()) }, used)))
}

/// Section 2.2. `bytes` begin with the signature and hold the prefix.
fn binary(bytes: &[u8]) -> Result<Option<(Introduction, usize)>, Malformed> {
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    let used = PREFIX_SIZE + length;
    let (version, command) = (bytes[12] >> 4, bytes[12] & 15);
    if version != 2 || command > 1 || used > SIZE_MAX {
        return Err(Malformed);
    }
    let Some(addresses) = bytes.get(PREFIX_SIZE..used) else { return Ok(None) };
    let source = match (command, bytes[13]) {
        // LOCAL: the proxy itself asks, as health checks do.
        (0, _) => None,
        (_, 0x11) if length >= 12 => addresses.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        (_, 0x21) if length >= 36 => addresses.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        (_, 0x11 | 0x21) => return Err(Malformed),
        // Unspecified, datagrams, unix sockets: accepted, and nothing is known.
        _ => None,
    };
    Ok(Some((Introduction { source: source.map(|source| source.to_canonical()) }, used)))
}

#[cfg(test)]
mod tests;
