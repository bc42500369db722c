//! What one connection can live through.

use super::*;

#[test]
fn bytes_go_both_ways_and_a_close_arrives() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 9).expect("a listening socket");
    drive(&reactor, async move {
        let mut connected = io.connect(address).await.expect("the listener is there");
        let accepted = io.accept().await;
        assert_eq!(accepted.tag, 9);
        let mut accepted = accepted.stream;
        assert!(accepted.peer().await.is_some());
        connected.send(b"ping".to_vec());
        assert_eq!(read(&mut accepted, 4).await, b"ping");
        accepted.send(&b"pong"[..]);
        accepted.send(b" and more".to_vec());
        assert_eq!(read(&mut connected, 13).await, b"pong and more");
        assert!(connected.quiet() && !connected.dead());
        drop(accepted);
        assert!(connected.recv().await.expect("a FIN is no error").is_none());
        assert!(connected.dead());
    });
    assert!(reactor.stats().coalesced >= 1);
    leave(reactor);
}

#[test]
fn a_large_body_passes_through_every_kind_of_piece() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let (mut near, mut far) = pair(&io, address).await;
        let body: Vec<u8> = (0..3_000_000u32).map(|index| ((index * 7) >> 3) as u8).collect();
        let sent = body.clone();
        let arena = Arena::new(65536, 1 << 22);
        let sender = io.clone();
        io.spawn(async move {
            for (index, part) in sent.chunks(50_000).enumerate() {
                if index % 2 == 0 {
                    let mut block = arena.take().expect("the budget is larger");
                    assert_eq!(block.append(part), part.len());
                    let whole = 0..part.len();
                    near.send(Piece::Block(block, whole));
                } else {
                    let mut vector = sender.vec();
                    vector.extend_from_slice(part);
                    near.send(vector);
                }
                if near.over() {
                    near.room().await.expect("the reader reads");
                }
            }
        });
        far.bulk();
        let mut got = Vec::new();
        while let Some(mut chunk) = far.recv().await.expect("the connection holds") {
            // Cut, put back, and taken again: nothing may change.
            let half = chunk.split_to(chunk.len() / 2);
            got.extend_from_slice(&half);
            far.unread(chunk);
            let rest = far.recv().await.expect("put back").expect("put back");
            got.extend_from_slice(&rest);
        }
        assert!(got == body, "{} of {} bytes", got.len(), body.len());
    });
    leave(reactor);
}

#[test]
fn connecting_fails_or_is_called_off_without_a_trace() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    drop(socket);
    let io = reactor.io();
    drive(&reactor, async move {
        assert_eq!(io.connect(address).await.err(), Some(Errno::REFUSED));
        // Called off before the socket is made, and while it connects to nowhere.
        drop(io.connect(address));
        let mut nowhere = Box::pin(io.connect(SocketAddr::from(([192, 0, 2, 1], 9))));
        let sleep = io.sleep(Duration::from_millis(20));
        poll_fn(|context| {
            let done = nowhere.as_mut().poll(context).is_ready();
            if done || sleep.poll_expired(context) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    leave(reactor);
}

#[test]
fn a_reset_and_a_refused_write_are_errors() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let (near, mut far) = pair(&io, address).await;
        near.send(vec![1; 100_000]);
        near.reset();
        let error = loop {
            match far.recv().await {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert_eq!(error, Some(Errno::RESET));
        assert!(far.dead());
        far.send(b"into the void".to_vec());
        assert_eq!(far.queued(), 0);
        assert!(far.room().await.is_err());
    });
    leave(reactor);
}

#[test]
fn a_parked_connection_comes_back_for_each_cause() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let (near, far) = pair(&io, address).await;
        io.park(near, 1, Instant::FAR);
        assert_eq!(io.parked(), 1);
        far.send(b"hello".to_vec());
        let mut woken = io.woken().await;
        assert_eq!((woken.token, woken.cause, io.parked()), (1, Cause::Readable, 0));
        assert_eq!(read(&mut woken.stream, 5).await, b"hello");
        io.park(woken.stream, 2, io.now().plus_millis(10));
        let woken = io.woken().await;
        assert_eq!((woken.token, woken.cause), (2, Cause::Expired));
        io.park(woken.stream, 3, io.now().plus_millis(60_000));
        io.unpark_all();
        let woken = io.woken().await;
        assert_eq!((woken.token, woken.cause), (3, Cause::Expired));
        io.park(woken.stream, 4, io.now().plus_millis(60_000));
        drop(far);
        let woken = io.woken().await;
        assert_eq!((woken.token, woken.cause), (4, Cause::Closed));
    });
    leave(reactor);
}

