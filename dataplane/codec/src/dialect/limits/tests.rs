use super::*;
use crate::head::response;
use proptest::prelude::*;

/// 2026-11-21T16:20:00Z.
const WALL_MS: u64 = 1_795_278_000_000;

fn head(lines: &str) -> (Response, Vec<u8>) {
    let bytes = format!("HTTP/1.1 200 OK|{lines}|Content-Length: 1||").replace('|', "\r\n").into_bytes();
    let (head, _) = response(&bytes, 64 * 1024).unwrap().unwrap();
    (head, bytes)
}

fn read(lines: &str) -> RateLimits {
    let (head, bytes) = head(lines);
    RateLimits::read(&head, &bytes, WALL_MS)
}

fn told(limit: u64, remaining: u64, reset_ms: Option<u64>) -> Option<Allowance> {
    Some(Allowance { limit: Some(limit), remaining: Some(remaining), reset_ms })
}

#[test]
fn every_providers_names_are_known() {
    let both = |requests, tokens| RateLimits { requests, tokens, ..RateLimits::default() };
    let table = [
        // OpenAI.
        (
            "x-ratelimit-limit-requests: 10000|x-ratelimit-remaining-requests: 9999|x-ratelimit-reset-requests: 20ms|\
             x-ratelimit-limit-tokens: 30000000|X-RateLimit-Remaining-Tokens: 0|x-ratelimit-reset-tokens: 6m0s",
            both(told(10_000, 9_999, Some(20)), told(30_000_000, 0, Some(360_000))),
        ),
        // Groq.
        (
            "x-ratelimit-limit-requests: 14400|x-ratelimit-remaining-requests: 14370|x-ratelimit-reset-requests: 2m59.56s|\
             x-ratelimit-limit-tokens: 18000|x-ratelimit-remaining-tokens: 17997|x-ratelimit-reset-tokens: 7.66s",
            both(told(14_400, 14_370, Some(179_560)), told(18_000, 17_997, Some(7_660))),
        ),
        // Anthropic.
        (
            "anthropic-ratelimit-requests-limit: 50|anthropic-ratelimit-requests-remaining: 0|\
             anthropic-ratelimit-requests-reset: 2026-11-21T16:20:12Z|anthropic-ratelimit-tokens-limit: 90000|\
             anthropic-ratelimit-tokens-remaining: 88000|anthropic-ratelimit-tokens-reset: 2026-11-21T16:20:00Z|\
             anthropic-ratelimit-input-tokens-limit: 80000|anthropic-ratelimit-input-tokens-remaining: 79000|\
             anthropic-ratelimit-input-tokens-reset: 2026-11-21T17:20:00.5+01:00|anthropic-ratelimit-output-tokens-limit: 10000|\
             anthropic-ratelimit-output-tokens-remaining: 9000|anthropic-ratelimit-output-tokens-reset: 2026-11-21T16:19:00Z",
            RateLimits {
                requests: told(50, 0, Some(12_000)),
                tokens: told(90_000, 88_000, Some(0)),
                input_tokens: told(80_000, 79_000, Some(500)),
                output_tokens: told(10_000, 9_000, Some(0)),
            },
        ),
        // Cerebras.
        (
            "x-ratelimit-limit-requests-day: 14400|x-ratelimit-remaining-requests-day: 14399|x-ratelimit-reset-requests-day: 27600.5|\
             x-ratelimit-limit-tokens-minute: 60000|x-ratelimit-remaining-tokens-minute: 0|x-ratelimit-reset-tokens-minute: 12.0001",
            both(told(14_400, 14_399, Some(27_600_500)), told(60_000, 0, Some(12_001))),
        ),
        // Mistral.
        (
            "x-ratelimit-limit-req-minute: 60|x-ratelimit-remaining-req-minute: 0|x-ratelimit-limit-tokens-minute: 500000|\
             x-ratelimit-remaining-tokens-minute: 499000|x-ratelimit-tokens-query-cost: 1000",
            both(told(60, 0, None), told(500_000, 499_000, None)),
        ),
        // Moonshot; OpenRouter says a moment in milliseconds, others in seconds.
        ("X-RateLimit-Limit: 3|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 20", both(told(3, 0, Some(20_000)), None)),
        ("X-RateLimit-Limit: 3|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1795278007000", both(told(3, 0, Some(7_000)), None)),
        ("X-RateLimit-Limit: 3|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1795278007", both(told(3, 0, Some(7_000)), None)),
        // Together.
        (
            "x-ratelimit-limit: 10|x-ratelimit-remaining: 9|x-ratelimit-reset: 1|x-tokenlimit-limit: 100|x-tokenlimit-remaining: 99",
            both(told(10, 9, Some(1_000)), told(100, 99, None)),
        ),
        ("Server: none", RateLimits::default()),
    ];
    for (lines, expected) in table {
        assert_eq!(read(lines), expected, "{lines}");
    }
}

