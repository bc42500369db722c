//! Reads a request to Chat Completions.

use crate::dialect::prompt::{Arguments, Cache, Call, Choice, Format, Outcome, Part, Prompt, Role, Schema, Source, Thought, Tool};
use crate::dialect::{Depth, Effort, Signature};
use crate::dialect::{Dialect, Needs, Unread};
use crate::json::{Shape, Str, Value};

/// Members that are hints, or that change how an answer is delivered and not what it is.
const HINTS: &[&str] = &[
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "prediction",
    "verbosity",
    "moderation",
];

/// Reads a request.
///
/// # Errors
/// It is none that OpenAI would understand, and why.
pub fn read(root: Value<'_>) -> Result<Prompt<'_>, Unread> {
    let mut prompt = Prompt::default();
    let mut messages = None;
    let mut legacy_choice = None;
    for (name, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match &*name.decode() {
            "model" => {}
            "messages" => messages = Some(value),
            "stream" => prompt.stream = value.bool().unwrap_or(false),
            "stream_options" => prompt.include_usage = value.get("include_usage").and_then(Value::bool).unwrap_or(false),
            "max_completion_tokens" | "max_tokens" => prompt.max_tokens = prompt.max_tokens.max(value.u64()),
            "temperature" => prompt.sampling.temperature = value.number(),
            "top_p" => prompt.sampling.top_p = value.number(),
            // Not OpenAI's, but understood by most that are compatible.
            "top_k" => {
                prompt.sampling.top_k = value.number();
                prompt.needs.add(Needs::TOP_K);
            }
            "seed" => {
                prompt.sampling.seed = value.number();
                prompt.needs.add(Needs::SEED);
            }
            "presence_penalty" => prompt.sampling.presence_penalty = penalty(value, &mut prompt.needs),
            "frequency_penalty" => prompt.sampling.frequency_penalty = penalty(value, &mut prompt.needs),
            "logit_bias" => {
                if value.members().next().is_some() {
                    prompt.sampling.logit_bias = Some(value.raw());
                    prompt.needs.add(Needs::LOGIT_BIAS);
                }
            }
            "n" => prompt.count = value.u64().filter(|count| *count > 1),
            "stop" => prompt.stop = strings(value),
            "logprobs" => {
                if value.bool() == Some(true) {
                    prompt.logprobs = Some(prompt.logprobs.unwrap_or(0));
                }
            }
            "top_logprobs" => prompt.logprobs = value.u64(),
            "user" | "safety_identifier" => prompt.user = value.str(),
            "tools" => tools(value, &mut prompt),
            "functions" => {
                value.elements().for_each(|function| prompt.tools.extend(tool(function)));
            }
            "tool_choice" => choice(value, &mut prompt),
            "function_call" => legacy_choice = Some(value),
            "parallel_tool_calls" => prompt.parallel = value.bool(),
            "response_format" => prompt.format = format(value, &mut prompt.needs),
            "reasoning_effort" => {
                let word = value.str();
                prompt.reasoning.depth = match word.and_then(Effort::named) {
                    Some(effort) => Depth::Effort(effort),
                    None if word.is_some_and(|word| word.is("none")) => Depth::Off,
                    None => Depth::Unset,
                };
            }
            "modalities" => {
                if value.elements().any(|kind| kind.str().is_some_and(|kind| kind.is("audio"))) {
                    prompt.needs.add(Needs::AUDIO_OUT);
                }
            }
            "audio" => prompt.needs.add(Needs::AUDIO_OUT),
            "web_search_options" => prompt.needs.add(Needs::PROVIDER_TOOLS),
            hint if HINTS.contains(&hint) => prompt.others.push((name, value.raw())),
            _ => {
                prompt.needs.add(Needs::OWN);
                prompt.others.push((name, value.raw()));
            }
        }
    }
    if let (Choice::Unset, Some(value)) = (prompt.choice, legacy_choice) {
        prompt.choice = named_or(value, value.text("name"));
    }
    let messages = messages.filter(|value| value.shape() == Shape::Array).ok_or(Unread::new("messages", "must be a list of messages"))?;
    for message in messages.elements() {
        read_message(message, &mut prompt)?;
    }
    prompt.note_needs();
    Ok(prompt)
}

fn penalty<'t>(value: Value<'t>, needs: &mut Needs) -> Option<&'t [u8]> {
    // Many clients write the default out.
    if value.f64() != Some(0.0) {
        needs.add(Needs::PENALTIES);
    }
    value.number()
}

