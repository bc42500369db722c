//! Reads a request.
//!
//! Names are read in both of the ways in which Google's own servers read them: `inlineData` and
//! `inline_data`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use super::part;
use crate::dialect::prompt::{Choice, Format, Outcome, Part, Prompt, Role, Schema, Tool};
use crate::dialect::{Depth, Effort};
use crate::dialect::{Needs, Unread};
use crate::json::{Shape, Str, Value};

/// Members that are hints, or that change how an answer is delivered and not what it is.
const HINTS: &[&str] = &["safetySettings", "labels", "serviceTier", "store"];
/// The same among the settings of generation.
const SETTING_HINTS: &[&str] = &["mediaResolution", "audioTimestamp", "enableEnhancedCivicAnswers"];

/// Reads a request.
///
/// # Errors
/// It is none that its provider would understand, and why.
pub fn read(root: Value<'_>, stream: bool) -> Result<Prompt<'_>, Unread> {
    let mut prompt = Prompt { stream, ..Prompt::default() };
    let (mut contents, mut validated) = (None, false);
    for (name, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match &*camel(name) {
            "model" => {}
            "contents" => contents = Some(value),
            "systemInstruction" => system(value, &mut prompt),
            "tools" => tools(value, &mut prompt),
            "toolConfig" => validated = tool_config(value, &mut prompt),
            "generationConfig" => settings(value, &mut prompt),
            "cachedContent" | "continuationToken" => {
                prompt.needs.add(Needs::STATE);
                prompt.others.push((name, value.raw()));
            }
            hint if HINTS.contains(&hint) => prompt.others.push((name, value.raw())),
            _ => {
                prompt.needs.add(Needs::OWN);
                prompt.others.push((name, value.raw()));
            }
        }
    }
    let contents = contents.filter(|value| value.shape() == Shape::Array).ok_or(Unread::new("contents", "must be a list of turns"))?;
    for content in contents.elements() {
        read_content(content, &mut prompt)?;
    }
    pair(&mut prompt);
    // It may stand before the tools.
    if validated {
        prompt.tools.iter_mut().for_each(|tool| tool.strict = Some(true));
    }
    if prompt.is_begun() {
        prompt.needs.add(Needs::PREFILL);
    }
    prompt.note_needs();
    Ok(prompt)
}

/// Gives answers without an id that of their call. Google's SDKs leave it out even where the call has one,
/// and go by the name and the order.
fn pair(prompt: &mut Prompt<'_>) {
    let parts = prompt.turns.iter().flat_map(|turn| &turn.parts);
    let answered: HashSet<&[u8]> =
        parts.filter_map(|part| if let Part::Outcome(outcome) = part { Some(outcome.id?.raw()) } else { None }).collect();
    let mut waiting: HashMap<&[u8], VecDeque<Option<Str<'_>>>> = HashMap::new();
    for part in prompt.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        match part {
            Part::Call(call) if !call.id.is_some_and(|id| answered.contains(id.raw())) => {
                waiting.entry(call.name.raw()).or_default().push_back(call.id);
            }
            Part::Outcome(Outcome { id: id @ None, name: Some(name), .. }) => {
                *id = waiting.get_mut(name.raw()).and_then(VecDeque::pop_front).flatten();
            }
            _ => {}
        }
    }
}

