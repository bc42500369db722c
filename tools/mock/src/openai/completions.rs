//! `POST /v1/completions`, the older text form.

use serde_json::{Value, json};

use super::{Asked, CREATED, data_event, done_event, errors, text, usage};
use crate::answer::{Answer, Dialect, Event, Role};

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    if asked.member("prompt").is_null() {
        return Err(errors::missing("prompt"));
    }
    let prompt = text::prompt_tokens(asked.body);
    super::check_context(asked, prompt, "prompt")?;
    let saying = text::saying(asked, asked.member("max_tokens").as_u64());
    if !asked.stream() {
        let mut body = frame(asked, &saying.text(), Some(saying.finish_reason()));
        body["usage"] = usage(prompt, saying.tokens());
        let body = text::padded(body, asked.answers.body_bytes, "/choices/0/text");
        return Ok(Answer::json(200, body));
    }
    let mut events: Vec<Event> = saying.pieces.iter().map(|piece| data_event(Role::Content, &frame(asked, piece, None))).collect();
    let finish = frame(asked, "", Some(saying.finish_reason()));
    events.push(data_event(Role::Finish, &finish));
    if asked.member("stream_options")["include_usage"] == true {
        let mut last = frame(asked, "", None);
        last["choices"] = json!([]);
        last["usage"] = usage(prompt, saying.tokens());
        events.push(data_event(Role::Usage, &last));
    }
    events.push(done_event());
    Ok(Answer::stream(Dialect::Chat, events))
}

fn frame(asked: &Asked<'_>, text: &str, finish: Option<&str>) -> Value {
    json!({
        "id": asked.id("cmpl-"), "object": "text_completion", "created": CREATED,
        "model": asked.model,
        "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]
    })
}
