//! What the API refuses of a conversation: turns, blocks, tool results, signatures.

use serde_json::Value;

use super::check::{no_others, plain, required};
use super::errors::{ApiError, invalid};
use super::signature::{self, Verdict};
use super::{Version, conversation};
use crate::asked::Asked;

/// The most turns of a conversation.
const MESSAGES_MAX: usize = 100_000;
/// The longest identifier of a call; the API itself names no bound in its pattern.
const ID_BYTES_MAX: usize = 1024;

/// The blocks that are known, and the members of each besides `type` and `cache_control`.
///
/// Those without members are what tools of the provider leave behind; nothing is asked of them.
const BLOCKS: &[(&str, &[&str])] = &[
    ("text", &["text", "citations"]),
    ("image", &["source"]),
    ("document", &["source", "title", "context", "citations"]),
    ("search_result", &["source", "title", "content", "citations"]),
    ("tool_use", &["id", "name", "input", "caller"]),
    ("tool_result", &["tool_use_id", "content", "is_error", "toolset_name"]),
    ("thinking", &["thinking", "signature"]),
    ("redacted_thinking", &["data"]),
    ("server_tool_use", &[]),
    ("web_search_tool_result", &[]),
    ("web_fetch_tool_result", &[]),
    ("code_execution_tool_result", &[]),
    ("bash_code_execution_tool_result", &[]),
    ("text_editor_code_execution_tool_result", &[]),
    ("tool_search_tool_result", &[]),
    ("container_upload", &[]),
    ("mcp_tool_use", &[]),
    ("mcp_tool_result", &[]),
];

/// One turn, and where it stands.
struct Placed<'a> {
    index: usize,
    role: &'a str,
    content: &'a Value,
}

impl<'a> Placed<'a> {
    fn blocks(&self) -> &'a [Value] {
        self.content.as_array().map_or(&[], Vec::as_slice)
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = (usize, &'a Value)> {
        self.blocks().iter().enumerate().filter(move |(_, block)| block["type"] == kind)
    }
}

/// Refuses conversations that the API refuses.
pub(super) fn check(asked: &Asked<'_>, version: Version) -> Result<(), ApiError> {
    let messages = match asked.member("messages") {
        Value::Null => return Err(required("messages")),
        Value::Array(messages) if messages.is_empty() => return Err(invalid("messages: at least one message is required".to_owned())),
        Value::Array(messages) if messages.len() > MESSAGES_MAX => {
            return Err(invalid(format!("messages: List should have at most {MESSAGES_MAX} items")));
        }
        Value::Array(messages) => messages,
        _ => return Err(invalid("messages: Input should be a valid list".to_owned())),
    };
    let turns: Vec<Placed<'_>> = messages.iter().enumerate().map(placed).collect::<Result<_, _>>()?;
    for turn in &turns {
        check_content(turn, version, turn.index + 1 == turns.len())?;
    }
    // What the system says in between belongs to no side.
    let spoken: Vec<&Placed<'_>> = turns.iter().filter(|turn| turn.role != "system").collect();
    if spoken.first().is_none_or(|turn| turn.role != "user") {
        return Err(invalid("messages: first message must use the \"user\" role".to_owned()));
    }
    check_tools(&spoken)?;
    check_end(asked, &spoken)
}

fn placed((index, message): (usize, &Value)) -> Result<Placed<'_>, ApiError> {
    let at = format!("messages.{index}");
    if !message.is_object() {
        return Err(invalid(format!("{at}: Input should be an object")));
    }
    let role = match message["role"].as_str() {
        Some(role @ ("user" | "assistant" | "system")) => role,
        Some(_) => return Err(invalid(format!("{at}.role: Input should be 'user', 'assistant' or 'system'"))),
        None => return Err(required(&format!("{at}.role"))),
    };
    no_others(message, &format!("{at}."), |name| matches!(name, "role" | "content"))?;
    match &message["content"] {
        Value::Null => Err(required(&format!("{at}.content"))),
        content @ (Value::String(_) | Value::Array(_)) => Ok(Placed { index, role, content }),
        _ => Err(invalid(format!("{at}.content: Input should be a valid list"))),
    }
}

