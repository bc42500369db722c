use super::*;

fn fault(written: &str) -> Fault {
    Fault::parse(written).unwrap()
}

fn strikes(script: &mut Script, now: Instant) -> usize {
    script.strike(Stage::Request, Facts::default(), now).len()
}

#[test]
fn faults_begin_end_and_are_spent() {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut script = Script::new(1);
    script.set(vec![fault("503;after_ms=10;for_ms=20"), fault("cut;count=2")], start);
    assert_eq!(script.next_change(start), Some(Duration::from_millis(10)));
    assert_eq!(strikes(&mut script, at(0)), 1);
    assert_eq!(strikes(&mut script, at(10)), 2);
    assert_eq!(strikes(&mut script, at(29)), 1, "the cut is spent");
    assert_eq!(script.list(at(29)).len(), 1);
    assert_eq!(strikes(&mut script, at(30)), 0);
    assert!(script.list(at(30)).is_empty());
    script.add(vec![fault("404")], at(40));
    assert_eq!(strikes(&mut script, at(40)), 1);
}

#[test]
fn chances_follow_from_the_seed() {
    let now = Instant::now();
    let run = |seed: u64| {
        let mut script = Script::new(seed);
        script.set(vec![fault("503;probability=0.3")], now);
        (0..1000).map(|_| strikes(&mut script, now)).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    let struck: usize = run(7).iter().sum();
    assert!((250..350).contains(&struck), "seed 7: {struck}");
}

#[test]
fn stages_do_not_spend_each_others_faults() {
    let now = Instant::now();
    let mut script = Script::new(1);
    script.set(vec![fault("tls-stall;count=1"), fault("503"), fault("refuse")], now);
    assert!(script.strike(Stage::Accept, Facts::default(), now).is_empty(), "plain is left alone");
    let tls = Facts { tls: true, ..Facts::default() };
    assert_eq!(script.strike(Stage::Accept, tls, now), [fault("tls-stall;count=1")]);
    assert!(script.strike(Stage::Accept, tls, now).is_empty());
    assert_eq!(strikes(&mut script, now), 1);
    assert_eq!(script.refusal(now), Some(fault("refuse")));
}
