//! Writes a request to the Responses API.

use crate::dialect::ids::{IdRule, Ids, mint};
use crate::dialect::media;
use crate::dialect::names::Names;
use crate::dialect::openai;
use crate::dialect::prompt::{Arguments, Call, Choice, Format, Outcome, Part, Prompt, Role, Source, Thought, Tool, Turn};
use crate::dialect::{Depth, Effort};
use crate::dialect::{Dialect, Means, Needs, Quirks, Rope, Thinking, schema};
use crate::json::Str;

/// What the Responses API has no words for.
pub const LACKS: Needs = Needs::STOP
    .and(Needs::STOP_MANY)
    .and(Needs::COUNT)
    .and(Needs::SEED)
    .and(Needs::PENALTIES)
    .and(Needs::LOGIT_BIAS)
    .and(Needs::TOP_K)
    .and(Needs::PREFILL)
    .and(Needs::CITATIONS)
    .and(Needs::AUDIO)
    .and(Needs::AUDIO_OUT)
    .and(Needs::IMAGE_OUT);

/// The least that the API takes for `max_output_tokens`.
const OUTPUT_TOKENS_MIN: u64 = 16;

/// Writes a request. What it needs and the dialect lacks must have been looked at before: it is left
/// out here. Nothing is kept at the provider: the gateway's requests hold all that they refer to.
pub fn write(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let ids = Ids::of(prompt, IdRule::Word);
    let names = Names::of(prompt, Dialect::Responses);
    rope.open_object();
    means.bar_set(rope);
    rope.key("model").text(means.model).key("input").open_array();
    system(prompt, means, rope);
    for (at, turn) in prompt.turns.iter().enumerate() {
        said(turn, at, (&ids, names), rope);
    }
    rope.close_array();
    if prompt.own != Some(Dialect::Responses) {
        rope.key("store").bool(false);
    }
    if prompt.stream {
        rope.key("stream").bool(true);
    }
    if let Some(tokens) = prompt.max_tokens {
        rope.key("max_output_tokens").number(means.output_max.map_or(tokens, |most| tokens.min(most)).max(OUTPUT_TOKENS_MIN));
    }
    if !means.sampling_fixed {
        if let Some(temperature) = prompt.sampling.temperature {
            rope.key("temperature").json(temperature);
        }
        if let Some(top_p) = prompt.sampling.top_p {
            rope.key("top_p").json(top_p);
        }
    }
    include(prompt, means, rope);
    tools(prompt, means, rope);
    format(prompt, rope);
    reasoning(prompt, means, rope);
    if let Some(user) = prompt.user {
        rope.key("safety_identifier").str(user);
    }
    let shared = |name: &Str<'_>| openai::SHARED.iter().any(|shared| name.is(shared));
    let passes = |name: &Str<'_>| match prompt.own {
        Some(Dialect::Responses) => true,
        Some(Dialect::Openai) => shared(name),
        _ => false,
    };
    // Those two have a place of their own.
    for (name, value) in prompt.others.iter().filter(|(name, _)| passes(name) && !name.is("verbosity") && !name.is("summary")) {
        rope.key_of(*name).json(value);
    }
    means.write_set(rope);
    rope.close_object();
}

fn system(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    if prompt.system.is_empty() && means.prefix.is_none() && means.suffix.is_none() {
        return;
    }
    rope.open_object().key("role").text("developer").key("content").open_array();
    means.prefix.iter().for_each(|text| {
        rope.open_object().key("type").text("input_text").key("text").text(text).close_object();
    });
    prompt.system.iter().for_each(|part| content(part, Role::User, rope));
    means.suffix.iter().for_each(|text| {
        rope.open_object().key("type").text("input_text").key("text").text(text).close_object();
    });
    rope.close_array().close_object();
}

/// One turn: its calls, answers and thoughts are items, and what else was said is a message.
fn said(turn: &Turn<'_>, at: usize, (ids, names): (&Ids, Names), rope: &mut Rope<'_>) {
    let mut open = false;
    for (part, what) in turn.parts.iter().enumerate() {
        let is_item = matches!(what, Part::Call(_) | Part::Outcome(_) | Part::Thought(_));
        if is_item && std::mem::replace(&mut open, false) {
            rope.close_array().close_object();
        }
        match what {
            Part::Call(call) => function_call(call, (at, part), (ids, names), rope),
            Part::Outcome(outcome) => function_call_output(outcome, (at, part), ids, rope),
            Part::Thought(thought) => reasoning_item(thought, rope),
            part => {
                if !std::mem::replace(&mut open, true) {
                    let role = if turn.role == Role::User { "user" } else { "assistant" };
                    rope.open_object().key("role").text(role).key("content").open_array();
                }
                content(part, turn.role, rope);
            }
        }
    }
    if open {
        rope.close_array().close_object();
    }
}

