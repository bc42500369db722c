//! What happened at both ends, told so that a failure explains itself.

use super::{
    provider::{Provider, text_of},
    tenant::{Answer, End},
};
use mock::journal::Entry;
use std::fmt;

/// One exchange: what the tenant saw, and what each provider's log saw.
#[derive(Debug)]
pub struct Story {
    case: String,
    /// What the tenant saw.
    pub answer: Answer,
    /// What providers received, in order.
    pub entries: Vec<Entry>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { head, body, end } = &self.answer;
        writeln!(f, "case {}\n  the tenant saw {} ({end:?}), {} bytes", self.case, head.status, body.len())?;
        for (name, value) in &head.fields {
            writeln!(f, "    {name}: {value}")?;
        }
        let shown = &body[..body.len().min(1_500)];
        writeln!(f, "    {}", String::from_utf8_lossy(shown).escape_debug())?;
        for entry in &self.entries {
            let Entry { provider, method, path, model, status, outcome, sent_bytes, sent_events, faults, .. } = entry;
            writeln!(
                f,
                "  {provider} was asked {method} {path} for {model}, said {status}: {outcome:?}, {sent_bytes} bytes, {sent_events} events, {faults:?}"
            )?;
        }
        Ok(())
    }
}

impl Story {
    /// What `answer` is, and what providers were asked for `model`.
    pub fn of(case: &str, answer: Answer, provider: &Provider, model: &str) -> Story {
        Story { case: case.to_owned(), answer, entries: provider.log_of(model) }
    }

    /// How often a provider was asked.
    pub fn asked(&self, provider: &str) -> usize {
        self.entries.iter().filter(|entry| entry.provider == provider).count()
    }

    /// The tenant saw one complete answer, and all of it was this provider's.
    pub fn answered_by(&self, provider: &str) {
        assert_eq!(self.answer.head.status, 200, "{self}");
        assert_eq!(self.answer.end, End::Complete, "{self}");
        assert_eq!(self.answer.content(), text_of(provider), "{self}");
        assert_eq!(self.answer.head.field("x-throwover-provider"), Some(provider), "{self}");
        if self.is_stream() {
            assert!(self.answer.done(), "a stream without its end\n{self}");
            assert!(self.answer.error_event().is_none(), "an error within an answer\n{self}");
        }
        assert!(self.asked(provider) >= 1, "{self}");
    }

    /// The tenant saw a part of this provider's answer and an error, and no sign of a good end.
    pub fn cut_after(&self, provider: &str) {
        assert_eq!(self.answer.head.status, 200, "{self}");
        assert!(self.is_stream(), "{self}");
        let content = self.answer.content();
        assert!(!content.is_empty() && text_of(provider).starts_with(&content), "{self}");
        assert!(self.answer.error_event().is_some(), "a cut without an error event\n{self}");
        assert!(!self.answer.done(), "a cut stream with a terminal marker\n{self}");
        assert_eq!(self.answer.end, End::Cut, "a cut stream with a clean end\n{self}");
    }

    /// The tenant saw an error of this status and code, whole and honest.
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.answer.head.status, status, "{self}");
        assert_eq!(self.answer.code(), code, "{self}");
        assert_eq!(self.answer.end, End::Complete, "{self}");
        let error = &self.answer.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()) && error["type"].is_string(), "{self}");
        let id = self.answer.head.field("x-request-id");
        assert!(id.is_some_and(|id| id.len() == 16), "an error without a request id\n{self}");
    }

    /// The answer is a stream of events.
    pub fn is_stream(&self) -> bool {
        self.answer.head.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }
}
