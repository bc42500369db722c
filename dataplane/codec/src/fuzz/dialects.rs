//! The dialects: what is read in one is written in every other.

use super::{cut, split};
use crate::dialect::{self, Dialect, Ear, Manner, Means, Quirks, Rope, Terms, Thinking, count, embeddings};
use crate::json::{Finish, Tree, Value};
use crate::sse::{Kind, Splitter};

const ALL: [Dialect; 4] = [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini];

/// Requests: the first byte tells the dialect. What is read can be written in each of them, for models that
/// differ, and what is written is JSON and can be read again.
pub fn prompt(bytes: &[u8]) {
    let Some((&first, body)) = bytes.split_first() else { return };
    let from = ALL[usize::from(first & 3)];
    let mut text = body.to_vec();
    let mut tree = Tree::new();
    if from == Dialect::Gemini {
        dialect::gemini::use_common_base64(&mut text, &mut tree);
        assert_eq!(text.len(), body.len());
    }
    path(&String::from_utf8_lossy(body));
    let Ok(root) = tree.read(&text) else { return };
    embeddings(from, &text, root);
    counts(from, root);
    let Ok(prompt) = dialect::read_prompt(from, root, true) else { return };
    let models =
        [(Quirks::NONE, Thinking::Unknown), (Quirks::SCHEMA_AS_TOOL, Thinking::Budget), (Quirks::from_bits(u32::MAX), Thinking::None)];
    for to in ALL {
        for (quirks, thinking) in models {
            let means = Means { quirks, thinking, output_max: Some(9_000), prefix: Some("p\""), ..Means::of("m") };
            let mut rope = Rope::new(&text, Vec::new());
            dialect::write_prompt(to, &prompt, &means, &mut rope);
            Terms::of(&prompt, to, &means);
            let written = rope.finish().join(&text);
            let mut again = Tree::new();
            let root = again.read(&written).unwrap_or_else(|refusal| panic!("{refusal:?}: {}", written.escape_ascii()));
            assert!(dialect::read_prompt(to, root, true).is_ok(), "{}", written.escape_ascii());
        }
    }
}

/// A request for embeddings that is read can be written in both dialects that have them, and asks for as many.
fn embeddings(from: Dialect, text: &[u8], root: Value<'_>) {
    let mut rope = Rope::new(text, Vec::new());
    embeddings::write_again(from, root, "m", embeddings::Length::Of(7), &mut rope);
    is_json(&rope.finish().join(text));
    let Ok(request) = embeddings::read(from, root) else { return };
    if request.texts.is_empty() {
        return;
    }
    for to in [Dialect::Openai, Dialect::Gemini] {
        let mut rope = Rope::new(text, Vec::new());
        embeddings::write(to, &request, "m", request.dimensions, &mut rope);
        let written = rope.finish().join(text);
        let mut again = Tree::new();
        let root = again.read(&written).unwrap_or_else(|refusal| panic!("{refusal:?}: {}", written.escape_ascii()));
        let again = embeddings::read(to, root).unwrap_or_else(|unread| panic!("{unread:?}: {}", written.escape_ascii()));
        assert_eq!((again.texts.len(), again.dimensions), (request.texts.len(), request.dimensions));
        assert_eq!(again.text_bytes(), request.text_bytes());
    }
}

/// What is to be counted can be asked of everybody who counts.
fn counts(from: Dialect, root: Value<'_>) {
    let Ok(prompt) = count::read(from, root) else { return };
    for to in [Dialect::Anthropic, Dialect::Gemini] {
        let Some(written) = count::write(to, &prompt, &Means::of("m")) else { continue };
        let written = written.join(b"");
        let mut again = Tree::new();
        let root = again.read(&written).unwrap_or_else(|refusal| panic!("{refusal:?}: {}", written.escape_ascii()));
        assert!(count::read(to, root).is_ok(), "{}", written.escape_ascii());
    }
}

/// A path of Gemini's that is read can be written.
fn path(text: &str) {
    if let Some((model, verb)) = dialect::gemini::read_path(text) {
        let path = dialect::gemini::path(model, verb);
        assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{}", path.escape_debug());
    }
}

/// Answers: the first byte tells the dialect and another. As a whole, and as the data of events, which say
/// the same in the other dialect however the bytes are cut.
pub fn speech(bytes: &[u8]) {
    let Some((&first, body)) = bytes.split_first() else { return };
    let (from, to) = (ALL[usize::from(first & 3)], ALL[usize::from(first >> 2 & 3)]);
    if let Ok(answer) = dialect::read_answer(from, body, &mut Tree::new(), &terms()) {
        let mut out = Vec::new();
        dialect::write_answer(to, &answer, &manner(), &mut out);
        is_json(&out);
        let failed = answer.choices.iter().any(|choice| choice.finish == Some(Finish::Error));
        let again = dialect::read_answer(to, &out, &mut Tree::new(), &Terms::default());
        assert!(again.is_ok() || failed, "{}", out.escape_ascii());
    }
    for count in 1..3 {
        let Ok(vectors) = embeddings::read_answer(from, body, count) else { continue };
        assert!(vectors.vectors().flatten().all(|number| number.is_finite()));
        assert_eq!((vectors.vectors().count(), vectors.length() > 0), (count, true));
    }
    let opened = br#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"i","name":"f"}}"#;
    let stream = [b"event: content_block_start\ndata: ", &opened[..], b"\n\ndata: ", body, b"\r\n\r\ndata: ", body, b"\n\n"].concat();
    let whole = translate(from, to, &[&stream]);
    cut(&stream, |pieces| assert_eq!(translate(from, to, pieces), whole, "{}", bytes.escape_ascii()));
    for (_, _, data) in split(usize::MAX, &[&whole.1]).events {
        if data != b"[DONE]" {
            is_json(&data);
        }
    }
}

/// How the events of a stream were judged, and the same stream in another dialect.
fn translate(from: Dialect, to: Dialect, pieces: &[&[u8]]) -> (Vec<dialect::Event>, Vec<u8>) {
    let mut splitter = Splitter::new(usize::MAX);
    let mut ear = Ear::new(from, Some((to, manner())));
    let mut heard = Vec::new();
    let mut out = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while let Ok(Some(cut)) = splitter.next(rest) {
            if cut.kind == Kind::Event {
                heard.push(ear.event(cut.event(&splitter, rest), cut.data(&splitter, rest), &mut out));
            }
            rest = &rest[cut.used..];
        }
    }
    ear.end(&mut out);
    (heard, out)
}

fn manner() -> Manner {
    Manner { seed: 1, created: 2, model: "m".into(), include_usage: true, input_estimate: 3, terms: terms() }
}

fn terms() -> Terms {
    Terms { unwrapped: Some("json_answer"), one_call: true, renamed: vec![(b"f"[..].into(), b"g.f"[..].into())] }
}

fn is_json(text: &[u8]) {
    assert!(Tree::new().read(text).is_ok(), "{}", text.escape_ascii());
}
