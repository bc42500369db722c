//! What the API refuses of a request, outside of its conversation.

use serde_json::Value;

use super::errors::{ApiError, invalid};
use super::{Version, blocks, conversation};
use crate::asked::Asked;
use crate::prompt::Choice;
use crate::schema;

/// The members of a request for a message.
const MEMBERS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "stop_sequences",
    "stream",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "metadata",
    "service_tier",
    "speed",
    "inference_geo",
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "mcp_servers",
    "user_profile_id",
    "workspace_id",
];

/// The members of a request for a count.
const COUNT_MEMBERS: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "context_management",
    "mcp_servers",
    "speed",
    "user_profile_id",
    "workspace_id",
];

/// Sampling parameters: members of the classic version alone.
const SAMPLING: &[&str] = &["temperature", "top_p", "top_k"];

/// The members of a tool of the caller's.
const TOOL_MEMBERS: &[&str] = &[
    "name",
    "description",
    "input_schema",
    "type",
    "cache_control",
    "strict",
    "allowed_callers",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
];

/// The longest name of a tool.
const NAME_BYTES_MAX: usize = 128;
/// The least budget for thoughts.
const BUDGET_MIN: u64 = 1024;
/// The most breakpoints of a cache.
const BREAKPOINTS_MAX: usize = 4;

/// Refuses a request for a message that the API refuses.
pub(super) fn message(asked: &Asked<'_>, version: Version) -> Result<(), ApiError> {
    let body = asked.body.unwrap_or(&Value::Null);
    no_others(body, "", |name| MEMBERS.contains(&name) || (version == Version::Classic && SAMPLING.contains(&name)))?;
    model(asked)?;
    match &body["max_tokens"] {
        Value::Null => return Err(required("max_tokens")),
        number if number.as_u64().is_some() => {}
        number if number.is_i64() => return Err(invalid("max_tokens: Input should be greater than or equal to 0".to_owned())),
        _ => return Err(invalid("max_tokens: Input should be a valid integer".to_owned())),
    }
    if !body["stream"].is_null() && !body["stream"].is_boolean() {
        return Err(invalid("stream: Input should be a valid boolean".to_owned()));
    }
    stop_sequences(body)?;
    shared(asked, version)?;
    sampling(asked)
}

/// Refuses a request for a count that the API refuses.
pub(super) fn count(asked: &Asked<'_>, version: Version) -> Result<(), ApiError> {
    let body = asked.body.unwrap_or(&Value::Null);
    no_others(body, "", |name| COUNT_MEMBERS.contains(&name))?;
    model(asked)?;
    shared(asked, version)
}

fn shared(asked: &Asked<'_>, version: Version) -> Result<(), ApiError> {
    system(asked.member("system"))?;
    blocks::check(asked, version)?;
    tools(asked)?;
    thinking(asked)?;
    output(asked.member("output_config"))?;
    breakpoints(asked)
}

/// Refuses members that are not known; `at` ends in a dot, or is empty.
pub(super) fn no_others(value: &Value, at: &str, known: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    let members = value.as_object().into_iter().flatten();
    match members.map(|(name, _)| name).find(|name| !known(name)) {
        Some(name) => Err(invalid(format!("{at}{name}: Extra inputs are not permitted"))),
        None => Ok(()),
    }
}

pub(super) fn required(at: &str) -> ApiError {
    invalid(format!("{at}: Field required"))
}

fn model(asked: &Asked<'_>) -> Result<(), ApiError> {
    match asked.member("model") {
        Value::Null => Err(required("model")),
        Value::String(name) if name.is_empty() => Err(invalid("model: String should have at least 1 character".to_owned())),
        Value::String(_) => super::check_model(asked),
        _ => Err(invalid("model: Input should be a valid string".to_owned())),
    }
}

fn stop_sequences(body: &Value) -> Result<(), ApiError> {
    match &body["stop_sequences"] {
        Value::Null => Ok(()),
        Value::Array(items) => match items.iter().enumerate().find(|(_, item)| item.as_str().is_none_or(|text| text.trim().is_empty())) {
            Some((index, Value::String(_))) => {
                Err(invalid(format!("stop_sequences.{index}: each stop sequence must contain non-whitespace")))
            }
            Some((index, _)) => Err(invalid(format!("stop_sequences.{index}: Input should be a valid string"))),
            None => Ok(()),
        },
        _ => Err(invalid("stop_sequences: Input should be a valid list".to_owned())),
    }
}

