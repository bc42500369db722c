//! Tools and formats: what a request declares, and whether the API would take it.
//!
//! Chat wraps a function in a member of that name, the Responses API does not; everything else is
//! the same.

use serde_json::Value;

use super::errors;
use crate::asked::Asked;
use crate::prompt::{Choice, Tool};
use crate::schema;

/// The longest name of a function.
const NAME_CHARS_MAX: usize = 64;

/// The tools of the request, whose functions stand at `holder` within each.
pub(super) fn listed<'a>(asked: &Asked<'a>, holder: &str) -> Vec<Tool<'a>> {
    let tools = asked.member("tools").as_array().map_or(&[][..], Vec::as_slice);
    let function = |tool: &'a Value| {
        let function = tool.pointer(holder)?;
        (tool["type"] == "function").then_some(())?;
        Some(Tool { name: function["name"].as_str()?, schema: &function["parameters"] })
    };
    tools.iter().filter_map(function).collect()
}

/// Whether tools are to be called; `name` is where a choice names its tool.
pub(super) fn choice<'a>(asked: &Asked<'a>, name: &str) -> Choice<'a> {
    let choice = asked.member("tool_choice");
    match (choice.as_str(), choice.pointer(name).and_then(Value::as_str)) {
        (_, Some(name)) => Choice::Named(name),
        (Some("required"), _) => Choice::Any,
        (Some("none"), _) => Choice::Never,
        // A list of allowed tools insists or not, as its mode says.
        _ if choice["allowed_tools"]["mode"] == "required" || choice["mode"] == "required" => Choice::Any,
        _ => Choice::Auto,
    }
}

/// Refuses tools of a chat request that the API refuses.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), errors::ApiError> {
    check_listed(asked, "/function", "function.")?;
    let tools = listed(asked, "/function");
    if let Choice::Named(name) = choice(asked, "/function/name")
        && !tools.iter().any(|tool| tool.name == name)
    {
        let message = format!("Tool choice 'function:{name}' not found in 'tools' parameter.");
        return Err(errors::bad_value("tool_choice", message, None));
    }
    Ok(())
}

/// Refuses tools that the API refuses, whichever of its two forms they have.
pub(super) fn check_listed(asked: &Asked<'_>, holder: &str, within: &str) -> Result<(), errors::ApiError> {
    let tools = asked.member("tools").as_array().map_or(&[][..], Vec::as_slice);
    if tools.is_empty() {
        for name in ["tool_choice", "parallel_tool_calls"] {
            let harmless = asked.member(name).is_null() || (name == "tool_choice" && asked.member(name) == "none");
            if !harmless {
                let message = format!("'{name}' is only allowed when 'tools' are specified.");
                return Err(errors::bad_value(name, message, None));
            }
        }
    }
    for (index, tool) in tools.iter().enumerate().filter(|(_, tool)| tool["type"] == "function") {
        let at = format!("tools[{index}].{within}");
        let function = tool.pointer(holder).unwrap_or(&Value::Null);
        let Some(name) = function["name"].as_str() else {
            return Err(errors::missing(&format!("{at}name")));
        };
        check_name(&format!("{at}name"), name)?;
        if function["strict"] == true {
            let message = |wrong: String| format!("Invalid schema for function '{name}': {wrong}");
            let refused = |wrong| errors::bad_value(&format!("{at}parameters"), message(wrong), Some("invalid_function_parameters"));
            check_strict(&function["parameters"]).map_err(refused)?;
        }
    }
    Ok(())
}

fn check_name(at: &str, name: &str) -> Result<(), errors::ApiError> {
    let count = name.chars().count();
    if count > NAME_CHARS_MAX {
        let message = format!(
            "Invalid '{at}': string too long. Expected a string with maximum length {NAME_CHARS_MAX}, but got a string with length {count} instead."
        );
        return Err(errors::bad_value(at, message, Some("string_above_max_length")));
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        let message =
            format!("Invalid '{at}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.");
        return Err(errors::bad_value(at, message, Some("invalid_value")));
    }
    Ok(())
}

/// Refuses a response format that the API refuses.
pub(super) fn check_format(format: &Value) -> Result<(), errors::ApiError> {
    if format["type"] != "json_schema" {
        return Ok(());
    }
    let Some(name) = format["json_schema"]["name"].as_str() else {
        return Err(errors::missing("response_format.json_schema.name"));
    };
    check_schema("response_format", name, &format["json_schema"])
}

/// Refuses a strict schema that is open; `holder` has it and says whether it is strict.
pub(super) fn check_schema(param: &str, name: &str, holder: &Value) -> Result<(), errors::ApiError> {
    if holder["strict"] != true {
        return Ok(());
    }
    let refused = |wrong| errors::bad_value(param, format!("Invalid schema for response_format '{name}': {wrong}"), None);
    check_strict(&holder["schema"]).map_err(refused)
}

/// What a strict schema lacks: closed objects, and every property required.
fn check_strict(schema: &Value) -> Result<(), String> {
    if let Some(steps) = schema::open_object(schema) {
        let context = context(&steps);
        return Err(format!("In context={context}, 'additionalProperties' is required to be supplied and to be false."));
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let names = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    match names.into_iter().find(|name| !required.contains(name)) {
        Some(missing) => Err(format!(
            "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing '{missing}'."
        )),
        None => Ok(()),
    }
}

/// A place in a schema as the API writes it: a tuple of Python.
fn context(steps: &[String]) -> String {
    let quoted: Vec<String> = steps.iter().map(|step| format!("'{step}'")).collect();
    match quoted.len() {
        1 => format!("({},)", quoted[0]),
        _ => format!("({})", quoted.join(", ")),
    }
}
