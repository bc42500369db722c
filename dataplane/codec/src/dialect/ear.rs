//! Hears a provider's answer in its dialect, says it in the tenant's, and tells what it meant.

use super::answer::CHOICES_MAX;
use super::{Content, Decoder, Delta, Dialect, Encoder, Event, Failure, Kind, Listener, Manner, Outcome, Terms, read_ending};
use crate::json::{Finish, Tree, Usage};

/// A stream on its way from one dialect to another, or through.
#[derive(Debug)]
pub struct Ear {
    decoder: Decoder,
    encoder: Option<Encoder>,
    terms: Terms,
    tree: Tree,
    finished: bool,
    /// The last call of each choice, which alone can go on.
    calls: Vec<u32>,
}

/// What the pieces of one event meant.
#[derive(Default)]
struct Gist {
    content: Option<Content>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    reasoning: bool,
    end: bool,
    /// It brings something that only its own dialect has words for.
    untold: bool,
    /// It goes on with a call that was over, for which no dialect but one has words.
    torn: bool,
}

impl Gist {
    fn note(&mut self, delta: &Delta<'_>) {
        self.content = self.content.or(delta.content());
        match delta {
            Delta::Thought(text) => self.reasoning |= !text.is_empty(),
            Delta::Finish { reason, .. } => self.finish = Some(*reason),
            Delta::Usage(usage) => self.usage = Some(*usage),
            Delta::Untold => self.untold = true,
            Delta::End => self.end = true,
            _ => {}
        }
    }
}

impl Ear {
    /// For a stream of `from`, to be said in another dialect with `manner`; `None` only listens.
    pub fn new(from: Dialect, to: Option<(Dialect, Manner)>) -> Ear {
        let terms = to.as_ref().map(|(_, manner)| manner.terms.clone()).unwrap_or_default();
        let encoder = to.map(|(dialect, manner)| Encoder::new(dialect, manner));
        let decoder = Decoder::new(from, terms.unwrapped);
        Ear { decoder, encoder, terms, tree: Tree::new(), finished: false, calls: Vec::new() }
    }

    /// True when what is heard is said in another dialect.
    pub fn translates(&self) -> bool {
        self.encoder.is_some()
    }

    /// Reads an event. What it says in the other dialect is appended to `out`.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8], out: &mut Vec<u8>) -> Event {
        let mut gist = Gist::default();
        let read = {
            let Ear { decoder, encoder, terms, tree, calls, .. } = self;
            let mut hear = |choice: u32, delta: Delta<'_>| {
                gist.note(&delta);
                gist.torn |= is_torn(calls, choice, &delta);
                if let Some(encoder) = encoder {
                    terms.tell(choice, delta, encoder);
                }
            };
            decoder.event(name, data, tree, &mut hear)
        };
        self.drain(out);
        self.finished |= gist.finish.is_some();
        let said_anew = self.translates();
        if gist.untold && !said_anew {
            gist.content = gist.content.or(Some(Content::Untold));
        }
        let kind = match (read, &gist) {
            (Err(Failure::Error(fields)), _) => Kind::Error(fields),
            (Err(Failure::Malformed), _) => Kind::Malformed,
            (Ok(()), Gist { torn: true, .. }) if said_anew => Kind::Malformed,
            // What is a failure in the provider's words is one here, and never an end, whatever came with it.
            (Ok(()), Gist { finish: Some(Finish::Error), .. }) => Kind::Error(Box::new(read_ending(data.trim_ascii()))),
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

/// True for a piece of another call than the last one that began.
fn is_torn(calls: &mut Vec<u32>, choice: u32, delta: &Delta<'_>) -> bool {
    let at = choice as usize;
    match delta {
        Delta::Call { index, .. } if at < CHOICES_MAX => {
            if calls.len() <= at {
                calls.resize(at + 1, u32::MAX);
            }
            calls[at] = *index;
            false
        }
        Delta::Arguments { index, .. } | Delta::Object { index, .. } => calls.get(at) != Some(index),
        _ => false,
    }
}