fn system(system: &Value) -> Result<(), ApiError> {
    match system {
        Value::Null | Value::String(_) => Ok(()),
        Value::Array(parts) => {
            for (index, block) in parts.iter().enumerate() {
                let at = format!("system.{index}");
                if block["type"] != "text" {
                    return Err(invalid(format!("{at}.type: Input should be 'text'")));
                }
                if !block["text"].is_string() {
                    return Err(required(&format!("{at}.text")));
                }
                no_others(block, &format!("{at}."), |name| matches!(name, "type" | "text" | "cache_control" | "citations"))?;
                if block["text"] == "" {
                    return Err(invalid("system: text content blocks must be non-empty".to_owned()));
                }
            }
            Ok(())
        }
        _ => Err(invalid("system: Input should be a valid string".to_owned())),
    }
}

/// Whether a name or identifier is made of letters, digits, `_` and `-` alone.
pub(super) fn plain(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn tools(asked: &Asked<'_>) -> Result<(), ApiError> {
    let tools = match asked.member("tools") {
        Value::Null => &[][..],
        Value::Array(tools) => tools.as_slice(),
        _ => return Err(invalid("tools: Input should be a valid list".to_owned())),
    };
    let mut names: Vec<&str> = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        // What names a type of its own runs at the provider; its members are its own affair.
        let custom = tool["type"].is_null() || tool["type"] == "custom";
        if custom {
            custom_tool(&format!("tools.{index}.custom"), tool)?;
        }
        let name = tool["name"].as_str().unwrap_or_default();
        if names.contains(&name) {
            return Err(invalid("tools: Tool names must be unique.".to_owned()));
        }
        names.push(name);
    }
    let choice = asked.member("tool_choice");
    if choice.is_null() {
        return Ok(());
    }
    if !matches!(choice["type"].as_str(), Some("auto" | "any" | "tool" | "none")) {
        return Err(invalid(
            "tool_choice: Input tag found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'".to_owned(),
        ));
    }
    let known = |name: &str| matches!(name, "type" | "name" | "disable_parallel_tool_use");
    no_others(choice, &format!("tool_choice.{}.", choice["type"].as_str().unwrap_or_default()), known)?;
    match conversation::choice(asked) {
        Choice::Named(name) if !names.contains(&name) => Err(invalid(format!("Tool '{name}' not found in provided tools"))),
        Choice::Auto if choice["type"] == "tool" => Err(required("tool_choice.tool.name")),
        Choice::Any | Choice::Auto if tools.is_empty() => {
            Err(invalid("tool_choice: tool_choice may only be specified while providing tools".to_owned()))
        }
        _ => Ok(()),
    }
}

fn custom_tool(at: &str, tool: &Value) -> Result<(), ApiError> {
    let Some(name) = tool["name"].as_str() else {
        return Err(required(&format!("{at}.name")));
    };
    no_others(tool, &format!("{at}."), |name| TOOL_MEMBERS.contains(&name))?;
    if !plain(name, NAME_BYTES_MAX) {
        return Err(invalid(format!("{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,{NAME_BYTES_MAX}}}$'")));
    }
    let schema = &tool["input_schema"];
    if schema.is_null() {
        return Err(required(&format!("{at}.input_schema")));
    }
    if schema["type"] != "object" {
        return Err(match schema["type"] {
            Value::Null => required(&format!("{at}.input_schema.type")),
            _ => invalid(format!("{at}.input_schema.type: Input should be 'object'")),
        });
    }
    match tool["strict"] == true && schema::open_object(schema).is_some() {
        true => Err(invalid(format!("{at}: For 'object' type, 'additionalProperties' must be explicitly set to false"))),
        false => Ok(()),
    }
}

