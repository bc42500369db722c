//! Everything at once, at random, over completions that were tampered with.
//!
//! Tenants send framed requests through relays to an echo and compare every byte of the answer.
//! Between turns random relays are dropped in mid-flight; tenants quit and stall, providers die,
//! deadlines pass. Buffers are few, so that they run out. At the end nothing may be left.
//!
//! Belongs under AddressSanitizer, which then also knows the buffers that the kernel owns:
//!
//! ```sh
//! THROWOVER_CHAOS_DROPS=100000 RUSTC_BOOTSTRAP=1 \
//!     RUSTFLAGS="-Zsanitizer=address --cfg throwover_asan" \
//!     cargo test -p dataplane --lib --target x86_64-unknown-linux-gnu io::ring
//! ```

use super::*;
use crate::io::ring::shim::Shim;
use crate::io::{Chunk, TaskId, TaskPool};
use std::cell::RefCell;

const FRAME_HEAD: usize = 12;
const TENANTS: usize = 24;
/// Drops of relays in the ordinary suite; `THROWOVER_CHAOS_DROPS` asks for more.
const DROPS: u64 = 1500;
const ROUNDS: u64 = 4;

/// Byte `index` of the body of `seed`.
fn byte(seed: u64, index: usize) -> u8 {
    (seed.rotate_left((index / 8 % 64) as u32) >> (index % 8 * 8)) as u8
}

