//! Operations and their completions, as numbers that travel through the kernel.

use io_uring::cqueue;

/// What an operation was, the top byte of its user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Its completion says nothing.
    Ignore = 0,
    Accept = 1,
    Receive = 2,
    Send = 3,
    Socket = 4,
    Connect = 5,
    Install = 6,
    Event = 7,
    Shutdown = 8,
}

const GENERATION_MASK: u32 = (1 << 24) - 1;

/// User data: `kind:8 | generation:24 | index:32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: Kind,
    pub(super) generation: u32,
    pub(super) index: u32,
}

impl Tag {
    pub(super) const IGNORE: Tag = Tag { kind: Kind::Ignore, generation: 0, index: 0 };

    pub(super) fn new(kind: Kind, generation: u32, index: u32) -> Tag {
        Tag { kind, generation: generation & GENERATION_MASK, index }
    }

    pub(super) fn pack(self) -> u64 {
        (self.kind as u64) << 56 | u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(super) fn unpack(word: u64) -> Tag {
        let kind = match word >> 56 {
            1 => Kind::Accept,
            2 => Kind::Receive,
            3 => Kind::Send,
            4 => Kind::Socket,
            5 => Kind::Connect,
            6 => Kind::Install,
            7 => Kind::Event,
            8 => Kind::Shutdown,
            _ => Kind::Ignore,
        };
        Tag { kind, generation: (word >> 32) as u32 & GENERATION_MASK, index: word as u32 }
    }

    /// Whether it was issued in this generation of its slot.
    pub(super) fn is_of(self, generation: u32) -> bool {
        self.generation == generation & GENERATION_MASK
    }
}

/// A completion, taken out of the ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion {
    pub(super) tag: Tag,
    pub(super) result: i32,
    /// The operation goes on: this is not its last completion.
    pub(super) more: bool,
    /// The provided buffer that it filled.
    pub(super) buffer: Option<u16>,
}

impl From<cqueue::Entry> for Completion {
    fn from(entry: cqueue::Entry) -> Completion {
        Completion {
            tag: Tag::unpack(entry.user_data()),
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        }
    }
}
