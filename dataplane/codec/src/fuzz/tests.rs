//! Seeded mutations of a small corpus. A failure prints the input, and the seed is fixed.

use super::*;

const SEED: u64 = 0x7468_726f_776f_7665;
const ROUNDS: usize = 3_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn mutate(random: &mut Random, corpus: &[&[u8]], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            2 => {
                let word = words[random.below(words.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            3 => {
                let end = (at + random.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let other = corpus[random.below(corpus.len())];
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => bytes.insert(at, b" \r\n:,;\"{}[]\\0\xc3\xff"[random.below(15)]),
        }
    }
    bytes
}

fn run(corpus: &[&[u8]], words: &[&[u8]], check: impl Fn(&[u8])) {
    let mut random = Random(SEED);
    for input in corpus {
        check(input);
    }
    for _ in 0..ROUNDS {
        check(&mutate(&mut random, corpus, words));
    }
}

#[test]
fn request_heads() {
    let corpus: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest",
        b"\r\nPOST /v1/%61?q HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        b"POST http://b/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\ntraceparent: x\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: Bearer k\r\nOpenAI-Beta:\r\n\r\n",
    ];
    let words: [&[u8]; 9] = [
        b"\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 1\r\n",
        b"\n",
        b"\r",
        b" ",
        b"chunked",
        b"GET / HTTP/1.1\r\n",
        b"\0",
    ];
    run(&corpus, &words, request_head);
}

#[test]
fn response_heads() {
    let corpus: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Type: a\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 429 x\r\nRetry-After: 1.5\r\nretry-after-ms: 12\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 503\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
    ];
    let words: [&[u8]; 6] = [b"\r\n", b"Content-Length: 1\r\n", b"\n", b"HTTP/1.1 100 \r\n\r\n", b"9", b"\0"];
    run(&corpus, &words, response_head);
}

#[test]
fn bodies() {
    let corpus: [&[u8]; 4] = [
        b"5\r\nhello\r\n0\r\n\r\nnext",
        b"1;a=b;c=\"d\\\"e\"\r\nx\r\n00A\r\n0123456789\r\n0;last\r\nT: v\r\n\r\n",
        b"FFF\r\nxyz",
        b"0\r\n\r\n",
    ];
    let words: [&[u8]; 8] = [b"\r\n", b"0\r\n\r\n", b";", b"a=\"", b"\n", b"fffffffffffffff0", b"1\r\nz\r\n", b"0"];
    run(&corpus, &words, body);
}

#[test]
fn event_streams() {
    let corpus: [&[u8]; 5] = [
        b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n",
        b"event: error\r\ndata: a\r\ndata: b\r\n\r\n: comment\r\n\r\n\r\n",
        b"\xef\xbb\xbfdata:x\rdata\r\rid: 1\r\revent:y\r\r",
        b"retry: 5\n\n:\n\ndata: \n\n",
        b"event: response.output_text.delta\ndata: {\"delta\":\"x\"}\n\n",
    ];
    let words: [&[u8]; 8] = [b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"event: ", b": ", b"[DONE]"];
    run(&corpus, &words, events);
}

#[test]
fn schemas() {
    let rows = include_str!("../schema/tests/cases.tsv").lines();
    let seeds: Vec<Vec<u8>> = rows.filter_map(|row| Some(row.split_once('\t')?.1.replacen('\t', "\n", 1).into_bytes())).collect();
    let corpus: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let words: [&[u8]; 14] = [
        b"\"type\":\"integer\",",
        b"\"not\":{},",
        b"\"$ref\":\"#\",",
        b"\"items\":",
        b"\"nullable\":true,",
        b"\"enum\":[1],",
        b"\"pattern\":\"a\",",
        b"true",
        b"null",
        b"1e99",
        b"-0.5",
        b"\\u0024",
        b"{",
        b"[[",
    ];
    run(&corpus, &words, schema);
}

const BODIES: [&[u8]; 7] = [
    br#"{"model":"m","messages":[{"role":"user","content":"\u00e9\ud83d\ude00 x"}],"stream":true}"#,
    "{\"model\":\"h\u{e9}\u{1f600}\",\"n\":2,\"max_tokens\":5,\"stream_options\":{\"include_usage\":true}}".as_bytes(),
    br#"{"choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"a"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":3}}}"#,
    br#"{"id":"r","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}],"error":null}"#,
    br#"{"error":{"message":"a\nb","type":"t","code":400,"param":null}}"#,
    br#"[{"error":{"status":"X"}}, -0.5e+3, true, false, null, [], {}, "\ud800"]"#,
    br#"{"type":"response.failed","response":{"error":{"code":"c","message":"m"}}}"#,
];
const JSON_WORDS: [&[u8]; 16] = [
    b"\"model\":",
    b"\"stream\":",
    b"true",
    b"null",
    b"1e9",
    b"\\u",
    b"\\ud83d",
    b"\\",
    b"\"",
    b"{",
    b"}",
    b"[[",
    b"]",
    b",",
    b"\xf0\x9f",
    b"\x01",
];

#[test]
fn json_texts() {
    run(&BODIES, &JSON_WORDS, json_request);
    run(&BODIES, &JSON_WORDS, json_answer);
}

/// An independent reader agrees on what is JSON. It ignores what a string's escapes mean, so that
/// lone surrogates in names are the one difference; depth and top-level rules are ours alone.
#[test]
fn json_verdicts_agree_with_serde() {
    let mut random = Random(SEED);
    let mut accepted = 0;
    for _ in 0..ROUNDS * 4 {
        let input = mutate(&mut random, &BODIES, &JSON_WORDS);
        let Ok(text) = std::str::from_utf8(&input) else {
            assert!(scan_answer(&[&input]).is_err(), "{}", input.escape_ascii());
            continue;
        };
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        match scan_answer(&[&input]) {
            Ok(_) => assert!(theirs, "{text}"),
            Err(Code::LoneSurrogate) => {}
            Err(code) => assert!(!theirs, "{code:?}: {text}"),
        }
        accepted += usize::from(theirs);
    }
    assert!(accepted > ROUNDS / 20, "the generator makes too little that is valid: {accepted}");
}

mod dialects;
