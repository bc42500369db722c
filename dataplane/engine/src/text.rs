//! Short text without an allocation: messages that an exchange composes for the tenant.

use std::fmt;

/// At most `N` bytes of text. Writing never fails: what does not fit is left out, and an ellipsis
/// says so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    /// `length <= N`, and `bytes[..length]` is UTF-8.
    length: u16,
    full: bool,
    bytes: [u8; N],
}

const ELLIPSIS: &str = "…";

impl<const N: usize> Text<N> {
    /// No text.
    pub const fn new() -> Self {
        assert!(N <= u16::MAX as usize && N >= ELLIPSIS.len());
        Text { length: 0, full: false, bytes: [0; N] }
    }

    /// As much of `text` as fits.
    pub fn of(text: &str) -> Self {
        let mut short = Text::new();
        short.push(text);
        short
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length as usize]).expect("only whole characters are ever copied in")
    }

    /// Appends as much of `text` as fits.
    pub fn push(&mut self, text: &str) {
        if self.full {
            return;
        }
        let room = N - self.length as usize;
        if text.len() <= room {
            self.append(text);
            return;
        }
        self.full = true;
        let mut kept = self.as_str().len().min(N - ELLIPSIS.len());
        while !self.as_str().is_char_boundary(kept) {
            kept -= 1;
        }
        if kept < self.length as usize {
            self.length = kept as u16;
        } else {
            let mut end = room.saturating_sub(ELLIPSIS.len()).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            self.append(&text[..end]);
        }
        self.append(ELLIPSIS);
    }

    fn append(&mut self, text: &str) {
        let start = self.length as usize;
        self.bytes[start..start + text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len() as u16;
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Text::new()
    }
}

impl<const N: usize> std::ops::Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    fn check<const N: usize>(pieces: &[&str], expected: &str) {
        let mut text = Text::<N>::new();
        for piece in pieces {
            text.push(piece);
        }
        assert_eq!(text.as_str(), expected);
    }

    #[test]
    fn what_fits_is_kept_and_the_rest_is_marked() {
        check::<8>(&["abc", "def"], "abcdef");
        check::<8>(&["abcdefgh"], "abcdefgh");
        check::<8>(&["abcdefghi"], "abcde…");
        check::<8>(&["abcdefgh", "i"], "abcde…");
        check::<8>(&["abcdefgh", "i", "j"], "abcde…");
        check::<8>(&["äöüß", "x"], "äö…");
        check::<8>(&["aäöü", "xy"], "aäö…");
        check::<8>(&["", "ääääää"], "ää…");
    }
}
