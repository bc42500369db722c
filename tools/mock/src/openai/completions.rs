//! `POST /v1/completions`, the older text form.

use serde_json::{Value, json};

use super::{CREATED, conversation, done_event, errors, usage};
use crate::answer::{Answer, Event, Grammar, Role};
use crate::asked::Asked;
use crate::prompt::Prompt;
use crate::{tokens, turn};

pub(super) fn answer(asked: &Asked<'_>) -> Result<Answer, errors::ApiError> {
    if asked.member("prompt").is_null() {
        return Err(errors::missing("prompt"));
    }
    let prompt = tokens::of_prompt(asked.body);
    super::check_context(asked, prompt, "prompt")?;
    let asks = asked.member("prompt").as_str().into_iter().collect();
    let asking = Prompt { asks, tokens_max: asked.member("max_tokens").as_u64(), ..Prompt::default() };
    let turn = turn::decide(asked, &asking);
    let finish_reason = conversation::finish_reason(turn.ending);
    if !asked.stream {
        let mut body = frame(asked, &turn.text(), Some(finish_reason));
        body["usage"] = usage(prompt, turn.tokens(), 0);
        return Ok(super::padded(asked, Grammar::Chat, body, "/choices/0/text"));
    }
    let mut events: Vec<Event> = turn.pieces.iter().map(|piece| Grammar::Chat.event(Role::Content, &frame(asked, piece, None))).collect();
    let finish = frame(asked, "", Some(finish_reason));
    events.push(Grammar::Chat.event(Role::Finish, &finish));
    if asked.member("stream_options")["include_usage"] == true {
        let mut last = frame(asked, "", None);
        last["choices"] = json!([]);
        last["usage"] = usage(prompt, turn.tokens(), 0);
        events.push(Grammar::Chat.event(Role::Usage, &last));
    }
    events.push(done_event());
    Ok(Answer::stream(Grammar::Chat, events))
}

fn frame(asked: &Asked<'_>, text: &str, finish: Option<&str>) -> Value {
    json!({
        "id": asked.id("cmpl-"), "object": "text_completion", "created": CREATED,
        "model": asked.model,
        "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]
    })
}