#[test]
fn accepting_pauses_at_the_limit_and_goes_on() {
    let limits = Settings { downstream_max: 3, ..settings() };
    let reactor = Reactor::new(limits).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let mut far = Vec::new();
        for _ in 0..6 {
            far.push(io.connect(address).await.expect("the kernel's queue takes it"));
        }
        let mut near = Vec::new();
        for _ in 0..3 {
            near.push(io.accept().await.stream);
        }
        io.sleep(Duration::from_millis(20)).await;
        assert_eq!(io.stats().accepted, 3, "the limit holds");
        let turns = io.stats().turns;
        assert!(turns < 1000, "it does not spin: {turns}");
        near.clear();
        for _ in 0..3 {
            near.push(io.accept().await.stream);
        }
        near[2].send(b"late".to_vec());
        assert_eq!(read(&mut far[5], 4).await, b"late");
    });
    leave(reactor);
}

#[test]
fn a_stopped_listener_first_delivers_what_waits() {
    let reactor = Reactor::new(Settings { downstream_max: 10, ..settings() }).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    drive(&reactor, async move {
        let mut far = Vec::new();
        for _ in 0..4 {
            far.push(io.connect(address).await.expect("the kernel's queue takes it"));
        }
        io.listen(socket, 0).expect("a listening socket");
        io.stop_listening();
        for _ in 0..4 {
            drop(io.accept().await);
        }
        while io.listeners() > 0 {
            io.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(io.connect(address).await.err(), Some(Errno::REFUSED));
    });
    leave(reactor);
}

#[test]
fn an_answer_survives_an_unread_request() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let (near, mut far) = pair(&io, address).await;
        let mut flood = 0;
        while flood < 4_000_000 && !far.over() {
            far.send(vec![3; 60_000]);
            flood += 60_000;
        }
        near.send(b"413 too large".to_vec());
        near.close_after_peer();
        assert_eq!(read(&mut far, 13).await, b"413 too large");
        assert!(far.recv().await.expect("a FIN, not a reset").is_none());
    });
    leave(reactor);
}

#[test]
fn a_peer_that_never_reads_is_cut_after_the_linger_time() {
    let brief = Settings { linger: Duration::from_millis(30), ..settings() };
    let reactor = Reactor::new(brief).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        // Connected by an ordinary socket: a stream of ours would always receive.
        let far = std::net::TcpStream::connect(address).expect("the listener is there");
        let near = io.accept().await.stream;
        for _ in 0..400 {
            near.send(vec![0; 65536]);
        }
        drop(near);
        while io.stats().sockets > 0 {
            io.sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(io.stats().linger_cut, 1);
        drop(far);
    });
    leave(reactor);
}

