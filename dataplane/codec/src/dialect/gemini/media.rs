//! Pictures, sound and files in a request.

use super::prompt::member;
use crate::dialect::Needs;
use crate::dialect::prompt::{Part, Source};
use crate::json::{Str, Value};

/// A picture, sound or a file that lies in the request.
pub(super) fn read_blob<'t>(blob: Value<'t>, needs: &mut Needs) -> Option<Part<'t>> {
    let data = blob.text("data")?;
    let media = member(blob, "mimeType").and_then(Value::str).unwrap_or(Str::plain(""));
    let source = Source::Data { media, data };
    match media.raw().split(|&byte| byte == b'/').next() {
        Some(b"image") if !is_picture_of_all(media) => {
            needs.add(Needs::OWN);
            Some(Part::Image { source, detail: None, cache: None })
        }
        Some(b"image") => Some(Part::Image { source, detail: None, cache: None }),
        Some(b"audio") => {
            if !is_sound_of_all(media) {
                needs.add(Needs::OWN);
            }
            Some(Part::Audio { data, format: media })
        }
        Some(b"text") => Some(Part::Document { source, name: member(blob, "displayName").and_then(Value::str), cache: None }),
        _ if media.is("application/pdf") => {
            Some(Part::Document { source, name: member(blob, "displayName").and_then(Value::str), cache: None })
        }
        _ => {
            needs.add(Needs::OWN);
            None
        }
    }
}

/// Pictures that every dialect takes.
fn is_picture_of_all(media: Str<'_>) -> bool {
    ["image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp"].iter().any(|known| media.is(known))
}

/// Sound that another dialect takes at all: WAV and MP3.
fn is_sound_of_all(media: Str<'_>) -> bool {
    ["audio/wav", "audio/x-wav", "audio/wave", "audio/mp3", "audio/mpeg"].iter().any(|known| media.is(known))
}

/// A file by its address. What Google keeps for the tenant is nobody else's to fetch.
pub(super) fn read_file<'t>(file: Value<'t>, needs: &mut Needs) -> Option<Part<'t>> {
    let url = member(file, "fileUri").and_then(Value::str)?;
    let address = url.decode();
    let public = address.starts_with("https://") || address.starts_with("http://");
    if !public || address.contains("generativelanguage.googleapis.com/") {
        needs.add(Needs::STATE);
        return None;
    }
    let media = member(file, "mimeType").and_then(Value::str).filter(|media| !media.is_empty());
    let source = Source::Url { url, media };
    let kind = media.map_or_else(|| named_by(&address).unwrap_or_default().into(), Str::decode);
    if kind.starts_with("image/") {
        Some(Part::Image { source, detail: None, cache: None })
    } else if kind == "application/pdf" || kind.starts_with("text/") {
        Some(Part::Document { source, name: None, cache: None })
    } else {
        needs.add(Needs::OWN);
        None
    }
}

/// The media type that the end of an address speaks for.
pub(super) fn named_by(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit_once('.')?;
    const TABLE: [(&str, &str); 11] = [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("gif", "image/gif"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("html", "text/html"),
        ("csv", "text/csv"),
    ];
    TABLE.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, media)| media)
}
