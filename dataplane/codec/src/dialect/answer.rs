//! A whole answer in no dialect, gathered from its pieces.

use super::{Delta, Dialect, Listener};
use crate::json::{Finish, Str, Usage, escape_into};

/// A whole answer. Strings are escaped, as they came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What the provider calls it; empty when it has no name for it.
    pub id: Vec<u8>,
    /// The model that answered, in the provider's words.
    pub model: Vec<u8>,
    /// The answers, of which there is one in most cases.
    pub choices: Vec<Choice>,
    /// Token counts.
    pub usage: Option<Usage>,
    /// The answer has ended as its dialect has it.
    pub over: bool,
    /// There was more, which only its own dialect has words for.
    pub untold: bool,
    /// Bytes that it holds, about.
    pub(super) held: usize,
}

/// One of the answers.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// What it says, in order.
    pub blocks: Vec<Block>,
    /// Where it comes from: address and title.
    pub citations: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Probabilities in OpenAI's form: the elements of an array, with commas between them.
    pub logprobs: Option<Vec<u8>>,
    /// Why it ended.
    pub finish: Option<Finish>,
    /// The stop sequence that ended it.
    pub stop: Option<Vec<u8>>,
    /// The next text does not go on with the last block.
    pub parted: bool,
}

/// A part of an answer.
#[derive(Clone, Debug)]
pub enum Block {
    /// Text.
    Text(Vec<u8>),
    /// A refusal.
    Refusal(Vec<u8>),
    /// Thinking.
    Thought {
        /// What it says.
        text: Vec<u8>,
        /// Its seal, and whose it is.
        signature: Option<(Dialect, Vec<u8>)>,
        /// Only its provider can read it.
        redacted: bool,
    },
    /// A call of a tool.
    Call {
        /// Which of the choice's calls.
        index: u32,
        /// Its id.
        id: Option<Vec<u8>>,
        /// The tool.
        name: Vec<u8>,
        /// Its arguments.
        arguments: Given,
        /// Its seal, and whose it is.
        signature: Option<(Dialect, Vec<u8>)>,
    },
}

/// What a tool is called with.
#[derive(Clone, Debug)]
pub enum Given {
    /// A JSON text as a string holds it.
    Text(Vec<u8>),
    /// A JSON object.
    Object(Vec<u8>),
}

/// What a block costs besides its text.
const BLOCK_SIZE: usize = 64;

/// The most choices of one answer.
pub const CHOICES_MAX: usize = 128;

impl Answer {
    /// True when some choice has something that the user can see.
    pub fn has_content(&self) -> bool {
        self.choices.iter().flat_map(|choice| &choice.blocks).any(|block| match block {
            Block::Text(text) | Block::Refusal(text) => !text.is_empty(),
            Block::Thought { .. } => false,
            Block::Call { .. } => true,
        })
    }

    /// True when some choice is a refusal, and says so.
    pub fn refuses(&self) -> bool {
        self.choices.iter().flat_map(|choice| &choice.blocks).any(|block| matches!(block, Block::Refusal(text) if !text.is_empty()))
    }

    /// Bytes that it holds, about.
    pub fn size(&self) -> usize {
        self.held
    }

    /// Text that comes next is a part of its own.
    pub fn part(&mut self, choice: u32) {
        if let Some(choice) = self.choice(choice) {
            choice.parted = true;
        }
    }

    fn choice(&mut self, at: u32) -> Option<&mut Choice> {
        let at = at as usize;
        if at >= CHOICES_MAX {
            return None;
        }
        while self.choices.len() <= at {
            self.choices.push(Choice::default());
        }
        self.choices.get_mut(at)
    }
}

impl Choice {
    /// The block that goes on.
    fn last(&mut self) -> Option<&mut Block> {
        let parted = std::mem::take(&mut self.parted);
        self.blocks.last_mut().filter(|_| !parted)
    }

    fn text(&mut self, piece: &[u8]) {
        match self.last() {
            Some(Block::Text(text)) => text.extend_from_slice(piece),
            _ => self.blocks.push(Block::Text(piece.to_vec())),
        }
    }

    fn refusal(&mut self, piece: &[u8]) {
        match self.last() {
            Some(Block::Refusal(text)) => text.extend_from_slice(piece),
            _ => self.blocks.push(Block::Refusal(piece.to_vec())),
        }
    }

    fn thought(&mut self, piece: &[u8]) {
        match self.last() {
            Some(Block::Thought { text, signature: None, redacted: false }) => text.extend_from_slice(piece),
            _ => self.blocks.push(Block::Thought { text: piece.to_vec(), signature: None, redacted: false }),
        }
    }

    fn given(&mut self, wanted: u32) -> Option<&mut Given> {
        self.blocks.iter_mut().rev().find_map(|block| match block {
            Block::Call { index, arguments, .. } if *index == wanted => Some(arguments),
            _ => None,
        })
    }
}

