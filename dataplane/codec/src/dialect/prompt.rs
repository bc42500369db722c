//! A request in no dialect: what is asked, and of what.
//!
//! Everything refers to the text that it was read from. What a dialect cannot say is a need of the
//! request ([`Needs`]), and a target that lacks it is not asked; what is only a hint (whose request
//! it is, what it may cost, where a cache would help) is left out where it has no equivalent.

use super::media;
use super::{Depth, Dialect, Needs, Reasoning, Signature};
use crate::json::Str;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Prompt<'t> {
    /// What the model is told before the first turn.
    pub system: Vec<Part<'t>>,
    /// Who said what, in order. Neighbours may have the same role.
    pub turns: Vec<Turn<'t>>,
    /// What the model may call.
    pub tools: Vec<Tool<'t>>,
    /// Whether it must.
    pub choice: Choice<'t>,
    /// Several calls in one answer; `None` leaves it to the provider.
    pub parallel: Option<bool>,
    /// The form of the answer's text.
    pub format: Format<'t>,
    /// How tokens are drawn.
    pub sampling: Sampling<'t>,
    /// Most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<Str<'t>>,
    /// How many answers; `None` is one.
    pub count: Option<u64>,
    /// Thinking before the answer.
    pub reasoning: Reasoning,
    /// The probabilities of tokens, and of so many others in the place of each.
    pub logprobs: Option<u64>,
    /// Whose request it is, in the tenant's words.
    pub user: Option<Str<'t>>,
    /// Pieces of the answer as they come.
    pub stream: bool,
    /// The answer's tokens are to be told in a stream, too (only OpenAI's Chat asks).
    pub include_usage: bool,
    /// What not everybody can be told.
    pub needs: Needs,
    /// The dialect that it was read from.
    pub own: Option<Dialect>,
    /// Members that mean nothing here, and that go along within the same dialect: names and values.
    pub others: Vec<(Str<'t>, &'t [u8])>,
}

/// What one side said.
#[derive(Clone, Debug)]
pub struct Turn<'t> {
    /// Who.
    pub role: Role,
    /// What.
    pub parts: Vec<Part<'t>>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The user, and the tools that were called.
    User,
    /// The model.
    Assistant,
}

/// A part of what was said.
#[derive(Clone, Debug)]
pub enum Part<'t> {
    /// Text.
    Text {
        /// What it says. Anthropic refuses an empty one.
        text: Str<'t>,
        /// The prompt may be cached up to here.
        cache: Option<Cache>,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: Source<'t>,
        /// `low`, `high`, `auto` or `original`, in OpenAI's words.
        detail: Option<Str<'t>>,
        /// The prompt may be cached up to here.
        cache: Option<Cache>,
    },
    /// Sound.
    Audio {
        /// In base64.
        data: Str<'t>,
        /// Its kind, as a media type or a bare word: `audio/wav`, `wav`.
        format: Str<'t>,
    },
    /// A file to be read.
    Document {
        /// Where it is.
        source: Source<'t>,
        /// What it is called.
        name: Option<Str<'t>>,
        /// The prompt may be cached up to here.
        cache: Option<Cache>,
    },
    /// The model called a tool.
    Call(Call<'t>),
    /// What the tool answered.
    Outcome(Outcome<'t>),
    /// What the model thought.
    Thought(Thought<'t>),
    /// The model refused.
    Refusal(Str<'t>),
}

impl Part<'_> {
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Part::Text { text, .. } | Part::Refusal(text) | Part::Document { source: Source::Text(text), .. } => text.raw().len(),
            Part::Thought(thought) => thought.text.raw().len(),
            Part::Call(Call { arguments: Arguments::Text(text), .. }) => text.raw().len(),
            Part::Call(Call { arguments: Arguments::Object(json), .. }) => json.len(),
            Part::Outcome(outcome) => outcome.object.map_or(0, <[u8]>::len) + outcome.parts.iter().map(Part::text_bytes).sum::<usize>(),
            Part::Image { .. } | Part::Audio { .. } | Part::Document { .. } => 0,
        }
    }

    fn note_needs(&self, needs: &mut Needs) {
        match self {
            Part::Image { source: Source::Url { .. }, .. } => needs.add(Needs::IMAGE.and(Needs::IMAGE_URL)),
            Part::Image { .. } => needs.add(Needs::IMAGE),
            Part::Audio { .. } => needs.add(Needs::AUDIO),
            Part::Document { source: Source::Url { .. }, .. } => needs.add(Needs::DOCUMENT.and(Needs::DOCUMENT_URL)),
            Part::Document { source: Source::Data { media, .. }, .. } => {
                needs.add(Needs::DOCUMENT);
                if !media.is("application/pdf") && !media::is_text(*media) {
                    needs.add(Needs::FILE_KIND);
                }
            }
            Part::Outcome(outcome) => outcome.parts.iter().for_each(|part| part.note_needs(needs)),
            // A bare text is text, wherever it comes from.
            Part::Document { .. } | Part::Text { .. } | Part::Call(_) | Part::Thought(_) | Part::Refusal(_) => {}
        }
    }
}

