//! The bytes that go out: requests, answers and streams, made once before anything is measured.

use std::{ops::Range, rc::Rc};

/// The model that is asked for when nothing else is said.
pub(crate) const MODEL: &str = "bench-model";
/// Smallest completion that is valid; smaller sizes give this.
const ANSWER_MIN: usize = 320;

/// What a request is made of.
#[derive(Clone, Debug)]
pub(crate) struct Asking<'a> {
    /// Where completions are asked for.
    pub(crate) path: &'a str,
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

/// Where completions are asked for when nothing else is said.
pub(crate) const PATH: &str = "/v1/chat/completions";

/// A whole request, with the fields that the usual client library sends.
pub(crate) fn request(asking: &Asking<'_>) -> Rc<[u8]> {
    let stream = if asking.stream { "\"stream\":true," } else { "" };
    let front = format!("{{\"model\":\"{}\",{stream}\"messages\":[{{\"role\":\"user\",\"content\":\"", asking.model);
    let body = padded(&front, "\"}]}", asking.bytes);
    let authorization = if asking.key.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", asking.key) };
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\n{ENCODINGS}{KEEP}\
         Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 1.99.0\r\n\
         X-Stainless-Lang: python\r\nX-Stainless-OS: Linux\r\nX-Stainless-Runtime: CPython\r\n{authorization}\
         x-stainless-retry-count: 0\r\nContent-Length: {}\r\n\r\n",
        asking.path,
        asking.host,
        body.len()
    );
    (head + &body).into_bytes().into()
}

/// The same request on a connection that ends with its answer.
pub(crate) fn closing(request: &[u8]) -> Rc<[u8]> {
    let at = place(request, KEEP);
    [&request[..at.start], b"Connection: close\r\n", &request[at.end..]].concat().into()
}

/// The same request with further header lines, each with its end.
pub(crate) fn with_fields(request: &[u8], fields: &str) -> Rc<[u8]> {
    let at = place(request, KEEP).end;
    [&request[..at], fields.as_bytes(), &request[at..]].concat().into()
}

/// The same request, which does not ask for compression.
pub(crate) fn uncompressed(request: &[u8]) -> Rc<[u8]> {
    let at = place(request, ENCODINGS);
    [&request[..at.start], &request[at.end..]].concat().into()
}

/// Fields that every request of ours has.
const KEEP: &str = "Connection: keep-alive\r\n";
const ENCODINGS: &str = "Accept-Encoding: gzip, deflate\r\n";

