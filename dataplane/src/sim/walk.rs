//! What the walk of an exchange costs in instructions, of one language throughout: played under
//! callgrind, which counts within the walk alone (`cargo xtask walk`).

use super::{
    book::Ask,
    dice::Dice,
    plan,
    provider::{self, Temper},
    stage::Stage,
    tenant::{self, Habits},
};
use std::{cell::RefCell, collections::VecDeque, env, rc::Rc};

/// How many exchanges are played; a few where nobody counts.
const EXCHANGES: &str = "THROWOVER_WALK_EXCHANGES";

#[test]
fn json_exchanges() {
    play(&Ask { size: 1_024, ..Ask::default() });
}

#[test]
fn streams() {
    play(&Ask { size: 1_024, stream: true, ..Ask::default() });
}

/// Exchanges of one kind on one connection, one after the other, with a provider that never fails.
fn play(ask: &Ask) {
    let count = env::var(EXCHANGES).ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let mut stage = Stage::new(1, plan::failover(1));
    let temper = Rc::new(RefCell::new(Temper { next: VecDeque::new(), dice: Dice::new(7), faults_permille: 0 }));
    let (io, book) = (stage.io(), stage.book.clone());
    stage.world.provide(plan::address(0), move |end| provider::serve(io.clone(), end, 0, temper.clone(), book.clone()));
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
}
