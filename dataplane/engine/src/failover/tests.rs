use super::*;

const NOW: Moment = Moment(1_000_000_000);

fn verdict(class: Class, retry_after_ms: Option<u64>) -> Verdict {
    Verdict { retry_after_ms, ..Verdict::of(class, "test") }
}

fn check(class: Class, retry_after_ms: Option<u64>, keys: usize, expected: Rest) {
    assert_eq!(rest(&verdict(class, retry_after_ms), keys, NOW), expected, "{class:?} {retry_after_ms:?} {keys}");
}

#[test]
fn what_is_left_alone() {
    let after = |ms| NOW.plus_ms(ms);
    check(Class::RateLimit, Some(700), 1, Rest::Target(after(700)));
    check(Class::RateLimit, Some(700), 2, Rest::Key(after(700)));
    check(Class::RateLimit, None, 0, Rest::Target(after(RATE_PAUSE_MS)));
    check(Class::RateLimit, Some(0), 1, Rest::Nothing);
    check(Class::RateLimit, Some(u64::MAX), 1, Rest::Target(after(limits::PAUSE_MS_MAX)));
    check(Class::Auth, None, 1, Rest::Key(after(REFUSED_PAUSE_MS)));
    check(Class::Auth, None, 0, Rest::Target(after(REFUSED_PAUSE_MS)));
    check(Class::QuotaExhausted, Some(5), 3, Rest::Key(after(REFUSED_PAUSE_MS)));
    check(Class::QuotaExhausted, Some(900_000), 3, Rest::Key(after(900_000)));
    for class in [Class::Auth, Class::Permission, Class::ModelGone] {
        check(class, Some(0), 0, Rest::Target(after(REFUSED_PAUSE_MS)));
    }
    check(Class::Permission, None, 1, Rest::Target(after(REFUSED_PAUSE_MS)));
    check(Class::Permission, None, 2, Rest::Access(after(REFUSED_PAUSE_MS)));
    check(Class::ModelGone, None, 2, Rest::Target(after(REFUSED_PAUSE_MS)));
    check(Class::Overloaded, None, 1, Rest::Nothing);
    check(Class::Overloaded, Some(9), 2, Rest::Target(after(9)));
    check(Class::ServerError, Some(9), 1, Rest::Target(after(9)));
    check(Class::InvalidRequest, Some(9), 1, Rest::Nothing);
    assert_eq!(rest(&Verdict { pauses: false, ..verdict(Class::RateLimit, Some(9)) }, 1, NOW), Rest::Nothing);
}

#[test]
fn waits_are_short() {
    let wait = |left_ms| wait_until(NOW, NOW.plus_ms(left_ms)).since(NOW) / NS_PER_MS;
    assert_eq!((wait(600_000), wait(8_000), wait(4_000), wait(0)), (2_000, 2_000, 1_000, 0));
    assert_eq!(wait_until(NOW, Moment::START), NOW);
}

#[test]
fn a_target_is_asked_again_only_when_every_other_can_be() {
    assert!(may_ask_again(1, 0) && may_ask_again(3, 2));
    assert!(!may_ask_again(0, 0) && !may_ask_again(2, 2) && !may_ask_again(1, 3));
}

#[test]
fn rows_keep_what_the_documents_promise() {
    for row in ROWS {
        let callers = matches!(row.class, Class::ContextWindow | Class::ContentFilter | Class::InvalidRequest | Class::Refusal);
        assert_eq!(!row.move_on, callers, "{:?}: the caller's own errors, and only those, end the exchange", row.class);
        assert_eq!(row.fault == Fault::Tenant, callers, "{:?}", row.class);
        assert_ne!(row.shown.status, 401, "{:?}: our credentials are not the tenant's", row.class);
        let expected = match row.class {
            Class::RateLimit => Weight::Nothing,
            Class::SchemaViolation => Weight::Half,
            _ if row.fault == Fault::Provider => Weight::Whole,
            _ => Weight::Nothing,
        };
        assert_eq!(row.breaker, expected, "{:?}", row.class);
        assert_eq!(row.shown.should_retry, row.fault == Fault::Provider, "{:?}", row.class);
        assert!(!row.why.is_empty());
    }
}

