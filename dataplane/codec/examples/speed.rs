//! How long each parser takes: `cargo run --release -p codec --example speed`.
//!
//! Each line is the best and the median of many rounds, in nanoseconds per operation; the best is
//! what the code costs, the median what the machine gave it.

use std::hint::black_box;
use std::time::Instant;

use codec::body::Decoder;
use codec::dialect::{self, Dialect, Ear, Manner, Means, Rope, Terms, openai, responses};
use codec::head::{self, Framing};
use codec::json::{AnswerScan, RequestScan, Tree};
use codec::sse::Splitter;

const ROUNDS: usize = 200;
const ROUND_NS: f64 = 500_000.0;

fn measure(name: &str, bytes_count: usize, mut operation: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..50 {
        operation();
    }
    let once = start.elapsed().as_nanos() as f64 / 50.0;
    let repeats = ((ROUND_NS / once.max(1.0)) as usize).max(1);
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..repeats {
                operation();
            }
            start.elapsed().as_nanos() as f64 / repeats as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let (best, median) = (rounds[0], rounds[ROUNDS / 2]);
    println!("{name:<44}{best:>10.0} ns{median:>10.0} ns{:>8.2} ns/byte{bytes_count:>9} bytes", best / bytes_count as f64);
}

const HEAD: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.internal:8080\r\n\
    Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nAccept: application/json\r\n\
    Content-Type: application/json\r\nUser-Agent: OpenAI/Python 3.52.0\r\nX-Stainless-Lang: python\r\n\
    X-Stainless-OS: Linux\r\nx-stainless-retry-count: 0\r\nx-stainless-timeout: 600\r\n\
    Authorization: Bearer tk-0123456789abcdef0123456789abcdef\r\nContent-Length: 1024\r\n\r\n";

const ANSWER_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ndate: Fri, 20 Nov 2026 10:00:00 GMT\r\n\
    content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\
    connection: keep-alive\r\nopenai-organization: org\r\nopenai-processing-ms: 120\r\n\
    openai-version: 2020-10-01\r\nx-ratelimit-limit-requests: 10000\r\n\
    x-ratelimit-remaining-requests: 9999\r\nx-request-id: req_0123456789abcdef\r\nserver: x\r\n\r\n";

/// A chat request of about `size` bytes, as the Python SDK writes it.
fn chat(size: usize, word: &str) -> Vec<u8> {
    let mut body = String::from("{\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant. Be brief.\"}");
    while body.len() + 120 < size {
        let text = word.repeat((size - body.len() - 80).min(240) / word.len());
        body += ",{\"role\":\"user\",\"content\":\"";
        body += &text;
        body += "\"}";
    }
    body += "],\"model\":\"gpt-5.6\",\"max_completion_tokens\":512,\"stream\":true,\"temperature\":0.7}";
    body.into_bytes()
}

/// One long string, as an image in a request is.
fn image(size: usize) -> Vec<u8> {
    let data = "iVBORw0KGgo".repeat(size / 11);
    format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"image_url\",\
         \"image_url\":{{\"url\":\"data:image/png;base64,{data}\"}}}}]}}]}}"
    )
    .into_bytes()
}

fn requests() {
    let texts = [
        ("JSON request, 1 KiB chat", chat(1024, "some words ")),
        ("JSON request, 64 KiB chat", chat(64 * 1024, "some words ")),
        ("JSON request, 64 KiB, one string", image(64 * 1024)),
        ("JSON request, 64 KiB chat, Cyrillic", chat(64 * 1024, "несколько слов ")),
        ("JSON request, 64 KiB chat, escapes", chat(64 * 1024, "a line of code\\n")),
    ];
    for (name, text) in &texts {
        measure(name, text.len(), || {
            let mut scan = RequestScan::new();
            scan.feed(black_box(text)).expect("valid");
            black_box(scan.finish().expect("valid"));
        });
    }
    let text = &texts[1].1;
    measure("JSON request, 64 KiB chat in 1460 byte pieces", text.len(), || {
        let mut scan = RequestScan::new();
        for piece in black_box(text).chunks(1460) {
            scan.feed(piece).expect("valid");
        }
        black_box(scan.finish().expect("valid"));
    });
}

