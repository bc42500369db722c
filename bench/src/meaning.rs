//! What an answer says, where it is written anew on the way: ids, spaces, further members and the
//! cut into events are the gateway's then, the words and their end are not.

use serde_json::Value;
use std::borrow::Cow;

/// So much of a completion as is compared, read without a tree: the load shares its core with the sink.
#[derive(serde::Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Usage>,
}

#[derive(serde::Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    #[serde(borrow)]
    finish_reason: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
}

/// The words, how they end, and what they were counted as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    text: String,
    /// Empty until it is said.
    finish: String,
    /// What is billed; our streams do not say it.
    tokens: Option<u64>,
}

impl Meaning {
    /// Of a completion; `None` when the body is none, or not one with one choice.
    pub(crate) fn of_completion(body: &[u8]) -> Option<Meaning> {
        let completion: Completion<'_> = serde_json::from_slice(body).ok()?;
        let [choice] = completion.choices.as_slice() else { return None };
        if completion.object != "chat.completion" || choice.message.role != "assistant" {
            return None;
        }
        Some(Meaning {
            text: choice.message.content.to_string(),
            finish: choice.finish_reason.to_string(),
            tokens: completion.usage.and_then(|usage| usage.total_tokens),
        })
    }

    /// Of a whole stream, by the data of its events without the end marker.
    pub(crate) fn of_stream<'a>(events: impl Iterator<Item = &'a str>) -> Option<Meaning> {
        let mut meaning = Meaning::default();
        for data in events {
            meaning.add_chunk(data.as_bytes())?;
        }
        Some(meaning)
    }

    /// Adds what an event says; `None` when it is no chunk of a completion.
    pub(crate) fn add_chunk(&mut self, data: &[u8]) -> Option<()> {
        let value: Value = serde_json::from_slice(data).ok()?;
        if value["object"] != "chat.completion.chunk" {
            return None;
        }
        // None in an event that has nothing but the tokens' count.
        for choice in value["choices"].as_array()? {
            self.text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            if let Some(finish) = choice["finish_reason"].as_str() {
                finish.clone_into(&mut self.finish);
            }
        }
        Some(())
    }

    /// It may still become this.
    pub(crate) fn begins(&self, whole: &Meaning) -> bool {
        whole.text.starts_with(&self.text)
    }

    /// Forgets it, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.finish.clear();
        self.tokens = None;
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning;
    use crate::canned;
    use serde_json::{Value, json};

    #[test]
    fn what_a_gateway_adds_changes_nothing_and_what_it_loses_does() {
        let body = canned::completion(1_024);
        let known = Meaning::of_completion(&body).expect("a completion");
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut value: Value = serde_json::from_slice(&body).expect("valid JSON");
            change(&mut value);
            Meaning::of_completion(serde_json::to_string_pretty(&value).expect("it was read").as_bytes())
        };
        let same = changed(&|value| {
            value["id"] = json!("other");
            value["provider"] = json!("openai");
            value["choices"][0]["message"]["tool_calls"] = Value::Null;
            value["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 0});
        });
        assert_eq!(same.as_ref(), Some(&known));
        let pieces: [(&str, Value); 3] = [
            ("/choices/0/message/content", json!("the quick")),
            ("/choices/0/finish_reason", json!("length")),
            ("/usage/total_tokens", json!(19)),
        ];
        for (place, new) in pieces {
            let other = changed(&|value| *value.pointer_mut(place).expect("a place of it") = new.clone());
            assert!(other.is_some_and(|other| other != known), "{place}");
        }
        for place in ["/object", "/choices", "/choices/0/message/role", "/choices/0/message/content", "/choices/0/finish_reason"] {
            assert_eq!(changed(&|value| *value.pointer_mut(place).expect("a place of it") = Value::Null), None, "{place}");
        }
        assert_eq!(Meaning::of_completion(b"{\"choices\":["), None);
    }

    #[test]
    fn a_stream_says_the_same_however_it_is_cut() {
        let data = canned::stream(3);
        let whole = || data[..5].iter().map(String::as_str);
        let known = Meaning::of_stream(whole()).expect("chunks");
        assert_eq!((known.text.as_str(), known.finish.as_str()), (" word 0 word 1 word 2", "stop"));
        let merged = r#"{"object":"chat.completion.chunk","choices":[{"delta":{"content":" word 0 word 1"},"finish_reason":null}]}"#;
        let usage = r#"{"object":"chat.completion.chunk","choices":[],"usage":{"total_tokens":1}}"#;
        assert_eq!(Meaning::of_stream([merged, &data[3], &data[4], usage].into_iter()), Some(known.clone()));
        for missing in 1..5 {
            let rest = whole().enumerate().filter(|(index, _)| *index != missing).map(|(_, data)| data);
            assert_ne!(Meaning::of_stream(rest), Some(known.clone()), "without {missing}");
        }
        assert_eq!(Meaning::of_stream(["{\"error\":{}}"].into_iter()), None);
        let mut part = Meaning::default();
        assert!(part.begins(&known));
        part.add_chunk(merged.as_bytes()).expect("a chunk");
        assert!(part.begins(&known));
        part.add_chunk(merged.as_bytes()).expect("a chunk");
        assert!(!part.begins(&known));
    }
}
