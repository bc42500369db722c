//! One question, put into the words of each dialect.

use super::caller::{Reply, World};
use super::hearing::{self, Heard};
use mock::{Answers, Dialect};
use serde_json::{Value, json};

/// One way to ask: a dialect, and within OpenAI's the older or the newer API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Chat,
    Responses,
    Messages,
    Generate,
    Array,
}

pub(super) const WAYS: &[Way] = &[Way::Chat, Way::Responses, Way::Messages, Way::Generate, Way::Array];

/// A question, before it is put into the words of a dialect.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    pub(super) text: &'static str,
    pub(super) image: bool,
    pub(super) tools: bool,
    pub(super) thinks: bool,
    pub(super) schema: bool,
    pub(super) tokens_max: Option<u64>,
}

pub(super) fn parameters() -> Value {
    json!({
        "type": "object", "properties": {"city": {"type": "string"}},
        "required": ["city"], "additionalProperties": false
    })
}

pub(super) const PIXELS: &str = "QUJDRA==";

pub(super) fn chat_body(question: &Question) -> Value {
    let mut content = vec![json!({"type": "text", "text": question.text})];
    if question.image {
        content.push(json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PIXELS}")}}));
    }
    let mut body = json!({
        "model": "m", "messages": [{"role": "user", "content": content}], "stream_options": {"include_usage": true},
        "max_completion_tokens": question.tokens_max
    });
    if question.tools {
        let tool = |name| json!({"type": "function", "function": {"name": name, "parameters": parameters()}});
        body["tools"] = json!([tool("one"), tool("two")]);
    }
    if question.thinks {
        body["reasoning_effort"] = json!("low");
    }
    if question.schema {
        body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": parameters()}});
    }
    body
}

pub(super) fn responses_body(question: &Question) -> Value {
    let mut content = vec![json!({"type": "input_text", "text": question.text})];
    if question.image {
        content.push(json!({"type": "input_image", "image_url": format!("data:image/png;base64,{PIXELS}")}));
    }
    let mut body = json!({"model": "m", "input": [{"role": "user", "content": content}], "max_output_tokens": question.tokens_max});
    if question.tools {
        let tool = |name| json!({"type": "function", "name": name, "parameters": parameters()});
        body["tools"] = json!([tool("one"), tool("two")]);
    }
    if question.thinks {
        body["reasoning"] = json!({"effort": "low", "summary": "auto"});
    }
    if question.schema {
        body["text"] = json!({"format": {"type": "json_schema", "name": "x", "strict": true, "schema": parameters()}});
    }
    body
}

pub(super) fn messages_body(question: &Question) -> Value {
    let mut content = vec![json!({"type": "text", "text": question.text})];
    if question.image {
        content.push(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXELS}}));
    }
    let mut body =
        json!({"model": "m", "max_tokens": question.tokens_max.unwrap_or(4096), "messages": [{"role": "user", "content": content}]});
    if question.tools {
        let tool = |name| json!({"name": name, "input_schema": parameters()});
        body["tools"] = json!([tool("one"), tool("two")]);
    }
    if question.thinks {
        body["thinking"] = json!({"type": "adaptive"});
    }
    if question.schema {
        body["output_config"] = json!({"format": {"type": "json_schema", "schema": parameters()}});
    }
    body
}

pub(super) fn generate_body(question: &Question) -> Value {
    let mut parts = vec![json!({"text": question.text})];
    if question.image {
        parts.push(json!({"inlineData": {"mimeType": "image/png", "data": PIXELS}}));
    }
    let mut body = json!({"contents": [{"role": "user", "parts": parts}], "generationConfig": {"maxOutputTokens": question.tokens_max}});
    if question.tools {
        let tool = |name| json!({"name": name, "parametersJsonSchema": parameters()});
        body["tools"] = json!([{"functionDeclarations": [tool("one"), tool("two")]}]);
    }
    if question.thinks {
        body["generationConfig"]["thinkingConfig"] = json!({"includeThoughts": true});
    }
    if question.schema {
        body["generationConfig"]["responseMimeType"] = json!("application/json");
        body["generationConfig"]["responseJsonSchema"] = parameters();
    }
    body
}

/// A zoo of every dialect; both providers of each have the same names.
pub(super) struct Worlds(pub(super) [World; 3]);

impl Worlds {
    pub(super) fn new() -> Worlds {
        let world = |dialect| World::speaking(dialect, Answers { words: 3, ..Answers::default() });
        Worlds([world(Dialect::Openai), world(Dialect::Anthropic), world(Dialect::Gemini)])
    }

    pub(super) fn of(&self, way: Way) -> &World {
        &self.0[match way {
            Way::Chat | Way::Responses => 0,
            Way::Messages => 1,
            Way::Generate | Way::Array => 2,
        }]
    }

    pub(super) fn ask(&self, way: Way, question: &Question, stream: bool) -> Reply {
        let mut caller = self.of(way).call();
        let (path, mut body) = match way {
            Way::Chat => ("/v1/chat/completions", chat_body(question)),
            Way::Responses => ("/v1/responses", responses_body(question)),
            Way::Messages => ("/v1/messages", messages_body(question)),
            Way::Generate if stream => ("/v1beta/models/m:streamGenerateContent?alt=sse", generate_body(question)),
            Way::Array if stream => ("/v1beta/models/m:streamGenerateContent", generate_body(question)),
            Way::Generate | Way::Array => ("/v1beta/models/m%3AgenerateContent", generate_body(question)),
        };
        if stream && !matches!(way, Way::Generate | Way::Array) {
            body["stream"] = json!(true);
        }
        match way {
            Way::Messages => caller.messages(&body),
            _ => caller.ask(path, &body),
        }
    }

    pub(super) fn hear(&self, way: Way, question: &Question, stream: bool) -> Heard {
        let reply = self.ask(way, question, stream);
        assert_eq!(reply.status, 200, "{way:?}: {}", reply.text());
        let documents = match stream {
            false => vec![reply.json()],
            true => hearing::documents(way, &reply),
        };
        match way {
            Way::Chat => hearing::heard_chat(&documents),
            Way::Responses => hearing::heard_responses(documents.last().unwrap()),
            Way::Messages => hearing::heard_messages(&documents),
            Way::Generate | Way::Array => hearing::heard_generate(&documents),
        }
    }
}