fn streams() {
    let delta = "{\"id\":\"chatcmpl-0123456789abcdefghij\",\"object\":\"chat.completion.chunk\",\"created\":\
        1763600000,\"model\":\"gpt-5.6\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" hello\"},\
        \"logprobs\":null,\"finish_reason\":null}]}";
    let event = format!("data: {delta}\n\n").into_bytes();
    measure("SSE split, chat delta", event.len(), || {
        let mut splitter = Splitter::default();
        black_box(splitter.next(black_box(&event)).expect("short"));
    });
    measure("classify, chat delta", delta.len(), || {
        black_box(openai::classify(None, black_box(delta.as_bytes())));
    });
    let mut splitter = Splitter::default();
    measure("SSE split and classify, chat delta", event.len(), || {
        let cut = splitter.next(black_box(&event)).expect("short").expect("whole");
        let found = openai::classify(cut.event(&splitter, &event), cut.data(&splitter, &event));
        black_box(found);
    });
    let event = b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\
        \"item_id\":\"msg_0123456789\",\"output_index\":0,\"content_index\":0,\"delta\":\" hello\",\
        \"logprobs\":[],\"sequence_number\":12}\n\n";
    measure("SSE split and classify, Responses delta", event.len(), || {
        let cut = splitter.next(black_box(event)).expect("short").expect("whole");
        let found = responses::classify(cut.event(&splitter, event), cut.data(&splitter, event));
        black_box(found);
    });
}

fn bodies() {
    let chunk = [&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat();
    let body = [chunk.repeat(4), b"0\r\n\r\n".to_vec()].concat();
    measure("chunked body, 4 chunks of 16 KiB", body.len(), || {
        let mut decoder = Decoder::new(Framing::Chunked, 1 << 20).expect("no length");
        let mut rest = black_box(body.as_slice());
        while !rest.is_empty() {
            let step = decoder.decode(rest).expect("valid");
            rest = &rest[step.used..];
        }
        assert!(black_box(decoder.done()));
    });
    let answer = b"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1763600000,\"model\":\"gpt-5.6\",\
        \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello there.\",\"refusal\":null},\
        \"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":20,\
        \"total_tokens\":77,\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":\
        {\"reasoning_tokens\":0}}}";
    measure("JSON answer, short", answer.len(), || {
        let mut scan = AnswerScan::new();
        scan.feed(black_box(answer)).expect("valid");
        black_box(scan.finish().expect("valid"));
    });
}

/// A text in an event of a stream of this dialect.
fn event(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Gemini => {
            b"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" hello\"}],\"role\":\"model\"},\"index\":0}],\
            \"usageMetadata\":{\"promptTokenCount\":57,\"candidatesTokenCount\":5,\"totalTokenCount\":62,\
            \"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":57}]},\"modelVersion\":\"gemini-3.8-flash\",\
            \"responseId\":\"0123456789abcdefghij\"}"
        }
        _ => {
            b"{\"id\":\"chatcmpl-0123456789abcdefghij\",\"object\":\"chat.completion.chunk\",\"created\":1763600000,\
            \"model\":\"gpt-5.6\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" hello\"},\"logprobs\":null,\
            \"finish_reason\":null}]}"
        }
    }
}

fn say(from: Dialect, to: Dialect, body: &[u8], tree: &mut Tree, own: Vec<u8>) -> dialect::Written {
    let prompt = dialect::read_prompt(from, tree.read(body).expect("valid"), true).expect("a request");
    let mut rope = Rope::new(body, own);
    dialect::write_prompt(to, &prompt, &Means::of("m"), &mut rope);
    rope.finish()
}

fn translations() {
    for (from, to) in [(Dialect::Openai, Dialect::Gemini), (Dialect::Gemini, Dialect::Openai)] {
        let mut tree = Tree::new();
        for size in [1024, 64 * 1024] {
            let body = chat(size, "some words ");
            let body = say(Dialect::Openai, from, &body, &mut tree, Vec::new()).join(&body);
            let mut own = Vec::new();
            measure(&format!("request, {from:?} to {to:?}, {} KiB", size / 1024), body.len(), || {
                own = say(from, to, black_box(&body), &mut tree, std::mem::take(&mut own)).own;
            });
        }
        let manner = Manner { seed: 1, created: 1, model: "m".into(), include_usage: true, input_estimate: 1, terms: Terms::default() };
        let mut ear = Ear::new(from, Some((to, manner)));
        let mut out = Vec::new();
        measure(&format!("event, {from:?} to {to:?}"), event(from).len(), || {
            out.clear();
            black_box(ear.event(None, black_box(event(from)), &mut out));
        });
    }
}

fn main() {
    println!("{:<44}{:>13}{:>13}", "", "best", "median");
    measure("request head, 12 fields", HEAD.len(), || {
        black_box(head::request(black_box(HEAD), 32 * 1024).expect("valid"));
    });
    measure("response head, 11 fields", ANSWER_HEAD.len(), || {
        black_box(head::response(black_box(ANSWER_HEAD), 32 * 1024).expect("valid"));
    });
    requests();
    streams();
    bodies();
    translations();
}
