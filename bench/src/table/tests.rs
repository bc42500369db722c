use super::{Contestant, Round, Spread, Verdict, json, spread, text, verdict};

fn rounds(costs: &[f64]) -> Vec<Round> {
    costs.iter().map(|&cost| Round { cpu_us: Some(cost), busy: 0.98, ..Round::default() }).collect()
}

#[test]
fn a_median_lies_in_the_middle() {
    assert_eq!(spread([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, low: 1.0, high: 3.0 }));
    assert_eq!(spread([4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, low: 1.0, high: 4.0 }));
    assert_eq!(spread([]), None);
}

#[test]
fn ratios_are_of_the_same_round() {
    let found = verdict(&rounds(&[10.0, 11.0, 10.0, 10.0, 8.0]), &rounds(&[20.0, 22.0, 15.0, 20.0, 12.0]));
    assert_eq!(found, Verdict::Times(Spread { median: 2.0, low: 1.5, high: 2.0 }));
}

#[test]
fn inside_the_noise_there_is_no_verdict() {
    let refused = |ours: &[Round], theirs: &[Round], word: &str| match verdict(ours, theirs) {
        Verdict::None(why) => assert!(why.contains(word), "{why}"),
        Verdict::Times(times) => panic!("a verdict: {times:?}"),
    };
    let (ours, theirs) = (rounds(&[9.0, 10.0, 11.0, 10.0, 9.5]), rounds(&[10.9, 12.0, 13.0, 12.0, 12.0]));
    refused(&ours, &theirs, "overlap");
    refused(&theirs, &ours, "overlap");
    refused(&ours[..4], &rounds(&[20.0; 4]), "4 rounds");
    // A void round takes its pair with it.
    let mut idle = rounds(&[20.0; 5]);
    idle[2].busy = 0.9;
    refused(&ours, &idle, "4 rounds");
}

#[test]
fn a_round_is_void_when_it_does_not_say_what_a_request_costs() {
    let check = |busy: f64, held: f64, errors: &str, word: Option<&str>| {
        let round = Round { cpu_us: Some(1.0), busy, held, errors: errors.to_owned(), ..Round::default() };
        let why = round.void();
        assert_eq!(why.is_some(), word.is_some(), "{why:?}");
        assert!(why.unwrap_or_default().contains(word.unwrap_or_default()));
    };
    check(0.96, 0.0, "", None);
    check(0.90, 0.06, "", None);
    check(0.94, 0.0, "", Some("94 %"));
    check(0.70, 0.29, "", Some("other work"));
    check(1.0, 0.0, "2 cut", Some("2 cut"));
    // Without a proxy there is nothing to be busy.
    assert_eq!(Round::default().void(), None);
}

#[test]
fn the_table_tells_what_is_void_and_what_it_compares() {
    let mut ours = rounds(&[10.0; 6]);
    ours[3].busy = 0.5;
    ours.iter_mut()
        .for_each(|round| round.by_thread = [("shard".to_owned(), 9.0), ("link".to_owned(), 0.001), ("recorder".to_owned(), 1.0)].into());
    let contestants = [
        Contestant { name: "direct", rounds: vec![Round::default(); 6] },
        Contestant { name: "nginx", rounds: rounds(&[15.0; 6]) },
        Contestant { name: "haproxy", rounds: rounds(&[12.0; 6]) },
        Contestant { name: "throwover", rounds: ours },
    ];
    let table = text("some work", &contestants);
    assert!(table.contains("haproxy costs, beside throwover: 1.20 [1.20..1.20] times as much\n"), "{table}");
    assert!(table.contains("1.50 [1.50..1.50]"), "{table}");
    assert!(table.contains("void: round 4 of throwover: its core was busy for 50 %"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("throwover") && line.contains("5/6")), "{table}");
    assert!(table.contains("threads of throwover, us/request: shard 9.00, recorder 1.00\n"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("direct") && !line.contains("verdict")), "{table}");
    let value = json("some work", &contestants);
    assert_eq!(value["contestants"][3]["verdict"]["nginx_costs_times"]["median"], 1.5);
}