fn strings(value: Value<'_>) -> Vec<Str<'_>> {
    value.str().into_iter().chain(value.elements().filter_map(Value::str)).collect()
}

fn tools<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    for entry in value.elements() {
        match entry.get("function").filter(|_| entry.text("type").is_none_or(|kind| kind.is("function"))).and_then(tool) {
            Some(tool) => prompt.tools.push(tool),
            None => {
                prompt.needs.add(Needs::PROVIDER_TOOLS);
            }
        }
    }
}

fn tool(function: Value<'_>) -> Option<Tool<'_>> {
    Some(Tool {
        name: function.text("name")?,
        description: function.text("description"),
        parameters: function.get("parameters").filter(|schema| schema.is_object()).map(Value::raw),
        openapi: false,
        strict: function.get("strict").and_then(Value::bool),
        cache: None,
    })
}

fn choice<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    if value.text("type").is_some_and(|kind| kind.is("allowed_tools") || kind.is("custom")) {
        return prompt.needs.add(Needs::PROVIDER_TOOLS);
    }
    prompt.choice = named_or(value, value.get("function").and_then(|function| function.text("name")));
}

fn named_or<'t>(value: Value<'t>, name: Option<Str<'t>>) -> Choice<'t> {
    match value.str() {
        Some(word) if word.is("none") => Choice::None,
        Some(word) if word.is("required") || word.is("any") => Choice::Any,
        Some(_) => Choice::Auto,
        None => name.map_or(Choice::Unset, Choice::Named),
    }
}

fn format<'t>(value: Value<'t>, needs: &mut Needs) -> Format<'t> {
    match value.text("type") {
        Some(kind) if kind.is("json_object") => Format::Json,
        Some(kind) if kind.is("json_schema") => {
            let Some(outer) = value.get("json_schema") else { return Format::Json };
            let Some(schema) = outer.get("schema").filter(|schema| schema.is_object()) else { return Format::Json };
            Format::Schema(Schema {
                name: outer.text("name"),
                description: outer.text("description"),
                schema: schema.raw(),
                openapi: false,
                strict: outer.get("strict").and_then(Value::bool),
            })
        }
        Some(kind) if kind.is("text") => Format::Text,
        _ => {
            needs.add(Needs::OWN);
            Format::Text
        }
    }
}

fn read_message<'t>(message: Value<'t>, prompt: &mut Prompt<'t>) -> Result<(), Unread> {
    let role = message.text("role").ok_or(Unread::new("messages", "must each have a role"))?;
    let content = message.get("content");
    match &*role.decode() {
        "system" | "developer" => {
            let mut parts = Vec::new();
            content_parts(content, &mut parts, &mut prompt.needs);
            prompt.system.append(&mut parts);
        }
        "user" => {
            let mut parts = Vec::new();
            content_parts(content, &mut parts, &mut prompt.needs);
            parts.into_iter().for_each(|part| prompt.say(Role::User, part));
        }
        "assistant" => assistant(message, content, prompt),
        "tool" | "function" => {
            let mut parts = Vec::new();
            content_parts(content, &mut parts, &mut prompt.needs);
            let outcome =
                Outcome { id: message.text("tool_call_id"), name: message.text("name"), parts, object: None, error: false, cache: None };
            prompt.say(Role::User, Part::Outcome(outcome));
        }
        _ => return Err(Unread::new("messages", "have roles system, developer, user, assistant, tool or function")),
    }
    Ok(())
}

