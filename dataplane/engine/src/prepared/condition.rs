//! What a route asks for besides the key that it is filed under.

/// What a key of a route does not prove. Written behind the key, so that out of cache it is no
/// further wait: the kind, two lengths, two texts.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    /// The model ends so, behind the beginning that is the key.
    End(&'a [u8]),
    /// A field of the head has this value.
    Field(&'a str, &'a [u8]),
}

impl Condition<'_> {
    /// Appends it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (kind, name, value) = match self {
            Condition::End(end) => (0, "", *end),
            Condition::Field(name, value) => (1, *name, *value),
        };
        out.push(kind);
        for length in [name.len(), value.len()] {
            out.extend_from_slice(&(length as u32).to_le_bytes());
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value);
    }

    /// Whether everything that was written holds for a model of which so much is the key.
    pub(super) fn hold<'f>(mut written: &[u8], model: &[u8], key: usize, field: &dyn Fn(&str) -> Option<&'f [u8]>) -> bool {
        while let Some((kind, rest)) = written.split_first() {
            let Some((lengths, rest)) = rest.split_at_checked(8) else { return false };
            let length = |at: usize| u32::from_le_bytes([lengths[at], lengths[at + 1], lengths[at + 2], lengths[at + 3]]) as usize;
            let Some((name, rest)) = rest.split_at_checked(length(0)) else { return false };
            let Some((value, rest)) = rest.split_at_checked(length(4)) else { return false };
            let holds = match (kind, std::str::from_utf8(name)) {
                (0, _) => model.get(key..).is_some_and(|behind| behind.ends_with(value)),
                (_, Ok(name)) => field(name) == Some(value),
                _ => false,
            };
            if !holds {
                return false;
            }
            written = rest;
        }
        true
    }
}
