//! Answers that come instead of the one that was asked for.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::Asking;
use crate::answer::{Answer, Content, Grammar};
use crate::dialect::{self, Failure};
use crate::fault::{Fault, Kind};
use crate::http;
use crate::openai::errors;

/// The substitute that this fault orders, if it is one that substitutes.
pub(super) fn answer(fault: &Fault, original: &Answer, asking: Asking<'_>) -> Option<Answer> {
    let mut instead = match fault.kind {
        Kind::Status => status(fault, original.grammar, asking),
        Kind::Html => html(code_of(fault)),
        Kind::Redirect => {
            let mut answer = Answer::json(original.grammar, code_of(fault), Vec::new());
            answer.set_header("location", fault.text("location"));
            answer
        }
        Kind::ErrorIn200 => {
            let mut answer = failed(500, Some(fault.text("code")), None, original.grammar, asking);
            answer.status = 200;
            answer
        }
        _ => return None,
    };
    instead.grammar = original.grammar;
    for (name, value) in &original.headers {
        if name.starts_with("openai-") || name.starts_with("x-ratelimit-") || name.starts_with("anthropic-") {
            instead.set_header(name, value);
        }
    }
    let spent = match original.grammar {
        Grammar::Chat | Grammar::Responses => Some("x-ratelimit-remaining-requests"),
        Grammar::Messages => Some("anthropic-ratelimit-requests-remaining"),
        Grammar::Generate | Grammar::Array => None,
    };
    if let Some(name) = spent.filter(|_| instead.status == 429) {
        instead.set_header(name, "0");
    }
    Some(instead)
}

fn code_of(fault: &Fault) -> u16 {
    let status = fault.number("status").clamp(100, 999);
    u16::try_from(status).expect("clamped to three digits")
}

/// The failure in the words of the dialect.
fn failed(status: u16, code: Option<&str>, retry_after: Option<u64>, grammar: Grammar, asking: Asking<'_>) -> Answer {
    let Asking { model, request_id } = asking;
    dialect::failed(grammar, &Failure { status, code, model, request_id, retry_after })
}

fn status(fault: &Fault, grammar: Grammar, asking: Asking<'_>) -> Answer {
    let code = code_of(fault);
    let own = failed(code, fault.optional_text("code"), fault.optional("retry_after"), grammar, asking);
    let error = errors::for_status(code, fault.optional_text("code"), asking.model);
    let mut answer = match fault.text("shape") {
        "empty" => {
            let mut answer = own;
            answer.headers.retain(|(name, _)| name != "content-type");
            answer.content = Content::Whole(Vec::new());
            answer
        }
        "own" => own,
        "array" => in_array(own),
        "openai" => errors::answer(&error),
        other => foreign(other, &error),
    };
    let in_body = matches!(grammar, Grammar::Generate | Grammar::Array) && matches!(fault.text("shape"), "own" | "array");
    if let Some(seconds) = fault.optional("retry_after").filter(|_| !in_body) {
        answer.set_header("retry-after", &seconds.to_string());
    }
    if let Some(seconds) = fault.optional("retry_after_date") {
        let ahead = Duration::from_secs(seconds.min(1 << 32));
        answer.set_header("retry-after", &http::date(SystemTime::now() + ahead));
    }
    if let Some(ms) = fault.optional("retry_after_ms") {
        answer.set_header("retry-after-ms", &ms.to_string());
    }
    answer
}

/// The same body as the one element of an array, as Google writes it now and then.
fn in_array(mut answer: Answer) -> Answer {
    if let Content::Whole(body) = &mut answer.content
        && !body.starts_with(b"[")
    {
        body.splice(0..0, *b"[");
        let end = body.trim_ascii_end().len();
        body.truncate(end);
        body.extend_from_slice(b"\n]\n");
    }
    answer
}

/// The same error as other providers write it.
fn foreign(shape: &str, error: &errors::ApiError) -> Answer {
    let message = &error.message;
    let body: Value = match shape {
        // Ollama, LM Studio, Hugging Face.
        "string" => json!({"error": message}),
        // Mistral, Cerebras.
        "flat" => {
            json!({"object": "error", "message": message, "type": error.kind, "code": error.code})
        }
        // vLLM, OpenRouter.
        "integer" => json!({"error": {"message": message, "code": error.status}}),
        // NVIDIA: RFC 9457.
        "problem" => json!({
            "type": "about:blank", "title": http::reason(error.status),
            "status": error.status, "detail": message
        }),
        // FastAPI.
        _ => json!({"detail": [{"loc": ["body"], "msg": message, "type": error.kind}]}),
    };
    let mut answer = Answer::json(Grammar::Chat, error.status, body.to_string().into_bytes());
    if shape == "problem" {
        answer.set_header("content-type", "application/problem+json");
    }
    answer
}

fn html(status: u16) -> Answer {
    let reason = http::reason(status);
    let page = format!(
        "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    );
    Answer {
        content: Content::Whole(page.into_bytes()),
        headers: vec![("content-type".to_owned(), "text/html".to_owned()), ("server".to_owned(), "cloudflare".to_owned())],
        ..Answer::json(Grammar::Chat, status, Vec::new())
    }
}
