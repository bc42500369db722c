//! Reads a request to the Responses API.

use crate::dialect::prompt::{Arguments, Call, Choice, Format, Outcome, Part, Prompt, Role, Schema, Source, Thought, Tool};
use crate::dialect::{Depth, Effort, Signature};
use crate::dialect::{Dialect, Needs, Unread};
use crate::json::{Str, Value};

/// Members that are hints, or that change how an answer is kept and not what it is.
const HINTS: &[&str] = &[
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "truncation",
    "max_tool_calls",
    "stream_options",
    "moderation",
];

/// Reads a request.
///
/// # Errors
/// It is none that OpenAI would understand, and why.
pub fn read(root: Value<'_>) -> Result<Prompt<'_>, Unread> {
    let mut prompt = Prompt::default();
    let mut input = None;
    let mut top_logprobs = None;
    for (name, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match &*name.decode() {
            "model" => {}
            "input" => input = Some(value),
            "instructions" => {
                if let Some(text) = value.str() {
                    prompt.system.insert(0, Part::Text { text, cache: None });
                }
            }
            "stream" => prompt.stream = value.bool().unwrap_or(false),
            "max_output_tokens" => prompt.max_tokens = value.u64(),
            "temperature" => prompt.sampling.temperature = value.number(),
            "top_p" => prompt.sampling.top_p = value.number(),
            "top_logprobs" => top_logprobs = value.u64(),
            "include" => include(value, &mut prompt),
            "user" | "safety_identifier" => prompt.user = value.str(),
            "tools" => value.elements().for_each(|entry| tool(entry, &mut prompt)),
            "tool_choice" => choice(value, &mut prompt),
            "parallel_tool_calls" => prompt.parallel = value.bool(),
            "text" => text(value, &mut prompt),
            "reasoning" => reasoning(value, &mut prompt),
            "previous_response_id" | "conversation" | "prompt" => prompt.needs.add(Needs::STATE),
            "background" => {
                if value.bool() == Some(true) {
                    prompt.needs.add(Needs::OWN);
                }
            }
            hint if HINTS.contains(&hint) => prompt.others.push((name, value.raw())),
            _ => {
                prompt.needs.add(Needs::OWN);
                prompt.others.push((name, value.raw()));
            }
        }
    }
    if prompt.logprobs.is_some() {
        prompt.logprobs = Some(top_logprobs.unwrap_or(0));
    }
    match input {
        Some(value) => match value.str() {
            Some(text) => prompt.say(Role::User, Part::Text { text, cache: None }),
            None => value.elements().try_for_each(|entry| item(entry, &mut prompt))?,
        },
        // What is kept at the provider may be all that there is.
        None if prompt.needs.has(Needs::STATE) => {}
        None => return Err(Unread::new("input", "must be a text or a list of items")),
    }
    prompt.note_needs();
    Ok(prompt)
}

fn include(value: Value<'_>, prompt: &mut Prompt<'_>) {
    for wish in value.elements().filter_map(Value::str) {
        match &*wish.decode() {
            "message.output_text.logprobs" => prompt.logprobs = Some(0),
            "reasoning.encrypted_content" => prompt.reasoning.sealed = true,
            _ => prompt.needs.add(Needs::OWN),
        }
    }
}

fn tool<'t>(entry: Value<'t>, prompt: &mut Prompt<'t>) {
    let name = entry.text("name").filter(|_| entry.text("type").is_some_and(|kind| kind.is("function")));
    match name {
        Some(name) => prompt.tools.push(Tool {
            name,
            description: entry.text("description"),
            parameters: entry.get("parameters").filter(|schema| schema.is_object()).map(Value::raw),
            openapi: false,
            strict: entry.get("strict").and_then(Value::bool),
            cache: None,
        }),
        None => prompt.needs.add(Needs::PROVIDER_TOOLS),
    }
}

fn choice<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    prompt.choice = match value.str() {
        Some(word) if word.is("none") => Choice::None,
        Some(word) if word.is("required") => Choice::Any,
        Some(_) => Choice::Auto,
        None => match value.text("name").filter(|_| value.text("type").is_some_and(|kind| kind.is("function"))) {
            Some(name) => Choice::Named(name),
            None => {
                prompt.needs.add(Needs::PROVIDER_TOOLS);
                Choice::Unset
            }
        },
    };
}

fn text<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    if let Some(word) = value.get("verbosity") {
        prompt.others.push((Str::plain("verbosity"), word.raw()));
    }
    let Some(format) = value.get("format") else { return };
    prompt.format = match format.text("type") {
        Some(kind) if kind.is("json_object") => Format::Json,
        Some(kind) if kind.is("json_schema") => match format.get("schema").filter(|schema| schema.is_object()) {
            Some(schema) => Format::Schema(Schema {
                name: format.text("name"),
                description: format.text("description"),
                schema: schema.raw(),
                openapi: false,
                strict: format.get("strict").and_then(Value::bool),
            }),
            None => Format::Json,
        },
        Some(kind) if kind.is("text") => Format::Text,
        _ => {
            prompt.needs.add(Needs::OWN);
            Format::Text
        }
    };
}

