//! What a conversation asks of the model.

use serde_json::Value;

use crate::asked::Asked;
use crate::prompt::{self, Choice, Format, Prompt, Tool};

/// Whether thinking is on, in whichever of its forms.
pub(super) fn thinks(asked: &Asked<'_>) -> bool {
    matches!(asked.member("thinking")["type"].as_str(), Some("enabled" | "adaptive" | "between_tools"))
}

/// Whether tools are to be called.
pub(super) fn choice<'a>(asked: &Asked<'a>) -> Choice<'a> {
    let choice = asked.member("tool_choice");
    match (choice["type"].as_str(), choice["name"].as_str()) {
        (Some("any"), _) => Choice::Any,
        (Some("none"), _) => Choice::Never,
        (Some("tool"), Some(name)) => Choice::Named(name),
        _ => Choice::Auto,
    }
}

/// What the conversation asks.
pub(super) fn prompt<'a>(asked: &Asked<'a>) -> Prompt<'a> {
    let tools = asked.member("tools").as_array().map_or(&[][..], Vec::as_slice);
    // Tools with schemas are the caller's; the others run at the provider, and never here.
    let tool = |tool: &'a Value| {
        let schema = tool.get("input_schema")?;
        Some(Tool { name: tool["name"].as_str()?, schema })
    };
    let schema = &asked.member("output_config")["format"]["schema"];
    let mut prompt = Prompt {
        tools: tools.iter().filter_map(tool).collect(),
        choice: choice(asked),
        one_call: asked.member("tool_choice")["disable_parallel_tool_use"] == true,
        tokens_max: asked.member("max_tokens").as_u64(),
        format: if schema.is_object() { Format::Schema(schema) } else { Format::Text },
        thinks: thinks(asked),
        ..Prompt::default()
    };
    let messages = asked.member("messages").as_array().map_or(&[][..], Vec::as_slice);
    let last = messages.iter().rev().find(|message| message["role"] != "system");
    let Some(last) = last else { return prompt };
    if last["role"] == "assistant" {
        prompt.prefill = texts(&last["content"]).pop();
        return prompt;
    }
    prompt.asks = texts(&last["content"]);
    for block in last["content"].as_array().into_iter().flatten() {
        match block["type"].as_str() {
            Some("image") => prompt.images.push(image(&block["source"])),
            Some("tool_result") => prompt.results.push(texts(&block["content"]).concat()),
            _ => {}
        }
    }
    prompt
}

/// The texts of a content, be it a string or blocks.
fn texts(content: &Value) -> Vec<&str> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(blocks) => blocks.iter().filter(|block| block["type"] == "text").filter_map(|block| block["text"].as_str()).collect(),
        _ => Vec::new(),
    }
}

fn image(source: &Value) -> String {
    let text = |name: &str| source[name].as_str().unwrap_or_default();
    match source["type"].as_str() {
        Some("base64") => prompt::image(text("media_type"), text("data")),
        Some("url") => prompt::image_at(text("url")),
        _ => prompt::image_at(text("file_id")),
    }
}
