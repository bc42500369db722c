//! Pictures and files that lie in a request, as far as their bytes have to be looked at.

use crate::json::Str;

/// What a picture is by its first bytes, which some servers compare with what is said of it; where they tell
/// nothing, as it is said.
pub(super) fn of_image<'t>(said: Str<'t>, data: Str<'t>) -> Str<'t> {
    const HEAD_SIZE: usize = 24;
    let head = from_base64(&data.raw()[..data.raw().len().min(HEAD_SIZE)]);
    match &head[..] {
        [0x89, b'P', b'N', b'G', ..] => Str::plain("image/png"),
        [0xff, 0xd8, 0xff, ..] => Str::plain("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Str::plain("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Str::plain("image/webp"),
        _ if said.is("image/jpg") => Str::plain("image/jpeg"),
        _ => said,
    }
}

/// True for a file that is bare text.
pub(super) fn is_text(media: Str<'_>) -> bool {
    media.raw().starts_with(b"text/")
}

/// The text in base64, as a string.
pub(super) fn write_text(data: Str<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    crate::json::escape_into(out, &String::from_utf8_lossy(&from_base64(data.raw())));
    out.push(b'"');
}

/// The bytes that base64 stands for, in either alphabet. What is no digit of it (line ends, the `\` of an
/// escaped `/`) is passed over.
fn from_base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    let mut digits = text.iter().copied();
    while let Some(digit) = digits.next() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            b'\\' => {
                // Of escapes, only that of `/` stands for a digit.
                match digits.next() {
                    Some(b'/') => 63,
                    _ => continue,
                }
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