fn function_call(call: &Call<'_>, place: (usize, usize), (ids, names): (&Ids, Names), rope: &mut Rope<'_>) {
    rope.open_object().key("type").text("function_call").key("call_id");
    ids.write(rope, place.0, place.1, call.id);
    rope.key("name");
    names.write(call.name, rope);
    rope.key("arguments");
    match call.arguments {
        Arguments::Text(text) if text.is_empty() => rope.text("{}"),
        Arguments::Text(text) => rope.str(text),
        Arguments::Object(json) => rope.json_in_text(json),
    };
    rope.close_object();
}

fn function_call_output(outcome: &Outcome<'_>, place: (usize, usize), ids: &Ids, rope: &mut Rope<'_>) {
    rope.open_object().key("type").text("function_call_output").key("call_id");
    ids.write(rope, place.0, place.1, outcome.id);
    rope.key("output");
    match (outcome.object, &outcome.parts[..]) {
        (Some(object), _) => {
            rope.json_in_text(object);
        }
        (None, [Part::Text { text, .. }]) if !outcome.error => {
            rope.str(*text);
        }
        (None, parts) => {
            rope.open_array();
            if outcome.error {
                rope.open_object().key("type").text("input_text").key("text").text("Error: ").close_object();
            }
            parts.iter().for_each(|part| content(part, Role::User, rope));
            rope.close_array();
        }
    }
    rope.close_object();
}

