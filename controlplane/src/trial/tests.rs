use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("throwover-trial-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn pending(generation: u64, back: u64) -> Pending {
    Pending { generation, back, until_ms: 61_000, who: "uid 0".to_owned() }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn it_outlives_the_daemon_and_its_time_goes_on() {
    let folder = folder("outlives");
    let now = Instant::now();
    let mut trial = Trial::open(&folder, now, 1_000);
    assert_eq!((trial.pending(), trial.left(now)), (None, None));
    trial.begin(pending(2, 1), MINUTE, now).unwrap();
    assert_eq!(trial.take_due(now + MINUTE - Duration::from_millis(1)), None);
    for (unix_ms, left_s) in [(21_000, 40), (61_000, 0), (999_000, 0)] {
        let again = Trial::open(&folder, now, unix_ms);
        assert_eq!(again.pending(), Some(&pending(2, 1)));
        assert_eq!(again.left(now), Some(Duration::from_secs(left_s)));
    }
    assert_eq!(trial.end().unwrap(), Some(pending(2, 1)));
    assert_eq!(Trial::open(&folder, now, 0).pending(), None);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_nobody_confirmed_is_remembered() {
    let folder = folder("lapses");
    let now = Instant::now();
    let mut trial = Trial::open(&folder, now, 0);
    trial.lapse("aa").unwrap();
    assert!(!trial.lapsed("aa"), "nothing was on trial");
    trial.begin(pending(2, 1), MINUTE, now).unwrap();
    assert_eq!(trial.take_due(now + MINUTE), Some((pending(2, 1), false)));
    trial.lapse("aa").unwrap();
    assert_eq!(trial.take_due(now + 9 * MINUTE), None);
    let again = Trial::open(&folder, now, 0);
    assert!(again.lapsed("aa") && !again.lapsed("bb") && again.pending().is_none());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_trial_within_a_trial_goes_back_to_before_both() {
    let folder = folder("nested");
    let now = Instant::now();
    let mut trial = Trial::open(&folder, now, 0);
    trial.begin(pending(2, 1), MINUTE, now).unwrap();
    trial.begin(pending(3, 2), MINUTE, now).unwrap();
    assert_eq!(trial.pending(), Some(&pending(3, 1)));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_way_back_that_fails_is_tried_again_and_not_for_ever() {
    let folder = folder("tries");
    let mut now = Instant::now();
    let mut trial = Trial::open(&folder, now, 0);
    trial.begin(pending(2, 1), MINUTE, now).unwrap();
    let mut tries = 0;
    for _ in 0..100 {
        now += MINUTE;
        tries += u32::from(trial.take_due(now).is_some());
    }
    assert_eq!(tries, TRIES_MAX);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_damaged_file_is_no_trial() {
    let folder = folder("damaged");
    std::fs::write(folder.join("trial.json"), b"{\"pending\": {\"gen").unwrap();
    assert_eq!(Trial::open(&folder, Instant::now(), 0).pending(), None);
    std::fs::remove_dir_all(&folder).unwrap();
}
