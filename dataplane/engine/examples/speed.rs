//! What decisions cost, in nanoseconds: `cargo run --release -p engine --example speed`.
//!
//! "Cold" means that 64 MiB were touched before every call, so that nothing of ours is in any
//! cache that holds less.
#![allow(missing_docs)]

use engine::{
    Board, Exchange, Moment, Prepared, authenticate,
    decide::{self, Ask},
    exchange::Next,
    judge::{self, Transport},
};
use policy::{
    Auth, Backoff, Balance, Breaker, Chain, Dialect, Draft, Key, KeyId, Member, Model, Origin, OriginId, Patience, Predicate, Provider,
    ProviderId, Route, Snapshot, Step, Target, Tenant, TenantId, Triggers, chain::Name, route::Pattern,
};
use sha2::{Digest, Sha256};
use std::{hint::black_box, time::Instant};

const ROUTES: u64 = 10_000;
const TENANTS: u64 = 1_000;

fn policy() -> Draft {
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
    for at in 0..20 {
        draft.providers.push(Provider {
            name: format!("provider-{at}"),
            dialect: Dialect::OpenAi,
            origin: OriginId(0),
            base_path: "/v1".into(),
            auth: Auth::Bearer,
            keys: vec![Key { id: KeyId(at), weight: 1 }],
            in_flight_max: 1_000,
            headers: vec![],
            regions: vec![],
        });
    }
    let targets: Vec<_> = (0..200)
        .map(|at| {
            draft.targets.push(Target {
                name: format!("provider-{}/model-{at}", at % 20),
                provider: ProviderId(at % 20),
                model: Model::Named(format!("model-{at}")),
                reasoning: false,
                context_window: None,
                price: None,
                disabled: None,
            })
        })
        .collect();
    for at in 0..1_000_usize {
        let steps = (0..3)
            .map(|step| Step { balance: Balance::PeakEwma, members: vec![Member { target: targets[(at + step * 7) % 200], weight: 1 }] })
            .collect();
        let chain = draft.chains.push(Chain {
            name: format!("chain-{at:04}"),
            steps,
            triggers: Triggers::default(),
            attempts_max: 6,
            backoff: Backoff::default(),
            patience: Patience::default(),
            breaker: Breaker::default(),
            stream_reasoning: false,
        });
        draft.names.push(Name { name: format!("chain-{at:04}"), chain, listed: true });
    }
    for at in 0..TENANTS {
        let digests = vec![Sha256::digest(format!("sk-tenant-{at:08}-0123456789abcdef")).into()];
        draft.tenants.push(Tenant { name: format!("tenant-{at}"), digests, ..Tenant::default() });
    }
    for at in 0..ROUTES {
        // Of ten routes, two are globs and one looks at a field.
        let model = match at % 10 {
            0 => Pattern::parse(&format!("team-{at}-*")),
            1 => Pattern::parse(&format!("t{at}-*-latest")),
            _ => Pattern::parse(&format!("team-{at}-model")),
        };
        let headers = if at % 10 == 2 { vec![("x-tier".into(), "gold".into())] } else { vec![] };
        let tenant = (at % 10 == 3).then_some(TenantId((at % TENANTS) as u32));
        let chain = policy::ChainId((at % 1_000) as u32);
        draft.routes.push(Route { name: format!("route-{at}"), when: Predicate { model, tenant, headers }, chain });
    }
    draft
}

/// Models of which most are taken by a route, some by a name, some by nothing.
fn models() -> Vec<String> {
    (0..4_000_u64)
        .map(|n| {
            let at = n.wrapping_mul(2_654_435_761) % ROUTES;
            match n % 8 {
                0 => format!("team-{}-anything", at / 10 * 10),
                1 => format!("t{}-some-latest", at / 10 * 10 + 1),
                2 => format!("chain-{:04}", at % 1_000),
                3 => format!("unknown-{at}"),
                _ => format!("team-{at}-model"),
            }
        })
        .collect()
}

fn report(what: &str, mut samples: Vec<u64>) {
    samples.sort_unstable();
    let at = |permille: usize| samples[(samples.len() - 1) * permille / 1_000];
    println!("{what:<46} p10 {:>6} ns   p50 {:>6} ns   p99 {:>6} ns", at(100), at(500), at(990));
}

/// Times each call by itself, less what an empty timing costs.
fn each(rounds: usize, mut before: impl FnMut(), mut call: impl FnMut(usize)) -> Vec<u64> {
    let empty = (0..1_000).map(|_| Instant::now().elapsed().as_nanos() as u64).min().unwrap_or(0);
    (0..rounds)
        .map(|round| {
            before();
            let begun = Instant::now();
            call(round);
            (begun.elapsed().as_nanos() as u64).saturating_sub(empty)
        })
        .collect()
}

