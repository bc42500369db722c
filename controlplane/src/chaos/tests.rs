use super::*;

fn rehearsal(blows: Vec<Blow>, permille: u32) -> Rehearsal {
    Rehearsal {
        begun_ms: 1_000,
        until_ms: 61_000,
        who: "ann".into(),
        faults: "429".into(),
        targets: vec!["openai/m".into()],
        permille,
        blows,
        before: BTreeMap::from([("answered_total".to_owned(), 10), ("failed_total".to_owned(), 1)]),
        started: true,
        told: false,
    }
}

#[test]
fn faults_are_read_and_what_is_none_is_told() {
    let read = blows("429;retry_after=7, 5xx,connect,slow:3s,stall,bad_json,cut,expired_key,model_gone").unwrap();
    assert_eq!(read[0], Blow::Status { status: 429, retry_after_ms: Some(7_000) });
    assert_eq!(read[3], Blow::Slow { ms: 3_000 });
    assert_eq!(read.len(), 9);
    for bad in ["", "399", "600", "slow", "slow:0s", "slow:soon", "429;retry_after=x", "429;x=1", "nothing"] {
        let error = blows(bad).unwrap_err();
        assert!(error.contains("expired_key") && error.contains(bad), "{error}");
    }
}

#[test]
fn each_fault_gets_its_part() {
    let blows = vec![Blow::Connect, Blow::Stall, Blow::Cut];
    let plan = rehearsal(blows, 300).plan();
    let mut left = 1.0;
    for (_, permille, _) in &plan.strikes {
        let struck = left * f64::from(*permille) / 1_000.0;
        assert!((0.099..=0.101).contains(&struck), "{struck}");
        left -= struck;
    }
    // A price holds for every attempt, and takes nothing from what fails.
    let priced = rehearsal(vec![Blow::Price { permille: 3_000 }, Blow::Connect], 300).plan();
    let shares: Vec<u32> = priced.strikes.iter().map(|(_, permille, _)| *permille).collect();
    assert_eq!(shares, [1_000, 300]);
    let all = rehearsal(vec![Blow::Connect, Blow::Stall], 1_000).plan();
    assert_eq!(all.strikes.iter().map(|(_, permille, _)| *permille).collect::<Vec<_>>(), [500, 1_000]);
}

#[test]
fn the_score_is_what_users_did_not_notice() {
    let now = [("answered_total", 107), ("failed_total", 2), ("templates_total", 2), ("struck_total", 40), ("attempts_total", 150)];
    let now = now.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let report = Report::of(&rehearsal(vec![Blow::Connect], 1), &now);
    assert_eq!(report.score(), Some(98.0));
    let text = report.text(2_000);
    assert!(text.contains("noticed   1 of 100 requests") && text.contains("59.0 s left") && text.contains("98.0 of 100"), "{text}");
    assert_eq!(report.json()["requests"], 100);
    // Nobody but who was told an earlier answer: there were requests, and half of each was noticed.
    let now = BTreeMap::from([("earlier_total".to_owned(), 4)]);
    let report = Report::of(&rehearsal(vec![Blow::Connect], 1), &now);
    assert_eq!((report.score(), &report.json()["requests"]), (Some(50.0), &json!(4)));
    assert!(report.text(2_000).contains("0 of 4 requests") && report.text(2_000).contains("4 earlier answers"));
    let waiting = Rehearsal { begun_ms: 31_000, started: false, ..rehearsal(vec![Blow::Connect], 1) };
    assert!(Report::of(&waiting, &BTreeMap::new()).text(1_000).contains("begins in 30.0 s"));
    let none = Report::of(&rehearsal(vec![Blow::Connect], 1), &BTreeMap::new());
    assert!(none.score().is_none() && none.text(99_000).contains("over"));
}