fn reasoning<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    if let Some(summary) = value.get("summary").filter(|word| word.str().is_some_and(|word| !word.is("auto"))) {
        prompt.others.push((Str::plain("summary"), summary.raw()));
    }
    prompt.reasoning.depth = match value.text("effort") {
        Some(word) if word.is("none") => Depth::Off,
        Some(word) => Effort::named(word).map_or(Depth::Unset, Depth::Effort),
        None => Depth::Unset,
    };
    prompt.reasoning.shown = value.get("summary").map(|_| true);
}

fn item<'t>(entry: Value<'t>, prompt: &mut Prompt<'t>) -> Result<(), Unread> {
    let kind = entry.text("type");
    let is = |word: &str| kind.is_some_and(|kind| kind.is(word));
    if is("function_call") {
        let name = entry.text("name").ok_or(Unread::new("input", "has a function_call without a name"))?;
        let arguments = Arguments::Text(entry.text("arguments").unwrap_or(Str::plain("")));
        prompt.say(Role::Assistant, Part::Call(Call { id: entry.text("call_id"), name, arguments, signature: None }));
    } else if is("function_call_output") {
        let mut parts = Vec::new();
        contents(entry.get("output"), &mut parts, &mut prompt.needs);
        let outcome = Outcome { id: entry.text("call_id"), name: None, parts, object: None, error: false, cache: None };
        prompt.say(Role::User, Part::Outcome(outcome));
    } else if is("reasoning") {
        thought(entry, prompt);
    } else if is("item_reference") {
        prompt.needs.add(Needs::STATE);
    } else if is("message") || kind.is_none() {
        message(entry, prompt)?;
    } else {
        // What tools of the provider's did, and kinds of calls that only it has.
        prompt.needs.add(Needs::PROVIDER_TOOLS);
    }
    Ok(())
}

fn thought<'t>(entry: Value<'t>, prompt: &mut Prompt<'t>) {
    let seal = entry.text("encrypted_content").map(|text| Signature::read(text, Dialect::Responses));
    let texts: Vec<Str<'t>> = ["summary", "content"]
        .iter()
        .filter_map(|name| entry.get(name))
        .flat_map(Value::elements)
        .filter_map(|part| part.text("text"))
        .collect();
    let last = texts.len().saturating_sub(1);
    for (at, text) in texts.iter().enumerate() {
        let signature = seal.filter(|_| at == last);
        prompt.say(Role::Assistant, Part::Thought(Thought { text: *text, signature, redacted: false }));
    }
    if texts.is_empty() && seal.is_some() {
        prompt.say(Role::Assistant, Part::Thought(Thought { text: Str::plain(""), signature: seal, redacted: false }));
    }
}

fn message<'t>(entry: Value<'t>, prompt: &mut Prompt<'t>) -> Result<(), Unread> {
    let role = entry.text("role").ok_or(Unread::new("input", "has a message without a role"))?;
    let mut parts = Vec::new();
    contents(entry.get("content"), &mut parts, &mut prompt.needs);
    let role = match &*role.decode() {
        "system" | "developer" => {
            prompt.system.append(&mut parts);
            return Ok(());
        }
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return Err(Unread::new("input", "has messages of roles system, developer, user or assistant")),
    };
    parts.into_iter().for_each(|part| prompt.say(role, part));
    Ok(())
}

fn contents<'t>(content: Option<Value<'t>>, parts: &mut Vec<Part<'t>>, needs: &mut Needs) {
    let Some(content) = content else { return };
    if let Some(text) = content.str() {
        return parts.push(Part::Text { text, cache: None });
    }
    for part in content.elements() {
        match read_part(part) {
            Ok(part) => parts.push(part),
            Err(need) => needs.add(need),
        }
    }
}

fn read_part(part: Value<'_>) -> Result<Part<'_>, Needs> {
    let kind = part.text("type").ok_or(Needs::OWN)?;
    match &*kind.decode() {
        "input_text" | "output_text" | "text" => Ok(Part::Text { text: part.text("text").ok_or(Needs::OWN)?, cache: None }),
        "refusal" => Ok(Part::Refusal(part.text("refusal").ok_or(Needs::OWN)?)),
        "input_image" => {
            let url = part.text("image_url").ok_or(Needs::STATE)?;
            Ok(Part::Image { source: Source::of_url(url), detail: part.text("detail"), cache: None })
        }
        "input_file" => {
            let name = part.text("filename");
            let source = match (part.text("file_data"), part.text("file_url")) {
                (Some(data), _) => match Source::of_url(data) {
                    Source::Url { url, .. } => Source::Data { media: Str::plain("application/pdf"), data: url },
                    source => source,
                },
                (None, Some(url)) => Source::of_url(url),
                (None, None) => return Err(Needs::STATE),
            };
            Ok(Part::Document { source, name, cache: None })
        }
        "input_audio" => {
            let audio = part.get("input_audio").ok_or(Needs::OWN)?;
            let data = audio.text("data").ok_or(Needs::OWN)?;
            Ok(Part::Audio { data, format: audio.text("format").unwrap_or(Str::plain("wav")) })
        }
        _ => Err(Needs::OWN),
    }
}
