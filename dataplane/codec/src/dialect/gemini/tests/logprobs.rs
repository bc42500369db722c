//! Probabilities of tokens, from each dialect that has them to every other.

use super::*;
use crate::dialect::{Ear, read_answer, write_answer};

/// Two tokens, one with others in its place, in OpenAI's form.
fn chat() -> Json {
    json!([
        {"token": "H\"i", "logprob": -0.25, "bytes": [72, 34, 105], "top_logprobs": [
            {"token": "H\"i", "logprob": -0.25, "bytes": [72, 34, 105]}, {"token": "\u{e9}", "logprob": -1.5, "bytes": [195, 169]},
        ]},
        {"token": "!", "logprob": 0, "bytes": [33], "top_logprobs": []},
    ])
}

/// The same in Gemini's.
fn gemini() -> Json {
    json!({
        "chosenCandidates": [{"token": "H\"i", "logProbability": -0.25}, {"token": "!", "logProbability": 0}],
        "topCandidates": [{"candidates": [{"token": "H\"i", "logProbability": -0.25}, {"token": "\u{e9}", "logProbability": -1.5}]}, {"candidates": []}],
    })
}

fn asked(from: Dialect, to: Dialect, body: Json) -> (Json, Needs) {
    translated(from, to, &body, &Means::of("m"))
}

#[test]
fn requests() {
    let chat = |top: Json| json!({"messages": [{"role": "user", "content": "q"}], "logprobs": true, "top_logprobs": top});
    let (written, needs) = asked(Dialect::Openai, Dialect::Gemini, chat(json!(25)));
    assert_eq!(written["generationConfig"], json!({"responseLogprobs": true, "logprobs": 20}));
    assert_eq!((needs, needs.common(crate::dialect::lacks(Dialect::Gemini))), (Needs::LOGPROBS, Needs::NONE));
    assert_eq!(asked(Dialect::Openai, Dialect::Gemini, chat(json!(null))).0["generationConfig"], json!({"responseLogprobs": true}));
    let (written, _) = asked(Dialect::Openai, Dialect::Responses, chat(json!(3)));
    assert_eq!((&written["include"], &written["top_logprobs"]), (&json!(["message.output_text.logprobs"]), &json!(3)));
    let items = json!({"input": "q", "include": ["message.output_text.logprobs"], "top_logprobs": 2});
    let (written, _) = asked(Dialect::Responses, Dialect::Openai, items.clone());
    assert_eq!((&written["logprobs"], &written["top_logprobs"]), (&json!(true), &json!(2)));
    let (written, _) = asked(Dialect::Responses, Dialect::Gemini, items);
    assert_eq!(written["generationConfig"], json!({"responseLogprobs": true, "logprobs": 2}));
    let own = json!({"contents": [], "generationConfig": {"responseLogprobs": true, "logprobs": 2}});
    assert_eq!(asked(Dialect::Gemini, Dialect::Responses, own).0["top_logprobs"], 2);
    assert!(crate::dialect::lacks(Dialect::Anthropic).has(Needs::LOGPROBS));
}

/// Where a whole answer of a dialect has them.
fn whole(dialect: Dialect) -> (Json, &'static str) {
    match dialect {
        Dialect::Openai => (
            json!({"choices": [{"index": 0, "message": {"content": "H\"i!"}, "logprobs": {"content": chat()}, "finish_reason": "stop"}]}),
            "/choices/0/logprobs/content",
        ),
        Dialect::Responses => (
            json!({"status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "H\"i!", "logprobs": chat()}]}]}),
            "/output/0/content/0/logprobs",
        ),
        _ => (
            json!({"candidates": [{"content": {"parts": [{"text": "H\"i!"}]}, "logprobsResult": gemini(), "finishReason": "STOP"}]}),
            "/candidates/0/logprobsResult",
        ),
    }
}

const WITH: [Dialect; 3] = [Dialect::Openai, Dialect::Responses, Dialect::Gemini];

#[test]
fn whole_answers() {
    for from in WITH {
        for to in WITH {
            let (answer, _) = whole(from);
            let answer = read_answer(from, answer.to_string().as_bytes(), &mut Tree::new(), &Terms::default()).unwrap();
            let mut out = Vec::new();
            write_answer(to, &answer, &manner(), &mut out);
            let written: Json = serde_json::from_slice(&out).unwrap();
            let expected = if to == Dialect::Gemini { gemini() } else { chat() };
            assert_eq!(written.pointer(whole(to).1), Some(&expected), "{from:?} to {to:?}: {written}");
        }
    }
}

