use super::*;
use crate::io::{Cause, Chunk, Errno, Instant, Piece, Settings, TaskPool};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);

fn provider() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], 443))
}

/// A proxy in miniature: forwards one direction, then the other, over and over.
async fn relay(io: Io, mut tenant: Stream) {
    let Ok(mut upstream) = io.connect(provider()).await else {
        return;
    };
    loop {
        enum Side {
            Tenant(Option<Chunk>),
            Upstream(Option<Chunk>),
        }
        let next = poll_fn(|context| {
            if let Poll::Ready(got) = tenant.poll_recv(context) {
                return Poll::Ready(got.map(Side::Tenant));
            }
            upstream.poll_recv(context).map(|got| got.map(Side::Upstream))
        });
        match next.await {
            Ok(Side::Tenant(Some(chunk))) => {
                upstream.send(chunk);
                if upstream.over() && upstream.room().await.is_err() {
                    return;
                }
            }
            Ok(Side::Upstream(Some(chunk))) => {
                tenant.send(chunk);
                if tenant.over() && tenant.room().await.is_err() {
                    return;
                }
            }
            Ok(Side::Tenant(None) | Side::Upstream(None)) | Err(_) => return,
        }
    }
}

/// Runs ten tenants against an echoing provider; gives the trace and what was counted.
fn scene(seed: u64) -> (u64, u64, Census) {
    let world = World::new(seed);
    let io = world.io();
    io.listen_virtually(0);
    let acceptor = io.clone();
    let acceptor = io.spawn(async move {
        let pool = TaskPool::new(16);
        loop {
            let stream = acceptor.accept().await.stream;
            acceptor.spawn_pooled(&pool, relay(acceptor.clone(), stream));
        }
    });
    world.provide(provider(), |end| async move {
        while let Some(bytes) = end.read().await {
            if end.random_below(10) == 0 {
                end.sleep(Duration::from_millis(end.random_below(300))).await;
            }
            end.write(&bytes);
        }
    });
    let done = Rc::new(Cell::new(0));
    for number in 0..10u8 {
        let (end, done) = (world.tenant(0), done.clone());
        world.script(async move {
            for round in 0..5 {
                let body: Vec<u8> = (0..20_000u32).map(|at| (at as u8).wrapping_mul(number + round)).collect();
                end.write(&body);
                let echoed = end.read_exact(body.len()).await;
                assert!(echoed.as_ref() == Some(&body), "seed {seed}, tenant {number}");
            }
            end.close();
            assert_eq!(end.wait_gone().await, Gone::Closed);
            done.set(done.get() + 1);
        });
    }
    assert!(world.run_until(|| done.get() == 10, LIMIT), "seed {seed}: {:?}", world.stats());
    assert!(io.abort(acceptor));
    let quiet = || world.census() == Census::default();
    assert!(world.run_until(quiet, LIMIT), "seed {seed}: {:?}", world.census());
    (world.trace(), world.stats().turns, world.census())
}

#[test]
fn equal_seeds_give_equal_worlds() {
    let traces: Vec<_> = (1..9).map(scene).collect();
    for (seed, first) in (1..9).zip(&traces) {
        assert_eq!(scene(seed), *first, "seed {seed}");
    }
    let mut distinct: Vec<_> = traces.iter().map(|(trace, ..)| *trace).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), traces.len(), "other seeds give other worlds");
}

#[test]
fn everything_comes_back_over_many_seeds() {
    for seed in 100..160 {
        assert_eq!(scene(seed).2, Census::default());
    }
}

#[test]
fn connects_meet_what_the_world_says() {
    let world = World::new(3);
    let (refused, unreachable, silent) = (1, 2, 3);
    let at = |port| SocketAddr::from(([203, 0, 113, 9], port));
    world.fail(at(unreachable), Errno::UNREACHABLE);
    world.hang(at(silent));
    let io = world.io();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (inside, other) = (io.clone(), seen.clone());
    io.spawn(async move {
        let failed = inside.connect(at(refused)).await.err();
        other.borrow_mut().push(failed);
        let failed = inside.connect(at(unreachable)).await.err();
        other.borrow_mut().push(failed);
        let mut connect = Box::pin(inside.connect(at(silent)));
        let patience = inside.sleep(Duration::from_secs(3));
        let timed_out = poll_fn(|context| {
            if connect.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
            if patience.poll_expired(context) { Poll::Ready(true) } else { Poll::Pending }
        });
        assert!(timed_out.await);
        other.borrow_mut().push(None);
    });
    let start = world.now();
    assert!(world.run_until(|| seen.borrow().len() == 3, LIMIT));
    assert_eq!(*seen.borrow(), [Some(Errno::REFUSED), Some(Errno::UNREACHABLE), None]);
    assert!(world.now().since(start) >= Duration::from_secs(3));
    assert_eq!(world.census(), Census::default());
}

