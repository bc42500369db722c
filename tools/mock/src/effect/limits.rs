//! What a provider says of its rate limits, in the names and the form of one or another.

use std::time::{Duration, SystemTime};

use crate::answer::{Answer, Grammar};
use crate::fault::Fault;
use crate::http;

/// Replaces what the answer says of limits.
pub(super) fn tell(fault: &Fault, answer: &mut Answer) {
    answer.headers.retain(|(name, _)| !name.starts_with("x-ratelimit-") && !name.starts_with("anthropic-ratelimit-"));
    let form = match (fault.text("form"), answer.grammar) {
        ("own", Grammar::Messages) => "anthropic",
        ("own", Grammar::Generate | Grammar::Array) => "none",
        ("own", _) => "openai",
        (form, _) => form,
    };
    let limit = fault.number("limit");
    for of in ["requests", "tokens"] {
        let spent = of == fault.text("of");
        let remaining = if spent { fault.number("remaining") } else { limit };
        let reset_ms = if spent { fault.number("reset_ms") } else { 0 };
        for (part, value) in [("limit", Some(limit)), ("remaining", Some(remaining)), ("reset", None)] {
            if let Some(name) = name(form, of, part) {
                let value = value.map_or_else(|| reset(form, reset_ms), |number| number.to_string());
                answer.set_header(&name, &value);
            }
        }
    }
}

/// What a field is called, where the provider has it.
fn name(form: &str, of: &str, part: &str) -> Option<String> {
    Some(match form {
        "openai" | "groq" => format!("x-ratelimit-{part}-{of}"),
        "anthropic" => format!("anthropic-ratelimit-{of}-{part}"),
        "cerebras" => format!("x-ratelimit-{part}-{of}-{}", if of == "requests" { "day" } else { "minute" }),
        "mistral" if part != "reset" => format!("x-ratelimit-{part}-{}-minute", if of == "requests" { "req" } else { of }),
        "moonshot" if of == "requests" => format!("X-RateLimit-{}{}", part[..1].to_uppercase(), &part[1..]),
        _ => return None,
    })
}

fn reset(form: &str, ms: u64) -> String {
    match form {
        "anthropic" => http::rfc3339(SystemTime::now() + Duration::from_millis(ms + 999)),
        "cerebras" => format!("{:?}", ms as f64 / 1000.0),
        "groq" if ms >= 60_000 => format!("{}m{:?}s", ms / 60_000, (ms % 60_000) as f64 / 1000.0),
        "groq" => format!("{:?}s", ms as f64 / 1000.0),
        "moonshot" => ms.div_ceil(1000).to_string(),
        _ if ms < 1000 => format!("{ms}ms"),
        _ if ms < 60_000 => format!("{}s", ms / 1000),
        _ => format!("{}m{}s", ms / 60_000, ms / 1000 % 60),
    }
}