fn check_content(turn: &Placed<'_>, version: Version, last: bool) -> Result<(), ApiError> {
    let empty = turn.content.as_str().is_some_and(str::is_empty) || turn.content.as_array().is_some_and(Vec::is_empty);
    if empty && !(last && turn.role == "assistant") {
        let at = turn.index;
        return Err(invalid(format!(
            "messages.{at}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    for (index, block) in turn.blocks().iter().enumerate() {
        check_block(&format!("messages.{}.content.{index}", turn.index), turn.role, block, version)?;
    }
    Ok(())
}

fn check_block(at: &str, role: &str, block: &Value, version: Version) -> Result<(), ApiError> {
    let Some(kind) = block["type"].as_str() else {
        return Err(required(&format!("{at}.type")));
    };
    let Some((_, members)) = BLOCKS.iter().find(|(known, _)| *known == kind) else {
        let tags: Vec<String> = BLOCKS.iter().map(|(known, _)| format!("'{known}'")).collect();
        let tags = tags.join(", ");
        return Err(invalid(format!("{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}")));
    };
    let within = format!("{at}.{kind}");
    if !members.is_empty() {
        no_others(block, &format!("{within}."), |name| matches!(name, "type" | "cache_control") || members.contains(&name))?;
    }
    let misplaced = match kind {
        "tool_use" | "thinking" | "redacted_thinking" => role != "assistant",
        "tool_result" | "image" => role != "user",
        "document" => role != "user" && version == Version::Strict,
        _ => false,
    };
    if misplaced {
        let whose = if role == "user" { "assistant" } else { "user" };
        return Err(invalid(format!("{at}: `{kind}` blocks can only be in `{whose}` messages")));
    }
    match kind {
        "text" => check_text(&within, role, block, version),
        "image" | "document" => check_source(&within, &block["source"]),
        "tool_use" => check_use(&within, block),
        "tool_result" => check_result(&within, block, version),
        "thinking" => check_thinking(at, block),
        "redacted_thinking" if !block["data"].is_string() => Err(required(&format!("{within}.data"))),
        _ => Ok(()),
    }
}

fn check_text(at: &str, role: &str, block: &Value, version: Version) -> Result<(), ApiError> {
    match block["text"].as_str() {
        None => return Err(required(&format!("{at}.text"))),
        Some("") => return Err(invalid("messages: text content blocks must be non-empty".to_owned())),
        Some(text) if text.trim().is_empty() => {
            return Err(invalid("messages: text content blocks must contain non-whitespace text".to_owned()));
        }
        Some(_) => {}
    }
    let cited = block["citations"].as_array().is_some_and(|citations| !citations.is_empty());
    match cited && role == "user" && version == Version::Strict {
        true => Err(invalid(format!("{at}.citations: Extra inputs are not permitted"))),
        false => Ok(()),
    }
}

fn check_source(at: &str, source: &Value) -> Result<(), ApiError> {
    let kind = source["type"].as_str().ok_or_else(|| required(&format!("{at}.source")))?;
    let wanted: &[&str] = match kind {
        "base64" => &["media_type", "data"],
        "url" => &["url"],
        "file" => &["file_id"],
        "text" if at.ends_with("document") => &["media_type", "data"],
        "content" if at.ends_with("document") => return Ok(()),
        _ => {
            let tags = "'base64', 'file', 'url'";
            return Err(invalid(format!(
                "{at}.source: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
            )));
        }
    };
    if let Some(missing) = wanted.iter().find(|name| !source[**name].is_string()) {
        return Err(required(&format!("{at}.source.{kind}.{missing}")));
    }
    no_others(source, &format!("{at}.source.{kind}."), |name| name == "type" || wanted.contains(&name))?;
    if kind != "base64" {
        return Ok(());
    }
    let (media_type, data) = (source["media_type"].as_str().unwrap_or_default(), source["data"].as_str().unwrap_or_default());
    if at.ends_with("image") && !matches!(media_type, "image/jpeg" | "image/png" | "image/gif" | "image/webp") {
        let types = "'image/jpeg', 'image/png', 'image/gif' or 'image/webp'";
        return Err(invalid(format!("{at}.source.base64.media_type: Input should be {types}")));
    }
    use base64::Engine as _;
    match base64::engine::general_purpose::STANDARD.decode(data) {
        Ok(bytes) if !bytes.is_empty() => Ok(()),
        _ => Err(invalid(format!("{at}.source.base64: invalid base64 data"))),
    }
}

fn check_use(at: &str, block: &Value) -> Result<(), ApiError> {
    let Some(id) = block["id"].as_str() else {
        return Err(required(&format!("{at}.id")));
    };
    if !plain(id, ID_BYTES_MAX) {
        return Err(invalid(format!("{at}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")));
    }
    let name = block["name"].as_str().ok_or_else(|| required(&format!("{at}.name")))?;
    if !plain(name, 200) {
        return Err(invalid(format!("{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,200}}$'")));
    }
    match &block["input"] {
        Value::Null => Err(required(&format!("{at}.input"))),
        Value::Object(_) => Ok(()),
        _ => Err(invalid(format!("{at}.input: Input should be a valid dictionary"))),
    }
}

fn check_result(at: &str, block: &Value, version: Version) -> Result<(), ApiError> {
    let Some(id) = block["tool_use_id"].as_str() else {
        return Err(required(&format!("{at}.tool_use_id")));
    };
    if !plain(id, ID_BYTES_MAX) {
        return Err(invalid(format!("{at}.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'")));
    }
    if !block["is_error"].is_null() && !block["is_error"].is_boolean() {
        return Err(invalid(format!("{at}.is_error: Input should be a valid boolean")));
    }
    match &block["content"] {
        Value::Null | Value::String(_) => Ok(()),
        Value::Array(blocks) => {
            for (index, inner) in blocks.iter().enumerate() {
                let at = format!("{at}.content.{index}");
                match inner["type"].as_str() {
                    Some("text" | "image" | "document" | "search_result") => check_block(&at, "user", inner, version)?,
                    Some("tool_reference") => {}
                    Some(kind) => {
                        return Err(invalid(format!(
                            "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'document', 'image', 'search_result', 'text', 'tool_reference'"
                        )));
                    }
                    None => return Err(required(&format!("{at}.type"))),
                }
            }
            Ok(())
        }
        _ => Err(invalid(format!("{at}.content: Input should be a valid list"))),
    }
}

fn check_thinking(at: &str, block: &Value) -> Result<(), ApiError> {
    let within = format!("{at}.thinking");
    let thoughts = block["thinking"].as_str().ok_or_else(|| required(&format!("{within}.thinking")))?;
    let signature = block["signature"].as_str().ok_or_else(|| required(&format!("{within}.signature")))?;
    match signature::verify(thoughts, signature) {
        Verdict::Good => Ok(()),
        Verdict::Foreign => Err(invalid(format!("{at}: Invalid `signature` in `thinking` block"))),
        Verdict::Altered => Err(invalid(format!(
            "{at}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must remain as they were in the original response."
        ))),
    }
}

/// Neighbours of one role, which the API takes for one turn: the blocks, and the place of each.
struct Merged<'a> {
    role: &'a str,
    index: usize,
    blocks: Vec<(String, &'a Value)>,
}

impl<'a> Merged<'a> {
    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = (&String, &'a Value)> {
        self.blocks.iter().filter(move |(_, block)| block["type"] == kind).map(|(at, block)| (at, *block))
    }
}

fn merged<'a>(turns: &[&Placed<'a>]) -> Vec<Merged<'a>> {
    let mut merged: Vec<Merged<'a>> = Vec::new();
    for turn in turns {
        let texts = turn.content.is_string().then_some(turn.content);
        let placed = texts.into_iter().chain(turn.blocks()).enumerate();
        let placed = placed.map(|(index, block)| (format!("messages.{}.content.{index}", turn.index), block));
        match merged.last_mut().filter(|last| last.role == turn.role) {
            Some(last) => {
                last.index = turn.index;
                last.blocks.extend(placed);
            }
            None => merged.push(Merged { role: turn.role, index: turn.index, blocks: placed.collect() }),
        }
    }
    merged
}

