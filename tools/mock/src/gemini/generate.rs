//! `:generateContent`, `:streamGenerateContent` and `:countTokens`.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::{conversation, fields, member, signature};
use crate::answer::{Answer, Event, Grammar, Role};
use crate::asked::Asked;
use crate::tokens;
use crate::turn::{self, Ending, Turn};

pub(super) fn count(asked: &Asked<'_>, body: &Value) -> Result<Answer, ApiError> {
    fields::check("CountTokensRequest", body)?;
    let whole = member(body, "generateContentRequest");
    let counted = if whole.is_object() { whole } else { body };
    conversation::check(asked, counted)?;
    let total = tokens::of_prompt(Some(counted));
    let details = json!([{"modality": "TEXT", "tokenCount": total}]);
    Ok(Answer::of(Grammar::Generate, 200, &json!({"totalTokens": total, "promptTokensDetails": details})))
}

pub(super) fn answer(asked: &Asked<'_>, body: &Value, grammar: Grammar) -> Result<Answer, ApiError> {
    fields::check("GenerateContentRequest", body)?;
    conversation::check(asked, body)?;
    super::check_context(asked)?;
    let turn = turn::decide(asked, &conversation::prompt(body));
    let writing = Writing { asked, turn: &turn, shown: conversation::shows_thoughts(body) };
    if asked.stream {
        return Ok(Answer::stream(grammar, writing.events(grammar)));
    }
    let parts: Vec<Value> = writing.whole_parts();
    let text_of = if writing.thoughts().is_empty() { "/candidates/0/content/parts/0/text" } else { "/candidates/0/content/parts/1/text" };
    let document = writing.response(Some(parts), Some(finish_reason(turn.ending)), Some(turn.spoken_tokens()));
    let write = |value: &Value| grammar.document(value);
    Ok(Answer::json(grammar, 200, tokens::padded(document, asked.answers.body_bytes, text_of, write)))
}

/// A call ends as speech does; whoever asked must look for it among the parts.
fn finish_reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Stop | Ending::Calls => "STOP",
        Ending::Length => "MAX_TOKENS",
        Ending::Refused => "SAFETY",
    }
}

/// One answer on its way to paper.
struct Writing<'a> {
    asked: &'a Asked<'a>,
    turn: &'a Turn,
    /// Whether thoughts are shown, or only counted.
    shown: bool,
}

impl Writing<'_> {
    fn thoughts(&self) -> &[String] {
        if self.shown { &self.turn.thoughts } else { &[] }
    }

    fn whole_parts(&self) -> Vec<Value> {
        let mut parts = Vec::new();
        if !self.thoughts().is_empty() {
            parts.push(thought(&self.turn.thinking()));
        }
        if !self.turn.pieces.is_empty() {
            parts.push(json!({"text": self.turn.text()}));
        }
        parts.extend(self.calls());
        parts
    }

    /// Calls come whole. The first of them carries the signature of all; newer models number them.
    fn calls(&self) -> Vec<Value> {
        let part = |(index, call): (u64, &turn::Call)| {
            let mut inner = json!({"name": call.name, "args": call.arguments});
            if !conversation::is_older(self.asked.model) {
                inner["id"] = json!(self.asked.numbered("", index));
            }
            let mut part = json!({"functionCall": inner});
            if index == 0 {
                part["thoughtSignature"] = json!(signature::of(&self.asked.id("")));
            }
            part
        };
        (0..).zip(&self.turn.calls).map(part).collect()
    }

    /// One document of an answer. A refused prompt has feedback and no candidates.
    fn response(&self, parts: Option<Vec<Value>>, finish: Option<&str>, spoken: Option<u64>) -> Value {
        let mut response = json!({
            "modelVersion": self.asked.model, "responseId": self.asked.id(""),
            "usageMetadata": self.usage(spoken)
        });
        if self.turn.ending == Ending::Refused {
            response["promptFeedback"] = json!({"blockReason": "SAFETY"});
            return response;
        }
        let mut candidate = json!({"content": {"role": "model"}, "index": 0});
        if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
            candidate["content"]["parts"] = json!(parts);
        }
        if let Some(finish) = finish {
            candidate["finishReason"] = json!(finish);
        }
        response["candidates"] = json!([candidate]);
        response
    }

    /// Thoughts are counted beside what is spoken, not within it; a count of nothing is left out.
    fn usage(&self, spoken: Option<u64>) -> Value {
        let prompt = tokens::of_prompt(self.asked.body);
        let refused = self.turn.ending == Ending::Refused;
        let spoken = spoken.filter(|count| *count > 0 && !refused);
        let thought = Some(self.turn.thought_tokens()).filter(|count| *count > 0 && !refused);
        let total = prompt + spoken.unwrap_or(0) + thought.unwrap_or(0);
        let mut usage = json!({
            "promptTokenCount": prompt, "totalTokenCount": total,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}]
        });
        for (name, count) in [("candidatesTokenCount", spoken), ("thoughtsTokenCount", thought)] {
            if let Some(count) = count {
                usage[name] = json!(count);
            }
        }
        usage
    }

    /// Each event is a document with the new parts alone, and with the usage so far.
    fn events(&self, grammar: Grammar) -> Vec<Event> {
        let mut events = Vec::new();
        let mut push = |role: Role, parts: Vec<Value>, finish: Option<&str>, spoken: u64| {
            events.push(grammar.event(role, &self.response(Some(parts), finish, Some(spoken))));
        };
        if self.turn.ending == Ending::Refused {
            push(Role::Finish, Vec::new(), None, 0);
        } else {
            for text in self.thoughts() {
                push(Role::Content, vec![thought(text)], None, 0);
            }
            for (count, piece) in (1..).zip(&self.turn.pieces) {
                push(Role::Content, vec![json!({"text": piece})], None, count);
            }
            let calls = self.calls();
            if !calls.is_empty() {
                push(Role::Content, calls, None, self.turn.spoken_tokens());
            }
            let last = vec![json!({"text": ""})];
            push(Role::Finish, last, Some(finish_reason(self.turn.ending)), self.turn.spoken_tokens());
        }
        if grammar == Grammar::Array {
            events.push(super::array_end());
        }
        events
    }
}

fn thought(text: &str) -> Value {
    json!({"text": text, "thought": true})
}
