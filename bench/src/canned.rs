//! The bytes that go out: requests, answers and streams, made once before anything is measured.

use std::rc::Rc;

/// The model that is asked for when nothing else is said.
pub(crate) const MODEL: &str = "bench-model";
/// Smallest completion that is valid; smaller sizes give this.
const ANSWER_MIN: usize = 320;

/// What a request is made of.
#[derive(Clone, Debug)]
pub(crate) struct Asking<'a> {
    /// For the `Host` field.
    pub(crate) host: &'a str,
    /// The tenant's key; empty for none.
    pub(crate) key: &'a str,
    pub(crate) model: &'a str,
    /// Size of the body, as near as a valid one comes.
    pub(crate) bytes: usize,
    /// Whether a stream is asked for.
    pub(crate) stream: bool,
}

/// A whole request, with the fields that the usual client library sends.
pub(crate) fn request(asking: &Asking<'_>) -> Rc<[u8]> {
    let stream = if asking.stream { "\"stream\":true," } else { "" };
    let front = format!("{{\"model\":\"{}\",{stream}\"messages\":[{{\"role\":\"user\",\"content\":\"", asking.model);
    let body = padded(&front, "\"}]}", asking.bytes);
    let authorization = if asking.key.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", asking.key) };
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n\
         Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 1.99.0\r\n\
         X-Stainless-Lang: python\r\nX-Stainless-OS: Linux\r\nX-Stainless-Runtime: CPython\r\n{authorization}\
         x-stainless-retry-count: 0\r\nContent-Length: {}\r\n\r\n",
        asking.host,
        body.len()
    );
    (head + &body).into_bytes().into()
}

/// The body of a chat completion, of this size.
pub(crate) fn completion(bytes: usize) -> Rc<[u8]> {
    let front = format!(
        "{{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"{MODEL}\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\""
    );
    let back = "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9,\"total_tokens\":18}}";
    padded(&front, back, bytes.max(ANSWER_MIN)).into_bytes().into()
}

/// The data of every event of a stream: `events` with content, one that ends it, and the marker.
pub(crate) fn stream(events: usize) -> Vec<String> {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "{{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"{MODEL}\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}"
        )
    };
    let mut data = vec![chunk("{\"role\":\"assistant\",\"content\":\"\"}", "null")];
    data.extend((0..events).map(|number| chunk(&format!("{{\"content\":\" word {number}\"}}"), "null")));
    data.push(chunk("{}", "\"stop\""));
    data.push("[DONE]".to_owned());
    data
}

/// An answer with its head.
pub(crate) fn answer(status: &str, kind: &str, body: &[u8]) -> Rc<[u8]> {
    let mut whole = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    whole.extend_from_slice(body);
    whole.into()
}

/// A chunk of a stream with these bytes.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

fn padded(front: &str, back: &str, bytes: usize) -> String {
    // Words rather than one letter: what a prompt looks like to a scanner.
    let filler = bytes.saturating_sub(front.len() + back.len());
    let mut text = String::with_capacity(bytes);
    text.push_str(front);
    text.extend("the quick brown fox jumps over the lazy dog ".chars().cycle().take(filler));
    text.push_str(back);
    text
}

#[cfg(test)]
mod tests {
    use super::{Asking, completion, request, stream};
    use serde_json::Value;

    #[test]
    fn sizes_are_kept_and_bodies_are_valid() {
        for bytes in [1, 400, 1_024, 20_480, 204_800] {
            let body = completion(bytes);
            assert_eq!(body.len(), bytes.max(super::ANSWER_MIN));
            let value: Value = serde_json::from_slice(&body).expect("valid JSON");
            assert_eq!(value["object"], "chat.completion");
            let asking = Asking { host: "h", key: "k", model: "m", bytes, stream: true };
            let whole = request(&asking);
            let at = memchr::memmem::find(&whole, b"\r\n\r\n").expect("a head ends") + 4;
            let value: Value = serde_json::from_slice(&whole[at..]).expect("valid JSON");
            assert_eq!(value["stream"], true);
            assert!(bytes < 100 || whole.len() - at == bytes);
        }
        let data = stream(3);
        assert_eq!(data.len(), 6);
        assert_eq!(data.last().map(String::as_str), Some("[DONE]"));
    }
}
