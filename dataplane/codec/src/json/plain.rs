//! The inner loop of JSON: how far a string goes on without anything special.

use wide::u8x16;

/// Bytes that are looked at together: a vector of SSE2, which every x86-64 processor has, or of Neon.
const BLOCK: usize = 16;
/// Blocks looked at one by one before the wider loop starts, which takes as long for less.
const FIRST_BLOCKS: usize = 5;

/// From `from`, the index of the first quote, backslash or control character, or the length; and
/// whether all bytes before it are ASCII.
// Not inlined: made part of its callers, which have many variables, it takes more instructions.
#[inline(never)]
pub(super) fn run(bytes: &[u8], from: usize) -> (usize, bool) {
    let Some(block) = bytes.get(from..).and_then(|rest| rest.first_chunk()) else {
        return run_short(bytes, from, true);
    };
    let marks = marks(block);
    if marks.special != 0 {
        return marks.found(from, true);
    }
    run_on(bytes, from + BLOCK, marks.beyond == 0)
}

/// Apart, so that the shortest strings, which most are, pay nothing for longer ones.
#[inline(never)]
fn run_on(bytes: &[u8], mut at: usize, mut ascii: bool) -> (usize, bool) {
    for _ in 1..FIRST_BLOCKS {
        let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return run_short(bytes, at, ascii);
        };
        let marks = marks(block);
        if marks.special != 0 {
            return marks.found(at, ascii);
        }
        ascii &= marks.beyond == 0;
        at += BLOCK;
    }
    run_long(bytes, at, ascii)
}

/// What is left at the end is less than a block, and ends like a string in one.
#[inline(never)]
fn run_short(bytes: &[u8], at: usize, ascii: bool) -> (usize, bool) {
    let mut block = [b'"'; BLOCK];
    let rest = &bytes[at..];
    block[..rest.len()].copy_from_slice(rest);
    marks(&block).found(at, ascii)
}

/// Two passes, each as fast as the machine's vectors: 43 ns per KiB where one pass took 90.
fn run_long(bytes: &[u8], at: usize, ascii: bool) -> (usize, bool) {
    let rest = &bytes[at..];
    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let plain = &rest[..end];
    let (lowest, union) = plain.iter().fold((u8::MAX, 0), |(lowest, union), &byte| (byte.min(lowest), union | byte));
    if lowest >= 0x20 {
        return (at + end, ascii && union < 0x80);
    }
    let end = plain.iter().position(|&byte| byte < 0x20).unwrap_or(end);
    (at + end, ascii && plain[..end].is_ascii())
}

/// What stands in a block: a bit for each byte, the first one's lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    /// Quotes, backslashes and control characters.
    special: u32,
    /// What is not ASCII.
    beyond: u32,
}

impl Marks {
    /// The first special byte, of which there is one, and whether all is ASCII before it.
    #[inline]
    fn found(self, at: usize, ascii: bool) -> (usize, bool) {
        let index = self.special.trailing_zeros();
        // `index < BLOCK`: the mask keeps the bytes below the hit.
        let before = (1_u32 << index) - 1;
        (at + index as usize, ascii && self.beyond & before == 0)
    }
}

#[inline]
fn marks(block: &[u8; BLOCK]) -> Marks {
    let block = u8x16::new(*block);
    let is = |byte| block.simd_eq(u8x16::splat(byte));
    let control = block.simd_eq(block.min(u8x16::splat(0x1f)));
    Marks { special: (is(b'"') | is(b'\\') | control).to_bitmask(), beyond: block.to_bitmask() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytewise(block: &[u8; BLOCK]) -> Marks {
        let bits = |is: fn(u8) -> bool| block.iter().rev().fold(0, |bits, &byte| bits << 1 | u32::from(is(byte)));
        Marks { special: bits(|byte| byte < 0x20 || byte == b'"' || byte == b'\\'), beyond: bits(|byte| byte >= 0x80) }
    }

    #[test]
    fn vectors_mark_what_a_bytewise_reader_marks() {
        for byte in 0..=u8::MAX {
            for at in 0..BLOCK {
                let mut block = std::array::from_fn(|other| b" \x7f\x80\xff!#[]"[other % 8]);
                block[at] = byte;
                assert_eq!(marks(&block), bytewise(&block), "{byte:#x} at {at}");
            }
        }
    }
}