/// What the model thought goes back only to the provider whose seal it bears.
fn reasoning_item(thought: &Thought<'_>, rope: &mut Rope<'_>) {
    let Some(seal) = thought.signature.filter(|seal| seal.origin == Dialect::Responses) else { return };
    let number = seal.text.raw().iter().fold(17, |sum: u64, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    rope.open_object().key("type").text("reasoning").key("id").with(|out| {
        out.extend_from_slice(b"\"rs_");
        mint(IdRule::Word, number, out);
        out.push(b'"');
    });
    rope.key("summary").open_array();
    if !thought.text.is_empty() {
        rope.open_object().key("type").text("summary_text").key("text").str(thought.text).close_object();
    }
    rope.close_array().key("encrypted_content").str(seal.text).close_object();
}

fn content(part: &Part<'_>, role: Role, rope: &mut Rope<'_>) {
    match part {
        Part::Text { text, .. } | Part::Document { source: Source::Text(text), .. } => {
            let kind = if role == Role::User { "input_text" } else { "output_text" };
            rope.open_object().key("type").text(kind).key("text").str(*text).close_object();
        }
        Part::Refusal(text) => {
            rope.open_object().key("type").text("refusal").key("refusal").str(*text).close_object();
        }
        Part::Image { source, detail, .. } => {
            rope.open_object().key("type").text("input_image").key("image_url");
            address(source, rope);
            rope.key("detail").str(detail.unwrap_or(Str::plain("auto"))).close_object();
        }
        // Not every model takes a file that is none but in name.
        Part::Document { source: Source::Data { media, data }, .. } if media::is_text(*media) => {
            rope.open_object().key("type").text("input_text").key("text").with(|out| media::write_text(*data, out)).close_object();
        }
        Part::Document { source, name, .. } => {
            rope.open_object().key("type").text("input_file");
            match source {
                Source::Url { url, .. } => {
                    rope.key("file_url").str(*url);
                }
                source => {
                    rope.key("filename").str(name.unwrap_or(Str::plain("document.pdf"))).key("file_data");
                    address(source, rope);
                }
            }
            rope.close_object();
        }
        Part::Audio { .. } | Part::Call(_) | Part::Outcome(_) | Part::Thought(_) => {}
    }
}

fn address(source: &Source<'_>, rope: &mut Rope<'_>) {
    match source {
        Source::Url { url, .. } => rope.str(*url),
        Source::Data { media, data } => rope.strs(&[Str::plain("data:"), *media, Str::plain(";base64,"), *data]),
        Source::Text(text) => rope.str(*text),
    };
}

fn include(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let logprobs = prompt.logprobs.filter(|_| !means.dropped.has(Needs::LOGPROBS));
    let wanted = prompt.reasoning.depth != Depth::Unset || prompt.reasoning.sealed;
    let thinks = !matches!(means.thinking, Thinking::None) && wanted;
    if logprobs.is_none() && !thinks {
        return;
    }
    rope.key("include").open_array();
    if thinks {
        rope.text("reasoning.encrypted_content");
    }
    if logprobs.is_some() {
        rope.text("message.output_text.logprobs");
    }
    rope.close_array();
    if let Some(others) = logprobs.filter(|others| *others > 0) {
        rope.key("top_logprobs").number(others.min(20));
    }
}

fn tools(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    if prompt.tools.is_empty() {
        return;
    }
    rope.key("tools").open_array();
    let names = Names::of(prompt, Dialect::Responses);
    prompt.tools.iter().for_each(|tool| function(tool, names, rope));
    rope.close_array();
    match prompt.choice {
        Choice::Any | Choice::Named(_) if means.dropped.has(Needs::TOOL_CHOICE) => {}
        Choice::Unset => {}
        Choice::Auto => {
            rope.key("tool_choice").text("auto");
        }
        Choice::None => {
            rope.key("tool_choice").text("none");
        }
        Choice::Any => {
            rope.key("tool_choice").text("required");
        }
        Choice::Named(name) => {
            rope.key("tool_choice").open_object().key("type").text("function").key("name");
            names.write(name, rope);
            rope.close_object();
        }
    }
    if let Some(parallel) = prompt.parallel.filter(|_| !means.quirks.has(Quirks::NO_PARALLEL)) {
        rope.key("parallel_tool_calls").bool(parallel);
    }
}

fn function(tool: &Tool<'_>, names: Names, rope: &mut Rope<'_>) {
    rope.open_object().key("type").text("function").key("name");
    names.write(tool.name, rope);
    if let Some(description) = tool.description {
        rope.key("description").str(description);
    }
    rope.key("parameters");
    match tool.parameters {
        Some(parameters) if tool.openapi => rope.with(|out| schema::from_openapi(parameters, out)),
        Some(parameters) => rope.json(parameters),
        None => rope.json(b"{\"type\":\"object\",\"properties\":{}}"),
    };
    // Here the default is to follow the schema to the letter, which elsewhere it is not.
    rope.key("strict").bool(tool.strict == Some(true) && tool.parameters.is_some_and(schema::is_closed)).close_object();
}

/// What a client of OpenAI's said under this name.
fn said_under<'p>(prompt: &'p Prompt<'_>, name: &str) -> Option<&'p [u8]> {
    let family = matches!(prompt.own, Some(Dialect::Openai | Dialect::Responses));
    prompt.others.iter().find(|(known, _)| family && known.is(name)).map(|(_, value)| *value)
}

fn format(prompt: &Prompt<'_>, rope: &mut Rope<'_>) {
    let verbosity = said_under(prompt, "verbosity");
    if verbosity.is_none() && matches!(prompt.format, Format::Text) {
        return;
    }
    rope.key("text").open_object();
    if let Some(word) = verbosity {
        rope.key("verbosity").json(word);
    }
    match prompt.format {
        Format::Text => {}
        Format::Json => {
            rope.key("format").open_object().key("type").text("json_object").close_object();
        }
        Format::Schema(schema) => {
            rope.key("format").open_object().key("type").text("json_schema");
            rope.key("name").str(schema.name.unwrap_or(Str::plain("answer")));
            if let Some(description) = schema.description {
                rope.key("description").str(description);
            }
            rope.key("strict").bool(schema.strict.unwrap_or(true) && !schema.openapi && schema::is_closed(schema.schema)).key("schema");
            if schema.openapi {
                rope.with(|out| schema::from_openapi(schema.schema, out));
            } else {
                rope.json(schema.schema);
            }
            rope.close_object();
        }
    }
    rope.close_object();
}

fn reasoning(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let effort = match prompt.reasoning.depth {
        _ if means.thinking == Thinking::None || means.dropped.has(Needs::REASONING) => None,
        Depth::Unset | Depth::Adaptive => None,
        Depth::Off => Some("none"),
        Depth::Effort(effort) => Some(effort.word()),
        Depth::Budget(tokens) => Some(Effort::of_budget(tokens).word()),
    };
    let shown = prompt.reasoning.shown == Some(true) && means.thinking != Thinking::None;
    if effort.is_none() && !shown {
        return;
    }
    rope.key("reasoning").open_object();
    if let Some(effort) = effort {
        rope.key("effort").text(effort);
    }
    if shown {
        match said_under(prompt, "summary") {
            Some(word) => rope.key("summary").json(word),
            None => rope.key("summary").text("auto"),
        };
    }
    rope.close_object();
}