#[test]
fn what_cannot_be_read_is_absent() {
    let of =
        |value: &str| read(&format!("x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: {value}")).requests.unwrap().reset_ms;
    for value in
        ["", "soon", "-1", "1s later", "s", "1x", "1.2.3", "2026-13-01T00:00:00Z", "2026-11-21T16:20:00", "99999999999999", "1h-2s"]
    {
        assert_eq!(of(value), None, "{value}");
    }
    let table =
        [("1h2m3.5s", 3_723_500), ("1us", 1), ("1ns", 1), ("3µs", 1), ("0s", 0), ("0", 0), (".5", u64::MAX), ("5.", 5_000), ("1m", 60_000)];
    for (value, ms) in table {
        assert_eq!(of(value), Some(ms).filter(|ms| *ms != u64::MAX), "{value}");
    }
    for value in ["-1", "many", "", "1e3", "12345678901234"] {
        assert_eq!(read(&format!("x-ratelimit-remaining-requests: {value}")).requests, None, "{value}");
    }
}

#[test]
fn nothing_remains_only_when_somebody_says_until_when() {
    let table = [
        ("x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 2s", Some(2_000)),
        ("x-ratelimit-remaining-requests: 0", None),
        ("x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 0s", None),
        ("x-ratelimit-remaining-requests: 1|x-ratelimit-reset-requests: 2s", None),
        ("x-ratelimit-reset-requests: 2s", None),
        ("x-ratelimit-limit-requests: 0|x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 2s", None),
        (
            "x-ratelimit-remaining-requests: 0|x-ratelimit-reset-requests: 2s|x-ratelimit-remaining-tokens: 0|x-ratelimit-reset-tokens: 3s",
            Some(3_000),
        ),
        ("anthropic-ratelimit-output-tokens-remaining: 0|anthropic-ratelimit-output-tokens-reset: 2026-11-21T16:20:09Z", Some(9_000)),
        ("x-ratelimit-remaining-tokens-minute: 0.0|x-ratelimit-reset-tokens-minute: 0.25", Some(250)),
    ];
    for (lines, expected) in table {
        let (head, bytes) = head(lines);
        assert_eq!(spent_ms(&head, &bytes, || WALL_MS), expected, "{lines}");
    }
    let (head, bytes) = head("x-ratelimit-remaining-requests: 7|x-ratelimit-reset-requests: 2s");
    spent_ms(&head, &bytes, || panic!("no clock is needed while something remains"));
}

fn relayed(lines: &str, from: Dialect, to: Dialect) -> String {
    let (head, bytes) = head(lines);
    let mut out = Vec::new();
    relay(&mut out, &head, &bytes, (from, to), || WALL_MS);
    String::from_utf8(out).unwrap().replace("\r\n", "|")
}

#[test]
fn they_are_told_in_the_clients_names() {
    use Dialect::{Anthropic, Gemini, Openai, Responses};
    let cerebras = "X-RateLimit-Limit-Requests-Day: 9|x-ratelimit-reset-requests-day:   33.5|x-ratelimit-remaining-tokens-minute: 7";
    let as_it_came = "x-ratelimit-limit-requests-day: 9|x-ratelimit-reset-requests-day: 33.5|x-ratelimit-remaining-tokens-minute: 7|";
    assert_eq!(relayed(cerebras, Openai, Openai), as_it_came);
    assert_eq!(relayed(cerebras, Openai, Responses), as_it_came);
    assert_eq!(
        relayed(cerebras, Openai, Anthropic),
        "anthropic-ratelimit-requests-limit: 9|anthropic-ratelimit-requests-reset: 2026-11-21T16:20:34Z|\
         anthropic-ratelimit-tokens-remaining: 7|"
    );
    assert_eq!(relayed(cerebras, Openai, Gemini), "");
    let anthropic = "anthropic-ratelimit-requests-limit: 50|anthropic-ratelimit-requests-remaining: 49|\
        anthropic-ratelimit-requests-reset: 2026-11-21T16:26:01Z|anthropic-ratelimit-input-tokens-remaining: 80|\
        anthropic-ratelimit-output-tokens-remaining: 10|anthropic-ratelimit-output-tokens-limit: 10";
    let apart = "anthropic-ratelimit-requests-limit: 50|anthropic-ratelimit-requests-remaining: 49|\
        anthropic-ratelimit-requests-reset: 2026-11-21T16:26:01Z|anthropic-ratelimit-input-tokens-remaining: 80|\
        anthropic-ratelimit-output-tokens-limit: 10|anthropic-ratelimit-output-tokens-remaining: 10|";
    assert_eq!(relayed(anthropic, Anthropic, Anthropic), apart);
    assert_eq!(
        relayed(anthropic, Anthropic, Openai),
        "x-ratelimit-limit-requests: 50|x-ratelimit-remaining-requests: 49|x-ratelimit-reset-requests: 6m1s|\
         x-ratelimit-limit-tokens: 10|x-ratelimit-remaining-tokens: 10|"
    );
    assert_eq!(relayed("Server: none", Anthropic, Openai), "");
}

