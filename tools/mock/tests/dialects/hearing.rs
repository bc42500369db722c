//! What each dialect answered, in one form.

use super::asking::Way;
use super::caller::Reply;
use serde_json::{Value, json};

/// What came back, whichever dialect it came in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) thoughts: String,
    pub(super) calls: Vec<(String, Value)>,
    /// Why it ended, in OpenAI's word for it.
    pub(super) ending: String,
    pub(super) spoken_tokens: u64,
    pub(super) thought_tokens: u64,
}

pub(super) fn documents(way: Way, reply: &Reply) -> Vec<Value> {
    match way {
        Way::Array => serde_json::from_slice(&reply.body).expect("the stream is one array"),
        _ => reply.data().iter().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    }
}

pub(super) fn heard_chat(documents: &[Value]) -> Heard {
    let mut heard = Heard::default();
    for document in documents {
        let choice = &document["choices"][0];
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        for name in ["content", "refusal"] {
            heard.text += said[name].as_str().unwrap_or_default();
        }
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            let arguments = call["function"]["arguments"].as_str().unwrap();
            match call["function"]["name"].as_str() {
                Some(name) => heard.calls.push((name.to_owned(), json!(arguments))),
                None => {
                    let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                    let so_far = heard.calls[index].1.as_str().unwrap().to_owned();
                    heard.calls[index].1 = json!(so_far + arguments);
                }
            }
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            heard.ending = if said["refusal"].is_string() || heard.text.starts_with("I'm sorry") { "refusal" } else { reason }.to_owned();
        }
        if let Some(total) = document["usage"]["completion_tokens"].as_u64() {
            heard.thought_tokens = document["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
            heard.spoken_tokens = total - heard.thought_tokens;
        }
    }
    for (_, arguments) in &mut heard.calls {
        *arguments = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
    }
    heard
}

pub(super) fn heard_responses(last: &Value) -> Heard {
    let response = if last["response"].is_object() { &last["response"] } else { last };
    let mut heard = Heard { ending: "stop".to_owned(), ..Heard::default() };
    for item in response["output"].as_array().unwrap() {
        match item["type"].as_str().unwrap() {
            "reasoning" => heard.thoughts += item["summary"][0]["text"].as_str().unwrap(),
            "function_call" => {
                let arguments = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
                heard.calls.push((item["name"].as_str().unwrap().to_owned(), arguments));
                heard.ending = "tool_calls".to_owned();
            }
            _ => {
                let part = &item["content"][0];
                if part["type"] == "refusal" {
                    heard.ending = "refusal".to_owned();
                }
                heard.text += part["text"].as_str().or(part["refusal"].as_str()).unwrap();
            }
        }
    }
    if response["status"] == "incomplete" {
        heard.ending = "length".to_owned();
    }
    heard.thought_tokens = response["usage"]["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    heard.spoken_tokens = response["usage"]["output_tokens"].as_u64().unwrap() - heard.thought_tokens;
    heard
}

pub(super) fn heard_messages(documents: &[Value]) -> Heard {
    let mut heard = Heard::default();
    let mut blocks: Vec<Value> = documents[0]["content"].as_array().cloned().unwrap_or_default();
    let mut inputs: Vec<String> = Vec::new();
    for document in documents {
        match document["type"].as_str().unwrap() {
            "content_block_start" => {
                blocks.push(document["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let index = usize::try_from(document["index"].as_u64().unwrap()).unwrap();
                let delta = &document["delta"];
                for (member, name) in [("text", "text"), ("thinking", "thinking")] {
                    if let Some(text) = delta[name].as_str() {
                        blocks[index][member] = json!(blocks[index][member].as_str().unwrap().to_owned() + text);
                    }
                }
                inputs[index] += delta["partial_json"].as_str().unwrap_or_default();
            }
            _ => {}
        }
        let holder = if document["delta"].is_object() { &document["delta"] } else { document };
        if let Some(reason) = holder["stop_reason"].as_str() {
            heard.ending = match reason {
                "end_turn" => "stop",
                "max_tokens" => "length",
                "tool_use" => "tool_calls",
                other => other,
            }
            .to_owned();
            heard.thought_tokens = document["usage"]["output_tokens_details"]["thinking_tokens"].as_u64().unwrap();
            heard.spoken_tokens = document["usage"]["output_tokens"].as_u64().unwrap() - heard.thought_tokens;
        }
    }
    for (index, block) in blocks.iter().enumerate() {
        heard.text += block["text"].as_str().unwrap_or_default();
        heard.thoughts += block["thinking"].as_str().unwrap_or_default();
        if block["type"] == "tool_use" {
            let streamed = inputs.get(index).filter(|text| !text.is_empty());
            let input = streamed.map_or_else(|| block["input"].clone(), |text| serde_json::from_str(text).unwrap());
            heard.calls.push((block["name"].as_str().unwrap().to_owned(), input));
        }
    }
    heard
}

pub(super) fn heard_generate(documents: &[Value]) -> Heard {
    let mut heard = Heard::default();
    for document in documents {
        if document["promptFeedback"]["blockReason"].is_string() {
            heard.ending = "refusal".to_owned();
        }
        let candidate = &document["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let text = part["text"].as_str().unwrap_or_default();
            match part["thought"] == true {
                true => heard.thoughts += text,
                false => heard.text += text,
            }
            if part["functionCall"].is_object() {
                heard.calls.push((part["functionCall"]["name"].as_str().unwrap().to_owned(), part["functionCall"]["args"].clone()));
            }
        }
        heard.ending = match candidate["finishReason"].as_str() {
            Some("STOP") if heard.calls.is_empty() => "stop".to_owned(),
            Some("STOP") => "tool_calls".to_owned(),
            Some("MAX_TOKENS") => "length".to_owned(),
            Some(other) => other.to_owned(),
            None => heard.ending,
        };
        let usage = &document["usageMetadata"];
        let count = |name: &str| usage[name].as_u64().unwrap_or(0);
        (heard.spoken_tokens, heard.thought_tokens) = (count("candidatesTokenCount"), count("thoughtsTokenCount"));
        assert_eq!(count("totalTokenCount"), count("promptTokenCount") + heard.spoken_tokens + heard.thought_tokens);
    }
    heard
}
