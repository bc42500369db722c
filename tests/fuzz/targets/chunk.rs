//! Bodies: every cutting gives one result, and nothing is accepted in chunks that a strict reader of
//! the whole refuses.
#![no_main]

use codec::{body::Decoder, fuzz, head::Framing};
use libfuzzer_sys::fuzz_target;

const MAX: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    fuzz::body(bytes);
    let mut decoder = Decoder::new(Framing::Chunked, MAX).expect("chunks have no stated length");
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let Ok(step) = decoder.decode(&bytes[at..]) else { return };
        content.extend_from_slice(&bytes[at..][step.data.clone()]);
        at += step.used;
        if step.done {
            break;
        }
        if step.used == 0 || at == bytes.len() {
            return;
        }
    }
    let shown = bytes.escape_ascii();
    let (model, used) = model(bytes).unwrap_or_else(|| panic!("accepted what is no chunked body: {shown}"));
    assert_eq!(used, at, "the body ends elsewhere: {shown}");
    assert!(model == content, "other content: {shown}");
});

/// The grammar of RFC 9112, section 7.1, rule by rule, over a whole body; its content and its size.
fn model(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut rest, mut content) = (bytes, Vec::new());
    loop {
        let line;
        (line, rest) = line_of(rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if !(1..=16).contains(&digits) || !extensions(&line[digits..]) {
            return None;
        }
        let size = u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok()?;
        content.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        let line;
        (line, rest) = line_of(rest)?;
        if line.is_empty() {
            return Some((content, bytes.len() - rest.len()));
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let value = &line[colon + 1..];
        if !token(&line[..colon]) || value.iter().any(|&byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
            return None;
        }
    }
}

/// A line, which ends with the first CR or LF that there is, and both must be there.
fn line_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| b"\r\n".contains(byte))?;
    Some((&bytes[..end], bytes[end..].strip_prefix(b"\r\n")?))
}

fn extensions(mut text: &[u8]) -> bool {
    while let Some(rest) = text.strip_prefix(b";") {
        let name = rest.iter().take_while(|&&byte| token(&[byte])).count();
        if name == 0 {
            return false;
        }
        text = &rest[name..];
        let Some(value) = text.strip_prefix(b"=") else { continue };
        let Some(length) = value_of(value) else { return false };
        text = &value[length..];
    }
    text.is_empty()
}

/// The length of a token or of a string in quotation marks.
fn value_of(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return Some(text.iter().take_while(|&&byte| token(&[byte])).count()).filter(|&length| length > 0);
    }
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}
