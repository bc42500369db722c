//! The thread that keeps answers.

use super::{Door, shelf::Shelf};
use crate::{
    io::Instant,
    process::{self, Process},
};
use codec::dialect;
use policy::limits;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// Between two looks at what was handed over, where a chain keeps answers …
const LOOK: Duration = Duration::from_millis(10);
/// … and where none does.
const QUIET: Duration = Duration::from_millis(500);
/// Answers that are taken in before those who ask are told.
const BATCH: usize = 64;
/// Between two looks for what is too old, in milliseconds.
const EXPIRE_EVERY_MS: u64 = 10_000;

/// Starts the thread.
///
/// # Errors
/// The thread could not be started.
pub fn start(process: Arc<Process>) -> std::io::Result<()> {
    let began = process.clone();
    let thread = std::thread::Builder::new().name("earlier".to_owned()).spawn(move || run(&began))?;
    process.earlier.keeper.get_or_init(|| thread.thread().clone());
    Ok(())
}

fn run(process: &Process) {
    process::step_back();
    let door = &process.earlier;
    let mut shelf = Shelf::default();
    let mut generation = 0;
    let (mut bytes_max, mut keeps) = (0, false);
    let mut expired = Instant::now();
    loop {
        if process.current.generation() != generation
            && let Some(policy) = process.current.load()
        {
            generation = policy.generation;
            bytes_max = policy.gateway.cache_memory_bytes;
            keeps = policy.chains.iter().any(|(_, chain)| chain.earlier_ms > 0);
            shelf.shrink(bytes_max);
        }
        let full = take(door, &mut shelf, bytes_max) == BATCH;
        let now = Instant::now();
        for _ in 0..limits::EARLIER_ASKS_MAX {
            let Some(ask) = door.asks.pop() else { break };
            // Nobody else answers.
            ask.reply.found.get_or_init(|| shelf.find(ask.key, ask.not_older_ms, now));
            ask.reply.waker.wake_by_ref();
        }
        if now.millis_since(expired) >= EXPIRE_EVERY_MS {
            expired = now;
            shelf.expire(now);
        }
        let (answers, bytes) = shelf.size();
        door.answers.store(answers, Relaxed);
        door.bytes.store(bytes, Relaxed);
        if !full && door.asks.is_empty() {
            std::thread::park_timeout(if keeps { LOOK } else { QUIET });
        }
    }
}

/// Keeps what was handed over and is worth it, and tells how much that was.
fn take(door: &Door, shelf: &mut Shelf, bytes_max: u64) -> usize {
    for count in 0..BATCH {
        let Some(kept) = door.kept.pop() else { return count };
        door.waiting.fetch_sub(kept.bytes.len() as u64, Relaxed);
        if dialect::may_be_repeated(kept.dialect, kept.stream, &kept.bytes) {
            shelf.keep(kept.key, &kept.bytes, kept.at, kept.at.plus_millis(kept.for_ms), bytes_max);
        }
    }
    BATCH
}
