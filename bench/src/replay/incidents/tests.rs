use super::*;

#[test]
fn the_file_is_what_the_seed_makes() {
    let file = include_str!("../../../incidents.json");
    assert!(Month::made_up(SEED).text() == file, "write it again: throwover-bench incidents > bench/incidents.json");
    assert_eq!(Month::read(file).unwrap(), Month::made_up(SEED));
}

#[test]
fn months_look_like_what_they_are_drawn_from() {
    for (number, habit) in HABITS.iter().enumerate() {
        let (mut lengths, mut gaps) = (Vec::new(), Vec::new());
        let mut dice = Dice::of(&[7, number as u64]);
        for _ in 0..20_000 {
            lengths.push(dice.log_normal(habit.length_min.0, habit.length_min.1, Z90));
            gaps.push(dice.exponential(habit.between_days));
        }
        lengths.sort_by(f64::total_cmp);
        let close = |value: f64, to: f64| (value / to - 1.0).abs() < 0.05;
        assert!(close(lengths[10_000], habit.length_min.0) && close(lengths[18_000], habit.length_min.1), "{}", habit.name);
        assert!(close(gaps.iter().sum::<f64>() / 20_000.0, habit.between_days), "{}", habit.name);
    }
}

#[test]
fn two_providers_are_out_at_once_in_every_month() {
    for seed in 0..50 {
        let month = Month::made_up(seed);
        assert_eq!(Month::read(&month.text()).unwrap(), month, "seed {seed}");
        let down: Vec<&Incident> = month.incidents.iter().filter(|incident| incident.kind.is_down()).collect();
        let meets = |one: &Incident, two: &Incident| one.provider != two.provider && one.from_s < two.to_s && two.from_s < one.to_s;
        assert!(down.iter().any(|one| down.iter().any(|two| meets(one, two))), "seed {seed}");
        assert!(month.incidents.iter().all(|incident| incident.to_s <= 30 * DAY_S), "seed {seed}");
    }
}

#[test]
fn a_month_that_cannot_be_is_told_why() {
    let text = |incidents: &str| {
        format!(
            "{{\"about\": [], \"days\": 1, \"providers\": [{{\"name\": \"a\", \"first_token_p50_ms\": 1, \"first_token_p90_ms\": 2}}], \"incidents\": [{incidents}]}}"
        )
    };
    let incident = |provider: &str, from: u64, to: u64| {
        format!("{{\"provider\": \"{provider}\", \"from_s\": {from}, \"to_s\": {to}, \"kind\": \"slow\"}}")
    };
    for (incidents, expected) in [
        (incident("b", 1, 2), "no provider `b`"),
        (incident("a", 2, 2), "before it begins"),
        (format!("{}, {}", incident("a", 5, 9), incident("a", 1, 6)), "overlap"),
        (incident("a", 1, 2).replace("slow", "sleepy"), "cannot be read"),
    ] {
        assert!(Month::read(&text(&incidents)).unwrap_err().contains(expected), "{incidents}");
    }
    assert!(Month::read(&text(&incident("a", 1, 2))).is_ok());
}
