//! Answers that come instead of the one that was asked for.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::answer::{Answer, Content};
use crate::fault::{Fault, Kind};
use crate::http;
use crate::openai::errors;

/// The substitute that this fault orders, if it is one that substitutes.
pub(super) fn answer(fault: &Fault, original: &Answer, model: &str) -> Option<Answer> {
    let mut instead = match fault.kind {
        Kind::Status => status(fault, model),
        Kind::Html => html(code_of(fault)),
        Kind::Redirect => {
            let mut answer = Answer::json(code_of(fault), Vec::new());
            answer.set_header("location", fault.text("location"));
            answer
        }
        Kind::ErrorIn200 => {
            let code = fault.text("code");
            let mut error = errors::for_status(500, Some(code), model);
            error.status = 200;
            errors::answer(&error)
        }
        _ => return None,
    };
    instead.dialect = original.dialect;
    for (name, value) in &original.headers {
        if name.starts_with("openai-") || name.starts_with("x-ratelimit-") {
            instead.set_header(name, value);
        }
    }
    if instead.status == 429 {
        instead.set_header("x-ratelimit-remaining-requests", "0");
    }
    Some(instead)
}

fn code_of(fault: &Fault) -> u16 {
    let status = fault.number("status").clamp(100, 999);
    u16::try_from(status).expect("clamped to three digits")
}

fn status(fault: &Fault, model: &str) -> Answer {
    let code = code_of(fault);
    let error = errors::for_status(code, fault.optional_text("code"), model);
    let mut answer = match fault.text("shape") {
        "empty" => {
            let mut answer = Answer::json(code, Vec::new());
            answer.headers.clear();
            answer
        }
        "openai" => errors::answer(&error),
        other => foreign(other, &error),
    };
    if let Some(seconds) = fault.optional("retry_after") {
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
    let mut answer = Answer::json(error.status, body.to_string().into_bytes());
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
        ..Answer::json(status, Vec::new())
    }
}