fn average(what: &str, rounds: usize, mut call: impl FnMut(usize)) {
    let mut batches: Vec<f64> = (0..15)
        .map(|_| {
            let begun = Instant::now();
            (0..rounds).for_each(&mut call);
            begun.elapsed().as_nanos() as f64 / rounds as f64
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    println!("{what:<46} {:>9.1} ns (median of 15 batches of {rounds})", batches[7]);
}

fn main() {
    let snapshot = Snapshot::try_new(policy()).expect("the policy is sound");
    builds(&snapshot);
    decisions(&Prepared::build(snapshot));
}

fn builds(snapshot: &Snapshot) {
    let mut builds: Vec<u64> = (0..11)
        .map(|_| {
            let copy = std::sync::Arc::new(snapshot.clone());
            let begun = Instant::now();
            black_box(Prepared::build(copy));
            begun.elapsed().as_micros() as u64
        })
        .collect();
    builds.sort_unstable();
    println!("build, {ROUTES} routes, {TENANTS} tenants: {} us (median of 11)", builds[5]);
    println!("sizes: Exchange {}, Record {}, Next {}", size_of::<Exchange>(), size_of::<engine::account::Record>(), size_of::<Next>());
}

fn decisions(prepared: &Prepared) {
    let board = Board::full();
    let now = Moment(1_000_000_000);

    let keys: Vec<String> = (0..TENANTS).map(|at| format!("sk-tenant-{at:08}-0123456789abcdef")).collect();
    average("authenticate", 20_000, |n| {
        let key = keys[n % keys.len()].as_bytes();
        black_box(authenticate::authenticate(prepared, Some(black_box(key))).expect("the key is known"));
    });

    let models = models();
    let field = |name: &str| (name == "x-tier").then_some(&b"gold"[..]);
    let decided = |n: usize| {
        let ask = Ask {
            tenant: Some(TenantId((n as u64 % TENANTS) as u32)),
            model: &models[n % models.len()],
            field: &field,
            chain: None,
            deadline_ms: None,
            stream: true,
            started: now,
        };
        decide::decide(prepared, black_box(&ask), &board, now)
    };
    average("decide, hot, one model", 20_000, |_| {
        black_box(decided(4).is_ok());
    });
    average("decide, hot, 4,000 models in turn", 20_000, |n| {
        black_box(decided(n).is_ok());
    });
    let mut waste = vec![1_u8; 64 << 20];
    let mut touch = || {
        for byte in waste.iter_mut().step_by(64) {
            *byte = byte.wrapping_add(1);
        }
        black_box(&waste);
    };
    // What a cold measurement costs by itself: the clock's own pages, and the request's text.
    report(
        "nothing but the request's own text, cold",
        each(2_000, &mut touch, |n| {
            black_box(models[(n * 31 + 7) % models.len()].bytes().fold(0_u8, u8::wrapping_add));
        }),
    );
    report(
        "decide, cold",
        each(2_000, &mut touch, |n| {
            black_box(decided(n * 31 + 7).is_ok());
        }),
    );
    let chain_only = |n: usize| {
        let ask = Ask {
            tenant: Some(TenantId((n as u64 % TENANTS) as u32)),
            model: &models[n % models.len()],
            field: &field,
            chain: None,
            deadline_ms: None,
            stream: true,
            started: now,
        };
        decide::chain_for(prepared, black_box(&ask))
    };
    report(
        "chain_for (decide without the exchange), cold",
        each(2_000, &mut touch, |n| {
            black_box(chain_only(n * 31 + 7).is_ok());
        }),
    );
    let route_only = |n: usize| prepared.route_for(&models[n % models.len()], Some(TenantId(5)), &field);
    average("route, hot, 4,000 models in turn", 20_000, |n| {
        black_box(route_only(n));
    });
    report(
        "route, cold",
        each(2_000, &mut touch, |n| {
            black_box(route_only(n * 31 + 7));
        }),
    );

    exchanges(prepared, &board, now, &decided);
}

/// What follows a decision.
fn exchanges(prepared: &Prepared, board: &Board, now: Moment, decided: &dyn Fn(usize) -> Result<Exchange, decide::Refusal>) {
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed ^ (seed >> 29)
    };
    average("decide + next + succeeded", 20_000, |n| {
        let mut exchange = decided(2 + n / 8 * 8).expect("the model names a chain");
        if let Next::Attempt(attempt) = exchange.next(prepared, board, now, &mut random) {
            exchange.succeeded(board, prepared, attempt.index, Some(1_000_000), now);
        }
        black_box(&exchange);
    });
    // A rate limit of the request's own pauses nobody, so the board stays as it is.
    let verdict = judge::Verdict { pauses: false, counts_for_breaker: false, ..judge::transport(Transport::Empty) };
    average("decide + 3 x (next + concluded) + abandoned", 20_000, |n| {
        let mut exchange = decided(2 + n / 8 * 8).expect("the model names a chain");
        for _ in 0..3 {
            if let Next::Attempt(attempt) = exchange.next(prepared, board, now, &mut random) {
                exchange.concluded(board, prepared, attempt.index, verdict, now);
            }
        }
        exchange.abandoned(board, prepared, now);
        black_box(&exchange);
    });
    let fields = judge::ErrorFields {
        kind: Some("tokens"),
        code: Some("rate_limit_exceeded"),
        param: None,
        message: Some("Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000."),
    };
    average("judge a 429", 20_000, |_| {
        black_box(judge::status(429, black_box(&fields), Some(1_000), None));
    });
}
