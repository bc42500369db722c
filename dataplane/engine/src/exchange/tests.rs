use super::*;
use crate::{
    breaker as gate, decide,
    exchange::surrender::Own,
    judge::{self, ErrorFields, Fault, Transport},
    prepared::tests as policies,
};
use policy::{Balance, Draft};

mod accounts;
mod affinity;
mod again;
mod compact;
mod domains;
mod fallback;
mod guards;
mod hedge;
mod hush;
mod keys;
mod order;
mod overruled;
mod pauses;
mod quiet;
mod quotas;
mod reserved;
mod room;
mod silence;
mod standby;
mod time;
mod told;

/// One policy, one board and one clock; exchanges are told what their attempts come to.
pub(super) struct World {
    pub(super) prepared: Prepared,
    pub(super) board: Board,
    pub(super) now: Moment,
    seed: u64,
}

impl World {
    pub(super) fn new(draft: Draft) -> World {
        let prepared = policies::prepare(draft);
        let board = Board::new(prepared.targets.slots(), prepared.providers.slots(), 16);
        assert!(board.fits(&prepared));
        board.seat(&prepared);
        World { prepared, board, now: Moment::START.plus_ms(1_000), seed: 1 }
    }

    fn begin(&self, model: &str) -> Exchange {
        self.ask(model, None, true)
    }

    fn ask(&self, model: &str, deadline_ms: Option<u64>, stream: bool) -> Exchange {
        self.want(model, deadline_ms, stream, decide::Wants::default())
    }

    fn begin_with(&self, model: &str, wants: decide::Wants) -> Exchange {
        self.want(model, None, true, wants)
    }

    fn want(&self, model: &str, deadline_ms: Option<u64>, stream: bool, wants: decide::Wants) -> Exchange {
        let ask = decide::Ask { tenant: None, model, field: &|_| None, chain: None, deadline_ms, stream, wants, started: self.now };
        decide::decide(&self.prepared, &ask, &self.board, self.now).expect("the test asks for what there is")
    }

    fn next(&mut self, exchange: &mut Exchange) -> Next {
        let seed = &mut self.seed;
        exchange.next(&self.prepared, &self.board, self.now, &mut || {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *seed ^ (*seed >> 29)
        })
    }

    fn attempt(&mut self, exchange: &mut Exchange) -> Attempt {
        match self.next(exchange) {
            Next::Attempt(attempt) => attempt,
            other => panic!("{other:?} instead of an attempt"),
        }
    }

    fn wait(&mut self, exchange: &mut Exchange) -> u64 {
        match self.next(exchange) {
            Next::Wait(until) => until.since(self.now) / crate::moment::NS_PER_MS,
            other => panic!("{other:?} instead of a wait"),
        }
    }

    fn own(&mut self, exchange: &mut Exchange) -> Box<Own> {
        match self.next(exchange) {
            Next::Surrender(Surrender::Own(own)) => own,
            other => panic!("{other:?} instead of an error of our own"),
        }
    }

    fn fail(&self, exchange: &mut Exchange, attempt: Attempt, verdict: Verdict) {
        exchange.concluded(&self.board, &self.prepared, attempt.index, verdict, self.now);
    }

    fn succeed(&self, exchange: &mut Exchange, attempt: Attempt) {
        exchange.succeeded(&self.board, &self.prepared, attempt.index, Some(1_000_000), self.now);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    fn is_idle(&self) -> bool {
        self.prepared.targets.iter().all(|(id, _)| self.board.target(id).in_flight() == 0 && self.board.target(id).waiting() == 0)
            && self.prepared.providers.iter().all(|(id, _)| self.board.in_flight(id) == 0)
    }

    /// Fails the target often enough that its breaker opens.
    fn break_open(&self, target: TargetId) {
        let row = self.board.target(target);
        for _ in 0..5 {
            gate::failure(&row.breaker, &policy::Breaker::default(), Admission::Pass, self.now, u64::MAX / 2);
        }
        assert_eq!(row.breaker.state().0, gate::State::Open);
    }
}

/// One chain, `c`, with a step for each of so many providers of one target.
fn in_order(count: u32, keys: u32) -> Draft {
    let names = ["a", "b", "d", "e", "f", "g"];
    let providers: Vec<(&str, u32)> = names[..count as usize].iter().map(|name| (*name, keys)).collect();
    let mut draft = policies::draft(&providers);
    let targets: Vec<TargetId> = (0..count).map(|at| policies::target(&mut draft, at, "m")).collect();
    let steps: Vec<&[TargetId]> = targets.chunks(1).collect();
    let chain = policies::chain(&mut draft, "c", &steps);
    policies::name(&mut draft, "c", chain);
    draft
}

fn rules(draft: &mut Draft) -> &mut Chain {
    draft.chains.get_mut(ChainId(0)).expect("the draft has one chain")
}

fn status(code: u16) -> Verdict {
    judge::status(code, &ErrorFields::default(), None, None)
}

fn limited(retry_after_ms: u64) -> Verdict {
    judge::status(429, &ErrorFields::default(), Some(retry_after_ms), None)
}

#[test]
fn the_drawing_is_the_machine() {
    assert_eq!(crate::machine::drawn(include_str!("../exchange.rs")), State::drawing());
}