#[test]
fn durations_are_written_as_go_does() {
    let table =
        [(0, "0ms"), (1, "1ms"), (999, "999ms"), (1_000, "1s"), (1_001, "2s"), (59_000, "59s"), (60_000, "1m0s"), (361_000, "6m1s")];
    for (ms, text) in table {
        let mut out = Vec::new();
        write_duration(&mut out, ms);
        assert_eq!(String::from_utf8(out).unwrap(), text, "{ms}");
    }
}

#[test]
fn moments_are_written_as_rfc_3339_has_them() {
    let table = [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (u64::MAX, "9999-12-31T23:59:59Z"),
    ];
    for (seconds, text) in table {
        let mut out = Vec::new();
        reset::write_rfc3339(&mut out, seconds);
        assert_eq!(String::from_utf8(out).unwrap(), text, "{seconds}");
    }
}

fn allowance() -> impl Strategy<Value = Option<Allowance>> {
    let part = || proptest::option::of(0..10_000_000_000_u64);
    (part(), part(), proptest::option::of(0..86_400_u64)).prop_map(|(limit, remaining, reset_s)| {
        let told = Allowance { limit, remaining, reset_ms: reset_s.map(|seconds| seconds * 1_000) };
        (told != Allowance::default()).then_some(told)
    })
}

proptest! {
    /// Whatever stands in the fields: nothing breaks, and what is written can be read.
    #[test]
    fn garbage_breaks_nothing(values in proptest::collection::vec("[ -~]{0,24}", 12), wall_ms in any::<u64>()) {
        let fields = RATE_LIMITS.as_flattened().iter().zip(&values);
        let lines: Vec<String> = fields.map(|(field, value)| format!("{}: {value}", field.name())).collect();
        let bytes = format!("HTTP/1.1 200 OK\r\n{}\r\nContent-Length: 1\r\n\r\n", lines.join("\r\n")).into_bytes();
        let (head, _) = response(&bytes, 64 * 1024).unwrap().unwrap();
        let told = RateLimits::read(&head, &bytes, wall_ms);
        prop_assert_eq!(spent_ms(&head, &bytes, || wall_ms), told.spent_ms());
        for dialect in [Dialect::Openai, Dialect::Anthropic, Dialect::Gemini] {
            let mut out = b"HTTP/1.1 200 OK\r\n".to_vec();
            told.write(dialect, wall_ms, &mut out);
            relay(&mut out, &head, &bytes, (Dialect::Openai, dialect), || wall_ms);
            out.extend_from_slice(b"content-length: 1\r\n\r\n");
            prop_assert!(matches!(response(&out, 64 * 1024), Ok(Some((_, size))) if size == out.len()));
        }
    }

    /// Anthropic's names say all that there is to say; OpenAI's all of requests and tokens.
    #[test]
    fn what_is_written_is_read_again(requests in allowance(), tokens in allowance(), input_tokens in allowance(), output_tokens in allowance()) {
        let told = RateLimits { requests, tokens, input_tokens, output_tokens };
        for dialect in [Dialect::Anthropic, Dialect::Openai] {
            let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
            told.write(dialect, WALL_MS, &mut bytes);
            bytes.extend_from_slice(b"content-length: 1\r\n\r\n");
            let (head, _) = response(&bytes, 64 * 1024).unwrap().unwrap();
            let again = RateLimits::read(&head, &bytes, WALL_MS);
            prop_assert_eq!(again.requests, requests);
            match dialect {
                Dialect::Anthropic => prop_assert_eq!(again, told),
                _ => prop_assert_eq!(again.tokens.is_some(), tokens.or(input_tokens).or(output_tokens).is_some()),
            }
        }
    }
}
