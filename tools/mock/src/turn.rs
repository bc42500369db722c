//! What the model does with a prompt: the one decision behind every dialect.
//!
//! Pure: a turn follows from the provider's settings and the prompt, so that a test can say
//! beforehand what complete and in order means. Texts are `<provider> says: w0 w1 w2 …`, with
//! whatever images and tool results came in the last turn named in brackets before the words.

use serde_json::{Value, json};

use crate::asked::Asked;
use crate::config::WORDS_MAX;
use crate::prompt::{Choice, Format, Marker, Prompt, Tool};
use crate::schema;

#[cfg(test)]
mod tests;

/// The most calls of one turn.
const CALLS_MAX: u64 = 128;
/// How many thoughts there are unless the prompt says otherwise.
const THOUGHTS: u64 = 4;
/// How much of a tool's result is repeated, in characters.
const RESULT_CHARS_MAX: usize = 200;
/// What a refusing model says.
const REFUSAL: &str = "I'm sorry, but I can't help with that.";

/// Why a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was said.
    Stop,
    /// The request's limit cut it.
    Length,
    /// Tools are to be called.
    Calls,
    /// The model refused.
    Refused,
}

/// A tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
}

impl Call {
    /// The arguments as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.arguments.to_string()
    }
}

/// What the model does.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What it thinks, one piece a token; nothing when it does not think.
    pub thoughts: Vec<String>,
    /// What it says, one piece a token; when it refuses, the refusal.
    pub pieces: Vec<String>,
    /// What it calls.
    pub calls: Vec<Call>,
    /// Why it ended.
    pub ending: Ending,
}

impl Turn {
    /// What it says.
    #[must_use]
    pub fn text(&self) -> String {
        self.pieces.concat()
    }

    /// What it thinks.
    #[must_use]
    pub fn thinking(&self) -> String {
        self.thoughts.concat()
    }

    /// The tokens of what it says and calls, without its thoughts.
    #[must_use]
    pub fn spoken_tokens(&self) -> u64 {
        let calls: u64 = self.calls.iter().map(|call| call.text().len() as u64 / 4 + 1).sum();
        self.pieces.len() as u64 + calls
    }

    /// The tokens of its thoughts.
    #[must_use]
    pub fn thought_tokens(&self) -> u64 {
        self.thoughts.len() as u64
    }

    /// All tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.thought_tokens() + self.spoken_tokens()
    }
}

/// What the markers of a prompt add up to.
#[derive(Default)]
struct Wishes<'a> {
    calls: Vec<Option<&'a str>>,
    say: bool,
    refuse: bool,
    words: Option<u64>,
    thoughts: Option<u64>,
}

impl<'a> Wishes<'a> {
    fn of(prompt: &'a Prompt<'_>) -> Wishes<'a> {
        let mut wishes = Wishes::default();
        for marker in prompt.markers() {
            match marker {
                Marker::Call(name) => wishes.calls.push(name),
                Marker::Calls(count) => wishes.calls.extend((0..count.min(CALLS_MAX)).map(|_| None)),
                Marker::Say => wishes.say = true,
                Marker::Refuse => wishes.refuse = true,
                Marker::Words(count) => wishes.words = Some(count),
                Marker::Think(count) => wishes.thoughts = Some(count),
            }
        }
        wishes
    }
}

/// What the model does with this prompt.
#[must_use]
pub fn decide(asked: &Asked<'_>, prompt: &Prompt<'_>) -> Turn {
    let wishes = Wishes::of(prompt);
    let mut thoughts = Vec::new();
    if prompt.thinks {
        let count = wishes.thoughts.unwrap_or(THOUGHTS).min(WORDS_MAX);
        thoughts.extend([asked.provider.to_owned(), " thinks:".to_owned()]);
        thoughts.extend((0..count).map(|index| format!(" t{index}")));
    }
    if asked.refuse || wishes.refuse {
        let pieces = REFUSAL.split_inclusive(' ').map(str::to_owned).collect();
        return Turn { thoughts, pieces, calls: Vec::new(), ending: Ending::Refused };
    }
    let calls = calls(asked, prompt, &wishes.calls);
    let pieces = match calls.is_empty() || wishes.say {
        true => pieces(asked, prompt, wishes.words.unwrap_or(asked.answers.words).min(WORDS_MAX)),
        false => Vec::new(),
    };
    cut(Turn { thoughts, pieces, ending: if calls.is_empty() { Ending::Stop } else { Ending::Calls }, calls }, prompt.tokens_max)
}

