//! Which parameter of a request a provider does not know, so that it can be left out.

use super::ErrorFields;
use std::{fmt, num::NonZeroU8};

/// Parameters without which a request still says what it said, in ascending order. The names of all
/// dialects stand here; those of a prompt, of tools and of the model do not.
pub const DROPPABLE: &[&str] = &[
    "enable_thinking",
    "frequencyPenalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "metadata",
    "min_p",
    "parallel_tool_calls",
    "prediction",
    "presencePenalty",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "random_seed",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "responseLogprobs",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "stream_options",
    "temperature",
    "thinking",
    "thinkingConfig",
    "topK",
    "topP",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
];

/// One of [`DROPPABLE`]: its place there, and one more. A byte, because every verdict has room for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Parameter(NonZeroU8);

const _: () = assert!(DROPPABLE.len() < u8::MAX as usize);

impl Parameter {
    /// What a request calls it.
    pub fn name(self) -> &'static str {
        DROPPABLE[usize::from(self.0.get()) - 1]
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Codes by which a provider says that it does not know a parameter, or knows no other value of it.
const CODES: &[&str] = &["unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden"];

/// What such messages say: a pattern of the rules' kind.
pub(super) const PHRASES: &str = "extra inputs are not permitted|(unsupported|unknown) parameter|unrecognized request argument|\
    argument not supported|not supported (with|by|on|for) this model|is unsupported|unknown name";

/// Bytes of a message that are looked through.
const MESSAGE_BYTES_MAX: usize = 512;

/// The parameter that an error about the request says is not known, if it is one that can be dropped.
/// `said` tells whether the message has one of [`PHRASES`].
pub(super) fn unsupported(fields: &ErrorFields<'_>, said: bool) -> Option<Parameter> {
    let message = fields.message.unwrap_or_default().as_bytes();
    let message = &message[..message.len().min(MESSAGE_BYTES_MAX)];
    let coded = fields.code.is_some_and(|code| CODES.contains(&code.trim()));
    if !coded && !said {
        return None;
    }
    let named = fields.param.and_then(|param| {
        let param = param.as_bytes();
        let start = param.iter().rposition(|byte| matches!(byte, b'.' | b'/')).map_or(0, |dot| dot + 1);
        droppable(&param[start..]).filter(|_| is_outermost(&param[..start], b""))
    });
    named.or_else(|| mentioned(message))
}

/// The first parameter that a message speaks of, unless it is a member of something else.
fn mentioned(message: &[u8]) -> Option<Parameter> {
    let mut start = 0;
    for word in message.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_') {
        let end = start + word.len();
        if let Some(found) = droppable(word) {
            return Some(found).filter(|_| is_outermost(&message[..start], &message[end..]));
        }
        start = end + 1;
    }
    None
}

/// What holds the parameters of a request, in the dialects that have something which does.
const HOLDERS: &[&[u8]] = &[b"body", b"request", b"generation_config", b"generationConfig"];

/// True when a name between these is that of a parameter: `temperature`, `generation_config.seed`,
/// `"seed" at 'generation_config'`; and not `tools.0.metadata`, which is part of what is said.
fn is_outermost(before: &[u8], behind: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let above = match before {
        [rest @ .., b'.' | b'/'] => &rest[rest.iter().rposition(|byte| !is_word(byte)).map_or(0, |at| at + 1)..],
        _ => match behind.strip_prefix(b"\" at '") {
            Some(place) => &place[..place.iter().position(|byte| !is_word(byte)).unwrap_or(place.len())],
            None => return true,
        },
    };
    HOLDERS.contains(&above)
}

fn droppable(word: &[u8]) -> Option<Parameter> {
    let at = DROPPABLE.binary_search_by(|known| known.as_bytes().cmp(word)).ok()?;
    NonZeroU8::new(at as u8 + 1).map(Parameter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::rules::{self, Prepared, Room};

    fn check(code: &str, param: &str, message: &str, expected: Option<&str>) {
        let fields = ErrorFields { kind: None, code: Some(code), param: Some(param), message: Some(message) };
        let mut room = Room::new();
        let said = rules::speaks_of_unknown(&Prepared::new(&fields, &mut room));
        assert_eq!(unsupported(&fields, said).map(Parameter::name), expected, "{code} {param} {message}");
    }

    #[test]
    fn names_are_found_where_providers_put_them() {
        assert!(DROPPABLE.is_sorted());
        assert!(DROPPABLE.iter().all(|name| droppable(name.as_bytes()).is_some_and(|found| found.name() == *name)));
        let gone = Some("temperature");
        check("unsupported_value", "temperature", "Unsupported value: 'temperature' does not support 0.2 with this model.", gone);
        check("unsupported_parameter", "", "Unsupported parameter: 'temperature' is not supported with this model.", gone);
        check("", "", "temperature: Extra inputs are not permitted", gone);
        check("", "body.temperature", "Extra inputs are not permitted", gone);
        check("", "", "Argument not supported on this model: presencePenalty", Some("presencePenalty"));
        check("", "", "Invalid JSON payload received. Unknown name \"seed\" at 'generation_config': Cannot find field.", Some("seed"));
        check("", "", "Unrecognized request argument supplied: logprobs", Some("logprobs"));
        check("unknown_parameter", "top_k", "", Some("top_k"));
        check("unknown_parameter", "generationConfig.topK", "", Some("topK"));
        check("", "", "generation_config.seed is unsupported", Some("seed"));
        check("", "", "property 'request.body.seed' is unsupported", Some("seed"));
    }

    #[test]
    fn nothing_else_is_dropped() {
        check("unsupported_value", "messages[0].role", "Unsupported value: 'messages[0].role' does not support 'system'.", None);
        check("", "", "tools.0.custom.metadata: Extra inputs are not permitted", None);
        check("", "", "Invalid JSON payload received. Unknown name \"seed\" at 'tools[0]': Cannot find field.", None);
        check("", "messages.0.metadata", "Unknown parameter", None);
        check("unsupported_parameter", "tools", "Unsupported parameter: 'tools'", None);
        check("decimal_above_max_value", "temperature", "Invalid 'temperature': decimal above maximum value.", None);
        check("", "temperature", "temperature must be a number", None);
        check("", "", "", None);
        check("", "", &format!("{} Unknown parameter: 'seed'", "x".repeat(600)), None);
    }
}
