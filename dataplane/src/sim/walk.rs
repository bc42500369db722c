//! What the walk of an exchange costs in instructions, of one language throughout: played under
//! callgrind, which counts within the walk alone (`cargo xtask walk`).

use super::{
    book::Ask,
    dice::Dice,
    plan,
    provider::{self, Manner, Temper},
    stage::Stage,
    tenant::{self, Habits},
};
use policy::{Breaker, ChainId};
use std::{cell::RefCell, env, rc::Rc};

/// How many exchanges are played; a few where nobody counts.
const EXCHANGES: &str = "THROWOVER_WALK_EXCHANGES";

#[test]
fn json_exchanges() {
    play(&Ask { size: 1_024, ..Ask::default() }, 1);
}

#[test]
fn streams() {
    play(&Ask { size: 1_024, stream: true, ..Ask::default() }, 1);
}

/// The first target failed once, and is not asked again while this lasts.
#[test]
fn json_exchanges_in_an_outage() {
    play(&Ask { size: 1_024, ..Ask::default() }, 2);
}

/// Exchanges of one kind on one connection, one after the other, over so many targets the last of which never fails;
/// those before it do, the first time, and are out from then on.
fn play(ask: &Ask, targets: usize) {
    let count = env::var(EXCHANGES).ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let mut draft = plan::failover(targets);
    let chain = draft.chains.get_mut(ChainId(0)).expect("there is one");
    chain.breaker = Breaker { consecutive: 1, cooldown_ms: 3_600_000, cooldown_max_ms: 3_600_000, ..chain.breaker };
    let mut stage = Stage::new(1, draft);
    let (io, book) = (stage.io(), stage.book.clone());
    for target in 0..targets {
        let next = if target + 1 < targets { [Manner::Status(503, None)].into() } else { [].into() };
        let temper = Rc::new(RefCell::new(Temper { next, dice: Dice::new(7), faults_permille: 0 }));
        let (io, book) = (io.clone(), book.clone());
        stage.world.provide(plan::address(target), move |end| provider::serve(io.clone(), end, target, temper.clone(), book.clone()));
    }
    stage.run_ms(20);
    let mut answered = 0;
    // In parts, so that records are taken before there are too many.
    for part in 0..count / 10 {
        let habits = Habits::plain(vec![ask.clone(); 10]);
        let script = tenant::play(stage.io(), stage.connect(), habits, Dice::new(part as u64), stage.book.clone());
        answered += stage.play(script).len();
    }
    stage.end();
    assert_eq!((answered, stage.entries.len()), (count / 10 * 10, count / 10 * 10));
    let asked: usize = stage.entries.iter().filter_map(|entry| entry.record.as_ref()).map(|record| record.attempts().len()).sum();
    assert_eq!(asked, stage.entries.len() + targets - 1, "who is out was asked once");
}
