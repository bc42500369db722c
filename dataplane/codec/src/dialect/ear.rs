//! Hears a provider's answer in its dialect, says it in the tenant's, and tells what it meant.

use super::{Content, Decoder, Delta, Dialect, Encoder, Event, Failure, Kind, Listener, Manner, Outcome};
use crate::json::{Finish, Tree, Usage};

/// A stream on its way from one dialect to another, or through.
#[derive(Debug)]
pub struct Ear {
    decoder: Decoder,
    encoder: Option<Encoder>,
    tree: Tree,
    finished: bool,
}

/// What the pieces of one event meant.
#[derive(Default)]
struct Gist {
    content: Option<Content>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    reasoning: bool,
    end: bool,
}

impl Gist {
    fn note(&mut self, delta: &Delta<'_>) {
        self.content = self.content.or(delta.content());
        match delta {
            Delta::Thought(text) => self.reasoning |= !text.is_empty(),
            Delta::Finish { reason, .. } => self.finish = Some(*reason),
            Delta::Usage(usage) => self.usage = Some(*usage),
            Delta::End => self.end = true,
            _ => {}
        }
    }
}

impl Ear {
    /// For a stream of `from`, to be said in another dialect with `manner`; `None` only listens.
    pub fn new(from: Dialect, to: Option<(Dialect, Manner)>) -> Ear {
        let unwrapped = to.as_ref().and_then(|(_, manner)| manner.unwrapped);
        let encoder = to.map(|(dialect, manner)| Encoder::new(dialect, manner));
        Ear { decoder: Decoder::new(from, unwrapped), encoder, tree: Tree::new(), finished: false }
    }

    /// True when what is heard is said in another dialect.
    pub fn translates(&self) -> bool {
        self.encoder.is_some()
    }

    /// Reads an event. What it says in the other dialect is appended to `out`.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], out: &mut Vec<u8>) -> Event {
        let mut gist = Gist::default();
        let read = {
            let encoder = &mut self.encoder;
            let mut hear = |choice: u32, delta: Delta<'_>| {
                gist.note(&delta);
                if let Some(encoder) = encoder {
                    encoder.hear(choice, delta);
                }
            };
            self.decoder.event(name, data, &mut self.tree, &mut hear)
        };
        self.drain(out);
        self.finished |= gist.finish.is_some();
        let kind = match (read, &gist) {
            (Err(Failure::Error(fields)), _) => Kind::Error(fields),
            (Err(Failure::Malformed), _) => Kind::Malformed,
            // What is a failure in the provider's words is one here, and never an end.
            (Ok(()), Gist { finish: Some(Finish::Error), content: None, .. }) => Kind::Error(Box::default()),
            (Ok(()), Gist { end: true, finish, .. }) => Kind::Done(match finish {
                Some(Finish::Stop | Finish::ToolCalls) => Outcome::Completed,
                Some(other) => Outcome::Incomplete(Some(*other)),
                None if self.finished => Outcome::Completed,
                None => Outcome::Marker,
            }),
            (Ok(()), Gist { finish: Some(reason), content, .. }) => Kind::Finish { reason: *reason, content: *content },
            (Ok(()), Gist { content: Some(content), .. }) => Kind::Content(*content),
            (Ok(()), _) => Kind::Quiet,
        };
        Event { kind, usage: gist.usage, reasoning: gist.reasoning }
    }

    /// The provider's stream has ended, cleanly and after its last choice: what the other dialect ends with.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(encoder) = &mut self.encoder {
            encoder.hear(0, Delta::End);
        }
        self.drain(out);
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        if let Some(encoder) = &mut self.encoder {
            out.append(encoder.out());
        }
    }
}
