//! Frames of the control socket between the two processes.
//!
//! `length (4) | version (2) | zero (2) | checksum (4) | payload`, integers in little-endian order;
//! `length` counts the payload, `checksum` is the first four bytes of its BLAKE3. The control plane
//! listens; each data plane connects, says [`Frame::Hello`], and is sent the policy. A snapshot's
//! image is not in the frame: its sealed memfd is passed beside it (SCM_RIGHTS).

use crate::{Mark, Money, Secrets, budget::Day, limits};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Both ends must speak the same one.
pub const VERSION: u16 = 5;
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 12;

/// What is said on the control socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// Data plane, first of all: who it is and what it serves. Said again once it listens, when its
    /// first policy had to tell it where.
    Hello(Hello),
    /// Control plane: every secret of the policy that follows. Sent before each `Publish`.
    Secrets(Secrets),
    /// Control plane: a snapshot, whose image is in the file descriptor beside this frame.
    Publish(Publish),
    /// Data plane: how far the generation has come.
    Ack(Ack),
    /// Data plane: the generation was refused, and the one before it goes on.
    Nack(Nack),
    /// Data plane: its counters, about once a second.
    Stats(Stats),
    /// Data plane: something happened that an operator would want to know.
    Event(Event),
    /// Control plane: finish what is in flight and end.
    Drain {
        /// Time for what is in flight, in milliseconds.
        grace_ms: u64,
    },
    /// Data plane: what tenants with a budget have spent by it, those of which that is news; about once a
    /// second. At most [`limits::SPENDING_PER_FRAME`].
    Spending(Vec<Spending>),
    /// Control plane: what they have spent by all other data planes, those that ended included.
    SpentElsewhere(Vec<Elsewhere>),
    /// Data plane: it was sent SIGHUP, and asks for the policy to be loaded again.
    Reload,
    /// Control plane: what it has found out about targets, at most [`limits::MARKS_MAX`] of them. Of those
    /// that are not named it says nothing.
    Marks(Vec<Mark>),
}

/// Who a data plane is and what it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::image::SCHEMA`] of its build.
    pub schema: u32,
    /// Version of its build, for humans.
    pub build: String,
    /// Its process.
    pub pid: u32,
    /// A number of its own, drawn when it began: what it spends is counted under it.
    pub run: u64,
    /// Generation that it serves; 0 is none.
    pub generation: u64,
    /// BLAKE3 of the image that it serves; zeros are none.
    pub digest: [u8; 32],
    /// How many shards it has.
    pub shards: u16,
    /// Where tenants reach it, as bound.
    pub listen: Vec<std::net::SocketAddr>,
    /// Where its admin listener is, as bound.
    pub admin: Option<std::net::SocketAddr>,
}

/// A snapshot on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// Generation of the image.
    pub generation: u64,
    /// Length of the image in the file descriptor, in bytes.
    pub length: u64,
    /// BLAKE3 of the whole image.
    pub digest: [u8; 32],
}

/// How far a generation has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Which.
    pub generation: u64,
    /// How far.
    pub stage: Stage,
    /// Since its `Publish` arrived, in microseconds.
    pub after_us: u64,
}

/// How far a generation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Read, proved and built; nothing serves it yet.
    Prepared,
    /// New exchanges of every shard see it.
    Adopted,
}

/// A generation was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// Which.
    pub generation: u64,
    /// Why, for the operator.
    pub reason: String,
}

/// Counters of a data plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Generation served.
    pub generation: u64,
    /// Milliseconds since it started.
    pub up_ms: u64,
    /// Ready for traffic.
    pub ready: bool,
    /// Told to end.
    pub draining: bool,
    /// Name and value of each, in the order of the data plane's table.
    pub meters: Vec<(String, u64)>,
    /// Live state of each target.
    pub targets: Vec<TargetState>,
    /// Credentials that are not used as ever, at most [`limits::KEYS_TOLD_MAX`].
    pub keys: Vec<KeyState>,
    /// What is left to providers of which some was taken, and to chains that ask twice, at most
    /// [`limits::ALLOTMENTS_TOLD_MAX`].
    pub allotments: Vec<Allotment>,
    /// Connections of each origin: name, idle, busy.
    pub pools: Vec<(String, u32, u32)>,
}

/// How many attempts may be made at once beyond the first ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allotment {
    /// `retries`, of a provider; `hedges`, of a chain.
    pub kind: String,
    /// Whose.
    pub name: String,
    /// So many.
    pub left: u64,
    /// The most that may be saved up.
    pub most: u64,
}

