//! What self-hosted servers say of themselves: `GET /health` and `GET /metrics`, which ask for no key.

use serde_json::json;

use crate::answer::{Answer, Content, Grammar};
use crate::asked::Asked;

/// The answer at one of these paths; `None` where there is none.
pub(super) fn answer(asked: &Asked<'_>, path: &str) -> Option<Answer> {
    match (path, asked.answers.health, asked.answers.metrics.as_str()) {
        ("/health", status @ 1.., _) => Some(Answer::of(Grammar::Chat, status, &json!({}))),
        ("/metrics", _, page) if !page.is_empty() => {
            let mut answer = Answer::json(Grammar::Chat, 200, Vec::new());
            answer.set_header("content-type", "text/plain; version=0.0.4; charset=utf-8");
            answer.content = Content::Whole(page.as_bytes().to_vec());
            Some(answer)
        }
        _ => None,
    }
}