#[test]
fn a_bell_and_a_waker_reach_a_sleeping_shard() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let io = reactor.io();
    drive(&reactor, async move {
        let bell = io.bell();
        let ringer = std::thread::spawn(move || bell.ring());
        io.rung().await;
        ringer.join().expect("it only rings");
        let (sender, receiver) = std::sync::mpsc::channel::<std::task::Waker>();
        let woken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = woken.clone();
        let thread = std::thread::spawn(move || {
            let waker = receiver.recv().expect("the task sends one");
            flag.store(true, std::sync::atomic::Ordering::Release);
            waker.wake();
        });
        let mut sent = false;
        poll_fn(|context| {
            if !std::mem::replace(&mut sent, true) {
                sender.send(context.waker().clone()).expect("the thread waits");
            }
            match woken.load(std::sync::atomic::Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        thread.join().expect("it only wakes");
    });
    leave(reactor);
}

#[test]
fn a_shard_runs_hosted_and_ends_with_its_main_future() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let shard = host::launch(Some(0), settings(), move |io| async move {
        io.sleep(Duration::from_millis(5)).await;
        sender.send(io.hosting()).expect("the test waits");
    });
    let ended = shard.expect("a thread").join().expect("no panic");
    assert!(matches!(ended, Ended::Drained), "{ended:?}");
    receiver.recv().expect("sent before the end");
}

#[test]
fn waiting_for_a_hangup_consumes_nothing() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let (mut near, mut far) = pair(&io, address).await;
        far.send(b"pipelined".to_vec());
        far.shutdown_write();
        poll_fn(|context| match near.poll_gone(context) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        assert_eq!(read(&mut near, 9).await, b"pipelined");
        assert!(near.recv().await.expect("a FIN").is_none());
        near.send(b"half open".to_vec());
        assert_eq!(read(&mut far, 9).await, b"half open");
        near.flushed().await.expect("it was taken");
    });
    leave(reactor);
}

#[test]
fn a_light_load_goes_round_in_few_buffers_and_a_heavy_one_gets_them_all() {
    let reactor = Reactor::new(settings()).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let (mut near, far) = pair(&io, address).await;
        let mut used = std::collections::HashSet::new();
        for round in 0..1_000_u32 {
            far.send(round.to_le_bytes().to_vec());
            let chunk = near.recv().await.expect("the connection holds").expect("it is open");
            assert_eq!(chunk[..], round.to_le_bytes());
            used.insert(chunk.as_ptr());
        }
        assert!(used.len() < 100, "{} of 512 buffers for one at a time", used.len());
        let mut held = Vec::new();
        for round in 0..300_u32 {
            far.send(round.to_le_bytes().to_vec());
            held.push(near.recv().await.expect("the connection holds").expect("it is open"));
        }
        assert!(held.iter().zip(0_u32..).all(|(chunk, round)| chunk[..] == round.to_le_bytes()));
    });
    leave(reactor);
}

#[test]
fn peers_that_nobody_reads_from_do_not_starve_the_others() {
    let few = Settings { small_buffers: 16, small_size: 4096, ..settings() };
    let reactor = Reactor::new(few).expect("this machine has io_uring");
    let (socket, address) = listener();
    let io = reactor.io();
    io.listen(socket, 0).expect("a listening socket");
    drive(&reactor, async move {
        let mut idle = Vec::new();
        for _ in 0..20 {
            let (near, far) = pair(&io, address).await;
            for _ in 0..4 {
                far.send(vec![7; 50_000]);
            }
            idle.push((near, far));
        }
        let (mut near, far) = pair(&io, address).await;
        for round in 0..50u8 {
            far.send(vec![round; 3000]);
            assert_eq!(read(&mut near, 3000).await, vec![round; 3000]);
        }
        let stats = io.stats();
        assert!(stats.spill_lent > 0 && stats.small_lent <= 16, "{stats:?}");
        for (near, _) in &mut idle {
            assert_eq!(read(near, 200_000).await, vec![7; 200_000]);
        }
    });
    leave(reactor);
}

#[test]
fn a_shard_that_spins_still_looks_up() {
    let busy = Settings { spin: Duration::from_secs(60), ..settings() };
    let shard = host::launch(None, busy, move |io| async move {
        // Always work to do: the spin must end with its slice, or the shard never would.
        let end = io.now().plus_millis(30);
        while io.now() < end {
            io.pause().await;
        }
    });
    let ended = shard.expect("a thread").join().expect("no panic");
    assert!(matches!(ended, Ended::Drained), "{ended:?}");
}
