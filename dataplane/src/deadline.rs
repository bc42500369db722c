//! How long the tenant gives a request, in the words of whoever wrote its client.
//!
//! Two things can be meant. The whole exchange has to be over: our own `x-throwover-deadline-ms`, or
//! `x-request-timeout`, which proxies and meshes know. Or the client hangs up when nothing comes for so long:
//! the SDKs that Stainless generates (OpenAI's, Anthropic's) tell so in `x-stainless-timeout` and
//! `x-stainless-read-timeout`.

use crate::{request::Asked, respond::Refusal};
use codec::head::Field;
use policy::limits;

/// What is taken off a client's own time, so that our answer comes before it hangs up: a part in so many …
const MARGIN_PART: u64 = 20;
/// … and at most so many milliseconds.
const MARGIN_MS_MAX: u64 = 1_000;

/// How long the whole exchange may take, in milliseconds.
///
/// # Errors
/// What the gateway's own field says is no number of milliseconds. Other people's are read where that is
/// possible.
pub fn whole(asked: &Asked) -> Result<Option<u64>, Refusal> {
    let Some(value) = asked.field(Field::XThrowoverDeadlineMs) else {
        return Ok(asked.field(Field::XRequestTimeout).and_then(millis).map(|ms| ms.min(limits::DEADLINE_MS_MAX)));
    };
    let millis = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok()).filter(|&millis| millis > 0);
    match millis {
        Some(millis) => Ok(Some(millis.min(limits::DEADLINE_MS_MAX))),
        None => Err(Refusal::tenant(400, "deadline", "x-throwover-deadline-ms must be a whole number of milliseconds, at least 1.")),
    }
}

/// After how many milliseconds without a sign of life an answer is too late; 0 is not known.
pub fn within(asked: &Asked) -> u64 {
    let told = |field| asked.field(field).and_then(millis);
    let told = [told(Field::XStainlessTimeout), told(Field::XStainlessReadTimeout)];
    let Some(ms) = told.into_iter().flatten().min() else { return 0 };
    (ms - (ms / MARGIN_PART).min(MARGIN_MS_MAX)).max(1)
}

/// Seconds, perhaps with a fraction or a unit (`30`, `2.5`, `30s`, `1500ms`), in milliseconds. At least 1.
fn millis(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let (number, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1_000.0),
        (None, None) => (text, 1_000.0),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let ms = number.trim().parse::<f64>().ok().filter(|_| plain)? * scale;
    // A float beyond the integers becomes the largest of them.
    Some(ms as u64).filter(|ms| *ms > 0)
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn times_are_read_in_every_common_form() {
        let forms = [("30", 30_000), ("2.5", 2_500), ("600.0", 600_000), ("30s", 30_000), ("1500ms", 1_500), (" 1 ", 1_000)];
        for (text, ms) in forms {
            assert_eq!(millis(text.as_bytes()), Some(ms), "{text}");
        }
        for none in ["", "0", "-1", "NaN", "inf", "soon", "1e3", "ms", "s", "0.0001", "1 s s", "\u{7f}"] {
            assert_eq!(millis(none.as_bytes()), None, "{none}");
        }
        assert_eq!(millis("9".repeat(300).as_bytes()), Some(u64::MAX));
        assert_eq!(millis("99999999999999999999".as_bytes()), Some(u64::MAX));
    }
}