/// A stream of one text, its probabilities beside it.
fn stream(dialect: Dialect) -> Vec<Json> {
    match dialect {
        Dialect::Openai => vec![
            json!({"choices": [{"index": 0, "delta": {"content": "H\"i!"}, "logprobs": {"content": chat(), "refusal": null}, "finish_reason": null}]}),
            json!({"choices": [{"index": 0, "delta": {}, "logprobs": {"content": []}, "finish_reason": "stop"}]}),
        ],
        Dialect::Responses => vec![
            json!({"type": "response.output_text.delta", "output_index": 0, "delta": "H\"i!", "logprobs": chat()}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": whole(Dialect::Responses).0["output"][0]}),
            json!({"type": "response.completed", "response": {"status": "completed"}}),
        ],
        _ => vec![whole(Dialect::Gemini).0],
    }
}

#[test]
fn streams() {
    for from in WITH {
        for to in WITH {
            let mut ear = Ear::new(from, Some((to, manner())));
            let mut out = Vec::new();
            stream(from).iter().for_each(|event| {
                ear.event(None, event.to_string().as_bytes(), &mut out);
            });
            ear.end(&mut out);
            let text = String::from_utf8(out).unwrap();
            let events =
                || text.lines().filter_map(|line| line.strip_prefix("data: ")).filter_map(|data| serde_json::from_str::<Json>(data).ok());
            // They come with the text, once.
            let (path, expected) = match to {
                Dialect::Openai => ("/choices/0/logprobs/content", chat()),
                Dialect::Responses => ("/logprobs", chat()),
                _ => ("/candidates/0/logprobsResult", gemini()),
            };
            let told: Vec<Json> = events()
                .filter(|event| to != Dialect::Responses || event["type"] == "response.output_text.delta")
                .filter(|event| event.pointer(path).is_some_and(|found| !found.is_null()))
                .collect();
            assert_eq!(told.len(), 1, "{from:?} to {to:?}: {text}");
            assert_eq!(told[0].pointer(path), Some(&expected), "{from:?} to {to:?}: {text}");
            let said = match to {
                Dialect::Openai => &told[0]["choices"][0]["delta"]["content"],
                Dialect::Responses => &told[0]["delta"],
                _ => &told[0]["candidates"][0]["content"]["parts"][0]["text"],
            };
            assert_eq!(said, "H\"i!", "{from:?} to {to:?}");
            if to == Dialect::Responses {
                for event in events().filter(|event| event["type"] == "response.output_text.done") {
                    assert_eq!(event["logprobs"], chat());
                }
                let done = events().find(|event| event["type"] == "response.completed").unwrap();
                assert_eq!(done["response"]["output"][0]["content"][0]["logprobs"], chat());
            }
        }
    }
}

/// Two candidates, taking turns: each keeps its own.
#[test]
fn choices_take_turns() {
    let body = json!({"messages": [{"role": "user", "content": "q"}], "n": 2, "logprobs": true});
    let (written, _) = asked(Dialect::Openai, Dialect::Gemini, body);
    assert_eq!(written["generationConfig"], json!({"candidateCount": 2, "responseLogprobs": true}));
    let candidate = |index: u64, text: &str, finish: Json| {
        let token = json!({"chosenCandidates": [{"token": text, "logProbability": -1}]});
        json!({"candidates": [{"index": index, "content": {"parts": [{"text": text}]}, "logprobsResult": token, "finishReason": finish}]})
    };
    let events = [
        candidate(0, "a", json!(null)),
        candidate(1, "b", json!(null)),
        candidate(0, "c", json!("STOP")),
        candidate(1, "d", json!("MAX_TOKENS")),
    ];
    let mut ear = Ear::new(Dialect::Gemini, Some((Dialect::Openai, manner())));
    let mut out = Vec::new();
    events.iter().for_each(|event| {
        ear.event(None, event.to_string().as_bytes(), &mut out);
    });
    let text = String::from_utf8(out).unwrap();
    let mut said = [String::new(), String::new()];
    let mut ends = [json!(null), json!(null)];
    for event in text.lines().filter_map(|line| line.strip_prefix("data: ")).filter_map(|data| serde_json::from_str::<Json>(data).ok()) {
        let choice = &event["choices"][0];
        let at = choice["index"].as_u64().unwrap() as usize;
        let content = choice["delta"]["content"].as_str().unwrap_or_default();
        said[at].push_str(content);
        if !content.is_empty() {
            assert_eq!(choice["logprobs"]["content"][0]["token"], content);
        }
        if !choice["finish_reason"].is_null() {
            ends[at] = choice["finish_reason"].clone();
        }
    }
    assert_eq!((said, ends), (["ac".to_owned(), "bd".to_owned()], [json!("stop"), json!("length")]));
}
