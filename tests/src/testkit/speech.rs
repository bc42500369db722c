//! One question in the language of every client, and what its answers say.

use super::tenant::{Answer, Ask};
use serde_json::{Value, json};

/// The clients: OpenAI's two languages, Anthropic's and Gemini's.
pub const CLIENTS: [&str; 4] = ["chat", "responses", "messages", "generate"];

/// The same question in each language.
pub fn ask(client: &str, model: &str, text: &str, stream: bool) -> Ask {
    match client {
        "chat" => {
            let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]);
            Ask::post("/v1/chat/completions", &json!({"model": model, "stream": stream, "messages": messages}))
        }
        "responses" => Ask::post("/v1/responses", &json!({"model": model, "stream": stream, "instructions": "Be brief.", "input": text})),
        "messages" => {
            let messages = json!([{"role": "user", "content": text}]);
            let body = json!({"model": model, "max_tokens": 64, "stream": stream, "system": "Be brief.", "messages": messages});
            Ask::post("/v1/messages", &body).with("anthropic-version", "2023-06-01")
        }
        _ => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            Ask::post(
                &format!("/v1beta/models/{model}:{verb}"),
                &json!({"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"role": "user", "parts": [{"text": text}]}]}),
            )
        }
    }
}

/// The text of a whole answer, and whether it has its own language's good end.
pub fn said(client: &str, answer: &Value) -> (String, bool) {
    let strings =
        |list: &Value, member: &str| -> String { list.as_array().into_iter().flatten().filter_map(|part| part[member].as_str()).collect() };
    match client {
        "chat" => {
            let choice = &answer["choices"][0];
            (choice["message"]["content"].as_str().unwrap_or_default().to_owned(), choice["finish_reason"] == "stop")
        }
        "responses" => {
            let message = answer["output"].as_array().into_iter().flatten().find(|item| item["type"] == "message");
            (message.map(|message| strings(&message["content"], "text")).unwrap_or_default(), answer["status"] == "completed")
        }
        "messages" => (strings(&answer["content"], "text"), answer["stop_reason"] == "end_turn"),
        _ => {
            let candidate = &answer["candidates"][0];
            (strings(&candidate["content"]["parts"], "text"), candidate["finishReason"] == "STOP")
        }
    }
}

/// The same of a stream.
pub fn streamed(client: &str, answer: &Answer) -> (String, bool) {
    let events: Vec<Value> = answer.events().iter().filter_map(|event| serde_json::from_str(&event.data).ok()).collect();
    let any = |member: &str, value: &str| events.iter().any(|event| event[member] == value);
    match client {
        "chat" => (answer.content(), answer.done()),
        "responses" => {
            let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
            (deltas.filter_map(|event| event["delta"].as_str()).collect(), any("type", "response.completed"))
        }
        "messages" => (events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect(), any("type", "message_stop")),
        _ => {
            let end = events.last().is_some_and(|event| event["candidates"][0]["finishReason"] == "STOP");
            (events.iter().map(|event| said(client, event).0).collect(), end)
        }
    }
}

/// The code of an error in the client's own shape.
pub fn code(client: &str, error: &Value) -> String {
    let code = match client {
        "chat" => &error["error"]["code"],
        "responses" if error["type"] == "error" => &error["code"],
        "responses" => &error["error"]["code"],
        "messages" => &error["error"]["details"]["error_code"],
        _ => &error["error"]["details"][0]["reason"],
    };
    code.as_str().unwrap_or_default().to_owned()
}
