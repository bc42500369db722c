//! Azure's classic paths: `/openai/deployments/{deployment}/chat/completions?api-version=…`.
//!
//! The deployment stands in the path and a `model` in the body is ignored. Answers are OpenAI's with
//! the verdicts of a content filter besides; errors are shorter.

use serde_json::{Value, json};

use super::{conversation, errors::ApiError};
use crate::answer::{Answer, Content, Event, Grammar, Role};
use crate::asked::Asked;
use crate::http::{self, Request};
use crate::turn::{self, Ending};

/// The deployment and what is asked of it, when the path is a classic one.
pub(crate) fn deployment(request: &Request) -> Option<(String, &str)> {
    let rest = request.path().strip_prefix("/openai/deployments/")?;
    let at = rest.find('/')?;
    Some((http::percent_decoded(&rest[..at]), &rest[at..]))
}

/// Refuses what Azure refuses before it looks for the deployment.
pub(super) fn check(asked: &Asked<'_>) -> Result<(), ApiError> {
    let keys = &asked.answers.keys;
    if !keys.is_empty() && !asked.request.key().is_some_and(|key| keys.iter().any(|known| known == key)) {
        let message = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";
        return Err(error(401, "401", message));
    }
    if asked.request.query("api-version").is_none_or(|version| !version.starts_with("20")) {
        return Err(error(404, "404", "Resource not found"));
    }
    let models = &asked.answers.models;
    if !models.is_empty() && !models.iter().any(|known| known == asked.model) {
        let message = "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.";
        return Err(error(404, "DeploymentNotFound", message));
    }
    Ok(())
}

fn error(status: u16, code: &str, message: &str) -> ApiError {
    ApiError { status, message: message.to_owned(), kind: "", param: None, code: Some(code.to_owned()) }
}

/// An error as Azure lays it out: those of its own have a code and a message, the model's are OpenAI's.
pub(super) fn refusal(error: &ApiError) -> Answer {
    let body = match error.kind {
        "" => json!({"error": {"code": error.code, "message": error.message}}),
        _ => error.body(),
    };
    Answer::json(Grammar::Chat, error.status, body.to_string().into_bytes())
}

/// What the filter finds in what is harmless.
fn harmless() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe})
}

/// An answer of the model as Azure gives it. A prompt that the model would refuse is filtered.
pub(super) fn filtered(asked: &Asked<'_>, mut answer: Answer) -> Answer {
    if turn::decide(asked, &conversation::prompt(asked)).ending == Ending::Refused {
        return filter_error();
    }
    let mut prompt = harmless();
    prompt["jailbreak"] = json!({"filtered": false, "detected": false});
    let prompt = json!([{"prompt_index": 0, "content_filter_results": prompt}]);
    let judge = |value: &mut Value, verdict: &Value| {
        for choice in value["choices"].as_array_mut().into_iter().flatten() {
            choice["content_filter_results"] = verdict.clone();
        }
    };
    match &mut answer.content {
        Content::Whole(body) => {
            if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
                judge(&mut value, &harmless());
                value["prompt_filter_results"] = prompt;
                *body = Grammar::Chat.document(&value).into_bytes();
            }
        }
        Content::Events(events) => {
            for event in events.iter_mut().filter(|event| event.role == Role::Content) {
                let data = event.bytes.strip_prefix(b"data: ").unwrap_or_default();
                if let Ok(mut value) = serde_json::from_slice::<Value>(data) {
                    judge(&mut value, &harmless());
                    event.bytes = Grammar::Chat.framed(&value).into_bytes();
                }
            }
            let first = json!({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": prompt});
            events.insert(0, Grammar::Chat.event(Role::Lead, &first));
            // A filter that works behind the text says its verdict without any.
            let late = json!({"choices": [{"index": 0, "finish_reason": null, "content_filter_results": harmless(),
                "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 9}}],
                "created": 0, "id": "", "model": "", "object": ""});
            let at = events.iter().position(|event: &Event| event.role == Role::Finish).unwrap_or(events.len());
            events.insert(at, Grammar::Chat.event(Role::Frame, &late));
        }
    }
    answer
}

fn filter_error() -> Answer {
    let mut found = harmless();
    found["hate"] = json!({"filtered": true, "severity": "high"});
    let message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.";
    let body = json!({"error": {
        "message": message, "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found}
    }});
    Answer::json(Grammar::Chat, 400, body.to_string().into_bytes())
}