#[derive(Default)]
struct Score {
    verified: Cell<u64>,
    cut: Cell<u64>,
    quit: Cell<u64>,
    expired: Cell<u64>,
    dropped: Cell<u64>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// One scene, shared by its actors.
struct Scene {
    io: Io,
    front: SocketAddr,
    back: SocketAddr,
    arena: Arena,
    stop: Cell<bool>,
    score: Score,
    relays: RefCell<Vec<TaskId>>,
}

/// Sends a frame and compares the answer. False when the connection is of no use any more.
async fn exchange(scene: &Scene, stream: &mut Stream, rest: &mut Vec<u8>) -> bool {
    let io = &scene.io;
    let sizes = [1, 100, 1000, 1000, 3000, 9000, 40_000, 150_000];
    let size = sizes[io.random_below(sizes.len() as u64) as usize];
    let seed = io.random();
    let mut frame = io.vec();
    frame.extend_from_slice(&(size as u32).to_be_bytes());
    frame.extend_from_slice(&seed.to_be_bytes());
    frame.extend((0..size).map(|index| byte(seed, index)));
    match io.random_below(60) {
        0 => {
            // Gives up in the middle of the request.
            frame.truncate(io.random_below(frame.len() as u64) as usize);
            stream.send(frame);
            count(&scene.score.quit);
            return false;
        }
        1 => {
            stream.send(frame);
            count(&scene.score.quit);
            return false;
        }
        2 => {
            stream.send(frame);
            io.sleep(Duration::from_millis(io.random_below(30))).await;
        }
        _ => stream.send(frame),
    }
    let mut at = 0;
    let total = FRAME_HEAD + size;
    while at < total {
        if rest.is_empty() {
            match stream.recv().await {
                Ok(Some(chunk)) => rest.extend_from_slice(&chunk),
                Ok(None) | Err(_) => {
                    count(&scene.score.cut);
                    return false;
                }
            }
        }
        let part = rest.len().min(total - at);
        for (offset, found) in rest.drain(..part).enumerate() {
            let index = at + offset;
            let expected = match index {
                0..4 => (size as u32).to_be_bytes()[index],
                4..12 => seed.to_be_bytes()[index - 4],
                _ => byte(seed, index - FRAME_HEAD),
            };
            assert_eq!(found, expected, "byte {index} of {total}: corrupt");
        }
        at += part;
    }
    count(&scene.score.verified);
    true
}

async fn tenant(scene: Rc<Scene>) {
    while !scene.stop.get() {
        let Ok(mut stream) = scene.io.connect(scene.front).await else {
            scene.io.sleep(Duration::from_millis(5)).await;
            continue;
        };
        let mut rest = Vec::new();
        for _ in 0..20 {
            if scene.stop.get() || !exchange(&scene, &mut stream, &mut rest).await {
                break;
            }
        }
        if scene.io.random_below(4) == 0 {
            stream.reset();
        }
    }
}

/// Echoes, now and then late, and sometimes dies.
async fn provider(scene: Rc<Scene>, mut stream: Stream) {
    let io = &scene.io;
    let mut count = 0;
    loop {
        let Ok(Some(mut chunk)) = stream.recv().await else {
            return;
        };
        count += 1;
        match io.random_below(400) {
            0 => return,
            1 => return stream.reset(),
            2 => io.sleep(Duration::from_millis(io.random_below(200))).await,
            3 => stream.bulk(),
            4 => return stream.close_after_peer(),
            _ => {}
        }
        if count % 7 == 0 {
            // In the pieces of another cut, some of them put back and taken again.
            let half = chunk.split_to(chunk.len() / 2);
            stream.send(half);
            stream.unread(chunk);
        } else {
            stream.send(chunk);
        }
        if stream.over() && stream.room().await.is_err() {
            return;
        }
    }
}

enum Side {
    Tenant(Chunk),
    Upstream(Chunk),
    Over,
    Expired,
}

/// A proxy of bytes that uses every way to hold and to send them.
async fn relay(scene: Rc<Scene>, mut tenant: Stream) {
    let io = &scene.io;
    let Ok(mut upstream) = io.connect(scene.back).await else {
        return;
    };
    let mut held: Vec<Chunk> = Vec::new();
    let mut moved = 0usize;
    let deadline = io.sleep(Duration::from_millis(40));
    loop {
        let next = poll_fn(|context| {
            let side = match upstream.poll_recv(context) {
                Poll::Ready(Ok(Some(chunk))) => Side::Upstream(chunk),
                Poll::Ready(_) => Side::Over,
                Poll::Pending => match tenant.poll_recv(context) {
                    Poll::Ready(Ok(Some(chunk))) => Side::Tenant(chunk),
                    Poll::Ready(_) => Side::Over,
                    Poll::Pending if deadline.poll_expired(context) => Side::Expired,
                    Poll::Pending => return Poll::Pending,
                },
            };
            Poll::Ready(side)
        });
        let (chunk, to) = match next.await {
            Side::Tenant(chunk) => (chunk, &mut upstream),
            Side::Upstream(chunk) => (chunk, &mut tenant),
            Side::Over => return,
            Side::Expired => {
                count(&scene.score.expired);
                return;
            }
        };
        deadline.reset(io.now().plus_millis(40));
        moved += chunk.len();
        if held.len() < 2 && io.random_below(8) == 0 {
            held.push(chunk.clone());
        } else if io.random_below(8) == 0 {
            held.clear();
        }
        match io.random_below(4) {
            0 => to.send(copy_to_block(scene.as_ref(), &chunk)),
            1 => {
                let mut vector = io.vec();
                vector.extend_from_slice(&chunk);
                to.send(vector);
            }
            _ => to.send(chunk),
        }
        if to.over() && to.room().await.is_err() {
            return;
        }
        if moved > 30_000 {
            upstream.bulk();
            tenant.bulk();
        }
    }
}

fn copy_to_block(scene: &Scene, chunk: &Chunk) -> Piece {
    let Some(mut block) = scene.arena.take() else {
        return Piece::Chunk(chunk.clone());
    };
    let copied = block.append(chunk);
    assert_eq!(copied, chunk.len(), "a fresh block holds any chunk");
    Piece::Block(block, 0..copied)
}

/// Accepts for relays and echoes, by the listener's tag. Relays idle for a while first.
async fn accept(scene: Rc<Scene>) {
    let relays = TaskPool::new(32);
    loop {
        let accepted = scene.io.accept().await;
        if accepted.tag == 0 {
            let task = relay(scene.clone(), accepted.stream);
            let id = scene.io.spawn_pooled(&relays, task);
            scene.relays.borrow_mut().push(id);
        } else if scene.io.random_below(8) == 0 {
            let until = scene.io.now().plus_millis(scene.io.random_below(20));
            scene.io.park(accepted.stream, 0, until);
        } else {
            scene.io.spawn(provider(scene.clone(), accepted.stream));
        }
    }
}

async fn wake(scene: Rc<Scene>) {
    loop {
        let woken = scene.io.woken().await;
        scene.io.spawn(provider(scene.clone(), woken.stream));
    }
}

/// Drops random relays between turns until there were `drops`.
fn disturb(reactor: &Reactor, scene: &Scene, drops: u64) {
    let io = &scene.io;
    while scene.score.dropped.get() < drops {
        reactor.turn(Duration::from_millis(1));
        if io.random_below(3) > 0 {
            continue;
        }
        let victim = {
            let mut relays = scene.relays.borrow_mut();
            let chosen = io.random_below(relays.len() as u64) as usize;
            if relays.is_empty() { None } else { Some(relays.swap_remove(chosen)) }
        };
        if victim.is_some_and(|victim| io.abort(victim)) {
            count(&scene.score.dropped);
        }
    }
}

fn chaos(seed: u64, drops: u64, shim: bool) {
    let starved = Settings {
        connections: 400,
        downstream_max: 200,
        small_buffers: 64,
        small_size: 4096,
        large_buffers: 16,
        linger: Duration::from_millis(500),
        seed,
        ..Settings::default()
    };
    let reactor = Reactor::new(starved).expect("this machine has io_uring");
    let io = reactor.io();
    if shim {
        io.core.kernel().shim = Some(Shim::new(seed));
    }
    let ((front_socket, front), (back_socket, back)) = (listener(), listener());
    io.listen(front_socket, 0).expect("a listening socket");
    io.listen(back_socket, 1).expect("a listening socket");
    let scene = Rc::new(Scene {
        io: io.clone(),
        front,
        back,
        arena: Arena::new(64 * 1024, 40 * 64 * 1024),
        stop: Cell::new(false),
        score: Score::default(),
        relays: RefCell::default(),
    });
    io.spawn(accept(scene.clone()));
    io.spawn(wake(scene.clone()));
    for _ in 0..TENANTS {
        io.spawn(tenant(scene.clone()));
    }
    disturb(&reactor, &scene, drops);
    scene.stop.set(true);
    let score = &scene.score;
    let stats = reactor.stats();
    println!(
        "seed {seed}: dropped {}, verified {}, cut {}, quit {}, expired {}, starved {}, paused {}, \
         copied out {}, lingered {}",
        score.dropped.get(),
        score.verified.get(),
        score.cut.get(),
        score.quit.get(),
        score.expired.get(),
        stats.starved,
        stats.paused,
        stats.copied_out,
        stats.linger_cut,
    );
    assert!(score.verified.get() > drops / 10, "hardly anything got through");
    let arena = scene.arena.clone();
    drop(scene);
    leave(reactor);
    assert_eq!(arena.outstanding(), 0);
}

#[test]
fn dropped_futures_corrupt_nothing() {
    let drops = std::env::var("THROWOVER_CHAOS_DROPS").ok().and_then(|drops| drops.parse().ok());
    let drops: u64 = drops.unwrap_or(DROPS);
    for seed in 1..=ROUNDS {
        chaos(seed, drops / ROUNDS, seed % 2 == 0);
    }
}

#[test]
fn altered_completions_do_not_alter_bytes() {
    for seed in 1..6 {
        let tight = Settings { small_buffers: 8, small_size: 1024, ..settings() };
        let reactor = Reactor::new(tight).expect("this machine has io_uring");
        reactor.io().core.kernel().shim = Some(Shim::new(seed));
        let (socket, address) = listener();
        let io = reactor.io();
        io.listen(socket, 0).expect("a listening socket");
        drive(&reactor, async move {
            let (mut near, mut far) = pair(&io, address).await;
            let sizes: Vec<usize> = (0..200).map(|_| io.random_below(9000) as usize + 1).collect();
            let total = sizes.iter().sum::<usize>();
            io.spawn(async move {
                let mut sent = 0;
                for size in sizes {
                    far.send((sent..sent + size).map(|at| byte(seed, at)).collect::<Vec<_>>());
                    sent += size;
                    if far.over() {
                        far.room().await.expect("the reader reads");
                    }
                }
            });
            let mut got = 0;
            while let Some(chunk) = near.recv().await.expect("the connection holds") {
                for (at, found) in chunk.iter().enumerate() {
                    assert_eq!(*found, byte(seed, got + at), "seed {seed}, byte {}", got + at);
                }
                got += chunk.len();
            }
            assert_eq!(got, total);
        });
        let altered = reactor.io().core.kernel().shim.as_ref().map(|shim| shim.altered);
        assert!(altered > Some(10), "the shim was idle: {altered:?}");
        leave(reactor);
    }
}
