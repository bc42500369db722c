//! The lines of a head, found before anything in them is understood.
//!
//! One pass over the line feeds finds the blank line, refuses bare LF (which `httparse` accepts)
//! and applies the limits early, so that a sender of endless heads is refused before the head is
//! complete.

/// The longest head that can be read, whatever the caller allows: spans are 16 bits.
pub const HEAD_SIZE_MAX: usize = u16::MAX as usize;
/// The longest request target.
pub const TARGET_SIZE_MAX: usize = 8 * 1024;
/// The most fields in a head.
pub const FIELDS_MAX: usize = 100;

/// Room for method, version and blanks beside the longest target.
const FIRST_LINE_SIZE_MAX: usize = TARGET_SIZE_MAX + 64;

/// A head that is no longer can reach no limit but the caller's and that of its fields.
pub(super) const AT_ONCE_SIZE_MAX: usize = 4 * 1024;

const _: () = assert!(AT_ONCE_SIZE_MAX < TARGET_SIZE_MAX && AT_ONCE_SIZE_MAX < HEAD_SIZE_MAX);

/// Whether every LF follows a CR (RFC 9112 2.2 lets a recipient take a bare LF as a line end;
/// another reader may not). Goes on to the end whatever it finds, which the compiler turns into
/// vector instructions.
pub(super) fn ends_lines_with_crlf(head: &[u8]) -> bool {
    let pairs = head.iter().zip(head.iter().skip(1));
    head.first() != Some(&b'\n') && pairs.fold(true, |all, (&before, &byte)| all & ((byte != b'\n') | (before == b'\r')))
}

/// Why the lines cannot be a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    BareLf,
    EmptyFirstLine,
    FirstLineTooLong,
    TooLarge,
    TooManyFields,
}

/// The end of the head (one past its blank line) that starts at `lead`, or `None` when more bytes
/// are needed.
pub(super) fn end(bytes: &[u8], lead: usize, max: usize) -> Result<Option<usize>, Flaw> {
    let max = max.min(HEAD_SIZE_MAX);
    let window = &bytes[..bytes.len().min(max)];
    let mut line = lead;
    let mut lines_count = 0;
    for at in memchr::memchr_iter(b'\n', window.get(lead..).unwrap_or_default()) {
        let at = at + lead;
        // RFC 9112 2.2 lets a recipient take a bare LF as a line end; another reader may not.
        if at == line || window[at - 1] != b'\r' {
            return Err(Flaw::BareLf);
        }
        if at - 1 == line {
            return if lines_count == 0 { Err(Flaw::EmptyFirstLine) } else { Ok(Some(at + 1)) };
        }
        lines_count += 1;
        if lines_count == 1 && at - line > FIRST_LINE_SIZE_MAX {
            return Err(Flaw::FirstLineTooLong);
        }
        if lines_count > 1 + FIELDS_MAX {
            return Err(Flaw::TooManyFields);
        }
        line = at + 1;
    }
    if lines_count == 0 && window.len().saturating_sub(lead) > FIRST_LINE_SIZE_MAX {
        return Err(Flaw::FirstLineTooLong);
    }
    if bytes.len() >= max { Err(Flaw::TooLarge) } else { Ok(None) }
}
