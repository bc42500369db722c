//! Writes a request to Chat Completions.

use crate::dialect::Depth;
use crate::dialect::ids::{IdRule, Ids};
use crate::dialect::media;
use crate::dialect::names::Names;
use crate::dialect::prompt::{Arguments, Call, Choice, Format, Outcome, Part, Prompt, Role, Source, Thought, Tool, Turn};
use crate::dialect::{Dialect, Means, Needs, Quirks, Rope, Thinking, schema};
use crate::json::Str;

/// What Chat Completions has no words for.
pub const LACKS: Needs = Needs::DOCUMENT_URL.and(Needs::TOP_K).and(Needs::STOP_MANY).and(Needs::PREFILL).and(Needs::CITATIONS);

/// Writes a request. What it needs and the dialect lacks must have been looked at before: it is left
/// out here.
pub fn write(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let rule = if means.quirks.has(Quirks::SHORT_IDS) { IdRule::Short } else { IdRule::Free };
    let ids = Ids::of(prompt, rule);
    let names = Names::of(prompt, Dialect::Openai);
    rope.open_object();
    means.bar_set(rope);
    rope.key("model").text(means.model).key("messages").open_array();
    system(prompt, means, rope);
    for (at, turn) in prompt.turns.iter().enumerate() {
        match turn.role {
            Role::User => user(turn, at, &ids, rope),
            Role::Assistant => assistant(turn, at, (&ids, names), means, rope),
        }
    }
    rope.close_array();
    if prompt.stream {
        rope.key("stream").bool(true);
        if !means.quirks.has(Quirks::NO_STREAM_OPTIONS) {
            rope.key("stream_options").open_object().key("include_usage").bool(true).close_object();
        }
    }
    limits(prompt, means, rope);
    sampling(prompt, means, rope);
    tools(prompt, means, rope);
    format(prompt, rope);
    hints(prompt, means, rope);
    means.write_set(rope);
    rope.close_object();
}

fn system(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    if prompt.system.is_empty() && means.prefix.is_none() && means.suffix.is_none() {
        return;
    }
    rope.open_object().key("role").text("system").key("content");
    match (&prompt.system[..], means.prefix, means.suffix) {
        ([Part::Text { text, .. }], None, None) => {
            rope.str(*text);
        }
        (parts, prefix, suffix) => {
            rope.open_array();
            prefix.iter().for_each(|text| own_text(text, rope));
            parts.iter().for_each(|part| content(part, rope));
            suffix.iter().for_each(|text| own_text(text, rope));
            rope.close_array();
        }
    }
    rope.close_object();
}

fn own_text(text: &str, rope: &mut Rope<'_>) {
    rope.open_object().key("type").text("text").key("text").text(text).close_object();
}

/// What tools answered comes first, each in a message of its own.
fn user(turn: &Turn<'_>, at: usize, ids: &Ids, rope: &mut Rope<'_>) {
    for (part, what) in turn.parts.iter().enumerate() {
        if let Part::Outcome(outcome) = what {
            answer_of_tool(outcome, (at, part), ids, rope);
        }
    }
    // A tool's message holds text only: what else it answered is shown by the user.
    let mut shown: Vec<&Part<'_>> = Vec::new();
    for part in &turn.parts {
        match part {
            Part::Outcome(outcome) => shown.extend(outcome.parts.iter().filter(|part| !matches!(part, Part::Text { .. }))),
            other => shown.push(other),
        }
    }
    if shown.is_empty() {
        return;
    }
    rope.open_object().key("role").text("user").key("content");
    several(&shown, rope);
    rope.close_object();
}

