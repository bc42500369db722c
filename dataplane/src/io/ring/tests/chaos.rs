//! Everything at once, at random, over completions that were tampered with.

use super::*;
use crate::io::ring::shim::Shim;

/// Byte `index` of the body of `seed`.
fn byte(seed: u64, index: usize) -> u8 {
    (seed.rotate_left((index / 8 % 64) as u32) >> (index % 8 * 8)) as u8
}

#[test]
fn altered_completions_do_not_alter_bytes() {
    for seed in 1..6 {
        let tight = Settings {
            small_buffers: 8,
            small_size: 1024,
            ..settings()
        };
        let reactor = Reactor::new(tight).expect("this machine has io_uring");
        reactor.io().core.kernel().shim = Some(Shim::new(seed));
        let (socket, address) = listener();
        let io = reactor.io();
        io.listen(socket, 0).expect("a listening socket");
        drive(&reactor, async move {
            let (mut near, mut far) = pair(&io, address).await;
            let sizes: Vec<usize> = (0..200)
                .map(|_| io.random_below(9000) as usize + 1)
                .collect();
            let total = sizes.iter().sum::<usize>();
            io.spawn(async move {
                let mut sent = 0;
                for size in sizes {
                    far.send(
                        (sent..sent + size)
                            .map(|at| byte(seed, at))
                            .collect::<Vec<_>>(),
                    );
                    sent += size;
                    if far.over() {
                        far.room().await.expect("the reader reads");
                    }
                }
            });
            let mut got = 0;
            while let Some(chunk) = near.recv().await.expect("the connection holds") {
                for (at, found) in chunk.iter().enumerate() {
                    assert_eq!(
                        *found,
                        byte(seed, got + at),
                        "seed {seed}, byte {}",
                        got + at
                    );
                }
                got += chunk.len();
            }
            assert_eq!(got, total);
        });
        let altered = reactor
            .io()
            .core
            .kernel()
            .shim
            .as_ref()
            .map(|shim| shim.altered);
        assert!(altered > Some(10), "the shim was idle: {altered:?}");
        leave(reactor);
    }
}
