use super::*;
use policy::wire::Event;

fn told(write: impl Fn(&mut String) -> fmt::Result) -> String {
    let mut text = String::from("\n");
    write(&mut text).unwrap();
    text
}

#[test]
fn a_target_in_trouble_is_told_with_all_that_is_known() {
    let mut repairs = Repairs::default();
    for (at_us, from, to) in [(0, "closed", "open"), (72_000_000, "probing", "closed"), (90_000_000, "closed", "open")] {
        let details = [("target", "openai/gpt-4.1"), ("from", from), ("to", to)];
        let details = details.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        repairs.hear(1, &Event { at_us, kind: "breaker".to_owned(), details });
    }
    let ill = TargetState {
        name: "openai/gpt-4.1".into(),
        breaker: "open".into(),
        breaker_ms: 4_200,
        breaker_cause: "overdue".into(),
        paused_ms: 19_000,
        paused_class: "rate_limit".into(),
        attempts: 40,
        failures: 7,
        failed_ago_ms: 900,
        failed_class: "overloaded".into(),
        first_token_us: 312_500,
        in_flight: 1,
        limit: 18,
        ..TargetState::default()
    };
    let well = TargetState {
        name: "own/m".into(),
        breaker: "closed".into(),
        attempts: 2,
        spent_ms: 61_000,
        degraded: "http_error".into(),
        ..TargetState::default()
    };
    repairs.look(1, &[ill.clone(), well.clone()], 1_000_000);
    let expected = "
TARGET          BREAKER              ATTEMPTS  FAILED  LAST FAILURE               TTFT  IN FLIGHT             PAUSED      SPENT    DEGRADED  OPENED        MTTR  OUT  BACK IN
openai/gpt-4.1  open 4.2 s, overdue        40       7  overloaded 900 ms ago  312.5 ms    1 of 18  rate_limit 19.0 s                              2  1 min 12 s    1
own/m           closed                      2       0                                           0                     1 min 1 s  http_error       0                0
";
    assert_eq!(told(|text| targets(&[&ill, &well], &repairs, text)), expected);
}

#[test]
fn keys_are_told_by_their_numbers() {
    let refused = KeyState {
        provider: "openai".into(),
        key: 17,
        place: 2,
        of: 3,
        paused_ms: 58_000,
        class: "auth".into(),
        disabled: true,
        ..KeyState::default()
    };
    let limited = KeyState { key: 4, place: 1, class: "rate_limit".into(), disabled: false, ..refused.clone() };
    let own = KeyState { paused_ms: 0, class: String::new(), limited_ms: 20_000, spent_ms: 900_000, ..limited.clone() };
    let spent = KeyState { paused_ms: 0, class: String::new(), spent_ms: 900_000, ..limited.clone() };
    let open = KeyState { spent_ms: 0, breaker: "open".into(), breaker_ms: 4_500, breaker_cause: "slow".into(), ..spent.clone() };
    let expected = "
KEY                NUMBER  STATE      WHY                    FOR
openai key 2 of 3      17  taken out  auth                58.0 s
openai key 1 of 3       4  paused     rate_limit          58.0 s
openai key 1 of 3       4  limited    its rpm or tpm      20.0 s
openai key 1 of 3       4  spent                      15 min 0 s
openai key 1 of 3       4  breaker    open, slow           4.5 s
";
    assert_eq!(told(|text| keys(&[refused.clone(), limited.clone(), own.clone(), spent.clone(), open.clone()], text)), expected);
}

#[test]
fn a_target_without_a_key_says_so() {
    let none = TargetState { name: "a/m".into(), keys_out_ms: 61_000, ..TargetState::default() };
    let text = told(|text| targets(&[&none], &Repairs::default(), text));
    assert!(text.contains("no key 1 min 1 s"), "{text}");
}

#[test]
fn what_is_left_of_further_attempts_is_told() {
    let of = |kind: &str, name: &str, left, most| Allotment { kind: kind.into(), name: name.into(), left, most };
    let expected = "
FURTHER ATTEMPTS   LEFT   OF
hedges of premium     3   10
retries of openai     0  100
";
    assert_eq!(told(|text| allotments(&[of("hedges", "premium", 3, 10), of("retries", "openai", 0, 100)], text)), expected);
}
