//! Thousands of random histories, each of which follows from its seed.
//!
//! `THROWOVER_SEEDS=n` plays `n` of them, `THROWOVER_SEED=s` one, with what it came to.

use super::{
    book::{Ask, Fault},
    check,
    dice::Dice,
    line::Leave,
    plan,
    provider::{self, Temper},
    stage::Stage,
    tenant::{self, Habits},
};
use crate::io::Errno;
use policy::{Balance, ChainId, Draft, Hedge, Slowness, TargetId};
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Histories of an ordinary run.
const SEEDS: u64 = 2_000;
/// Every so many histories, one is played twice.
const REPLAYED: u64 = 40;

#[test]
fn every_history_keeps_every_promise() {
    if let Some(seed) = number_from("THROWOVER_SEED") {
        let (trace, requests) = guarded(seed);
        println!("seed {seed}: {requests} requests, trace {trace:016x}");
        return;
    }
    let count = number_from("THROWOVER_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let (next, requests) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = crate::io::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= count {
                        return;
                    }
                    let (trace, asked) = guarded(seed);
                    requests.fetch_add(asked, Relaxed);
                    if seed % REPLAYED == 0 {
                        assert_eq!(guarded(seed).0, trace, "seed {seed} gives two histories");
                    }
                }
            });
        }
    });
    let millis = crate::io::Instant::now().millis_since(began).max(1);
    println!("{count} seeds, {} requests, {} seeds/s", requests.load(Relaxed), count * 1_000 / millis);
}

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a history, and says how to play it again when it fails.
fn guarded(seed: u64) -> (u64, u64) {
    catch_unwind(AssertUnwindSafe(|| history(seed))).unwrap_or_else(|panic| {
        eprintln!("\nseed {seed} failed; again: THROWOVER_SEED={seed} cargo test -p dataplane --lib sim::seeds -- --nocapture\n");
        resume_unwind(panic)
    })
}

/// One history. Gives the digest of all that happened, and how many requests there were.
fn history(seed: u64) -> (u64, u64) {
    let mut dice = Dice::new(seed);
    let providers = 1 + dice.below(4) as usize;
    let draft = draft(&mut dice, providers);
    let chains = draft.chains.count();
    let budget = if dice.chance(100) { 256 << 10 } else { 4 << 20 };
    let mut stage = Stage::with(seed, draft, budget, |_| {});
    let faults_permille = dice.pick(&[0, 150, 400, 800, 1_000]);
    for index in 0..providers {
        let temper = Temper { next: [].into(), dice: dice.fork(), faults_permille };
        serve(&stage, index, temper);
        if dice.chance(60) {
            unreachable(&stage, index, &mut dice);
        }
    }
    if dice.chance(500) {
        stage.run_ms(50);
    }
    for _ in 0..1 + dice.below(8) {
        let habits = habits(&mut dice, chains);
        let start = stage.now().plus_millis(dice.below(400));
        let (io, own, book) = (stage.io(), dice.fork(), stage.book.clone());
        stage.book.borrow_mut().awaited += 1;
        let opened = stage.connect();
        stage.world.script(async move {
            io.deadline(start).await;
            tenant::play(io, opened, habits, own, book.clone()).await;
            book.borrow_mut().awaited -= 1;
        });
    }
    for _ in 0..dice.below(4) {
        stage.run_ms(dice.below(300));
        disturb(&mut stage, &mut dice, providers);
    }
    if dice.chance(700) {
        let book = stage.book.clone();
        stage.until("every tenant has gone", || book.borrow().awaited == 0);
        // A place that was lost on the way would be missed by the next.
        let probe = Habits::plain(vec![Ask { fault: Fault::UnknownModel, ..Ask::default() }]);
        let last = stage.play(tenant::play(stage.io(), stage.connect(), probe, dice.fork(), stage.book.clone()));
        let status = stage.book.borrow().told[&last[0]].head.as_ref().map(|head| head.status());
        assert_eq!(status, Some(404), "seed {seed}: everybody has gone, and there is no place");
        stage.no_body_is_held();
    }
    stage.end();
    let book = stage.book.clone();
    stage.until("every tenant has gone", || book.borrow().awaited == 0);
    let complaints = check::history(&stage);
    assert!(complaints.is_empty(), "seed {seed}:\n{}", complaints.join("\n"));
    let requests = stage.book.borrow().told.len() as u64;
    (stage.world.trace(), requests)
}

fn serve(stage: &Stage, index: usize, temper: Temper) {
    let temper = Rc::new(RefCell::new(temper));
    let (io, book) = (stage.io(), stage.book.clone());
    stage.world.provide(plan::address(index), move |end| provider::serve(io.clone(), end, index, temper.clone(), book.clone()));
}