#[test]
fn what_is_used_up_is_spared_as_a_rate_limit_would_be_heeded() {
    let after = |ms| NOW.plus_ms(ms);
    assert_eq!(spare(700, 0, NOW), Rest::Target(after(700)));
    assert_eq!(spare(700, 1, NOW), Rest::Target(after(700)));
    assert_eq!(spare(700, 2, NOW), Rest::Key(after(700)));
    assert_eq!(spare(u64::MAX, 2, NOW), Rest::Key(after(limits::PAUSE_MS_MAX)));
    assert_eq!(spare(0, 1, NOW), Rest::Nothing);
}

#[test]
fn a_limit_of_the_account_leaves_the_only_credential_alone() {
    let wide = Verdict { scope: Scope::Key, ..verdict(Class::RateLimit, Some(700)) };
    assert_eq!(rest(&wide, 1, NOW), Rest::Key(NOW.plus_ms(700)));
    assert_eq!(rest(&wide, 0, NOW), Rest::Target(NOW.plus_ms(700)));
}

/// What other gateways do, class by class: same target again, next target, breaker counts, status.
const CUSTOM: &[(Class, [bool; 3], u16)] = &[
    (Class::Connect, [true, true, true], 502),
    (Class::Tls, [true, true, true], 502),
    (Class::Reset, [true, true, true], 502),
    (Class::Timeout, [true, true, true], 502),
    (Class::StreamCut, [true, true, true], 502),
    (Class::RateLimit, [true, true, false], 429),
    (Class::QuotaExhausted, [false, true, false], 429),
    (Class::Auth, [false, true, false], 502),
    (Class::Permission, [false, true, false], 502),
    (Class::ModelGone, [false, true, false], 404),
    (Class::ContextWindow, [false, true, false], 400),
    (Class::ContentFilter, [false, false, false], 400),
    (Class::InvalidRequest, [false, false, false], 400),
    (Class::Overloaded, [true, true, true], 503),
    (Class::ServerError, [true, true, true], 502),
    (Class::Malformed, [true, true, true], 502),
    (Class::Empty, [true, true, true], 502),
    (Class::SchemaViolation, [true, true, false], 502),
    (Class::Refusal, [false, false, false], 400),
];

#[test]
fn where_a_row_leaves_custom_it_says_why() {
    assert_eq!(CUSTOM.len(), ROWS.len());
    let apart: Vec<(Class, &str)> = CUSTOM
        .iter()
        .map(|(class, does, status)| (row(*class), does, status))
        .filter(|(row, does, status)| [row.retry_same, row.move_on, row.breaker.counts()] != **does || row.shown.status != **status)
        .map(|(row, ..)| (row.class, row.why))
        .collect();
    let said = [
        (Class::Tls, "is refused again"),
        (Class::Timeout, "told as 504, not 502"),
        (Class::ModelGone, "told as 502, not 404"),
        (Class::ContextWindow, "were passed over before"),
        (Class::SchemaViolation, "only many in a short time"),
    ];
    assert_eq!(apart.len(), said.len(), "{apart:?}");
    for ((class, why), (expected, part)) in apart.iter().zip(said) {
        assert!(*class == expected && why.contains(part), "{class:?}: {why}");
    }
}

#[test]
fn the_table_in_the_documents_is_this_one() {
    let written = include_str!("../../FAILURES.md");
    assert!(written.ends_with(&table()), "FAILURES.md has to end with:\n{}", table());
}

#[test]
fn whatever_a_chain_names_as_next_moves_on() {
    let only = |class| {
        let mut set = ClassSet::EMPTY;
        set.insert(class);
        set
    };
    let refused = verdict(Class::ContentFilter, None);
    assert!(!overruled(&Triggers::default(), refused).move_on);
    let filter = only(Class::ContentFilter);
    for triggers in [
        Triggers { retry: filter, ..Triggers::default() },
        Triggers { next: filter, ..Triggers::default() },
        Triggers { next_key: filter, ..Triggers::default() },
        Triggers { next_model: filter, ..Triggers::default() },
    ] {
        let ruled = overruled(&triggers, refused);
        assert!(ruled.move_on && ruled.retry_same == triggers.retry.contains(Class::ContentFilter), "{triggers:?}");
        assert!(overruled(&triggers, verdict(Class::ServerError, None)).retry_same, "others stay as they are");
    }
    let ruled = overruled(&Triggers { next_model: only(Class::ServerError), ..Triggers::default() }, verdict(Class::ServerError, None));
    assert!(ruled.move_on && !ruled.retry_same);
}
