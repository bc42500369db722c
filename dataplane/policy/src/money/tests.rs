use super::*;

#[test]
fn amounts_are_read_and_told_exactly() {
    for (usd, units, told, words) in [
        (0.0, 0, "0", "$0.00"),
        (500.0, 50_000_000_000, "500", "$500.00"),
        (12.5, 1_250_000_000, "12.5", "$12.50"),
        (0.000_001_23, 123, "0.00000123", "$0.000001"),
        (-1.0, 0, "0", "$0.00"),
        (f64::NAN, 0, "0", "$0.00"),
    ] {
        let money = Money::of_usd(usd);
        assert_eq!((money.0, money.to_string().as_str(), money.words().as_str()), (units, told, words));
    }
    assert_eq!(Money(7).less(Money(9)), Money::NONE);
    assert_eq!(Money(u64::MAX) + Money(1), Money(u64::MAX));
    assert_eq!(Money::of_usd(500.0).permille(800), Money::of_usd(400.0));
}

#[test]
fn tokens_cost_what_the_price_says() {
    // 3 $ and 15 $ per million; from the cache 0.3 $, into it 3.75 $.
    let price = Price { input: 3_000_000, output: 15_000_000, cached: Some(300_000), cache_write: Some(3_750_000) };
    let check = |tokens: Tokens, usd: &str| assert_eq!(price.of(&tokens).to_string(), usd);
    check(Tokens::default(), "0");
    check(Tokens { input: 1_000_000, ..Tokens::default() }, "3");
    check(Tokens { input: 1_000, output: 100, ..Tokens::default() }, "0.0045");
    check(Tokens { input: 1_000, cached: 600, cache_write: 400, ..Tokens::default() }, "0.00168");
    // A provider that counts more from the cache than there was is believed of the whole.
    check(Tokens { input: 10, cached: 600, cache_write: 9, ..Tokens::default() }, "0.000003");
    // Rounded up: nothing that costs is for nothing.
    assert_eq!(Price { input: 1, ..Price::default() }.of(&Tokens { input: 1, ..Tokens::default() }), Money(1));
    let most = Price { input: u64::MAX, output: u64::MAX, ..Price::default() };
    assert_eq!(most.of(&Tokens { input: u64::MAX, output: u64::MAX, ..Tokens::default() }), Money(u64::MAX));
    assert_eq!(price.times(3_000).input, 9_000_000);
    assert_eq!(price.times(500).cached, Some(150_000));
}
