//! What an exchange costs: `cargo run --release -p engine --example decide`.
//!
//! Prints the median over many runs of the time that one takes: decided over a chain of three
//! providers, attempted once, its first token told, its end told. Once alone, and once beside so
//! many others in flight at the same targets as a busy gateway has.

use engine::{
    Board, Exchange, Moment, Prepared,
    decide::{self, Ask},
    exchange::Next,
};
use policy::{
    Auth, Balance, Chain, ChainId, Dialect, Draft, Key, KeyId, Member, Model, Origin, OriginId, Provider, ProviderId, Snapshot, Step,
    Target, Understands, chain::Name,
};
use std::{hint::black_box, time::Instant};

const RUNS: usize = 1_001;
const EXCHANGES_PER_RUN: u32 = 200;
const BUSY: usize = 200;

fn draft() -> Draft {
    let mut draft = Draft { generation: 1, ..Draft::default() };
    draft.origins.push(Origin {
        host: "127.0.0.1".into(),
        port: 1,
        tls: None,
        server_name: "127.0.0.1".into(),
        proxy: None,
        warm: 0,
        connections_max: 8,
    });
    let mut steps = Vec::new();
    for at in 0..3 {
        let provider = draft.providers.push(Provider {
            name: format!("provider-{at}"),
            dialect: Dialect::OpenAi,
            speaks: Dialect::OpenAi.speaks(),
            quirks: 0,
            origin: OriginId(0),
            base_path: "/v1".into(),
            auth: Auth::Bearer,
            keys: vec![Key::new(KeyId(at), 1)],
            in_flight_max: 4_096,
            retries: policy::Retries::default(),
            concurrency: policy::Concurrency::default(),
            headers: vec![],
            regions: vec![],
            checks: Vec::new(),
        });
        let target = draft.targets.push(Target {
            name: format!("provider-{at}/m"),
            provider: ProviderId(at),
            model: Model::Named("m".into()),
            reasoning: false,
            context_window: None,
            price: None,
            understands: Understands::default(),
            disabled: None,
        });
        assert_eq!(provider, ProviderId(at));
        steps.push(Step::of(Balance::Weighted, vec![Member { target, weight: 1, wording: None }]));
    }
    draft.chains.push(Chain::over("c", steps));
    draft.names.push(Name { name: "c".into(), chain: ChainId(0), listed: true });
    draft
}

struct Shard {
    prepared: Prepared,
    board: Board,
    now: Moment,
    seed: u64,
}

impl Shard {
    fn begin(&mut self) -> (Exchange, usize) {
        let ask = Ask {
            tenant: None,
            model: "c",
            field: &|_| None,
            chain: None,
            deadline_ms: None,
            stream: true,
            wants: decide::Wants::default(),
            started: self.now,
        };
        let mut exchange = decide::decide(&self.prepared, black_box(&ask), &self.board, self.now).expect("the chain has this name");
        let seed = &mut self.seed;
        let mut random = || {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *seed ^ (*seed >> 29)
        };
        match exchange.next(&self.prepared, &self.board, self.now, &mut random) {
            Next::Attempt(attempt) => (exchange, attempt.index),
            other => unreachable!("every target is well, and it said {other:?}"),
        }
    }

    fn end(&mut self, mut exchange: Exchange, index: usize) {
        self.now = self.now.plus_ns(10_000);
        exchange.first_token(&self.prepared, &self.board, index, self.now);
        exchange.commit();
        exchange.succeeded(&self.board, &self.prepared, index, None, self.now);
        black_box(exchange.trail().len());
    }
}

fn main() {
    for (name, busy) in [("alone", 0), ("beside 200 others", BUSY)] {
        let prepared = Prepared::build(Snapshot::try_new(draft()).expect("every id of it is in range"));
        let mut shard = Shard { prepared, board: Board::full(), now: Moment::START.plus_ms(1_000_000), seed: 1 };
        let mut others: Vec<_> = (0..busy).map(|_| shard.begin()).collect();
        let mut times: Vec<u64> = (0..RUNS)
            .map(|_| {
                let started = Instant::now();
                for n in 0..EXCHANGES_PER_RUN as usize {
                    let (exchange, index) = shard.begin();
                    // The oldest of the others ends in its place, so that none of them is old.
                    let (exchange, index) = match others.get_mut(n % BUSY) {
                        Some(other) => std::mem::replace(other, (exchange, index)),
                        None => (exchange, index),
                    };
                    shard.end(exchange, index);
                }
                started.elapsed().as_nanos() as u64 / u64::from(EXCHANGES_PER_RUN)
            })
            .collect();
        times.sort_unstable();
        println!("{name:<20} {:>6} ns", times[RUNS / 2]);
        for (exchange, index) in others {
            shard.end(exchange, index);
        }
    }
}
