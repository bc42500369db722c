use super::*;
use serde_json::json;

fn plane(requests: u64, attempts: u64, breaker: &str, up_ms: u64) -> Value {
    json!({"state": "ready", "stats": {
        "up_ms": up_ms,
        "meters": {"requests_total": requests, "failed_total": 2, "exchanges_in_flight": 3, "exchange_p99_ns": 40_000_000, "exchange_max_ns": 50_000_000,
            "attempts_failed_total": 7, "attempts_failed_rate_limit": 5, "attempts_failed_timeout": 2},
        "targets": [
            {"name": "a/m", "breaker": breaker, "attempts": attempts, "failures": 1, "in_flight": 2, "first_token_us": 1500, "paused_ms": 0},
            {"name": "b/*", "breaker": "closed", "attempts": 0, "failures": 0, "in_flight": 0, "first_token_us": 0, "paused_ms": 0},
        ],
    }})
}

fn status(planes: &[Value]) -> Value {
    json!({"generation": 7, "planes": planes, "aside": {}})
}

fn squeezed(frame: &Frame) -> String {
    let lines = frame.lines((200, 100), Style::Plain);
    lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn rates_are_of_the_time_between_two_looks() {
    let before = status(&[plane(1_000, 500, "closed", 60_000)]);
    let now = status(&[plane(1_300, 550, "open", 62_000)]);
    let text = squeezed(&Frame::of(&now, Some((&before, Duration::from_secs(2)))));
    for expected in [
        "requests 150.0/s",
        "errors 0/s",
        "in flight 3",
        "a/m open 2 25.0 0 1.50 ms",
        "whole exchange 0.0 us 40.00 ms 50.00 ms",
        "per second",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(text.contains("failed attempts since the start: rate_limit 5, timeout 2") && !text.contains("b/*"), "{text}");
}

#[test]
fn the_first_look_shows_averages() {
    let text = squeezed(&Frame::of(&status(&[plane(600, 60, "closed", 60_000)]), None));
    assert!(
        text.contains("requests 10.0/s") && text.contains("a/m closed 2 1.00 0.02") && text.contains("averages since the start"),
        "{text}"
    );
}

#[test]
fn planes_are_one_gateway_and_the_worst_is_shown() {
    let text = squeezed(&Frame::of(&status(&[plane(600, 60, "closed", 60_000), plane(600, 60, "probing", 30_000)]), None));
    assert!(text.contains("2 data planes: ready, ready") && text.contains("requests 20.0/s") && text.contains("a/m probing 4"), "{text}");
}

#[test]
fn a_counter_that_began_anew_is_no_negative_rate() {
    let before = status(&[plane(1_000, 500, "closed", 60_000)]);
    let text = squeezed(&Frame::of(&status(&[plane(10, 5, "closed", 500)]), Some((&before, Duration::from_secs(1)))));
    assert!(text.contains("requests 10.0/s") && text.contains("a/m closed 2 5.00"), "{text}");
}

#[test]
fn it_fits_any_screen_and_obeys_no_name() {
    let mut now = status(&[plane(1, 1, "closed", 1_000)]);
    now["planes"][0]["stats"]["targets"][0]["name"] = json!("a/\u{1b}[2Jm");
    now["aside"] = json!({"c/n": {}});
    now["trial"] = json!({"generation": 7, "back": 6, "left_ms": 42_000});
    let frame = Frame::of(&now, None);
    let text = squeezed(&frame);
    assert!(text.contains("set aside: c/n") && text.contains("generation 6 comes back in 42.0 s"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    for (width, height) in [(80, 24), (20, 5), (1, 1), (0, 0)] {
        let lines = frame.lines((width, height), Style::Plain);
        assert!(lines.len() <= height.max(2) && lines.iter().all(|line| line.chars().count() <= width), "{width}x{height}: {lines:?}");
    }
    assert!(frame.lines((80, 24), Style::Coloured)[0].starts_with("\u{1b}[1m"));
    let nothing = Frame::of(&json!({}), None).lines((80, 24), Style::Plain);
    assert!(nothing.iter().any(|line| line == "no data plane is connected"));
}