/// Where a picture or a file is.
#[derive(Clone, Copy, Debug)]
pub enum Source<'t> {
    /// Behind a URL that is not `data:`.
    Url {
        /// The URL.
        url: Str<'t>,
        /// Its media type, where the request says.
        media: Option<Str<'t>>,
    },
    /// Here.
    Data {
        /// Media type: `image/png`.
        media: Str<'t>,
        /// In base64.
        data: Str<'t>,
    },
    /// Here, as bare text.
    Text(Str<'t>),
}

impl<'t> Source<'t> {
    /// What a URL leads to; one of `data:` holds it.
    pub fn of_url(url: Str<'t>) -> Source<'t> {
        let data = url.raw().strip_prefix(b"data:").and_then(|rest| {
            let comma = memchr::memchr(b',', rest)?;
            let media = rest[..comma].strip_suffix(b";base64")?;
            // A parameter (`;charset=utf-8`) is no part of the type.
            let media = media.split(|&byte| byte == b';').next().unwrap_or_default();
            Some(Source::Data { media: Str::escaped(media), data: Str::escaped(&rest[comma + 1..]) })
        });
        data.unwrap_or(Source::Url { url, media: None })
    }
}

/// How long a provider is asked to keep the cache of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Its shortest time: five minutes, or thirty.
    Short,
    /// Its longer one: an hour, or more.
    Long,
}

/// A call of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Call<'t> {
    /// Names the call; Gemini may leave it out.
    pub id: Option<Str<'t>>,
    /// The tool.
    pub name: Str<'t>,
    /// What it is called with.
    pub arguments: Arguments<'t>,
    /// Proves to the provider that the call is its own.
    pub signature: Option<Signature<'t>>,
}

/// What a tool is called with.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'t> {
    /// JSON within a string, as OpenAI has it; it may be no JSON at all.
    Text(Str<'t>),
    /// A JSON object.
    Object(&'t [u8]),
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct Outcome<'t> {
    /// The call that it answers.
    pub id: Option<Str<'t>>,
    /// The tool, where the request says; else it is that of the call.
    pub name: Option<Str<'t>>,
    /// What it says: texts, and what else a dialect allows.
    pub parts: Vec<Part<'t>>,
    /// The answer as a JSON object, as Gemini has it; then `parts` is empty.
    pub object: Option<&'t [u8]>,
    /// The tool failed.
    pub error: bool,
    /// The prompt may be cached up to here.
    pub cache: Option<Cache>,
}

/// What the model thought before.
#[derive(Clone, Copy, Debug)]
pub struct Thought<'t> {
    /// What it says; empty when the provider keeps it to itself.
    pub text: Str<'t>,
    /// Proves to the provider that it is its own.
    pub signature: Option<Signature<'t>>,
    /// There is nothing to read but the signature (`redacted_thinking`).
    pub redacted: bool,
}

/// A function that the model may call.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'t> {
    /// Its name.
    pub name: Str<'t>,
    /// What it does.
    pub description: Option<Str<'t>>,
    /// The JSON Schema of its arguments, as it came; `None` for one without.
    pub parameters: Option<&'t [u8]>,
    /// The schema is in OpenAPI's words with types in capitals, as Gemini has it.
    pub openapi: bool,
    /// Arguments must follow the schema to the letter.
    pub strict: Option<bool>,
    /// The prompt may be cached up to here.
    pub cache: Option<Cache>,
}

/// Whether tools are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice<'t> {
    /// The request does not say.
    #[default]
    Unset,
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// One at least.
    Any,
    /// This one.
    Named(Str<'t>),
}

/// The form of the answer's text.
#[derive(Clone, Copy, Debug, Default)]
pub enum Format<'t> {
    /// Free.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// JSON that follows a schema.
    Schema(Schema<'t>),
}