fn several(parts: &[&Part<'_>], rope: &mut Rope<'_>) {
    if let [Part::Text { text, .. }] = parts {
        rope.str(*text);
        return;
    }
    rope.open_array();
    parts.iter().for_each(|part| content(part, rope));
    rope.close_array();
}

fn answer_of_tool(outcome: &Outcome<'_>, place: (usize, usize), ids: &Ids, rope: &mut Rope<'_>) {
    rope.open_object().key("role").text("tool").key("tool_call_id");
    ids.write(rope, place.0, place.1, outcome.id);
    rope.key("content");
    if let Some(object) = outcome.object {
        rope.json_in_text(object).close_object();
        return;
    }
    let texts: Vec<Str<'_>> =
        outcome.parts.iter().filter_map(|part| if let Part::Text { text, .. } = part { Some(*text) } else { None }).collect();
    match (&texts[..], outcome.error) {
        ([], false) => rope.text(""),
        // There is no other way to say that it failed.
        ([], true) => rope.text("Error"),
        (texts, true) if !texts[0].raw().starts_with(b"Error") => {
            let mut all = vec![Str::plain("Error: ")];
            all.extend_from_slice(texts);
            rope.strs(&all)
        }
        (texts, _) => rope.strs(texts),
    };
    rope.close_object();
}

fn assistant(turn: &Turn<'_>, at: usize, (ids, names): (&Ids, Names), means: &Means<'_>, rope: &mut Rope<'_>) {
    let visible: Vec<&Part<'_>> = turn.parts.iter().filter(|part| matches!(part, Part::Text { .. } | Part::Refusal(_))).collect();
    let calls: Vec<(usize, &Call<'_>)> =
        turn.parts.iter().enumerate().filter_map(|(at, part)| if let Part::Call(call) = part { Some((at, call)) } else { None }).collect();
    if visible.is_empty() && calls.is_empty() {
        return;
    }
    rope.open_object().key("role").text("assistant").key("content");
    match &visible[..] {
        [] => {
            rope.json(b"null");
        }
        visible => several(visible, rope),
    }
    if means.quirks.has(Quirks::REASONING_BACK) {
        let thoughts: Vec<Str<'_>> =
            turn.parts.iter().filter_map(|part| if let Part::Thought(Thought { text, .. }) = part { Some(*text) } else { None }).collect();
        if !thoughts.is_empty() {
            rope.key("reasoning_content").strs(&thoughts);
        }
    }
    if !calls.is_empty() {
        rope.key("tool_calls").open_array();
        for (part, call) in calls {
            rope.open_object().key("id");
            ids.write(rope, at, part, call.id);
            rope.key("type").text("function").key("function").open_object().key("name");
            names.write(call.name, rope);
            rope.key("arguments");
            match call.arguments {
                Arguments::Text(text) if text.is_empty() => rope.text("{}"),
                Arguments::Text(text) => rope.str(text),
                Arguments::Object(json) => rope.json_in_text(json),
            };
            rope.close_object().close_object();
        }
        rope.close_array();
    }
    rope.close_object();
}

/// One part of a message. Marks for a cache are left out: OpenAI caches by itself, and its older models
/// refuse them.
fn content(part: &Part<'_>, rope: &mut Rope<'_>) {
    match part {
        Part::Text { text, .. } => {
            rope.open_object().key("type").text("text").key("text").str(*text);
            rope.close_object();
        }
        Part::Refusal(text) => {
            rope.open_object().key("type").text("refusal").key("refusal").str(*text).close_object();
        }
        Part::Image { source, detail, .. } => {
            rope.open_object().key("type").text("image_url").key("image_url").open_object().key("url");
            address(source, rope);
            if let Some(detail) = detail {
                rope.key("detail").str(*detail);
            }
            rope.close_object();
            rope.close_object();
        }
        Part::Audio { data, format } => {
            let word = if format.raw().ends_with(b"mp3") || format.raw().ends_with(b"mpeg") { "mp3" } else { "wav" };
            rope.open_object().key("type").text("input_audio").key("input_audio").open_object();
            rope.key("data").str(*data).key("format").text(word).close_object().close_object();
        }
        Part::Document { source: Source::Text(text), .. } => content(&Part::Text { text: *text, cache: None }, rope),
        // Not every model takes a file that is none but in name.
        Part::Document { source: Source::Data { media, data }, .. } if media::is_text(*media) => {
            rope.open_object().key("type").text("text").key("text").with(|out| media::write_text(*data, out)).close_object();
        }
        Part::Document { source, name, .. } => {
            rope.open_object().key("type").text("file").key("file").open_object();
            rope.key("filename").str(name.unwrap_or(Str::plain("document.pdf"))).key("file_data");
            address(source, rope);
            rope.close_object();
            rope.close_object();
        }
        Part::Call(_) | Part::Outcome(_) | Part::Thought(_) => {}
    }
}

/// A URL, of `data:` where the thing is here.
fn address(source: &Source<'_>, rope: &mut Rope<'_>) {
    match source {
        Source::Url { url, .. } => rope.str(*url),
        Source::Data { media, data } => rope.strs(&[Str::plain("data:"), *media, Str::plain(";base64,"), *data]),
        Source::Text(text) => rope.str(*text),
    };
}

fn limits(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    if let Some(tokens) = prompt.max_tokens {
        let name = if means.quirks.has(Quirks::MAX_TOKENS) { "max_tokens" } else { "max_completion_tokens" };
        rope.key(name).number(means.output_max.map_or(tokens, |most| tokens.min(most)));
    }
    let stop = if means.dropped.has(Needs::STOP) { &[] } else { &prompt.stop[..] };
    match stop {
        [] => {}
        [one] => {
            rope.key("stop").str(*one);
        }
        several => {
            rope.key("stop").open_array();
            several.iter().take(4).for_each(|text| {
                rope.str(*text);
            });
            rope.close_array();
        }
    }
    if let Some(count) = prompt.count {
        rope.key("n").number(count);
    }
}

fn sampling(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let sampling = &prompt.sampling;
    let dropped = |need: Needs| means.dropped.has(need);
    if !means.sampling_fixed {
        if let Some(temperature) = sampling.temperature {
            let above = means.quirks.has(Quirks::TEMPERATURE_ONE) && above_one(temperature);
            rope.key("temperature").json(if above { b"1" } else { temperature });
        }
        if let Some(top_p) = sampling.top_p {
            rope.key("top_p").json(top_p);
        }
        // No word of OpenAI's, but of many that are compatible: their own clients use it.
        if let Some(top_k) = sampling.top_k.filter(|_| prompt.own == Some(Dialect::Openai) && !dropped(Needs::TOP_K)) {
            rope.key("top_k").json(top_k);
        }
    }
    if let Some(seed) = sampling.seed.filter(|_| !dropped(Needs::SEED)) {
        rope.key(if means.quirks.has(Quirks::RANDOM_SEED) { "random_seed" } else { "seed" }).json(seed);
    }
    if !dropped(Needs::PENALTIES) {
        if let Some(penalty) = sampling.presence_penalty {
            rope.key("presence_penalty").json(penalty);
        }
        if let Some(penalty) = sampling.frequency_penalty {
            rope.key("frequency_penalty").json(penalty);
        }
    }
    if let Some(bias) = sampling.logit_bias.filter(|_| !dropped(Needs::LOGIT_BIAS)) {
        rope.key("logit_bias").json(bias);
    }
    if let Some(others) = prompt.logprobs.filter(|_| !dropped(Needs::LOGPROBS)) {
        rope.key("logprobs").bool(true);
        if others > 0 {
            rope.key("top_logprobs").number(others.min(20));
        }
    }
}

fn above_one(number: &[u8]) -> bool {
    std::str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok()).is_some_and(|number| number > 1.0)
}

fn tools(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    if prompt.tools.is_empty() {
        return;
    }
    rope.key("tools").open_array();
    let names = Names::of(prompt, Dialect::Openai);
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
            rope.key("tool_choice").text(if means.quirks.has(Quirks::CHOICE_ANY) { "any" } else { "required" });
        }
        Choice::Named(name) => {
            rope.key("tool_choice").open_object().key("type").text("function");
            rope.key("function").open_object().key("name");
            names.write(name, rope);
            rope.close_object().close_object();
        }
    }
    if let Some(parallel) = prompt.parallel.filter(|_| !means.quirks.has(Quirks::NO_PARALLEL)) {
        rope.key("parallel_tool_calls").bool(parallel);
    }
}