fn assistant<'t>(message: Value<'t>, content: Option<Value<'t>>, prompt: &mut Prompt<'t>) {
    let mut parts = Vec::new();
    if let Some(text) = message.text("reasoning_content").or_else(|| message.text("reasoning")).filter(|text| !text.is_empty()) {
        parts.push(Part::Thought(Thought { text, signature: None, redacted: false }));
    }
    content_parts(content, &mut parts, &mut prompt.needs);
    if let Some(refusal) = message.text("refusal").filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal(refusal));
    }
    // The answer goes on where it ends, with some that are compatible.
    if ["prefix", "partial"].iter().any(|word| message.get(word).and_then(Value::bool) == Some(true)) {
        prompt.needs.add(Needs::OWN.and(Needs::PREFILL));
    }
    if message.get("audio").is_some() {
        prompt.needs.add(Needs::STATE);
    }
    for call in message.get("tool_calls").into_iter().flat_map(Value::elements) {
        match call.get("function").and_then(|function| read_call(function, call.text("id"), signature(call))) {
            Some(call) => parts.push(Part::Call(call)),
            None => prompt.needs.add(Needs::PROVIDER_TOOLS),
        }
    }
    if let Some(call) = message.get("function_call").and_then(|function| read_call(function, None, None)) {
        parts.push(Part::Call(call));
    }
    parts.into_iter().for_each(|part| prompt.say(Role::Assistant, part));
}

fn read_call<'t>(function: Value<'t>, id: Option<Str<'t>>, signature: Option<Signature<'t>>) -> Option<Call<'t>> {
    let arguments = match function.get("arguments") {
        // Some servers, and so some histories, have the object itself.
        Some(value) if value.is_object() => Arguments::Object(value.raw()),
        value => Arguments::Text(value.and_then(Value::str).unwrap_or(Str::plain(""))),
    };
    Some(Call { id, name: function.text("name")?, arguments, signature })
}

/// Where Google's own compatible endpoint puts the seal of a call, and we do.
fn signature(call: Value<'_>) -> Option<Signature<'_>> {
    let text = call.get("extra_content")?.get("google")?.text("thought_signature")?;
    Some(Signature::read(text, Dialect::Gemini))
}

fn content_parts<'t>(content: Option<Value<'t>>, parts: &mut Vec<Part<'t>>, needs: &mut Needs) {
    let Some(content) = content else { return };
    if let Some(text) = content.str() {
        return parts.push(Part::Text { text, cache: None });
    }
    parts.extend(content.elements().filter_map(|part| read_part(part, needs)));
}

fn read_part<'t>(part: Value<'t>, needs: &mut Needs) -> Option<Part<'t>> {
    let kind = part.text("type")?;
    let cache = part.get("prompt_cache_breakpoint").or_else(|| part.get("cache_control")).map(|mark| match mark.text("ttl") {
        Some(ttl) if ttl.is("12h") || ttl.is("1h") => Cache::Long,
        _ => Cache::Short,
    });
    match &*kind.decode() {
        "text" => Some(Part::Text { text: part.text("text")?, cache }),
        "refusal" => Some(Part::Refusal(part.text("refusal")?)),
        "image_url" => {
            let image = part.get("image_url")?;
            let url = image.str().or_else(|| image.text("url"))?;
            Some(Part::Image { source: Source::of_url(url), detail: image.text("detail"), cache })
        }
        "input_audio" => {
            let audio = part.get("input_audio")?;
            Some(Part::Audio { data: audio.text("data")?, format: audio.text("format").unwrap_or(Str::plain("wav")) })
        }
        "file" => {
            let file = part.get("file")?;
            let Some(data) = file.text("file_data") else {
                needs.add(Needs::STATE);
                return None;
            };
            let source = match Source::of_url(data) {
                // Bare base64, which the API takes for a PDF.
                Source::Url { url, .. } => Source::Data { media: Str::plain("application/pdf"), data: url },
                source => source,
            };
            Some(Part::Document { source, name: file.text("filename"), cache })
        }
        // DeepSeek's, Mistral's.
        "thinking" => None,
        _ => {
            needs.add(Needs::OWN);
            None
        }
    }
}