/// A schema for the answer.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'t> {
    /// What it is called; only OpenAI wants to know.
    pub name: Option<Str<'t>>,
    /// What it is for.
    pub description: Option<Str<'t>>,
    /// The JSON Schema, as it came.
    pub schema: &'t [u8],
    /// It is in OpenAPI's words with types in capitals, as Gemini has it.
    pub openapi: bool,
    /// To the letter.
    pub strict: Option<bool>,
}

/// How tokens are drawn. Numbers are as they were written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampling<'t> {
    /// 0 to 2 with OpenAI and Gemini, 0 to 1 with Anthropic.
    pub temperature: Option<&'t [u8]>,
    /// 0 to 1.
    pub top_p: Option<&'t [u8]>,
    /// Tokens to draw from.
    pub top_k: Option<&'t [u8]>,
    /// A start for random numbers.
    pub seed: Option<&'t [u8]>,
    /// -2 to 2.
    pub presence_penalty: Option<&'t [u8]>,
    /// -2 to 2.
    pub frequency_penalty: Option<&'t [u8]>,
    /// Token ids and their bias: a JSON object.
    pub logit_bias: Option<&'t [u8]>,
}

impl<'t> Prompt<'t> {
    /// True when the last turn is the model's, so that the answer begins with it.
    pub fn is_begun(&self) -> bool {
        self.turns.last().is_some_and(|turn| turn.role == Role::Assistant)
    }

    /// The bytes of all that is text in it. What lies in base64 is not counted: its size tells little of
    /// what it costs to read.
    pub fn text_bytes(&self) -> u64 {
        let tools = self.tools.iter().map(|tool| {
            tool.name.raw().len() + tool.description.map_or(0, |text| text.raw().len()) + tool.parameters.map_or(0, <[u8]>::len)
        });
        let parts = self.system.iter().chain(self.turns.iter().flat_map(|turn| &turn.parts));
        parts.map(Part::text_bytes).chain(tools).map(|bytes| bytes as u64).sum()
    }

    /// Adds the needs that follow from what was read.
    pub fn note_needs(&mut self) {
        let needs = &mut self.needs;
        if !self.tools.is_empty() {
            needs.add(Needs::TOOLS);
            if matches!(self.choice, Choice::Any | Choice::Named(_)) {
                needs.add(Needs::TOOL_CHOICE);
            }
        }
        match self.format {
            Format::Text => {}
            Format::Json => needs.add(Needs::JSON),
            Format::Schema(_) => needs.add(Needs::SCHEMA),
        }
        if !matches!(self.format, Format::Text) && !self.tools.is_empty() {
            needs.add(Needs::SCHEMA_AND_TOOLS);
        }
        if self.logprobs.is_some() {
            needs.add(Needs::LOGPROBS);
        }
        if self.count.is_some_and(|count| count > 1) {
            needs.add(Needs::COUNT);
        }
        if !self.stop.is_empty() {
            needs.add(Needs::STOP);
        }
        if self.stop.iter().any(|text| is_blank(*text)) {
            needs.add(Needs::STOP_BLANK);
        }
        if self.stop.len() > 4 {
            needs.add(Needs::STOP_MANY);
        }
        if self.stream {
            needs.add(Needs::STREAM);
        }
        if !matches!(self.reasoning.depth, Depth::Unset | Depth::Off) {
            needs.add(Needs::REASONING);
        }
        let parts = self.system.iter().chain(self.turns.iter().flat_map(|turn| &turn.parts));
        parts.for_each(|part| part.note_needs(needs));
    }

    /// Adds a part to the last turn when it has that role, else to a new one.
    pub fn say(&mut self, role: Role, part: Part<'t>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.push(part),
            _ => self.turns.push(Turn { role, parts: vec![part] }),
        }
    }
}

/// True for a text of nothing but white space.
pub(super) fn is_blank(text: Str<'_>) -> bool {
    let mut rest = text.raw();
    loop {
        rest = match rest {
            [] => return true,
            [b' ', rest @ ..] | [b'\\', b'n' | b'r' | b't' | b'f', rest @ ..] => rest,
            _ => return false,
        };
    }
}

/// Why a request is none that can be said in other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The member that is at fault.
    pub member: &'static str,
    /// What it does wrong, after its name.
    pub complaint: &'static str,
}

impl Unread {
    /// A complaint about a member.
    pub const fn new(member: &'static str, complaint: &'static str) -> Unread {
        Unread { member, complaint }
    }
}
