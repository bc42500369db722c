//! Verbs of `codec`: heads, chunks, scans and events as the usual libraries and providers send them.

use super::Verb;
use codec::{
    body::Decoder,
    dialect::openai,
    head::{self, Framing},
    json::{self, AnswerScan, RequestScan},
    schema,
    sse::Splitter,
};
use std::hint::black_box;

/// Longest head that is taken.
const HEAD_MAX: usize = 32 * 1024;
/// Longest body that is taken.
const BODY_MAX: u64 = 1 << 20;

const REQUEST_HEAD: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.internal:8080\r\nAccept-Encoding: gzip, deflate\r\n\
    Connection: keep-alive\r\nAccept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 1.99.0\r\n\
    X-Stainless-Lang: python\r\nX-Stainless-OS: Linux\r\nx-stainless-retry-count: 0\r\nx-stainless-timeout: 600\r\n\
    Authorization: Bearer sk-tenant-0123456789abcdef0123456789\r\nContent-Length: 1024\r\n\r\n";

const ANSWER_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 10:00:00 GMT\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
    Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nopenai-organization: org\r\nopenai-processing-ms: 120\r\n\
    openai-version: 2020-10-01\r\nx-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n\
    x-request-id: req_0123456789abcdef\r\nServer: x\r\n\r\n";

const DELTA: &str = "{\"id\":\"chatcmpl-0123456789abcdefghij\",\"object\":\"chat.completion.chunk\",\"created\":1763600000,\
    \"model\":\"gpt-5.6\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" hello\"},\"logprobs\":null,\"finish_reason\":null}]}";

pub(super) fn verb(name: &'static str, call: impl FnMut(usize) + 'static) -> Verb {
    Verb { name, cold: false, warm: None, call: Box::new(call) }
}

pub(super) fn request_head(name: &'static str) -> Verb {
    verb(name, |_| {
        black_box(head::request(black_box(REQUEST_HEAD), HEAD_MAX).expect("the head is sound"));
    })
}

pub(super) fn answer_head(name: &'static str) -> Verb {
    verb(name, |_| {
        black_box(head::response(black_box(ANSWER_HEAD), HEAD_MAX).expect("the head is sound"));
    })
}

/// A chunked body of one chunk with these bytes.
fn chunked(bytes: &[u8]) -> Vec<u8> {
    let mut body = format!("{:x}\r\n", bytes.len()).into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    body
}

fn decoding(name: &'static str, body: Vec<u8>) -> Verb {
    verb(name, move |_| {
        let mut decoder = Decoder::new(Framing::Chunked, BODY_MAX).expect("chunked bodies have no length to refuse");
        let mut rest = black_box(body.as_slice());
        while !rest.is_empty() {
            let step = decoder.decode(rest).expect("the body is sound");
            rest = &rest[step.used..];
        }
        assert!(black_box(decoder.done()));
    })
}

pub(super) fn small_chunk(name: &'static str) -> Verb {
    decoding(name, chunked(format!("data: {DELTA}\n\n").as_bytes()))
}

pub(super) fn large_chunk(name: &'static str) -> Verb {
    decoding(name, chunked(&[b'x'; 16 * 1024]))
}

/// A chat of about so many bytes, in turns of a few hundred.
pub(super) fn chat(size: usize) -> Vec<u8> {
    let mut body = String::from("{\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"}");
    while body.len() + 120 < size {
        let words: String = "some words of a prompt ".chars().cycle().take((size - body.len() - 100).min(300)).collect();
        body.push_str(&format!(",{{\"role\":\"user\",\"content\":\"{words}\"}}"));
    }
    body.push_str("],\"model\":\"gpt-5.6\",\"max_completion_tokens\":512,\"stream\":true,\"temperature\":0.7}");
    body.into_bytes()
}

fn scanning(name: &'static str, size: usize) -> Verb {
    let body = chat(size);
    verb(name, move |_| {
        let mut scan = RequestScan::new();
        scan.feed(black_box(&body)).expect("the chat is sound");
        black_box(scan.finish().expect("the chat is whole"));
    })
}

pub(super) fn request_1k(name: &'static str) -> Verb {
    scanning(name, 1_024)
}

pub(super) fn request_20k(name: &'static str) -> Verb {
    scanning(name, 20_480)
}

pub(super) fn answer(name: &'static str) -> Verb {
    let body = crate::canned::completion(1_024);
    verb(name, move |_| {
        let mut scan = AnswerScan::new();
        scan.feed(black_box(&body)).expect("the completion is sound");
        black_box(scan.finish().expect("the completion is whole"));
    })
}

pub(super) fn delta(name: &'static str) -> Verb {
    let event = format!("data: {DELTA}\n\n").into_bytes();
    let mut splitter = Splitter::default();
    verb(name, move |_| {
        let event = black_box(event.as_slice());
        let cut = splitter.next(event).expect("the event is short").expect("the event is whole");
        black_box(openai::classify(cut.event(&splitter, event), cut.data(&splitter, event)));
    })
}

/// A text of 1 KiB that was to follow a schema, read and checked with it, as an answer's is before it is shown.
pub(super) fn schema(name: &'static str) -> Verb {
    let (schema, text) = trains();
    let (mut one, mut other) = (json::Tree::new(), json::Tree::new());
    verb(name, move |_| {
        let schema = one.read(black_box(schema.as_bytes())).expect("the schema is sound");
        let value = other.read(black_box(text.as_bytes())).expect("the text is sound");
        assert_eq!(schema::check(schema, false, value), schema::Verdict::Follows);
    })
}

/// A closed schema of 0.7 KiB with a list, a choice and a reference, and 1 KiB that follows it.
pub(super) fn trains() -> (String, String) {
    let train = r##"{"type":"object","properties":{"name":{"type":"string","minLength":1},"from":{"$ref":"#/$defs/station"},"to":{"$ref":"#/$defs/station"},"late_minutes":{"type":["integer","null"],"minimum":0},"class":{"enum":["local","express","night"]}},"required":["name","from","to","late_minutes","class"],"additionalProperties":false}"##;
    let schema = format!(
        r##"{{"type":"object","properties":{{"day":{{"type":"string"}},"trains":{{"type":"array","items":{train},"maxItems":50}},"note":{{"anyOf":[{{"type":"string"}},{{"type":"null"}}]}}}},"required":["day","trains","note"],"additionalProperties":false,"$defs":{{"station":{{"type":"object","properties":{{"name":{{"type":"string"}},"code":{{"type":"string","maxLength":4}}}},"required":["name","code"],"additionalProperties":false}}}}}}"##
    );
    let one = |number: usize| {
        format!(
            r#"{{"name":"RE {number}","from":{{"name":"Hauptbahnhof","code":"HBF"}},"to":{{"name":"Flughafen","code":"FLG"}},"late_minutes":{number},"class":"express"}}"#
        )
    };
    let text = format!(r#"{{"day":"2026-11-21","trains":[{}],"note":null}}"#, (1..8).map(one).collect::<Vec<_>>().join(","));
    (schema, text)
}
