//! What a conversation asks of the model, and what the API refuses of it.

use serde_json::Value;

use super::errors::{ApiError, invalid};
use super::{fields, member, signature};
use crate::asked::Asked;
use crate::prompt::{self, Choice, Format, Prompt, Tool};

/// The longest name of a function.
const NAME_BYTES_MAX: usize = 64;

/// Whether the model is of a generation that neither numbers calls nor insists on signatures.
pub(super) fn is_older(model: &str) -> bool {
    ["gemini-1", "gemini-2"].iter().any(|start| model.starts_with(start))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn parts(content: &Value) -> &[Value] {
    list(&content["parts"])
}

fn calls(content: &Value) -> impl Iterator<Item = (usize, &Value)> {
    parts(content).iter().enumerate().filter(|(_, part)| member(part, "functionCall").is_object())
}

fn responses(content: &Value) -> impl Iterator<Item = &Value> {
    parts(content).iter().map(|part| member(part, "functionResponse")).filter(|response| response.is_object())
}

/// Refuses conversations that the API refuses; the fields themselves have been checked.
pub(super) fn check(asked: &Asked<'_>, body: &Value) -> Result<(), ApiError> {
    let contents = list(&body["contents"]);
    if contents.is_empty() {
        return Err(invalid("* GenerateContentRequest.contents: contents is not specified\n".to_owned()));
    }
    for (index, content) in contents.iter().enumerate() {
        if !matches!(content["role"].as_str(), None | Some("user" | "model" | "function")) {
            return Err(invalid("Please use a valid role: user, model.".to_owned()));
        }
        if parts(content).is_empty() {
            return Err(invalid(format!("* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n")));
        }
        for (number, part) in parts(content).iter().enumerate() {
            check_part(index, number, part)?;
        }
    }
    check_order(contents)?;
    check_signatures(asked.model, contents)?;
    check_tools(body)?;
    check_generation(member(body, "generationConfig"))
}

/// A part has data of one kind, and base64 is base64.
fn check_part(content: usize, number: usize, part: &Value) -> Result<(), ApiError> {
    let kinds = ["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"];
    let present = kinds.iter().filter(|kind| !member(part, kind).is_null()).count();
    let at = format!("contents[{content}].parts[{number}]");
    if present == 0 {
        return Err(invalid(format!("* GenerateContentRequest.{at}.data: required oneof field 'data' must have one initialized field\n")));
    }
    let inline = member(part, "inlineData");
    if inline.is_object() {
        let data = inline["data"].as_str().unwrap_or_default();
        if fields::bytes(data).is_none() {
            return Err(invalid(format!(
                "Invalid value at '{at}.inline_data.data' (TYPE_BYTES), Base64 decoding failed for \"{data:.40}\""
            )));
        }
        if member(inline, "mimeType").as_str().unwrap_or_default().is_empty() {
            return Err(invalid(
                "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// Calls come after the user or after responses, and the next turn answers each of them.
fn check_order(contents: &[Value]) -> Result<(), ApiError> {
    for (index, content) in contents.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| contents.get(before));
        let (called, answered) = (calls(content).count(), responses(content).count());
        if called > 0 && before.is_none_or(|before| before["role"] == "model") {
            return Err(invalid(
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn.".to_owned(),
            ));
        }
        let expected = before.map_or(0, |before| calls(before).count());
        if answered > 0 && expected == 0 {
            return Err(invalid("Please ensure that function response turn comes immediately after a function call turn.".to_owned()));
        }
        if (answered > 0 || expected > 0) && answered != expected {
            return Err(invalid(
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
                    .to_owned(),
            ));
        }
        if let Some(number) = responses(content).position(|response| response["name"].as_str().unwrap_or_default().is_empty()) {
            let at = format!("contents[{index}].parts[{number}].function_response.name");
            return Err(invalid(format!("* GenerateContentRequest.{at}: Name cannot be empty.\n")));
        }
    }
    match contents.last().is_some_and(|last| calls(last).next().is_some()) {
        true => Err(invalid("Please ensure that function call turn is followed by a function response turn.".to_owned())),
        false => Ok(()),
    }
}

/// The first call of every step of the current turn carries the signature that came with it.
///
/// The turn begins at the last content of the user that is more than responses. Signatures of
/// earlier turns may be left out, but a wrong one is refused anywhere.
fn check_signatures(model: &str, contents: &[Value]) -> Result<(), ApiError> {
    let signatures = contents.iter().flat_map(parts).map(|part| member(part, "thoughtSignature")).filter_map(Value::as_str);
    if signatures.into_iter().any(|given| !signature::accepted(given)) {
        return Err(invalid("Corrupted thought signature.".to_owned()));
    }
    if is_older(model) {
        return Ok(());
    }
    let begins = |content: &Value| content["role"] != "model" && content["role"] != "function" && responses(content).next().is_none();
    let start = contents.iter().rposition(begins).unwrap_or(0);
    for (index, content) in contents.iter().enumerate().skip(start) {
        let Some((number, first)) = calls(content).next() else { continue };
        if member(first, "thoughtSignature").as_str().is_none() {
            let name = member(first, "functionCall")["name"].as_str().unwrap_or_default();
            return Err(invalid(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:{name}` , position {}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                index + number + 1
            )));
        }
    }
    Ok(())
}

fn declarations(body: &Value) -> impl Iterator<Item = &Value> {
    list(&body["tools"]).iter().flat_map(|tool| list(member(tool, "functionDeclarations")))
}

fn check_tools(body: &Value) -> Result<(), ApiError> {
    let mut names: Vec<&str> = Vec::new();
    for (index, declared) in declarations(body).enumerate() {
        let at = format!("* GenerateContentRequest.tools[0].function_declarations[{index}]");
        let name = declared["name"].as_str().unwrap_or_default();
        let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let fits = name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
        if !starts || !fits {
            return Err(invalid(format!(
                "{at}.name: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of {NAME_BYTES_MAX}.\n"
            )));
        }
        if names.contains(&name) {
            return Err(invalid(format!("Duplicate function declaration found: {name}")));
        }
        if !member(declared, "parameters").is_null() && !member(declared, "parametersJsonSchema").is_null() {
            return Err(invalid(format!("{at}: only one of parameters and parameters_json_schema can be set.\n")));
        }
        names.push(name);
    }
    let config = member(member(body, "toolConfig"), "functionCallingConfig");
    let allowed = list(member(config, "allowedFunctionNames"));
    if !allowed.is_empty() && !matches!(config["mode"].as_str(), Some("ANY" | "VALIDATED")) {
        return Err(invalid("Function calling config is set without function_calling_config.mode ANY: allowed_function_names should only be set when mode is ANY.".to_owned()));
    }
    match allowed.iter().filter_map(Value::as_str).find(|name| !names.contains(name)) {
        Some(missing) => Err(invalid(format!("allowed_function_names contains a function that is not declared: {missing}"))),
        None => Ok(()),
    }
}

fn check_generation(config: &Value) -> Result<(), ApiError> {
    let schemas = ["responseSchema", "responseJsonSchema"].iter().filter(|name| !member(config, name).is_null()).count();
    if schemas > 1 {
        return Err(invalid("Only one of response_schema and response_json_schema can be set.".to_owned()));
    }
    let mime = member(config, "responseMimeType").as_str().unwrap_or("text/plain");
    if !matches!(mime, "text/plain" | "application/json" | "text/x.enum" | "application/xml" | "application/yaml") {
        return Err(invalid(format!(
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`. Got `{mime}`.\n"
        )));
    }
    if schemas == 1 && mime != "application/json" && mime != "text/x.enum" {
        return Err(invalid(format!(
            "Function calling with a response mime type: '{mime}' is unsupported: response_schema needs application/json."
        )));
    }
    let range = |name: &str, max: f64| member(config, name).as_f64().is_some_and(|number| !(0.0..=max).contains(&number));
    if range("temperature", 2.0) {
        return Err(invalid(
            "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n".to_owned(),
        ));
    }
    if range("topP", 1.0) {
        return Err(invalid("* GenerateContentRequest.generation_config.top_p: top_p must be in the range [0.0, 1.0].\n".to_owned()));
    }
    if list(member(config, "stopSequences")).len() > 5 {
        return Err(invalid(
            "* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences can be set.\n".to_owned(),
        ));
    }
    let thinking = member(config, "thinkingConfig");
    match !member(thinking, "thinkingBudget").is_null() && !member(thinking, "thinkingLevel").is_null() {
        true => Err(invalid("You can only set only one of thinking budget and thinking level.".to_owned())),
        false => Ok(()),
    }
}

/// Whether thoughts are to be shown.
pub(super) fn shows_thoughts(body: &Value) -> bool {
    member(member(member(body, "generationConfig"), "thinkingConfig"), "includeThoughts") == true
}

fn choice(body: &Value) -> Choice<'_> {
    let config = member(member(body, "toolConfig"), "functionCallingConfig");
    match (config["mode"].as_str(), list(member(config, "allowedFunctionNames"))) {
        (Some("ANY"), [name, ..]) => name.as_str().map_or(Choice::Any, Choice::Named),
        (Some("ANY"), []) => Choice::Any,
        (Some("NONE"), _) => Choice::Never,
        _ => Choice::Auto,
    }
}

/// What the conversation asks.
pub(super) fn prompt(body: &Value) -> Prompt<'_> {
    let config = member(body, "generationConfig");
    let thinking = member(config, "thinkingConfig");
    let mut prompt = Prompt {
        tools: declarations(body).filter_map(declared).collect(),
        choice: choice(body),
        one_call: false,
        tokens_max: member(config, "maxOutputTokens").as_u64(),
        format: format(config),
        thinks: thinking.is_object() && member(thinking, "thinkingBudget") != 0,
        ..Prompt::default()
    };
    let Some(last) = list(&body["contents"]).last() else { return prompt };
    let mut texts = parts(last).iter().filter_map(|part| part["text"].as_str());
    if last["role"] == "model" {
        prompt.prefill = texts.next_back();
        return prompt;
    }
    prompt.asks = texts.collect();
    for part in parts(last) {
        let (inline, file) = (member(part, "inlineData"), member(part, "fileData"));
        let text = |holder: &'_ Value, name: &str| member(holder, name).as_str().unwrap_or_default().to_owned();
        if inline.is_object() {
            prompt.images.push(prompt::image(&text(inline, "mimeType"), &text(inline, "data")));
        }
        if file.is_object() {
            prompt.images.push(prompt::image_at(&text(file, "fileUri")));
        }
    }
    prompt.results = responses(last).map(|response| result(&response["response"])).collect();
    prompt
}

fn declared(declared: &Value) -> Option<Tool<'_>> {
    let plain = member(declared, "parametersJsonSchema");
    let schema = if plain.is_null() { member(declared, "parameters") } else { plain };
    Some(Tool { name: declared["name"].as_str()?, schema })
}

fn format(config: &Value) -> Format<'_> {
    let plain = member(config, "responseJsonSchema");
    let schema = if plain.is_null() { member(config, "responseSchema") } else { plain };
    match (member(config, "responseMimeType").as_str(), schema) {
        (Some("application/json"), Value::Null) => Format::Json,
        (Some("application/json"), schema) => Format::Schema(schema),
        _ => Format::Text,
    }
}

/// What a function returned. Responses are objects; texts stand in them under a few known names.
fn result(response: &Value) -> String {
    let known = ["output", "result", "content", "error"].iter().find_map(|name| response[*name].as_str());
    known.map_or_else(|| response.to_string(), str::to_owned)
}
