//! Chat conversations: what they ask, and whether they are as the API wants them.

use serde_json::Value;

use super::{errors, tools};
use crate::asked::Asked;
use crate::prompt::{self, Format, Prompt};
use crate::turn::Ending;

/// The roles that a message may have, in the order in which the API lists them.
const ROLES: &[&str] = &["system", "assistant", "user", "function", "tool", "developer"];

/// Refuses conversations that the API refuses.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), errors::ApiError> {
    let messages = match asked.member("messages") {
        Value::Null => return Err(errors::missing("messages")),
        Value::Array(messages) if messages.is_empty() => return Err(errors::empty_array("messages")),
        Value::Array(messages) => messages,
        other => return Err(errors::wrong_type("messages", "an array of objects", other)),
    };
    for (index, message) in messages.iter().enumerate() {
        check_message(index, message)?;
    }
    check_calls(messages)?;
    tools::check(asked)?;
    tools::check_format(asked.member("response_format"))
}

fn check_message(index: usize, message: &Value) -> Result<(), errors::ApiError> {
    let at = format!("messages[{index}]");
    if !message.is_object() {
        return Err(errors::wrong_type(&at, "an object", message));
    }
    let Some(role) = message["role"].as_str() else {
        return Err(errors::missing(&format!("{at}.role")));
    };
    if !ROLES.contains(&role) {
        let listed = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'";
        let message = format!("Invalid value: '{role}'. Supported values are: {listed}.");
        return Err(errors::bad_value(&format!("{at}.role"), message, Some("invalid_value")));
    }
    let may_be_empty = role == "assistant" || role == "function";
    match &message["content"] {
        Value::Null if may_be_empty => {}
        Value::Null => {
            let said = "Invalid value for 'content': expected a string, got null.".to_owned();
            return Err(errors::bad_value(&format!("messages.[{index}].content"), said, None));
        }
        Value::String(_) => {}
        Value::Array(parts) => check_parts(&at, parts)?,
        other => return Err(errors::wrong_type(&format!("{at}.content"), "one of a string or array of objects", other)),
    }
    if role == "tool" && !message["tool_call_id"].is_string() {
        return Err(errors::missing(&format!("{at}.tool_call_id")));
    }
    for (number, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let at = format!("{at}.tool_calls[{number}]");
        if !call["id"].is_string() {
            return Err(errors::missing(&format!("{at}.id")));
        }
        if call["type"] == "function" && !call["function"]["arguments"].is_string() {
            let arguments = &call["function"]["arguments"];
            return Err(errors::wrong_type(&format!("{at}.function.arguments"), "a string", arguments));
        }
    }
    Ok(())
}

fn check_parts(at: &str, parts: &[Value]) -> Result<(), errors::ApiError> {
    for (index, part) in parts.iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        let (member, present) = match part["type"].as_str() {
            Some("text") => ("text", part["text"].is_string()),
            Some("image_url") => ("image_url.url", part["image_url"]["url"].is_string()),
            Some("input_audio") => ("input_audio", part["input_audio"].is_object()),
            Some("file") => ("file", part["file"].is_object()),
            Some("refusal") => ("refusal", part["refusal"].is_string()),
            Some(other) => {
                let listed = "'text', 'image_url', 'input_audio', 'refusal', and 'file'";
                let message = format!("Invalid value: '{other}'. Supported values are: {listed}.");
                return Err(errors::bad_value(&format!("{at}.type"), message, Some("invalid_value")));
            }
            None => ("type", false),
        };
        if !present {
            return Err(errors::missing(&format!("{at}.{member}")));
        }
    }
    Ok(())
}

/// Calls are answered by the messages right behind them, each once; answers to nothing are refused.
fn check_calls(messages: &[Value]) -> Result<(), errors::ApiError> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages.[{index}].role");
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            let Some(found) = open.iter().position(|known| *known == id) else {
                let said = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                return Err(errors::bad_value(&at, said.to_owned(), None));
            };
            open.remove(found);
            continue;
        }
        unanswered(&open, &at)?;
        open = message["tool_calls"].as_array().into_iter().flatten().filter_map(|call| call["id"].as_str()).collect();
    }
    unanswered(&open, &format!("messages.[{}].role", messages.len()))
}

fn unanswered(open: &[&str], at: &str) -> Result<(), errors::ApiError> {
    if open.is_empty() {
        return Ok(());
    }
    let said = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ";
    Err(errors::bad_value(at, format!("{said}{}", open.join(", ")), None))
}

/// What a chat conversation asks.
pub(super) fn prompt<'a>(asked: &Asked<'a>) -> Prompt<'a> {
    let messages = asked.member("messages").as_array().map_or(&[][..], Vec::as_slice);
    let mut prompt = Prompt {
        tools: tools::listed(asked, "/function"),
        choice: tools::choice(asked, "/function/name"),
        one_call: asked.member("parallel_tool_calls") == false,
        tokens_max: asked.member("max_completion_tokens").as_u64().or_else(|| asked.member("max_tokens").as_u64()),
        format: format(&asked.member("response_format")["type"], &asked.member("response_format")["json_schema"]["schema"]),
        thinks: asked.member("reasoning_effort").as_str().is_some_and(|effort| effort != "none"),
        ..Prompt::default()
    };
    match messages.last() {
        Some(last) if last["role"] == "user" => {
            prompt.asks = texts(&last["content"]);
            let parts = last["content"].as_array().into_iter().flatten();
            prompt.images = parts.filter_map(|part| part["image_url"]["url"].as_str()).map(prompt::image_at).collect();
        }
        Some(last) if last["role"] == "assistant" => prompt.prefill = texts(&last["content"]).pop(),
        _ => {
            let answers = messages.iter().rev().take_while(|message| message["role"] == "tool");
            prompt.results = answers.map(|message| texts(&message["content"]).concat()).collect();
            prompt.results.reverse();
        }
    }
    prompt
}

/// The texts of a content, be it a string or parts.
pub(super) fn texts(content: &Value) -> Vec<&str> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => Vec::new(),
    }
}

/// What the text must be, by the type of the format and its schema.
pub(super) fn format<'a>(kind: &Value, schema: &'a Value) -> Format<'a> {
    match kind.as_str() {
        Some("json_object") => Format::Json,
        Some("json_schema") if schema.is_null() => Format::Json,
        Some("json_schema") => Format::Schema(schema),
        _ => Format::Text,
    }
}

/// Why a choice ended, as chat and text completions say it.
pub(super) fn finish_reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Stop | Ending::Refused => "stop",
        Ending::Length => "length",
        Ending::Calls => "tool_calls",
    }
}
