//! What can be asked for: the paths that the gateway answers at, and those that it asks at.

use crate::{models, request::Asked, respond::Refusal};
use codec::{
    dialect::{Dialect, gemini},
    head::{self, Field, Method},
};
use engine::prepared;
use policy::{Provider, Speaks, Target};

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/responses`
    Responses,
    /// `/v1/messages`
    Messages,
    /// `/v1/messages/count_tokens`
    CountTokens,
    /// `/v1beta/models/NAME:generateContent`
    Generate,
    /// `/v1beta/models/NAME:streamGenerateContent`
    StreamGenerate,
    /// `/v1beta/models/NAME:countTokens`
    GeminiCount,
    /// `/v1beta/models/NAME:embedContent`
    GeminiEmbed,
    /// `/v1beta/models/NAME:batchEmbedContents`
    GeminiBatchEmbed,
}

impl Surface {
    /// Those whose path is the same for every model, in the order of their declaration.
    pub const FIXED: [Surface; 6] =
        [Surface::Chat, Surface::Completions, Surface::Embeddings, Surface::Responses, Surface::Messages, Surface::CountTokens];

    /// Its path behind the version; of Gemini's, what follows the model.
    pub const fn path(self) -> &'static str {
        match self {
            Surface::Chat => "/chat/completions",
            Surface::Completions => "/completions",
            Surface::Embeddings => "/embeddings",
            Surface::Responses => "/responses",
            Surface::Messages => "/messages",
            Surface::CountTokens => "/messages/count_tokens",
            Surface::Generate => ":generateContent",
            Surface::StreamGenerate => ":streamGenerateContent",
            Surface::GeminiCount => ":countTokens",
            Surface::GeminiEmbed => ":embedContent",
            Surface::GeminiBatchEmbed => ":batchEmbedContents",
        }
    }

    /// Streams of it carry `stream_options`.
    pub const fn has_stream_options(self) -> bool {
        matches!(self, Surface::Chat | Surface::Completions)
    }

    /// The language of what is sent and answered there.
    pub const fn dialect(self) -> Dialect {
        match self {
            Surface::Chat | Surface::Completions | Surface::Embeddings => Dialect::Openai,
            Surface::Responses => Dialect::Responses,
            Surface::Messages | Surface::CountTokens => Dialect::Anthropic,
            Surface::Generate | Surface::StreamGenerate | Surface::GeminiCount | Surface::GeminiEmbed | Surface::GeminiBatchEmbed => {
                Dialect::Gemini
            }
        }
    }

    /// The same in the policy's words.
    pub const fn spoken(self) -> Speaks {
        match self.dialect() {
            Dialect::Openai => Speaks::CHAT,
            Dialect::Responses => Speaks::RESPONSES,
            Dialect::Anthropic => Speaks::ANTHROPIC,
            Dialect::Gemini => Speaks::GEMINI,
        }
    }

    /// A model is asked to answer.
    pub const fn generates(self) -> bool {
        matches!(self, Surface::Chat | Surface::Responses | Surface::Messages | Surface::Generate | Surface::StreamGenerate)
    }

    /// Vectors are asked for.
    pub const fn embeds(self) -> bool {
        matches!(self, Surface::Embeddings | Surface::GeminiEmbed | Surface::GeminiBatchEmbed)
    }

    /// The tokens of a prompt are to be counted.
    pub const fn counts(self) -> bool {
        matches!(self, Surface::CountTokens | Surface::GeminiCount)
    }

    /// An answer may be a stream.
    pub const fn streams(self) -> bool {
        (self.generates() || matches!(self, Surface::Completions)) && !matches!(self, Surface::Generate)
    }

    /// The dialects that have an answer to it, in their own words or in others.
    pub const fn known_to(self) -> Speaks {
        match self {
            Surface::Completions => Speaks::CHAT,
            Surface::Embeddings | Surface::GeminiEmbed | Surface::GeminiBatchEmbed => Speaks::CHAT.and(Speaks::GEMINI),
            Surface::CountTokens | Surface::GeminiCount => Speaks::ANTHROPIC.and(Speaks::GEMINI),
            _ => Speaks::EVERY,
        }
    }

    /// Where `target` of `provider` is asked for what is asked here.
    pub fn at(self, provider: &Provider, target: &Target, stream: bool) -> Surface {
        let speaks = prepared::speaks(provider, target);
        if speaks.any(self.spoken()) {
            return self;
        }
        match provider.dialect {
            policy::Dialect::OpenAi if self.embeds() => Surface::Embeddings,
            policy::Dialect::Gemini if self.embeds() => Surface::GeminiBatchEmbed,
            policy::Dialect::Anthropic if self.counts() => Surface::CountTokens,
            policy::Dialect::Gemini if self.counts() => Surface::GeminiCount,
            policy::Dialect::OpenAi if speaks.any(Speaks::CHAT) => Surface::Chat,
            policy::Dialect::OpenAi => Surface::Responses,
            policy::Dialect::Anthropic => Surface::Messages,
            policy::Dialect::Gemini if stream => Surface::StreamGenerate,
            policy::Dialect::Gemini => Surface::Generate,
        }
    }

    fn of_verb(verb: gemini::Verb) -> Surface {
        match verb {
            gemini::Verb::Generate => Surface::Generate,
            gemini::Verb::Stream => Surface::StreamGenerate,
            gemini::Verb::Count => Surface::GeminiCount,
            gemini::Verb::Embed => Surface::GeminiEmbed,
            gemini::Verb::BatchEmbed => Surface::GeminiBatchEmbed,
        }
    }

    /// Gemini's verb for it.
    pub const fn verb(self) -> Option<gemini::Verb> {
        match self {
            Surface::Generate => Some(gemini::Verb::Generate),
            Surface::StreamGenerate => Some(gemini::Verb::Stream),
            Surface::GeminiCount => Some(gemini::Verb::Count),
            Surface::GeminiEmbed => Some(gemini::Verb::Embed),
            Surface::GeminiBatchEmbed => Some(gemini::Verb::BatchEmbed),
            _ => None,
        }
    }
}

/// Who answers.
pub enum Asks {
    /// A provider; and the model, where the path names it.
    Provider(Surface, Option<Box<str>>),
    /// The gateway itself, about its models.
    Gateway(models::Page),
}

/// Longest decoded path that can be one of ours, in bytes.
const PATH_BYTES_MAX: usize = 512;

/// The language that a client speaks, as far as its head tells before anything else is known of it.
pub fn dialect_of(asked: &Asked) -> Dialect {
    let path = asked.head.path(&asked.bytes);
    if path.starts_with(b"/v1/messages") || asked.field(Field::AnthropicVersion).is_some() {
        Dialect::Anthropic
    } else if path.starts_with(b"/v1beta/") || asked.field(Field::XGoogApiKey).is_some() {
        Dialect::Gemini
    } else if path.starts_with(b"/v1/responses") {
        Dialect::Responses
    } else {
        Dialect::Openai
    }
}

/// What a request asks for, by its method, its path and the kind of its body.
///
/// # Errors
/// There is nothing at the path, or not with this method, or the body is not JSON as it is.
pub fn of(asked: &Asked) -> Result<Asks, Refusal> {
    let path = asked.head.path(&asked.bytes);
    // As SDKs send it, and nearly everybody.
    if asked.head.method == Method::Post
        && let Some(rest) = path.strip_prefix(b"/v1")
        && let Some(&surface) = Surface::FIXED.iter().find(|surface| surface.path().as_bytes() == rest)
    {
        return media_type(asked).map(|()| Asks::Provider(surface, None));
    }
    let mut decoded = [0; PATH_BYTES_MAX];
    if path.len() > PATH_BYTES_MAX {
        return Err(unknown_url());
    }
    let length = head::percent_decode(path, &mut decoded)?;
    let path = std::str::from_utf8(&decoded[..length]).map_err(|_| unknown_url())?;
    let (allowed, asks) = read_path(asked, path).ok_or_else(unknown_url)?;
    match (asked.head.method, &asks) {
        (Method::Post, Asks::Provider(..)) => media_type(asked)?,
        // RFC 9110, section 9.1: HEAD goes wherever GET does.
        (Method::Get | Method::Head, Asks::Gateway(_)) => {}
        _ => {
            let message = "This path takes another method: POST for requests, GET for models.";
            return Err(Refusal { allow: Some(allowed), ..Refusal::tenant(405, "method_not_allowed", message) });
        }
    }
    Ok(asks)
}

/// The methods that a decoded path takes, and what is there.
fn read_path(asked: &Asked, path: &str) -> Option<(&'static str, Asks)> {
    let google = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/")).unwrap_or_default();
    if let Some((model, verb)) = gemini::read_path(google) {
        return Some(("POST", Asks::Provider(Surface::of_verb(verb), Some(model.into()))));
    }
    let rest = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if let Some(&surface) = Surface::FIXED.iter().find(|surface| surface.path() == rest) {
        return Some(("POST", Asks::Provider(surface, None)));
    }
    let dialect = if path.starts_with("/v1beta/") { Dialect::Gemini } else { dialect_of(asked) };
    let rest = path.strip_prefix("/v1beta").unwrap_or(rest);
    if rest == "/models" {
        return Some(("GET, HEAD", Asks::Gateway(models::Page { dialect, one: None })));
    }
    let name = rest.strip_prefix("/models/")?;
    Some(("GET, HEAD", Asks::Gateway(models::Page { dialect, one: Some(name.into()) })))
}

/// Of Gemini's streams: events are asked for, and not one array that grows.
pub fn asks_for_events(asked: &Asked) -> bool {
    asked.head.query.is_some_and(|query| query.of(&asked.bytes).split(|&byte| byte == b'&').any(|pair| pair == b"alt=sse"))
}

fn unknown_url() -> Refusal {
    Refusal::tenant(
        404,
        "unknown_url",
        "There is nothing at this path. The gateway answers at /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses, \
         /v1/messages, /v1/messages/count_tokens, /v1beta/models/MODEL:generateContent (:streamGenerateContent, :countTokens, \
         :embedContent, :batchEmbedContents), and /v1/models.",
    )
}

fn media_type(asked: &Asked) -> Result<(), Refusal> {
    let coded = asked.field(Field::ContentEncoding).is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    if coded {
        return Err(Refusal::tenant(415, "content_encoding", "Send the body without Content-Encoding: it is read while it arrives."));
    }
    let json = asked.field(Field::ContentType).is_none_or(|kind| {
        let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        kind.eq_ignore_ascii_case(b"application/json")
    });
    if json { Ok(()) } else { Err(Refusal::tenant(415, "content_type", "The body must be application/json.")) }
}
