//! Reads a request to Messages, as both versions of the API allow it.

use crate::dialect::prompt::{Arguments, Cache, Call, Choice, Format, Outcome, Part, Prompt, Role, Schema, Source, Thought, Tool};
use crate::dialect::{Depth, Effort, Signature};
use crate::dialect::{Dialect, Needs, Unread};
use crate::json::{Shape, Str, Value};

/// Members that are hints, or that change how an answer is delivered and not what it is.
const HINTS: &[&str] =
    &["service_tier", "speed", "cache_control", "diagnostics", "user_profile_id", "anthropic_version", "anthropic_beta", "betas"];

/// Reads a request.
///
/// # Errors
/// It is none that Anthropic would understand, and why.
pub fn read(root: Value<'_>) -> Result<Prompt<'_>, Unread> {
    let mut prompt = Prompt::default();
    let mut messages = None;
    let mut effort = None;
    for (name, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match &*name.decode() {
            "model" => {}
            "messages" => messages = Some(value),
            "system" => texts(value, &mut prompt),
            "max_tokens" => prompt.max_tokens = value.u64(),
            "stream" => prompt.stream = value.bool().unwrap_or(false),
            "stop_sequences" => prompt.stop = value.elements().filter_map(Value::str).collect(),
            "temperature" => prompt.sampling.temperature = value.number(),
            "top_p" => prompt.sampling.top_p = value.number(),
            "top_k" => {
                prompt.sampling.top_k = value.number();
                prompt.needs.add(Needs::TOP_K);
            }
            "tools" => value.elements().for_each(|entry| tool(entry, &mut prompt)),
            "tool_choice" => choice(value, &mut prompt),
            "thinking" => thinking(name, value, &mut prompt),
            "output_config" => {
                effort = value.text("effort").and_then(Effort::named).map(|effort| (effort, name, value.raw()));
                value.get("format").into_iter().for_each(|form| format(form, &mut prompt));
            }
            // As the beta of it was called.
            "output_format" => format(value, &mut prompt),
            "metadata" => match value.text("user_id") {
                Some(user) => prompt.user = Some(user),
                None => prompt.others.push((name, value.raw())),
            },
            "container" => prompt.needs.add(Needs::STATE),
            "mcp_servers" => prompt.needs.add(Needs::PROVIDER_TOOLS),
            hint if HINTS.contains(&hint) => prompt.others.push((name, value.raw())),
            _ => {
                prompt.needs.add(Needs::OWN);
                prompt.others.push((name, value.raw()));
            }
        }
    }
    if let Some((effort, name, raw)) = effort {
        match prompt.reasoning.depth {
            Depth::Adaptive => prompt.reasoning.depth = Depth::Effort(effort),
            // An effort without thinking is one of Anthropic's own; to others it is the next best thing.
            Depth::Unset => {
                prompt.reasoning.depth = Depth::Effort(effort);
                prompt.others.push((name, raw));
            }
            Depth::Off | Depth::Effort(_) | Depth::Budget(_) => {}
        }
    }
    // It only warms a cache.
    if prompt.max_tokens == Some(0) {
        prompt.needs.add(Needs::OWN);
    }
    let messages = messages.filter(|value| value.shape() == Shape::Array).ok_or(Unread::new("messages", "must be a list of messages"))?;
    for message in messages.elements() {
        read_message(message, &mut prompt)?;
    }
    if prompt.is_begun() {
        prompt.needs.add(Needs::PREFILL);
    }
    prompt.note_needs();
    Ok(prompt)
}

/// What stands in the place of the system prompt: a string, or blocks of text.
fn texts<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    if let Some(text) = value.str() {
        return prompt.system.push(Part::Text { text, cache: None });
    }
    for block in value.elements() {
        match block.text("text") {
            Some(text) => prompt.system.push(Part::Text { text, cache: cache(block) }),
            None => prompt.needs.add(Needs::OWN),
        }
    }
}

fn cache(block: Value<'_>) -> Option<Cache> {
    let long = block.get("cache_control")?.text("ttl").is_some_and(|ttl| ttl.is("1h"));
    Some(if long { Cache::Long } else { Cache::Short })
}

