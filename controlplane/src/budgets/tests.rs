use super::*;
use policy::{Budget, id::Table};

/// 2026-11-22.
const NOW: u64 = 1_795_305_600_000;
const DAY: u64 = 86_400_000;

fn draft(per: Per) -> Draft {
    let mut tenants = Table::new();
    for name in ["acme", "other"] {
        let budget = Budget { limit: Money(1_000), per, at_permille: 800, then: None };
        tenants.push(Tenant { name: name.to_owned(), budget: Some(budget), ..Tenant::default() });
    }
    Draft { tenants, ..Draft::default() }
}

fn told(start_ms: u64, spent: u64, reserved: u64) -> Vec<Spending> {
    let start = Per::Day.period(start_ms).start;
    vec![Spending { tenant: "acme".to_owned(), start, spent: Money(spent), reserved: Money(reserved) }]
}

fn folder() -> PathBuf {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("throwover-budgets-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn spent(budgets: &Budgets, per: Per, now: u64) -> (u64, u64) {
    let stand = budgets.stands(&draft(per), now).remove(0);
    (stand.spent.0, stand.reserved.0)
}

#[test]
fn two_processes_count_nothing_twice() {
    let folder = folder();
    let mut budgets = Budgets::open(&folder);
    let both = BTreeSet::from([1, 2]);
    budgets.hear(1, &told(NOW, 300, 20), &both);
    let told_to = |budgets: &Budgets, run| budgets.elsewhere(run, &draft(Per::Day), NOW, None).remove(0);
    let first = told_to(&budgets, 1);
    assert_eq!((first.spent, first.own), (Money(0), Money(300)), "what one has spent itself is told apart");
    // Another begins; the first goes on for a while.
    assert_eq!(budgets.elsewhere(2, &draft(Per::Day), NOW, None)[0].spent, Money(300));
    budgets.hear(2, &told(NOW, 50, 5), &both);
    budgets.hear(1, &told(NOW, 310, 0), &both);
    budgets.hear(1, &told(NOW, 305, 9), &both);
    assert_eq!(spent(&budgets, Per::Day, NOW), (360, 14), "within a period it grows");
    assert_eq!(budgets.elsewhere(1, &draft(Per::Day), NOW, Some(&told(NOW, 0, 0)))[0].spent, Money(50));
    assert_eq!(budgets.elsewhere(1, &draft(Per::Day), NOW, Some(&[])), []);
    budgets.gone(1);
    assert_eq!(spent(&budgets, Per::Day, NOW), (360, 5), "what it had reserved is gone with it");
    // The daemon ends; the second tells its own again, all of it.
    budgets.keep(&draft(Per::Day), Instant::now(), NOW, false);
    let mut budgets = Budgets::open(&folder);
    budgets.hear(2, &told(NOW, 60, 0), &BTreeSet::from([2]));
    assert_eq!(spent(&budgets, Per::Day, NOW), (370, 0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn periods_end_and_become_others() {
    let folder = folder();
    let mut budgets = Budgets::open(&folder);
    budgets.hear(1, &told(NOW - DAY, 900, 0), &BTreeSet::new());
    assert_eq!(spent(&budgets, Per::Day, NOW), (0, 0));
    // Yesterday was in this month.
    assert_eq!(spent(&budgets, Per::Month, NOW), (900, 0));
    budgets.hear(2, &told(NOW, 200, 0), &BTreeSet::new());
    let stand = budgets.stands(&draft(Per::Month), NOW).remove(0);
    assert_eq!((stand.spent, stand.word()), (Money(1_100), "exhausted"));
    assert_eq!(budgets.stands(&draft(Per::Day), NOW)[0].word(), "open");
    budgets.keep(&draft(Per::Day), Instant::now(), NOW, false);
    assert_eq!(Budgets::open(&folder).parts["acme"].len(), 1, "what is over is not kept");
    // A tenant that has left the policy for a moment is not forgotten.
    let mut budgets = Budgets::open(&folder);
    budgets.unwritten = true;
    budgets.keep(&Draft::default(), Instant::now(), NOW, true);
    assert_eq!(spent(&Budgets::open(&folder), Per::Day, NOW), (200, 0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn however_often_a_process_dies_the_file_stays_small() {
    let folder = folder();
    let mut budgets = Budgets::open(&folder);
    for run in 1..=1_000 {
        budgets.hear(run, &told(NOW, 2, 1), &BTreeSet::from([run]));
        budgets.gone(run);
    }
    assert!(budgets.parts["acme"].len() <= PARTS_MAX + 1);
    assert_eq!(spent(&budgets, Per::Day, NOW), (2_000, 0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn it_is_written_once_a_second_and_damage_is_told() {
    let folder = folder();
    let mut budgets = Budgets::open(&folder);
    let (draft, now) = (draft(Per::Day), Instant::now());
    budgets.keep(&draft, now, NOW, false);
    assert!(!budgets.path.exists(), "nothing is known");
    for (amount, after_ms, at_once, kept) in [(10, 0, false, 10), (20, 500, false, 10), (30, 999, true, 30), (40, 2_000, false, 40)] {
        budgets.hear(1, &told(NOW, amount, 0), &BTreeSet::new());
        budgets.keep(&draft, now + Duration::from_millis(after_ms), NOW, at_once);
        assert_eq!(spent(&Budgets::open(&folder), Per::Day, NOW).0, kept, "after {after_ms} ms");
    }
    std::fs::write(&budgets.path, "{").unwrap();
    assert_eq!(spent(&Budgets::open(&folder), Per::Day, NOW), (0, 0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_budget_in_words() {
    let mut stand = Stand {
        tenant: "acme".to_owned(),
        limit: Money::of_usd(500.0),
        per: Per::Month,
        spent: Money::of_usd(410.5),
        reserved: Money::of_usd(0.02),
        threshold: Money::of_usd(400.0),
        then: Some("cheap".to_owned()),
        end_ms: NOW,
    };
    let expected =
        "budget    acme  $410.50 of $500.00 a month spent (82.1 %), $0.020000 reserved, until 2026-11-22T00:00:00Z; requests take `cheap`";
    assert_eq!(stand.line(), expected);
    stand.then = None;
    assert_eq!(stand.word(), "warned");
    stand.spent = stand.limit;
    assert!(stand.line().ends_with("; requests are refused"));
}