/// `inlineData`, however it is written.
pub(in crate::dialect) fn camel(name: Str<'_>) -> Cow<'_, str> {
    let name = name.decode();
    if !name.contains('_') {
        return name;
    }
    let mut out = String::with_capacity(name.len());
    let mut hump = false;
    for character in name.chars() {
        match character {
            // The first one is a part of the name: `_responseJsonSchema`.
            '_' if !out.is_empty() => hump = true,
            _ if std::mem::take(&mut hump) => out.push(character.to_ascii_uppercase()),
            _ => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// The member of this name, however it is written, unless it is missing or `null`.
pub(in crate::dialect) fn member<'t>(value: Value<'t>, name: &str) -> Option<Value<'t>> {
    let found = value.members().find(|(key, value)| !value.is_null() && (key.is(name) || key.raw().contains(&b'_') && camel(*key) == name));
    found.map(|(_, value)| value)
}

/// A list, or the one thing that stands in its place.
pub(in crate::dialect) fn listed(value: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    value.is_object().then_some(value).into_iter().chain(value.elements())
}

fn system<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    if let Some(text) = value.str() {
        return prompt.system.push(Part::Text { text, cache: None });
    }
    for part in value.get("parts").into_iter().flat_map(listed) {
        match part.text("text") {
            Some(text) => prompt.system.push(Part::Text { text, cache: None }),
            None => prompt.needs.add(Needs::OWN),
        }
    }
}

fn tools<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    for entry in listed(value) {
        let mut provided = false;
        for (name, value) in entry.members().filter(|(_, value)| !value.is_null()) {
            match &*camel(name) {
                "functionDeclarations" => prompt.tools.extend(listed(value).filter_map(tool)),
                _ => provided = true,
            }
        }
        if provided {
            prompt.needs.add(Needs::PROVIDER_TOOLS);
            prompt.others.push((Str::plain("tools"), entry.raw()));
        }
    }
}

fn tool(declaration: Value<'_>) -> Option<Tool<'_>> {
    let plain = member(declaration, "parametersJsonSchema").filter(|schema| schema.is_object());
    let parameters = plain.or_else(|| declaration.get("parameters").filter(|schema| schema.is_object()));
    Some(Tool {
        name: declaration.text("name")?,
        description: declaration.text("description"),
        parameters: parameters.map(Value::raw),
        openapi: plain.is_none() && parameters.is_some(),
        strict: None,
        cache: None,
    })
}

/// True when what is called is to follow its schema.
fn tool_config<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) -> bool {
    let (mut whole, mut validated) = (true, false);
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        if &*camel(name) != "functionCallingConfig" {
            whole = false;
            prompt.needs.add(Needs::OWN);
            continue;
        }
        let names = member(value, "allowedFunctionNames").into_iter().flat_map(Value::elements).filter_map(Value::str);
        let mode = value.text("mode").map(|mode| mode.decode().to_ascii_uppercase());
        prompt.choice = match mode.as_deref() {
            Some("NONE") => Choice::None,
            Some("ANY") => {
                let names: Vec<Str<'_>> = names.take(2).collect();
                match names[..] {
                    [] => Choice::Any,
                    [name] => Choice::Named(name),
                    _ => {
                        whole = false;
                        prompt.needs.add(Needs::OWN);
                        Choice::Any
                    }
                }
            }
            Some("AUTO") => Choice::Auto,
            // Like `AUTO`, and what is called follows its schema.
            Some("VALIDATED") => {
                (whole, validated) = (false, true);
                Choice::Auto
            }
            _ => Choice::Unset,
        };
    }
    if !whole {
        prompt.others.push((Str::plain("toolConfig"), value.raw()));
    }
    validated
}

fn settings<'t>(value: Value<'t>, prompt: &mut Prompt<'t>) {
    let mut mime = None;
    let mut schema = None;
    let mut whole = true;
    for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
        match &*camel(name) {
            "candidateCount" => prompt.count = value.u64().filter(|count| *count > 1),
            "maxOutputTokens" => prompt.max_tokens = value.u64(),
            "stopSequences" => prompt.stop = value.elements().filter_map(Value::str).collect(),
            "responseMimeType" => mime = value.str(),
            "responseJsonSchema" | "_responseJsonSchema" => schema = value.is_object().then_some((value, false)),
            "responseSchema" => schema = schema.or(value.is_object().then_some((value, true))),
            "thinkingConfig" => thinking(value, prompt),
            "responseLogprobs" => {
                whole = false;
                if value.bool() == Some(true) {
                    prompt.logprobs = Some(prompt.logprobs.unwrap_or(0));
                }
            }
            "logprobs" => {
                whole = false;
                prompt.logprobs = value.u64();
            }
            "responseModalities" => {
                whole = false;
                let wants = |word: &str| value.elements().filter_map(Value::str).any(|kind| kind.decode().eq_ignore_ascii_case(word));
                if wants("IMAGE") {
                    prompt.needs.add(Needs::IMAGE_OUT);
                }
                if wants("AUDIO") {
                    prompt.needs.add(Needs::AUDIO_OUT);
                }
            }
            name => whole &= sampling(name, value, prompt) || other_setting(name, prompt),
        }
    }
    match mime {
        Some(mime) if mime.is("application/json") => prompt.format = schema.map_or(Format::Json, format),
        Some(mime) if !mime.is("text/plain") && !mime.is_empty() => {
            whole = false;
            prompt.needs.add(Needs::OWN);
        }
        _ => prompt.format = schema.map_or(Format::Text, format),
    }
    if !whole {
        prompt.others.push((Str::plain("generationConfig"), value.raw()));
    }
}