/// Where one of them is.
fn place(request: &[u8], field: &str) -> Range<usize> {
    let at = memchr::memmem::find(request, field.as_bytes()).expect("every request of ours has the field");
    at..at + field.len()
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

/// An Anthropic message that says the same as the completion of this size: a bit shorter, since it says less around it.
pub(crate) fn message(bytes: usize) -> Rc<[u8]> {
    let completion = completion(bytes);
    let text = text_of(&completion);
    format!(
        "{{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"{MODEL}\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\
         \"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{{\"input_tokens\":9,\"output_tokens\":9}}}}"
    )
    .into_bytes()
    .into()
}

/// What a completion of ours says; it needs no escapes.
fn text_of(completion: &[u8]) -> &str {
    const MARK: &str = "\"content\":\"";
    let from = memchr::memmem::find(completion, MARK.as_bytes()).expect("every completion of ours says something") + MARK.len();
    let end = memchr::memchr(b'"', &completion[from..]).expect("a text ends");
    std::str::from_utf8(&completion[from..from + end]).expect("it was written as text")
}

/// The events of an Anthropic stream that says the same as [`stream`] does: name and data.
pub(crate) fn messages(events: usize) -> Vec<(&'static str, String)> {
    let start = format!(
        "{{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"{MODEL}\",\
         \"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{{\"input_tokens\":9,\"output_tokens\":1}}}}}}"
    );
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let mut data = vec![("message_start", start), ("content_block_start", block.to_owned())];
    let delta = |number| format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":" word {number}"}}}}"#);
    data.extend((0..events).map(|number| ("content_block_delta", delta(number))));
    data.push(("content_block_stop", r#"{"type":"content_block_stop","index":0}"#.to_owned()));
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#;
    data.push(("message_delta", end.to_owned()));
    data.push(("message_stop", r#"{"type":"message_stop"}"#.to_owned()));
    data
}

/// The data of every event of a stream: `events` with content, one that ends it, and the marker.
pub(crate) fn stream(events: usize) -> Vec<String> {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "{{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"{MODEL}\",\
             {STAMP_MARK}{BLANK}\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}"
        )
    };
    let mut data = vec![chunk("{\"role\":\"assistant\",\"content\":\"\"}", "null")];
    data.extend((0..events).map(|number| chunk(&format!("{{\"content\":\" word {number}\"}}"), "null")));
    data.push(chunk("{}", "\"stop\""));
    data.push("[DONE]".to_owned());
    data
}

/// Before the digits of a stamp: a member that chunks have anyway, and that nobody on the way reads.
const STAMP_MARK: &str = "\"system_fingerprint\":\"at-";
/// A stamp that is not written yet; any time of the clock has room in it.
const BLANK: &str = "00000000000000000000";

/// Where the digits of the first stamp are.
pub(crate) fn stamp_place(bytes: &[u8]) -> Option<Range<usize>> {
    let from = memchr::memmem::find(bytes, STAMP_MARK.as_bytes())? + STAMP_MARK.len();
    let place = from..from + BLANK.len();
    bytes.get(place.clone()).filter(|digits| digits.iter().all(u8::is_ascii_digit)).map(|_| place)
}

/// When the event was sent, as it says itself; `None` when it does not.
pub(crate) fn stamp(data: &[u8]) -> Option<u64> {
    let digits = &data[stamp_place(data)?];
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|&time| time > 0)
}

/// Writes the time into the digits of a stamp.
pub(crate) fn write_stamp(digits: &mut [u8], time: u64) {
    let mut left = time;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

/// Whether the data are the known ones, whatever the time that is stamped on them.
pub(crate) fn same_but_stamp(known: &[u8], data: &[u8]) -> bool {
    let Some(place) = stamp_place(known) else { return known == data };
    known.len() == data.len()
        && known[..place.start] == data[..place.start]
        && known[place.end..] == data[place.end..]
        && data[place].iter().all(u8::is_ascii_digit)
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
    use super::{
        Asking, PATH, closing, completion, message, messages, request, same_but_stamp, stamp, stamp_place, stream, uncompressed,
        with_fields, write_stamp,
    };
    use serde_json::Value;

    #[test]
    fn sizes_are_kept_and_bodies_are_valid() {
        for bytes in [1, 400, 1_024, 20_480, 204_800] {
            let body = completion(bytes);
            assert_eq!(body.len(), bytes.max(super::ANSWER_MIN));
            let value: Value = serde_json::from_slice(&body).expect("valid JSON");
            assert_eq!(value["object"], "chat.completion");
            let asking = Asking { path: PATH, host: "h", key: "k", model: "m", bytes, stream: true };
            let whole = request(&asking);
            let closing = closing(&whole);
            assert!(memchr::memmem::find(&closing, b"Connection: close\r\n").is_some() && closing.len() + 5 == whole.len());
            let plain = uncompressed(&whole);
            assert!(memchr::memmem::find(&plain, b"Accept-Encoding").is_none() && plain.len() + 32 == whole.len());
            let further = with_fields(&whole, "x-one: 1\r\nx-two: 2\r\n");
            assert!(memchr::memmem::find(&further, b"\r\nx-one: 1\r\nx-two: 2\r\n").is_some() && further.len() == whole.len() + 20);
            let at = memchr::memmem::find(&whole, b"\r\n\r\n").expect("a head ends") + 4;
            let value: Value = serde_json::from_slice(&whole[at..]).expect("valid JSON");
            assert_eq!(value["stream"], true);
            assert!(bytes < 100 || whole.len() - at == bytes);
        }
        let data = stream(3);
        assert_eq!(data.len(), 6);
        assert_eq!(data.last().map(String::as_str), Some("[DONE]"));
    }

    #[test]
    fn what_is_said_in_another_dialect_is_the_same() {
        for bytes in [1, 1_024, 20_480] {
            let (ours, theirs) = (completion(bytes), message(bytes));
            let [ours, theirs]: [Value; 2] = [ours, theirs].map(|body| serde_json::from_slice(&body).expect("valid JSON"));
            assert_eq!(ours["choices"][0]["message"]["content"], theirs["content"][0]["text"]);
            assert_eq!((&theirs["type"], &theirs["stop_reason"]), (&Value::from("message"), &Value::from("end_turn")));
        }
        let events = messages(3);
        let values: Vec<Value> = events.iter().map(|(_, data)| serde_json::from_str(data).expect("valid JSON")).collect();
        assert!(events.iter().zip(&values).all(|((name, _), value)| value["type"] == *name));
        let text: String = values.iter().filter_map(|value| value["delta"]["text"].as_str()).collect();
        assert_eq!((text.as_str(), events.last().map(|(name, _)| *name)), (" word 0 word 1 word 2", Some("message_stop")));
    }

    #[test]
    fn a_stamp_changes_nothing_but_itself() {
        let known = stream(2);
        for known in &known[..4] {
            let mut data = known.clone().into_bytes();
            assert_eq!(stamp(&data), None, "a blank one says nothing");
            let place = stamp_place(&data).expect("every chunk has one");
            for time in [1, 987_654_321_012, u64::MAX] {
                write_stamp(&mut data[place.clone()], time);
                assert_eq!(stamp(&data), Some(time));
                assert!(same_but_stamp(known.as_bytes(), &data));
            }
            let last = data.len() - 1;
            data[last] ^= 1;
            assert!(!same_but_stamp(known.as_bytes(), &data));
            data[last] ^= 1;
            data[place.start] = b'x';
            assert!(!same_but_stamp(known.as_bytes(), &data));
        }
        assert!(same_but_stamp(b"[DONE]", b"[DONE]") && !same_but_stamp(b"[DONE]", b"[GONE]"));
    }
}