fn unreachable(stage: &Stage, index: usize, dice: &mut Dice) {
    if dice.chance(500) {
        stage.world.hang(plan::address(index));
    } else {
        stage.world.fail(plan::address(index), Errno::REFUSED);
    }
}

fn draft(dice: &mut Dice, providers: usize) -> Draft {
    let mut draft = plan::draft(providers);
    for _ in 0..1 + dice.below(3) {
        let mut order: Vec<usize> = (0..providers).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, dice.below(at as u64 + 1) as usize);
        }
        order.truncate(1 + dice.below(providers as u64) as usize);
        let mut steps: Vec<Vec<usize>> = Vec::new();
        for provider in order {
            match steps.last_mut() {
                Some(step) if dice.chance(350) => step.push(provider),
                _ => steps.push(vec![provider]),
            }
        }
        let balance = dice.pick(&[Balance::Weighted, Balance::RoundRobin, Balance::LeastOutstanding, Balance::PeakEwma]);
        plan::add_chain(&mut draft, &steps, balance);
    }
    for index in 0..draft.chains.slots() {
        let chain = draft.chains.get_mut(ChainId(index as u32)).expect("it was just added");
        chain.attempts_max = 1 + dice.below(5) as u8;
        chain.stream_reasoning = dice.chance(300);
        chain.hedge = dice.chance(250).then(|| Hedge {
            after: dice.pick(&[Slowness::Ms(1), Slowness::Ms(20), Slowness::Ms(200), Slowness::Permille(500)]),
            share_permille: dice.pick(&[100, 1_000]),
        });
        chain.patience.deadline_ms = dice.pick(&[500, 2_000, 6_000]);
        chain.patience.keepalive_after_ms = dice.pick(&[50, 300, 10_000]);
    }
    if dice.chance(300) {
        plan::add_budget(&mut draft);
    }
    if dice.chance(200) {
        draft.gateway.in_flight_max = 1 + dice.below(3) as u32;
    }
    if dice.chance(100) {
        draft.gateway.write_stall_ms = 200;
    }
    draft
}

fn habits(dice: &mut Dice, chains: usize) -> Habits {
    let asks = (0..1 + dice.below(4)).map(|_| ask(dice, chains)).collect();
    let leave = dice.chance(250).then(|| (dice.below(1_500), dice.pick(&[Leave::Fin, Leave::Reset])));
    Habits {
        asks,
        pipelined: dice.chance(200),
        rest_ms: if dice.chance(300) { dice.below(500) } else { 0 },
        leave,
        slow: dice.chance(100).then(|| (1 + dice.below(60), 64 + dice.below(4_000) as usize)),
        part_ms: if dice.chance(200) { dice.below(20) } else { 0 },
    }
}

fn ask(dice: &mut Dice, chains: usize) -> Ask {
    let size = match dice.below(20) {
        0 => dice.below(300_000),
        1..=3 => dice.below(40_000),
        _ => dice.below(400),
    };
    let fault = if dice.chance(60) { dice.pick(&[Fault::BadJson, Fault::UnknownPath, Fault::UnknownModel]) } else { Fault::Nothing };
    let stream = dice.chance(500);
    let chunked = dice.chance(250);
    let responses = dice.chance(250);
    Ask {
        chain: dice.below(chains as u64) as usize,
        stream,
        responses,
        usage: stream && !responses && dice.chance(300),
        declines_usage: stream && !responses && dice.chance(200),
        size: size as usize,
        turns: 0,
        chunked,
        expects: dice.chance(80),
        old: !chunked && dice.chance(60),
        fault,
    }
}

/// Something that happens from outside, in the middle of it all.
fn disturb(stage: &mut Stage, dice: &mut Dice, providers: usize) {
    let index = dice.below(providers as u64) as usize;
    match dice.below(5) {
        0 => unreachable(stage, index, dice),
        1 => {
            let temper = Temper { next: [].into(), dice: dice.fork(), faults_permille: 0 };
            serve(stage, index, temper);
        }
        2 => stage.publish(|draft| {
            let target = draft.targets.get_mut(TargetId(index as u32)).expect("every provider has one");
            target.disabled = if target.disabled.is_some() { None } else { Some("by the operator".to_owned()) };
        }),
        3 => stage.publish(|draft| {
            for chain in 0..draft.chains.slots() {
                draft.chains.get_mut(ChainId(chain as u32)).expect("chains stay").steps.reverse();
            }
        }),
        _ => stage.world.run_for(Duration::from_millis(dice.below(50))),
    }
}