/// Cuts a turn to the tokens that it may have. Calls come last and go whole or not at all.
fn cut(mut turn: Turn, tokens_max: Option<u64>) -> Turn {
    let limit = tokens_max.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let spoken_max = limit.saturating_sub(turn.thoughts.len());
    if turn.thoughts.len() > limit || turn.pieces.len() > spoken_max {
        turn.thoughts.truncate(limit);
        turn.pieces.truncate(spoken_max);
        turn.calls.clear();
        turn.ending = Ending::Length;
    }
    turn
}

/// Tools are called when the request insists on it or a marker asks for it; left to choose, the
/// mock talks.
fn calls(asked: &Asked<'_>, prompt: &Prompt<'_>, wished: &[Option<&str>]) -> Vec<Call> {
    let tools = &prompt.tools;
    let named = |name: &str| tools.iter().find(|tool| tool.name == name);
    let mut called: Vec<&Tool<'_>> = match prompt.choice {
        Choice::Never => return Vec::new(),
        Choice::Named(name) => named(name).into_iter().collect(),
        Choice::Auto | Choice::Any => {
            let each = |(index, name): (usize, &Option<&str>)| match name {
                Some(name) => named(name),
                None => tools.get(index % tools.len().max(1)),
            };
            wished.iter().enumerate().filter_map(each).collect()
        }
    };
    if called.is_empty() && prompt.choice == Choice::Any {
        called.extend(tools.first());
    }
    if prompt.one_call {
        called.truncate(1);
    }
    let arguments = |tool: &Tool<'_>, index| if asked.wrong_schema { wrong(asked) } else { schema::example(tool.schema, index) };
    let call = |(index, tool): (u64, &&Tool<'_>)| Call { name: tool.name.to_owned(), arguments: arguments(tool, index) };
    (0..).zip(&called).map(call).collect()
}

/// The text in pieces.
///
/// A conversation whose last message is the assistant's own, ending in a numbered word, is
/// continued from the next number without greeting, as models that continue a prefill do. So a
/// test can tell whether two halves from two providers make one whole.
fn pieces(asked: &Asked<'_>, prompt: &Prompt<'_>, words: u64) -> Vec<String> {
    let first = match prompt.prefill.filter(|_| asked.answers.prefill).and_then(last_number) {
        Some(last) => last.saturating_add(1).min(words),
        None => match prompt.format {
            _ if asked.prose => return greeting(asked, prompt).chain((0..words).map(word)).collect(),
            Format::Text => return greeting(asked, prompt).chain((0..words).map(word)).collect(),
            Format::Json => return split(&json!({"provider": asked.provider, "words": words}).to_string(), 4),
            Format::Schema(_) if asked.wrong_schema => return split(&wrong(asked).to_string(), 4),
            Format::Schema(schema) => return split(&schema::example(schema, 0).to_string(), 4),
        },
    };
    (first..words).map(word).collect()
}

/// What breaks any schema that is closed.
fn wrong(asked: &Asked<'_>) -> Value {
    json!({"wrong": asked.provider})
}

fn word(number: u64) -> String {
    format!(" w{number}")
}

fn greeting<'a>(asked: &'a Asked<'_>, prompt: &'a Prompt<'_>) -> impl Iterator<Item = String> + 'a {
    let images = prompt.images.iter().map(|image| format!(" [{image}]"));
    let results = prompt.results.iter().map(|result| format!(" [result {}]", shortened(result)));
    [asked.provider.to_owned(), " says:".to_owned()].into_iter().chain(images).chain(results)
}

fn shortened(text: &str) -> String {
    text.chars().take(RESULT_CHARS_MAX).collect()
}

/// The number of the last word of a prefilled text.
fn last_number(text: &str) -> Option<u64> {
    text.split_whitespace().last()?.strip_prefix('w')?.parse().ok()
}

/// Cuts a text into pieces of `size` characters, as tokens of JSON come.
#[must_use]
pub fn split(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}