fn tool<'t>(entry: Value<'t>, prompt: &mut Prompt<'t>) {
    let custom = entry.text("type").is_none_or(|kind| kind.is("custom"));
    let Some(name) = entry.text("name").filter(|_| custom) else {
        return prompt.needs.add(Needs::PROVIDER_TOOLS);
    };
    // They serve tools of the provider's: search for tools, and calls from within its code.
    let deferred = entry.get("defer_loading").and_then(Value::bool) == Some(true);
    let called =
        entry.get("allowed_callers").into_iter().flat_map(Value::elements).filter_map(Value::str).any(|caller| !caller.is("direct"));
    if deferred || called {
        prompt.needs.add(Needs::PROVIDER_TOOLS);
    }
    prompt.tools.push(Tool {
        name,
        description: entry.text("description"),
        parameters: entry.get("input_schema").filter(|schema| schema.is_object()).map(Value::raw),
        openapi: false,
        strict: entry.get("strict").and_then(Value::bool),
        cache: cache(entry),
    });
}

fn choice<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    prompt.choice = match value.text("type") {
        Some(kind) if kind.is("auto") => Choice::Auto,
        Some(kind) if kind.is("any") => Choice::Any,
        Some(kind) if kind.is("none") => Choice::None,
        Some(kind) if kind.is("tool") => value.text("name").map_or(Choice::Any, Choice::Named),
        _ => Choice::Unset,
    };
    prompt.parallel = value.get("disable_parallel_tool_use").and_then(Value::bool).map(|disabled| !disabled);
}

fn thinking<'t>(name: Str<'t>, value: Value<'t>, prompt: &mut Prompt<'t>) {
    prompt.reasoning.shown = value.text("display").map(|display| !display.is("omitted"));
    match value.text("type") {
        Some(kind) if kind.is("enabled") => {
            prompt.reasoning.depth = value.get("budget_tokens").and_then(Value::u64).map_or(Depth::Adaptive, Depth::Budget);
        }
        Some(kind) if kind.is("adaptive") => prompt.reasoning.depth = Depth::Adaptive,
        Some(kind) if kind.is("disabled") => prompt.reasoning.depth = Depth::Off,
        _ => {
            prompt.needs.add(Needs::OWN);
            prompt.others.push((name, value.raw()));
        }
    }
}

fn format<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    let schema = value.get("schema").filter(|schema| schema.is_object() && value.text("type").is_some_and(|kind| kind.is("json_schema")));
    match schema {
        Some(schema) => {
            prompt.format =
                Format::Schema(Schema { name: None, description: None, schema: schema.raw(), openapi: false, strict: Some(true) });
        }
        None => prompt.needs.add(Needs::OWN),
    }
}

fn read_message<'t>(message: Value<'t>, prompt: &mut Prompt<'t>) -> Result<(), Unread> {
    let role = message.text("role").ok_or(Unread::new("messages", "must each have a role"))?;
    let content = message.get("content").filter(|content| matches!(content.shape(), Shape::Text | Shape::Array));
    let content = content.ok_or(Unread::new("messages", "must each have content: a string or a list of blocks"))?;
    let role = match role {
        role if role.is("user") => Role::User,
        role if role.is("assistant") => Role::Assistant,
        role if role.is("system") => {
            texts(content, prompt);
            return Ok(());
        }
        _ => return Err(Unread::new("messages", "have roles user, assistant or system")),
    };
    if let Some(text) = content.str() {
        prompt.say(role, Part::Text { text, cache: None });
        return Ok(());
    }
    for block in content.elements() {
        let mut parts = Vec::new();
        read_block(block, role, &mut parts, &mut prompt.needs);
        for part in parts {
            match part {
                Part::Call(call) => prompt_call(call, prompt),
                part => prompt.say(role, part),
            }
        }
    }
    Ok(())
}

/// The seal of another provider's call came to the client as a thought that cannot be read, right before it.
fn prompt_call<'t>(mut call: Call<'t>, prompt: &mut Prompt<'t>) {
    let last = prompt.turns.last_mut().filter(|turn| turn.role == Role::Assistant);
    if let Some(turn) = last
        && let Some(Part::Thought(Thought { signature: Some(seal), redacted: true, .. })) = turn.parts.last()
        && seal.origin == Dialect::Gemini
    {
        call.signature = Some(*seal);
        turn.parts.pop();
    }
    prompt.say(Role::Assistant, Part::Call(call));
}