/// Every call is answered at the start of the next turn, and nothing is answered that was not
/// called.
fn check_tools(turns: &[&Placed<'_>]) -> Result<(), ApiError> {
    let mut known: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut opened_at = 0;
    for turn in merged(turns) {
        if turn.role == "user" {
            check_results(&turn, &open, opened_at)?;
            open.clear();
            continue;
        }
        for (at, block) in turn.of_kind("tool_use") {
            let id = block["id"].as_str().unwrap_or_default();
            if known.contains(&id) {
                return Err(invalid(format!("{at}: `tool_use` ids must be unique")));
            }
            known.push(id);
            open.push(id);
        }
        opened_at = turn.index;
    }
    unanswered(&open, opened_at)
}

fn unanswered(open: &[&str], at: usize) -> Result<(), ApiError> {
    match open.is_empty() {
        true => Ok(()),
        false => Err(invalid(format!(
            "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
            open.join(", ")
        ))),
    }
}

fn check_results(turn: &Merged<'_>, called: &[&str], called_at: usize) -> Result<(), ApiError> {
    let mut answered: Vec<&str> = Vec::new();
    for (at, block) in turn.of_kind("tool_result") {
        let id = block["tool_use_id"].as_str().unwrap_or_default();
        if !called.contains(&id) {
            return Err(invalid(format!(
                "{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        }
        if answered.contains(&id) {
            return Err(invalid(format!(
                "{at}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: {id}"
            )));
        }
        answered.push(id);
    }
    // A result behind other blocks is not immediately after its call.
    let leading = turn.blocks.iter().take_while(|(_, block)| block["type"] == "tool_result");
    let leading: Vec<&str> = leading.filter_map(|(_, block)| block["tool_use_id"].as_str()).collect();
    let open: Vec<&str> = called.iter().copied().filter(|id| !leading.contains(id)).collect();
    unanswered(&open, called_at)
}

/// What is asked of the turn of the assistant that stands last, or last before results.
fn check_end(asked: &Asked<'_>, turns: &[&Placed<'_>]) -> Result<(), ApiError> {
    let Some(last) = turns.last() else { return Ok(()) };
    if last.role == "assistant" {
        if !asked.answers.prefill {
            let said = "This model does not support assistant message prefill. The conversation must end with a user message.";
            return Err(invalid(said.to_owned()));
        }
        let text = last.content.as_str().or_else(|| last.blocks().last().and_then(|block| block["text"].as_str()));
        if text.is_some_and(|text| text.ends_with(char::is_whitespace)) {
            return Err(invalid("messages: final assistant content cannot end with trailing whitespace".to_owned()));
        }
    }
    // Only thinking of a fixed budget insists on its thoughts of before; adaptive thinking does not.
    if asked.member("thinking")["type"] != "enabled" || !conversation::thinks(asked) {
        return Ok(());
    }
    let in_loop = last.role == "user" && last.of_kind("tool_result").next().is_some();
    let ending = match (last.role, in_loop) {
        ("assistant", _) => Some(last),
        (_, true) => turns.iter().rev().find(|turn| turn.role == "assistant"),
        _ => None,
    };
    // Several calls in a row belong to one turn; its thoughts stand before the first of them.
    let Some(ending) = ending else { return Ok(()) };
    let first = ending.blocks().first().and_then(|block| block["type"].as_str()).unwrap_or("text");
    match first {
        "thinking" | "redacted_thinking" => Ok(()),
        found => Err(invalid(format!(
            "messages.{}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this requirement, disable `thinking`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking",
            ending.index
        ))),
    }
}
