//! What a judgement costs: `cargo run --release -p engine --example judge`.
//!
//! Prints, for some answers, the median over many runs of the time that one judgement takes.

use engine::judge::{self, ErrorFields, Family};
use std::{hint::black_box, time::Instant};

const RUNS: usize = 2_001;
const JUDGEMENTS_PER_RUN: u32 = 50;

/// What it is, whose, its status, code and message.
type Case<'a> = (&'a str, Family, u16, Option<&'a str>, Option<&'a str>);

fn main() {
    judge::prepare();
    let long = "Lorem ipsum, the model of a request that nobody has asked for yet and that exceeds no limit. ".repeat(6);
    let long = &long[..512];
    let cases: [Case<'_>; 7] = [
        ("status alone", Family::Groq, 503, None, None),
        ("a rate limit", Family::Openai, 429, Some("rate_limit_exceeded"), Some("Rate limit reached for gpt-4o on tokens per min (TPM)")),
        (
            "context window",
            Family::Openai,
            400,
            Some("context_length_exceeded"),
            Some("This model's maximum context length is 128000 tokens."),
        ),
        ("nothing fits, 512 bytes, OpenAI", Family::Openai, 400, Some("invalid_request_error"), Some(long)),
        ("nothing fits, 512 bytes, Bedrock", Family::Bedrock, 404, Some("invalid_request_error"), Some(long)),
        ("nothing fits, 512 bytes, unknown", Family::Other, 400, Some("invalid_request_error"), Some(long)),
        ("an event within a stream, 512 bytes", Family::Other, 200, Some("unheard_of"), Some(long)),
    ];
    for (name, family, status, code, message) in cases {
        let fields = ErrorFields { kind: Some("invalid_request_error"), code, param: None, message };
        let once = || match status {
            200 => judge::failure(black_box(family), black_box(&fields), None),
            status => judge::answer(black_box(family), black_box(status), black_box(&fields), None, None),
        };
        let mut times: Vec<u64> = (0..RUNS)
            .map(|_| {
                let begun = Instant::now();
                for _ in 0..JUDGEMENTS_PER_RUN {
                    black_box(once());
                }
                begun.elapsed().as_nanos() as u64 / u64::from(JUDGEMENTS_PER_RUN)
            })
            .collect();
        times.sort_unstable();
        let verdict = once();
        println!("{:>6} ns  p99 {:>6} ns  {name}: {} ({})", times[RUNS / 2], times[RUNS * 99 / 100], verdict.class.word(), verdict.detail);
    }
}