/// Reads a block as what it is; most are one part.
fn read_block<'t>(block: Value<'t>, role: Role, parts: &mut Vec<Part<'t>>, needs: &mut Needs) {
    let kind = block.text("type").unwrap_or(Str::plain(""));
    match &*kind.decode() {
        "text" => parts.extend(block.text("text").map(|text| Part::Text { text, cache: cache(block) })),
        "image" => parts.extend(image(block, needs)),
        "document" => document(block, parts, needs),
        "tool_use" if role == Role::Assistant => {
            if block.get("caller").is_some_and(|caller| !caller.text("type").is_some_and(|kind| kind.is("direct"))) {
                needs.add(Needs::PROVIDER_TOOLS);
            }
            let Some(name) = block.text("name") else { return needs.add(Needs::OWN) };
            let input = block.get("input").filter(|input| input.is_object()).map_or(&b"{}"[..], Value::raw);
            parts.push(Part::Call(Call { id: block.text("id"), name, arguments: Arguments::Object(input), signature: None }));
        }
        "tool_result" if role == Role::User => parts.push(Part::Outcome(outcome(block, needs))),
        "thinking" => {
            let text = block.text("thinking").unwrap_or(Str::plain(""));
            let seal = block.text("signature").filter(|seal| !seal.is_empty());
            let signature = seal.map(|seal| Signature::read(seal, Dialect::Anthropic));
            parts.push(Part::Thought(Thought { text, signature, redacted: false }));
        }
        "redacted_thinking" => {
            let signature = block.text("data").map(|seal| Signature::read(seal, Dialect::Anthropic));
            parts.push(Part::Thought(Thought { text: Str::plain(""), signature, redacted: true }));
        }
        "container_upload" => needs.add(Needs::STATE),
        "search_result" | "browser_state" => needs.add(Needs::OWN),
        // Calls of tools that the provider ran, and what they answered.
        "server_tool_use" | "mcp_tool_use" | "tool_reference" => needs.add(Needs::PROVIDER_TOOLS),
        kind if kind.ends_with("_tool_result") => needs.add(Needs::PROVIDER_TOOLS),
        _ => needs.add(Needs::OWN),
    }
}

fn image<'t>(block: Value<'t>, needs: &mut Needs) -> Option<Part<'t>> {
    let source = source(block.get("source")?, needs)?;
    Some(Part::Image { source, detail: None, cache: cache(block) })
}

fn source<'t>(source: Value<'t>, needs: &mut Needs) -> Option<Source<'t>> {
    let kind = source.text("type")?;
    match &*kind.decode() {
        "base64" => Some(Source::Data { media: source.text("media_type")?, data: source.text("data")? }),
        "url" => Some(Source::of_url(source.text("url")?)),
        "text" => Some(Source::Text(source.text("data")?)),
        "content" => Some(Source::Text(source.text("content")?)),
        "file" => {
            needs.add(Needs::STATE);
            None
        }
        _ => {
            needs.add(Needs::OWN);
            None
        }
    }
}

fn document<'t>(block: Value<'t>, parts: &mut Vec<Part<'t>>, needs: &mut Needs) {
    if block.get("citations").and_then(|citations| citations.get("enabled")).and_then(Value::bool) == Some(true) {
        needs.add(Needs::CITATIONS);
    }
    // What is told of the document beside it stands before it elsewhere.
    parts.extend(block.text("context").filter(|text| !text.is_empty()).map(|text| Part::Text { text, cache: None }));
    let Some(from) = block.get("source") else { return needs.add(Needs::OWN) };
    let name = block.text("title");
    let blocks = from.get("content").filter(|content| content.shape() == Shape::Array);
    for inner in blocks.into_iter().flat_map(Value::elements) {
        match inner.text("text") {
            Some(text) => parts.push(Part::Document { source: Source::Text(text), name, cache: cache(inner) }),
            None => parts.extend(image(inner, needs)),
        }
    }
    if blocks.is_none()
        && let Some(source) = source(from, needs)
    {
        parts.push(Part::Document { source, name, cache: cache(block) });
    }
}

fn outcome<'t>(block: Value<'t>, needs: &mut Needs) -> Outcome<'t> {
    let mut parts = Vec::new();
    if let Some(content) = block.get("content") {
        parts.extend(content.str().map(|text| Part::Text { text, cache: None }));
        for inner in content.elements() {
            // Within a result there is nothing but text, pictures and documents.
            let nested = inner.text("type").is_some_and(|kind| kind.is("tool_result"));
            if nested {
                needs.add(Needs::OWN);
            } else {
                read_block(inner, Role::User, &mut parts, needs);
            }
        }
    }
    Outcome {
        id: block.text("tool_use_id"),
        name: None,
        parts,
        object: None,
        error: block.get("is_error").and_then(Value::bool) == Some(true),
        cache: cache(block),
    }
}