/// Live state of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetState {
    /// `provider/model`.
    pub name: String,
    /// `closed`, `open` or `probing`.
    pub breaker: String,
    /// An open breaker refuses for this much longer, and a probe is waited for as long, in milliseconds.
    pub breaker_ms: u64,
    /// Why it opened: `consecutive`, `failure_rate`, `useless_answers`, `overdue`, `slow` or `probe_failed`; empty
    /// for one that is closed.
    pub breaker_cause: String,
    /// Not asked before this much longer, in milliseconds.
    pub paused_ms: u64,
    /// The class of the failure that it is left alone for; empty when it is not.
    pub paused_class: String,
    /// None of its provider's credentials is used before this much longer, in milliseconds, the operator's limits included.
    pub keys_out_ms: u64,
    /// Nothing remains of its limits for this much longer, its provider says, in milliseconds.
    pub spent_ms: u64,
    /// Why the control plane wants others asked first; empty when it does not.
    pub degraded: String,
    /// For so much longer, unless it says so again, in milliseconds.
    pub degraded_ms: u64,
    /// Attempts made.
    pub attempts: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Milliseconds since the last of them.
    pub failed_ago_ms: u64,
    /// The class of that; empty when none has failed.
    pub failed_class: String,
    /// Average time to the first token, in microseconds.
    pub first_token_us: u64,
    /// Attempts in flight.
    pub in_flight: u32,
    /// How many it may have, since it refused some; 0 is as many as its provider may.
    pub limit: u32,
}

/// A credential that is not used as ever: by its number, never by its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// Whose.
    pub provider: String,
    /// Its number, as records and events have it.
    pub key: u32,
    /// Its place among the provider's credentials, from 1.
    pub place: u16,
    /// How many the provider has.
    pub of: u16,
    /// Not used before this much longer, in milliseconds.
    pub paused_ms: u64,
    /// The class of the failure that it is left alone for; empty when it is not.
    pub class: String,
    /// It was refused, or its account cannot pay: somebody has to see to it.
    pub disabled: bool,
    /// Nothing remains of its limits for this much longer, its provider says, in milliseconds.
    pub spent_ms: u64,
    /// It has used what the operator grants it, and may be used again after so many milliseconds.
    pub limited_ms: u64,
    /// `closed`, `open` or `probing`; empty where it has no breaker, being its provider's only one.
    pub breaker: String,
    /// An open breaker refuses for this much longer, and a probe is waited for as long, in milliseconds.
    pub breaker_ms: u64,
    /// Why it opened; empty for one that is closed.
    pub breaker_cause: String,
}

/// What one tenant has spent in one period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Who.
    pub tenant: String,
    /// The first day of the period.
    pub start: Day,
    /// What was spent in it.
    pub spent: Money,
    /// What requests in flight may still cost.
    pub reserved: Money,
}

/// What one tenant has spent in one period, as the control plane keeps it for a data plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Who.
    pub tenant: String,
    /// The first day of the period.
    pub start: Day,
    /// What all others have spent in it.
    pub spent: Money,
    /// What this one has told of itself: a tenant that comes back to a policy goes on from there.
    pub own: Money,
}

/// Something that an operator would want to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since 1970.
    pub at_us: u64,
    /// One word for it: `fallback`, `breaker`, `taken_out`, `spent`, `budget`, `compacted`, `ready`, …
    pub kind: String,
    /// What, for humans and for `events --format json`: names and values.
    pub details: Vec<(String, String)>,
}

/// Why bytes are no frame. The socket is closed: there is no way back into step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Longer than [`limits::FRAME_BYTES_MAX`]: its length.
    TooLong(usize),
    /// Another version of the protocol: its number.
    Version(u16),
    /// Not what the sender wrote.
    Checksum,
    /// Not a frame of this version.
    Payload,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooLong(length) => write!(f, "a frame of {length} bytes is over the limit of {}", limits::FRAME_BYTES_MAX),
            Refusal::Version(found) => {
                write!(f, "the other side speaks version {found} of the control protocol, this one {VERSION}: use binaries of one version")
            }
            Refusal::Checksum => f.write_str("a frame was damaged on its way"),
            Refusal::Payload => f.write_str("a frame cannot be read"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Writes one frame.
///
/// # Errors
/// [`Refusal::TooLong`] when the frame would be refused at the other end.
pub fn encode(frame: &Frame) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes = postcard::to_extend(frame, bytes).expect("a Vec grows, and frames hold no type that postcard refuses");
    let length = bytes.len() - HEADER_BYTES;
    if length > limits::FRAME_BYTES_MAX {
        return Err(Refusal::TooLong(length));
    }
    let checksum = checksum(&bytes[HEADER_BYTES..]);
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
    bytes[8..12].copy_from_slice(&checksum);
    Ok(bytes)
}

/// Reads the frame that `bytes` begin with, and how many bytes it took; `None` when it is not
/// complete.
///
/// # Errors
/// A [`Refusal`]; the length is judged before anything is waited for.
pub fn decode(bytes: &[u8]) -> Result<Option<(Frame, usize)>, Refusal> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version != VERSION {
        return Err(Refusal::Version(version));
    }
    if length > limits::FRAME_BYTES_MAX {
        return Err(Refusal::TooLong(length));
    }
    let Some(payload) = bytes.get(HEADER_BYTES..HEADER_BYTES + length) else { return Ok(None) };
    if checksum(payload) != header[8..12] {
        return Err(Refusal::Checksum);
    }
    let (frame, rest) = postcard::take_from_bytes(payload).map_err(|_| Refusal::Payload)?;
    if rest.is_empty() { Ok(Some((frame, HEADER_BYTES + length))) } else { Err(Refusal::Payload) }
}

fn checksum(payload: &[u8]) -> [u8; 4] {
    let digest = blake3::hash(payload);
    let bytes = digest.as_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

#[cfg(test)]
mod tests;