fn thinking(asked: &Asked<'_>) -> Result<(), ApiError> {
    let thinking = asked.member("thinking");
    if thinking.is_null() {
        return Ok(());
    }
    let Some(kind @ ("enabled" | "adaptive" | "between_tools" | "disabled")) = thinking["type"].as_str() else {
        let tags = "'adaptive', 'between_tools', 'disabled', 'enabled'";
        return Err(invalid(format!("thinking: Input tag found using 'type' does not match any of the expected tags: {tags}")));
    };
    let known = |name: &str| match name {
        "type" => true,
        "display" => kind != "disabled",
        "budget_tokens" => kind == "enabled",
        _ => false,
    };
    no_others(thinking, &format!("thinking.{kind}."), known)?;
    if kind == "enabled" {
        let budget = &thinking["budget_tokens"];
        let Some(budget) = budget.as_u64() else {
            return Err(required("thinking.enabled.budget_tokens"));
        };
        if budget < BUDGET_MIN {
            return Err(invalid(format!("thinking.enabled.budget_tokens: Input should be greater than or equal to {BUDGET_MIN}")));
        }
        if asked.member("max_tokens").as_u64().is_some_and(|limit| limit <= budget) {
            let see = "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size";
            return Err(invalid(format!("`max_tokens` must be greater than `thinking.budget_tokens`. {see}")));
        }
    }
    let forced = matches!(conversation::choice(asked), Choice::Any | Choice::Named(_));
    match forced && conversation::thinks(asked) {
        true => Err(invalid("Thinking may not be enabled when tool_choice forces tool use.".to_owned())),
        false => Ok(()),
    }
}

fn output(config: &Value) -> Result<(), ApiError> {
    if config.is_null() {
        return Ok(());
    }
    no_others(config, "output_config.", |name| matches!(name, "effort" | "format" | "task_budget"))?;
    let effort = &config["effort"];
    if !effort.is_null() && !matches!(effort.as_str(), Some("low" | "medium" | "high" | "xhigh" | "max")) {
        return Err(invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'".to_owned()));
    }
    let format = &config["format"];
    if format.is_null() {
        return Ok(());
    }
    if format["type"] != "json_schema" {
        return Err(invalid("output_config.format.type: Input should be 'json_schema'".to_owned()));
    }
    if !format["schema"].is_object() {
        return Err(required("output_config.format.schema"));
    }
    no_others(format, "output_config.format.", |name| matches!(name, "type" | "schema"))?;
    match schema::open_object(&format["schema"]) {
        Some(_) => Err(invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned(),
        )),
        None => Ok(()),
    }
}

/// What the classic version asks of sampling parameters; the strict one has refused them already.
fn sampling(asked: &Asked<'_>) -> Result<(), ApiError> {
    let (temperature, top_p, top_k) = (asked.member("temperature"), asked.member("top_p"), asked.member("top_k"));
    for (name, value) in [("temperature", temperature), ("top_p", top_p)] {
        if value.is_null() {
            continue;
        }
        match value.as_f64() {
            Some(number) if (0.0..=1.0).contains(&number) => {}
            Some(_) => return Err(invalid(format!("{name}: range: 0..1"))),
            None => return Err(invalid(format!("{name}: Input should be a valid number"))),
        }
    }
    if !top_k.is_null() && top_k.as_u64().is_none() {
        return Err(invalid("top_k: Input should be a valid integer".to_owned()));
    }
    if conversation::thinks(asked) {
        if temperature.as_f64().is_some_and(|number| number != 1.0) {
            return Err(invalid("`temperature` may only be set to 1 when thinking is enabled.".to_owned()));
        }
        if !top_k.is_null() {
            return Err(invalid("`top_k` must be unset when thinking is enabled.".to_owned()));
        }
    }
    Ok(())
}

fn breakpoints(asked: &Asked<'_>) -> Result<(), ApiError> {
    let count = ["system", "messages", "tools"].iter().map(|name| marked(asked.member(name))).sum::<usize>();
    let count = count + usize::from(asked.member("cache_control").is_object());
    match count > BREAKPOINTS_MAX {
        true => Err(invalid(format!("A maximum of {BREAKPOINTS_MAX} blocks with cache_control may be provided. Found {count}."))),
        false => Ok(()),
    }
}

/// How many blocks have a breakpoint: lists of blocks, and lists of messages that hold such lists.
fn marked(value: &Value) -> usize {
    let blocks = value.as_array().into_iter().flatten();
    blocks.map(|block| usize::from(block["cache_control"].is_object()) + marked(&block["content"])).sum()
}