fn format<'t>((schema, openapi): (Value<'t>, bool)) -> Format<'t> {
    Format::Schema(Schema { name: None, description: None, schema: schema.raw(), openapi, strict: None })
}

/// True when it is about how tokens are drawn.
fn sampling<'t>(name: &str, value: Value<'t>, prompt: &mut Prompt<'t>) -> bool {
    let Prompt { sampling, needs, .. } = prompt;
    let number = value.number();
    match name {
        "temperature" => sampling.temperature = number,
        "topP" => sampling.top_p = number,
        "topK" => {
            sampling.top_k = number;
            needs.add(Needs::TOP_K);
        }
        "seed" => {
            sampling.seed = number;
            needs.add(Needs::SEED);
        }
        "presencePenalty" | "frequencyPenalty" => {
            let penalty = if name == "presencePenalty" { &mut sampling.presence_penalty } else { &mut sampling.frequency_penalty };
            *penalty = number;
            // Many clients write the default out.
            if value.f64() != Some(0.0) {
                needs.add(Needs::PENALTIES);
            }
        }
        _ => return false,
    }
    true
}

/// A setting that goes back as it came, and nowhere else.
fn other_setting(name: &str, prompt: &mut Prompt<'_>) -> bool {
    prompt.needs.add(match name {
        "speechConfig" => Needs::AUDIO_OUT,
        "imageConfig" => Needs::IMAGE_OUT,
        hint if SETTING_HINTS.contains(&hint) => Needs::NONE,
        _ => Needs::OWN,
    });
    false
}

fn thinking(value: Value<'_>, prompt: &mut Prompt<'_>) {
    let reasoning = &mut prompt.reasoning;
    reasoning.shown = member(value, "includeThoughts").and_then(Value::bool);
    let level = member(value, "thinkingLevel").and_then(Value::str).map(|word| word.decode().to_ascii_lowercase());
    let effort = level.and_then(|word| Effort::ALL.into_iter().find(|effort| effort.word() == word));
    let budget = member(value, "thinkingBudget");
    reasoning.depth = match (effort, budget.and_then(Value::u64)) {
        (Some(effort), _) => Depth::Effort(effort),
        (None, Some(0)) => Depth::Off,
        (None, Some(tokens)) => Depth::Budget(tokens),
        // -1: the model decides.
        (None, None) if budget.and_then(Value::f64).is_some_and(|tokens| tokens < 0.0) => Depth::Adaptive,
        (None, None) => Depth::Unset,
    };
}

fn read_content<'t>(content: Value<'t>, prompt: &mut Prompt<'t>) -> Result<(), Unread> {
    if !content.is_object() {
        return Err(Unread::new("contents", "must be a list of turns"));
    }
    let role = match content.text("role") {
        None => Role::User,
        Some(role) if role.is("user") || role.is("function") || role.is_empty() => Role::User,
        Some(role) if role.is("model") => Role::Assistant,
        Some(_) => return Err(Unread::new("contents", "have roles user or model")),
    };
    content.get("parts").into_iter().flat_map(listed).for_each(|part| part::read(part, role, prompt));
    Ok(())
}
