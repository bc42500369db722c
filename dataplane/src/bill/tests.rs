use super::*;

#[test]
fn days_are_told_as_people_write_them() {
    for (unix_ms, told) in [
        (0, "1970-01-01"),
        (951_782_400_000, "2000-02-29"),
        (1_795_305_600_000, "2026-11-22"),
        (1_798_761_599_999, "2026-12-31"),
        (1_798_761_600_000, "2027-01-01"),
    ] {
        assert_eq!(date(unix_ms), told);
    }
}

fn leg(counted: (bool, bool), pieces: u64) -> Leg {
    let tokens = Tokens { input: 100, output: 20, cached: 60, cache_write: 0 };
    Leg { target: TargetId(0), price: None, tokens, counted, pieces, key: None, taken: 0 }
}

#[test]
fn what_nobody_counted_is_estimated() {
    let took = |leg: Leg, answer: u64, whole: bool| {
        let tokens = leg.tokens(70, answer, whole);
        (tokens.input, tokens.output)
    };
    assert_eq!(took(leg((true, true), 500), 900, true), (100, 20), "a whole answer is what its provider counted");
    assert_eq!(took(leg((true, true), 35), 900, false), (100, 35), "what broke off was counted too early");
    assert_eq!(took(leg((true, false), 35), 12, false), (100, 35));
    assert_eq!(took(leg((false, false), 35), 112, true), (70, 112));
    assert_eq!(took(leg((false, false), 0), 0, false), (70, 0), "the prompt was read at least");
}
