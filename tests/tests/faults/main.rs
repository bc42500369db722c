//! The fault matrix: every way in which a provider can fail, for every client, whole and as a stream, with no, one
//! and two fallbacks. What came of each cell goes where `THROWOVER_FAULTS` says, for `cargo xtask faults`.
#![allow(missing_docs, clippy::unwrap_used)]

mod hangup;
mod proof;
mod report;
mod rows;
mod seed;
mod seen;
mod stage;
mod verdict;

use mock::journal::Entry;
use report::{Judged, Totals};
use seen::Saw;
use serde_json::Value;
use stage::{CLIENTS, Cell, DEADLINE_MS};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tests::testkit::{
    gateway::Gateway,
    provider::Provider,
    speech,
    tenant::{Answer, Tenant},
    until,
};
use verdict::Rules;

/// Cells that run at once: those that have something to do, and those that wait.
const AT_ONCE: [usize; 2] = [16, 96];
/// How much longer than its deadline an exchange may take on a busy machine before it hangs.
const GRACE: Duration = Duration::from_secs(10);

/// A cell, and what its tenant saw.
struct Ran {
    cell: Cell,
    saw: Saw,
    answer: Option<Answer>,
}

impl Ran {
    fn field(&self, name: &str) -> Option<&str> {
        self.answer.as_ref()?.head.field(name)
    }
}

fn run(gateway: &Gateway, cell: &Cell) -> Ran {
    let began = Instant::now();
    let ask = speech::ask(cell.client(), &cell.name(), "hi", cell.stream);
    let answer = catch_unwind(AssertUnwindSafe(|| Tenant::connect(gateway.address).ask(&ask)));
    let deadline = Duration::from_millis(DEADLINE_MS[usize::from(cell.row.slow)]);
    let saw = match &answer {
        Ok(_) if began.elapsed() > deadline + GRACE => Saw::Hang(format!("an answer after {:?}", began.elapsed())),
        Ok(answer) => seen::saw(cell, answer),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            if why.contains("said nothing") { Saw::Hang(why) } else { Saw::Broken(why) }
        }
    };
    Ran { cell: *cell, saw, answer: answer.ok() }
}

/// Runs all cells, some at once; those that wait beside those that do not.
fn run_all(gateway: &Gateway, cells: &[Cell]) -> Vec<Ran> {
    let (waiting, busy): (Vec<Cell>, Vec<Cell>) = cells.iter().partition(|cell| cell.waits());
    let (next, done) = ([AtomicUsize::new(0), AtomicUsize::new(0)], Mutex::new(Vec::with_capacity(cells.len())));
    let work = |queue: usize, cells: &[Cell]| {
        while let Some(cell) = cells.get(next[queue].fetch_add(1, Ordering::Relaxed)) {
            let ran = run(gateway, cell);
            done.lock().unwrap().push(ran);
        }
    };
    std::thread::scope(|scope| {
        for (queue, cells) in [&busy, &waiting].into_iter().enumerate() {
            let work = &work;
            (0..AT_ONCE[queue]).for_each(|_| drop(scope.spawn(move || work(queue, cells))));
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|ran| ran.cell.name());
    done
}

/// The records of all requests, by their names.
fn records(gateway: &Gateway, ran: &[Ran]) -> HashMap<String, Value> {
    let wanted = ran.iter().filter(|ran| ran.answer.is_some()).count();
    until("every request is written down", || {
        let log = gateway.access_log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let records: HashMap<String, Value> =
            lines.filter_map(|record| Some((record["request"].as_str()?.to_owned(), record.clone()))).collect();
        let there = |ran: &&Ran| ran.field("x-request-id").is_none_or(|id| records.contains_key(id));
        (ran.iter().filter(|ran| ran.answer.is_some()).filter(there).count() == wanted).then_some(records)
    })
}

/// What providers were asked, by model.
fn asked(zoo: &Provider) -> HashMap<String, Vec<Entry>> {
    let mut found: HashMap<String, Vec<Entry>> = HashMap::new();
    let log = zoo.log();
    assert_eq!(log.first().map(|entry| entry.sequence), Some(1), "the log of the providers goes back to the beginning");
    for entry in log {
        found.entry(entry.model.clone()).or_default().push(entry);
    }
    found
}

#[test]
fn every_fault_in_every_cell() {
    let (zoo, gateway) = stage::open();
    let after_hang_up: u64 = CLIENTS.iter().map(|client| hangup::attempts_after(&zoo, &gateway, client)).sum();
    let cells = stage::cells();
    let ran = run_all(&gateway, &cells);
    let (records, asked, rules) = (records(&gateway, &ran), asked(&zoo), Rules::read());
    let mut totals = Totals::new(after_hang_up);
    let (mut judged, mut waits) = (Vec::with_capacity(ran.len()), Vec::new());
    for Ran { cell, saw, answer } in &ran {
        let head = answer.as_ref().map(|answer| &answer.head);
        let field = |name| head.and_then(|head| head.field(name));
        let record = field("x-request-id").and_then(|id| records.get(id)).unwrap_or(&Value::Null);
        let entries: Vec<&Entry> = asked.get(&cell.name()).into_iter().flatten().collect();
        let verdict = verdict::judge(&rules, cell, saw, field("x-throwover-fault"), record, &entries);
        if cell.row.pause_ms == 0 && !cell.row.slow && !cell.row.classes.contains(&"reset") && cell.fallbacks == 0 {
            waits.extend(verdict::gaps(&entries, &cell.providers()[0]).iter().map(|[before, after]| after - before));
        }
        if !verdict.complaints.is_empty() {
            println!("{}", report::told(cell, answer.as_ref(), record, &entries, &verdict.complaints));
        }
        totals.add(saw, &verdict);
        judged.push(Judged { cell: *cell, saw: saw.clone(), complaints: verdict.complaints });
    }
    let mean_ms = waits.iter().sum::<u64>() / (waits.len() as u64).max(1);
    println!("{totals:?}; {} waits at the same target, {mean_ms} ms on average", waits.len());
    report::write(&judged, &totals);
    // Full jitter waits half of its bound on average, which is half of the base or more.
    let [base, _] = stage::BACKOFF_MS;
    assert!(waits.len() > 100 && mean_ms >= base / 2, "{} waits of {mean_ms} ms on average", waits.len());
    assert!(totals.is_clean(), "{totals:?}");
}