impl Listener for Answer {
    fn hear(&mut self, choice: u32, delta: Delta<'_>) {
        let of_its_own = !matches!(delta, Delta::Text(_) | Delta::Refusal(_) | Delta::Thought(_) | Delta::Arguments { .. });
        self.held = self.held.saturating_add(delta.size() + if of_its_own { BLOCK_SIZE } else { 0 });
        match delta {
            Delta::Begin { id, model } => {
                self.id = id.map(|id| id.raw().to_vec()).unwrap_or_default();
                self.model = model.map(|model| model.raw().to_vec()).unwrap_or_default();
                return;
            }
            Delta::Usage(usage) => {
                self.usage = Some(usage);
                return;
            }
            Delta::Untold => {
                self.untold = true;
                return;
            }
            Delta::End => {
                self.over = true;
                return;
            }
            _ => {}
        }
        let Some(choice) = self.choice(choice) else { return };
        match delta {
            Delta::Text(text) => choice.text(text.raw()),
            Delta::Refusal(text) => choice.refusal(text.raw()),
            Delta::Thought(text) => choice.thought(text.raw()),
            Delta::Sealed(seal) => {
                let seal = (seal.origin, seal.text.raw().to_vec());
                match choice.blocks.last_mut() {
                    Some(Block::Thought { signature: signature @ None, .. }) => *signature = Some(seal),
                    _ => choice.blocks.push(Block::Thought { text: Vec::new(), signature: Some(seal), redacted: false }),
                }
            }
            Delta::Redacted(seal) => {
                let signature = Some((seal.origin, seal.text.raw().to_vec()));
                choice.blocks.push(Block::Thought { text: Vec::new(), signature, redacted: true });
            }
            Delta::Call { index, id, name, signature } => choice.blocks.push(Block::Call {
                index,
                id: id.map(|id| id.raw().to_vec()),
                name: name.raw().to_vec(),
                arguments: Given::Text(Vec::new()),
                signature: signature.map(|seal| (seal.origin, seal.text.raw().to_vec())),
            }),
            Delta::Arguments { index, text } => {
                if let Some(Given::Text(given)) = choice.given(index) {
                    given.extend_from_slice(text.raw());
                }
            }
            Delta::Object { index, json } => {
                if let Some(given) = choice.given(index) {
                    *given = Given::Object(json.to_vec());
                }
            }
            Delta::Citation { url, title } => choice.citations.push((url.raw().to_vec(), title.map(|title| title.raw().to_vec()))),
            Delta::Logprobs(array) => {
                let elements = array.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or_default();
                let all = choice.logprobs.get_or_insert_default();
                if !all.is_empty() && !elements.trim_ascii().is_empty() {
                    all.push(b',');
                }
                all.extend_from_slice(elements);
            }
            Delta::Finish { reason, stop } => {
                choice.finish = Some(reason);
                choice.stop = stop.map(|stop| stop.raw().to_vec());
            }
            Delta::Begin { .. } | Delta::Untold | Delta::Usage(_) | Delta::End => {}
        }
    }
}

impl Given {
    /// Appends the arguments as a JSON object. What is none (a model may write anything) stands
    /// within one, so that it is not lost: `{"_raw": "…"}`; nothing at all is `{}`.
    pub fn write_object(&self, out: &mut Vec<u8>) {
        match self {
            Given::Text(text) => write_object(Str::escaped(text), out),
            Given::Object(json) => out.extend_from_slice(json),
        }
    }

    /// Appends the arguments as a JSON text within a string, with its quotes. Nothing at all is `{}`, which
    /// every client can parse.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        match self {
            Given::Text(text) if text.is_empty() => out.extend_from_slice(b"{}"),
            Given::Text(text) => out.extend_from_slice(text),
            Given::Object(json) => escape_json_into(json, out),
        }
        out.push(b'"');
    }
}

/// Appends what `text` holds as a JSON object; see [`Given::write_object`].
pub fn write_object(text: Str<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    text.decode_into(out);
    let mut tree = crate::json::Tree::new();
    if tree.read(&out[start..]).is_ok_and(|value| value.is_object()) {
        return;
    }
    out.truncate(start);
    if text.raw().trim_ascii().is_empty() || text.is("null") {
        return out.extend_from_slice(b"{}");
    }
    out.extend_from_slice(b"{\"_raw\":\"");
    out.extend_from_slice(text.raw());
    out.extend_from_slice(b"\"}");
}

/// Appends a JSON text as the characters of a string, without quotes.
pub fn escape_json_into(json: &[u8], out: &mut Vec<u8>) {
    // A JSON text that the machine has accepted is UTF-8.
    escape_into(out, &String::from_utf8_lossy(json));
}