fn function(tool: &Tool<'_>, names: Names, rope: &mut Rope<'_>) {
    rope.open_object().key("type").text("function").key("function").open_object().key("name");
    names.write(tool.name, rope);
    if let Some(description) = tool.description {
        rope.key("description").str(description);
    }
    if let Some(parameters) = tool.parameters {
        rope.key("parameters");
        if tool.openapi {
            rope.with(|out| schema::from_openapi(parameters, out));
        } else {
            rope.json(parameters);
        }
    }
    // To the letter is possible only for a schema that leaves nothing open; others would be refused.
    if let Some(strict) = tool.strict {
        rope.key("strict").bool(strict && tool.parameters.is_some_and(schema::is_closed));
    }
    rope.close_object().close_object();
}

fn format(prompt: &Prompt<'_>, rope: &mut Rope<'_>) {
    match prompt.format {
        Format::Text => {}
        Format::Json => {
            rope.key("response_format").open_object().key("type").text("json_object").close_object();
        }
        Format::Schema(schema) => {
            rope.key("response_format").open_object().key("type").text("json_schema").key("json_schema").open_object();
            rope.key("name").str(schema.name.unwrap_or(Str::plain("answer")));
            if let Some(description) = schema.description {
                rope.key("description").str(description);
            }
            rope.key("strict").bool(schema.strict.unwrap_or(true) && !schema.openapi && schema::is_closed(schema.schema));
            rope.key("schema");
            if schema.openapi {
                rope.with(|out| schema::from_openapi(schema.schema, out));
            } else {
                rope.json(schema.schema);
            }
            rope.close_object().close_object();
        }
    }
}

fn hints(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let thinks = matches!(means.thinking, Thinking::Effort | Thinking::Unknown) && !means.dropped.has(Needs::REASONING);
    let effort = match prompt.reasoning.depth {
        Depth::Unset | Depth::Adaptive => None,
        Depth::Off => Some("none"),
        Depth::Effort(effort) => Some(effort.word()),
        Depth::Budget(tokens) => Some(crate::dialect::Effort::of_budget(tokens).word()),
    };
    if let Some(effort) = effort.filter(|_| thinks) {
        rope.key("reasoning_effort").text(effort);
    }
    if let Some(user) = prompt.user.filter(|_| !means.quirks.has(Quirks::STRICT_MEMBERS)) {
        rope.key("user").str(user);
    }
    if means.quirks.has(Quirks::STRICT_MEMBERS) {
        return;
    }
    match prompt.own {
        Some(Dialect::Openai) => prompt.others.iter().for_each(|(name, value)| {
            rope.key_of(*name).json(value);
        }),
        Some(Dialect::Responses) => {
            for (name, value) in prompt.others.iter().filter(|(name, _)| super::SHARED.iter().any(|shared| name.is(shared))) {
                rope.key_of(*name).json(value);
            }
        }
        _ => {}
    }
}
