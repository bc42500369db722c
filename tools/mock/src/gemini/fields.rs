//! The fields that requests may have: what the API's own JSON reader would take.
//!
//! The API reads JSON into protocol buffers. A name it does not know is refused, wherever it stands,
//! and so is a value of another type; names come in camel case or in snake case.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;

use super::errors::{self, ApiError};

/// How deep a request may be nested.
const DEPTH_MAX: usize = 100;
/// The most complaints about one request.
const COMPLAINTS_MAX: usize = 32;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Holds {
    /// A string.
    Text,
    /// A whole number; in JSON it may be written as a string.
    Whole,
    /// A number.
    Number,
    /// True or false.
    Truth,
    /// One of these names.
    Name(&'static [&'static str]),
    /// An object with members of its own choosing.
    Struct,
    /// Whatever it likes.
    Any,
    /// A message of this name.
    Of(&'static str),
    /// Messages of this name under keys of the caller's choosing.
    MapOf(&'static str),
}

use Holds::{Any, MapOf, Name, Number, Of, Struct, Text, Truth, Whole};

/// What base64 stands for, in either of its alphabets: the API's own clients write that for URLs.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// A field: its name in snake case, whether it repeats, what it holds.
type Field = (&'static str, bool, Holds);

const MODES: &[&str] = &["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"];
const LEVELS: &[&str] = &["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"];
const TYPES: &[&str] = &["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

/// The messages that requests are made of.
#[rustfmt::skip] // A table; broken lines would hide the columns.
const MESSAGES: &[(&str, &[Field])] = &[
    ("GenerateContentRequest", &[
        ("model", false, Text), ("contents", true, Of("Content")), ("system_instruction", false, Of("Content")),
        ("tools", true, Of("Tool")), ("tool_config", false, Of("ToolConfig")), ("safety_settings", true, Of("SafetySetting")),
        ("generation_config", false, Of("GenerationConfig")), ("cached_content", false, Text), ("service_tier", false, Text), ("store", false, Truth),
    ]),
    ("CountTokensRequest", &[
        ("model", false, Text), ("contents", true, Of("Content")), ("generate_content_request", false, Of("GenerateContentRequest")),
    ]),
    ("EmbedContentRequest", &[
        ("model", false, Text), ("content", false, Of("Content")), ("task_type", false, Text), ("title", false, Text),
        ("output_dimensionality", false, Whole), ("auto_truncate", false, Truth),
    ]),
    ("BatchEmbedContentsRequest", &[("model", false, Text), ("requests", true, Of("EmbedContentRequest"))]),
    ("Content", &[("parts", true, Of("Part")), ("role", false, Text)]),
    ("Part", &[
        ("text", false, Text), ("inline_data", false, Of("Blob")), ("file_data", false, Of("FileData")),
        ("function_call", false, Of("FunctionCall")), ("function_response", false, Of("FunctionResponse")),
        ("executable_code", false, Any), ("code_execution_result", false, Any), ("video_metadata", false, Any), ("media_resolution", false, Any),
        ("thought", false, Truth), ("thought_signature", false, Text), ("part_metadata", false, Struct),
    ]),
    ("Blob", &[("mime_type", false, Text), ("data", false, Text), ("display_name", false, Text)]),
    ("FileData", &[("mime_type", false, Text), ("file_uri", false, Text), ("display_name", false, Text)]),
    ("FunctionCall", &[("id", false, Text), ("name", false, Text), ("args", false, Struct)]),
    ("FunctionResponse", &[
        ("id", false, Text), ("name", false, Text), ("response", false, Struct), ("parts", true, Any),
        ("will_continue", false, Truth), ("scheduling", false, Text),
    ]),
    ("Tool", &[
        ("function_declarations", true, Of("FunctionDeclaration")), ("google_search", false, Any), ("google_search_retrieval", false, Any),
        ("google_maps", false, Any), ("code_execution", false, Any), ("url_context", false, Any), ("computer_use", false, Any),
        ("file_search", false, Any), ("mcp_servers", true, Any),
    ]),
    ("FunctionDeclaration", &[
        ("name", false, Text), ("description", false, Text), ("behavior", false, Text), ("parameters", false, Of("Schema")),
        ("parameters_json_schema", false, Any), ("response", false, Of("Schema")), ("response_json_schema", false, Any),
    ]),
    ("Schema", &[
        ("type", false, Name(TYPES)), ("format", false, Text), ("title", false, Text), ("description", false, Text), ("nullable", false, Truth),
        ("enum", true, Text), ("items", false, Of("Schema")), ("properties", false, MapOf("Schema")), ("required", true, Text),
        ("property_ordering", true, Text), ("any_of", true, Of("Schema")), ("default", false, Any), ("example", false, Any),
        ("min_items", false, Whole), ("max_items", false, Whole), ("min_length", false, Whole), ("max_length", false, Whole),
        ("min_properties", false, Whole), ("max_properties", false, Whole), ("minimum", false, Number), ("maximum", false, Number),
        ("pattern", false, Text),
    ]),
    ("ToolConfig", &[
        ("function_calling_config", false, Of("FunctionCallingConfig")), ("retrieval_config", false, Any),
        ("include_server_side_tool_invocations", false, Truth),
    ]),
    ("FunctionCallingConfig", &[("mode", false, Name(MODES)), ("allowed_function_names", true, Text)]),
    ("SafetySetting", &[("category", false, Text), ("threshold", false, Text)]),
    ("GenerationConfig", &[
        ("stop_sequences", true, Text), ("response_mime_type", false, Text), ("response_schema", false, Of("Schema")),
        ("response_json_schema", false, Any), ("response_modalities", true, Text), ("candidate_count", false, Whole),
        ("max_output_tokens", false, Whole), ("temperature", false, Number), ("top_p", false, Number), ("top_k", false, Number),
        ("seed", false, Whole), ("presence_penalty", false, Number), ("frequency_penalty", false, Number),
        ("response_logprobs", false, Truth), ("logprobs", false, Whole), ("enable_enhanced_civic_answers", false, Truth),
        ("speech_config", false, Any), ("image_config", false, Any), ("media_resolution", false, Text),
        ("thinking_config", false, Of("ThinkingConfig")),
    ]),
    ("ThinkingConfig", &[("include_thoughts", false, Truth), ("thinking_budget", false, Whole), ("thinking_level", false, Name(LEVELS))]),
];

/// Refuses fields that the message does not have, and values that they cannot hold.
pub(super) fn check(message: &str, body: &Value) -> Result<(), ApiError> {
    let mut complaints = Complaints(Vec::new());
    complaints.message(message, body, "", 0);
    match complaints.0.is_empty() {
        true => Ok(()),
        false => Err(errors::violations(&complaints.0)),
    }
}

/// A name in snake case.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What is wrong: places and descriptions.
struct Complaints(Vec<(String, String)>);

impl Complaints {
    fn add(&mut self, at: &str, description: String) {
        if self.0.len() < COMPLAINTS_MAX {
            self.0.push((at.to_owned(), description));
        }
    }

    fn message(&mut self, name: &str, value: &Value, at: &str, depth: usize) {
        let (Value::Object(members), true) = (value, depth < DEPTH_MAX) else {
            self.wrong(value, at, &format!("type.googleapis.com/google.ai.generativelanguage.v1beta.{name}"));
            return;
        };
        let fields = MESSAGES.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, fields)| *fields);
        for (written, value) in members {
            let snake = snake(written);
            let Some((field, repeats, holds)) = fields.iter().find(|(field, ..)| *field == snake) else {
                let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
                self.add(at, format!("Invalid JSON payload received. Unknown name \"{written}\"{place}: Cannot find field."));
                continue;
            };
            let at = if at.is_empty() { (*field).to_owned() } else { format!("{at}.{field}") };
            match value {
                // As in all JSON of protocol buffers, null is the same as nothing.
                Value::Null => {}
                Value::Array(items) if *repeats => {
                    for (index, item) in items.iter().enumerate() {
                        self.value(*holds, item, &format!("{at}[{index}]"), depth + 1);
                    }
                }
                // One value stands for a list of one.
                value => self.value(*holds, value, &at, depth + 1),
            }
        }
    }

    fn value(&mut self, holds: Holds, value: &Value, at: &str, depth: usize) {
        match holds {
            Text if value.is_string() => {}
            Text => self.wrong(value, at, "TYPE_STRING"),
            Whole => {
                let whole = value.as_i64().is_some() || value.as_str().is_some_and(|text| text.parse::<i64>().is_ok());
                if !whole && value.as_f64().is_none_or(|number| number.fract() != 0.0) {
                    self.wrong(value, at, "TYPE_INT32");
                }
            }
            Number if value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok()) => {}
            Number => self.wrong(value, at, "TYPE_FLOAT"),
            Truth if value.is_boolean() => {}
            Truth => self.wrong(value, at, "TYPE_BOOL"),
            // Names are read without regard to case, as the API does with types of schemas.
            Name(names) => {
                if !value.as_str().is_some_and(|written| names.iter().any(|name| name.eq_ignore_ascii_case(written))) {
                    self.wrong(value, at, "TYPE_ENUM");
                }
            }
            Struct if value.is_object() => {}
            Struct => self.wrong(value, at, "type.googleapis.com/google.protobuf.Struct"),
            Any => {}
            Of(name) => self.message(name, value, at, depth),
            MapOf(name) => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    self.message(name, value, &format!("{at}[\"{key}\"]"), depth);
                }
            }
        }
    }

    fn wrong(&mut self, value: &Value, at: &str, kind: &str) {
        let shown: String = value.to_string().chars().take(80).collect();
        self.add(at, format!("Invalid value at '{at}' ({kind}), {shown}"));
    }
}
