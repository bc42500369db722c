//! A snapshot as bytes: what is sealed into the memfd, and what is kept on disk.
//!
//! `magic (8) | schema (4) | generation (8) | length (8) | BLAKE3 of the payload (32) | payload`,
//! integers in little-endian order, the payload in postcard's format. A reader of another schema
//! refuses by number instead of guessing.

use crate::{Draft, Flaw, Secrets, Snapshot, limits};
use std::fmt;

/// Begins every image.
pub const MAGIC: [u8; 8] = *b"THROWOVR";
/// Begins every file of secrets.
const MAGIC_SECRETS: [u8; 8] = *b"THROWSEC";
/// Counts up with every change of what a [`Draft`] or [`Secrets`] holds.
pub const SCHEMA: u32 = 8;

const HEADER: usize = 8 + 4 + 8 + 8 + 32;

/// Why bytes are no image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Shorter than it says, or longer.
    Length,
    /// Does not begin as an image does.
    Magic,
    /// Written by another version: its number.
    Schema(u32),
    /// The payload is not what its writer sealed.
    Digest,
    /// The payload cannot be read.
    Payload(String),
    /// The policy within is not sound.
    Flaw(Flaw),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Length => f.write_str("the image is shorter or longer than it says"),
            Refusal::Magic => f.write_str("this is not an image of Throwover's"),
            Refusal::Schema(found) => {
                write!(f, "the image has schema {found} and this build reads schema {SCHEMA}: use binaries of one version")
            }
            Refusal::Digest => f.write_str("the image is damaged: its digest does not match"),
            Refusal::Payload(why) => write!(f, "the image cannot be read: {why}"),
            Refusal::Flaw(flaw) => write!(f, "the policy is not sound: {flaw}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Writes a draft. Only a sound one can be opened again.
pub fn seal(draft: &Draft) -> Vec<u8> {
    write(&MAGIC, draft.generation, draft)
}

/// Reads and proves a snapshot.
///
/// # Errors
/// A [`Refusal`] that says why the bytes cannot be served.
pub fn open(image: &[u8]) -> Result<Snapshot, Refusal> {
    let draft: Draft = read(&MAGIC, image)?;
    Snapshot::try_new(draft).map_err(Refusal::Flaw)
}

/// Writes secrets in the same frame, for the one 0600 file that holds them.
pub fn seal_secrets(generation: u64, secrets: &Secrets) -> Vec<u8> {
    write(&MAGIC_SECRETS, generation, secrets)
}

/// Reads secrets.
///
/// # Errors
/// A [`Refusal`] that never quotes the bytes.
pub fn open_secrets(image: &[u8]) -> Result<Secrets, Refusal> {
    read(&MAGIC_SECRETS, image)
}

fn write<T: serde::Serialize>(magic: &[u8; 8], generation: u64, value: &T) -> Vec<u8> {
    let payload = postcard::to_stdvec(value).expect("a Vec grows, and the tables hold no type that postcard refuses");
    let mut image = Vec::with_capacity(HEADER + payload.len());
    image.extend_from_slice(magic);
    image.extend_from_slice(&SCHEMA.to_le_bytes());
    image.extend_from_slice(&generation.to_le_bytes());
    image.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    image.extend_from_slice(blake3::hash(&payload).as_bytes());
    image.extend_from_slice(&payload);
    image
}

fn read<T: serde::de::DeserializeOwned>(magic: &[u8; 8], image: &[u8]) -> Result<T, Refusal> {
    if image.len() < HEADER || image.len() > limits::IMAGE_BYTES_MAX {
        return Err(Refusal::Length);
    }
    let (header, payload) = image.split_at(HEADER);
    if header[..8] != magic[..] {
        return Err(Refusal::Magic);
    }
    let schema = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    if schema != SCHEMA {
        return Err(Refusal::Schema(schema));
    }
    let length = u64::from_le_bytes(header[20..28].try_into().expect("eight bytes"));
    if length != payload.len() as u64 {
        return Err(Refusal::Length);
    }
    if blake3::hash(payload).as_bytes() != &header[28..60] {
        return Err(Refusal::Digest);
    }
    let (value, rest) = postcard::take_from_bytes(payload).map_err(|error| Refusal::Payload(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(Refusal::Length) }
}

#[cfg(test)]
mod tests;