/// Accepts one connection and hands it to `then`.
fn with_stream<F>(world: &World, end: &End, then: impl FnOnce(Io, Stream) -> F + 'static)
where
    F: Future<Output = ()> + 'static,
{
    assert_eq!(end.gone(), Gone::No);
    let io = world.io();
    io.listen_virtually(0);
    world.io().spawn(async move {
        let stream = io.accept().await.stream;
        then(io, stream).await;
    });
}

#[test]
fn resets_and_closes_are_told_apart() {
    for (close, expected) in [(0, Gone::Closed), (1, Gone::Reset), (2, Gone::Reset)] {
        let world = World::new(close + 1);
        let end = world.tenant(0);
        end.write(b"never read");
        with_stream(&world, &end, move |io, mut stream| async move {
            io.sleep(Duration::from_millis(50)).await;
            match close {
                0 => {
                    let mut left = 10;
                    while left > 0 {
                        left -= stream.recv().await.expect("open").expect("ten bytes").len();
                    }
                    stream.send(b"bye".to_vec());
                    drop(stream);
                }
                1 => stream.reset(),
                _ => drop(stream),
            }
        });
        assert!(world.run_until(|| world.census().sockets == 0 && end.gone() != Gone::No, LIMIT));
        assert_eq!((close, end.gone()), (close, expected));
        assert_eq!(end.take(), if close == 0 { &b"bye"[..] } else { b"" });
        assert_eq!(world.census(), Census::default());
    }
}

#[test]
fn an_answer_survives_an_unread_request_if_asked_to() {
    let world = World::new(11);
    let end = world.tenant(0);
    end.write(&[0; 100_000]);
    with_stream(&world, &end, |_, stream| async move {
        stream.send(b"413".to_vec());
        stream.close_after_peer();
    });
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    world.script(async move {
        assert_eq!(end.read_exact(3).await.as_deref(), Some(&b"413"[..]));
        end.close();
        assert_eq!(end.wait_gone().await, Gone::Closed);
        flag.set(true);
    });
    assert!(world.run_until(|| done.get() && world.census() == Census::default(), LIMIT));
}

#[test]
fn a_reader_that_stalls_blocks_its_sender_until_the_linger_time() {
    let world = World::new(12);
    let end = world.tenant(0);
    end.window(1000);
    let stuck = Rc::new(Cell::new(0));
    let inside = stuck.clone();
    with_stream(&world, &end, move |io, mut stream| async move {
        stream.send(Piece::Vec(vec![1; 300_000]));
        assert!(stream.over());
        let patience = io.sleep(Duration::from_secs(1));
        poll_fn(|context| {
            let room = stream.poll_room(context).is_ready();
            if room || patience.poll_expired(context) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        inside.set(stream.queued());
    });
    let start = world.now();
    assert!(world.run_until(|| end.gone() == Gone::Reset, LIMIT));
    assert_eq!(stuck.get(), 299_000);
    assert!(world.now().since(start) >= Duration::from_secs(6), "one second, and the linger time");
    assert_eq!(world.stats().linger_cut, 1);
    assert_eq!(world.census(), Census::default());
}

#[test]
fn parked_connections_come_back_for_each_cause() {
    let world = World::new(13);
    let causes = Rc::new(RefCell::new(Vec::new()));
    let end = world.tenant(0);
    let inside = causes.clone();
    with_stream(&world, &end, move |io, stream| async move {
        io.park(stream, 7, io.now().plus_millis(100));
        loop {
            let mut woken = io.woken().await;
            assert_eq!(woken.token, 7);
            inside.borrow_mut().push(woken.cause);
            match woken.cause {
                Cause::Closed => return,
                Cause::Readable => {
                    let bytes = woken.stream.recv().await.expect("open");
                    drop(bytes.expect("readable"));
                }
                Cause::Expired => {}
            }
            io.park(woken.stream, 7, Instant::FAR);
        }
    });
    assert!(world.run_until(|| causes.borrow().len() == 1, LIMIT));
    assert_eq!(world.io().parked(), 1);
    end.write(b"x");
    assert!(world.run_until(|| causes.borrow().len() == 2, LIMIT));
    world.io().unpark_all();
    assert!(world.run_until(|| causes.borrow().len() == 3, LIMIT));
    drop(end);
    assert!(world.run_until(|| causes.borrow().len() == 4, LIMIT));
    let expected = [Cause::Expired, Cause::Readable, Cause::Expired, Cause::Closed];
    assert_eq!(*causes.borrow(), expected);
    assert_eq!(world.census(), Census::default());
}

#[test]
fn few_buffers_starve_but_lose_nothing() {
    let base = World::new(1).io().settings();
    let world = World::with(Settings { small_buffers: 2, seed: 5, ..base });
    let (one, two) = (world.tenant(0), world.tenant(0));
    let total = Rc::new(Cell::new(0));
    let io = world.io();
    io.listen_virtually(0);
    let (inside, sum) = (io.clone(), total.clone());
    io.spawn(async move {
        for _ in 0..2 {
            let mut stream = inside.accept().await.stream;
            let (sum, io) = (sum.clone(), inside.clone());
            inside.spawn(async move {
                while let Ok(Some(chunk)) = stream.recv().await {
                    io.sleep(Duration::from_millis(5)).await;
                    sum.set(sum.get() + chunk.len());
                }
            });
        }
    });
    one.write(&[1; 50_000]);
    two.write(&[2; 50_000]);
    one.close();
    two.close();
    assert!(world.run_until(|| world.census() == Census::default() && total.get() > 0, LIMIT));
    assert_eq!(total.get(), 100_000);
    assert!(world.stats().starved > 0);
}

#[test]
fn accepting_pauses_at_the_limit_and_stops_when_told() {
    let base = World::new(1).io().settings();
    let world = World::with(Settings { downstream_max: 2, seed: 6, ..base });
    let ends: Vec<_> = (0..4).map(|_| world.tenant(0)).collect();
    let io = world.io();
    io.listen_virtually(0);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.stats().accepted, 2);
    let inside = io.clone();
    io.spawn(async move {
        for _ in 0..4 {
            drop(inside.accept().await);
        }
    });
    assert!(world.run_until(|| world.stats().accepted == 4, LIMIT));
    io.stop_listening();
    let late = world.tenant(0);
    assert!(world.run_until(|| late.gone() == Gone::Reset, LIMIT));
    drop(ends);
}
