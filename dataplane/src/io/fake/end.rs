//! The end of a connection that a test plays: a tenant, or a provider.

use super::deliver::LEFT;
use super::wire::{Core, Wire};
use crate::io::Deadline;
use crate::io::timers::register;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// How the shard's side went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It still sends.
    No,
    /// It closed, or shut down its sending.
    Closed,
    /// It reset the connection, or closed over data that it had not read.
    Reset,
}

/// A test's end. Dropping it closes it.
#[derive(Debug)]
pub struct End {
    core: Rc<Core>,
    wire: Rc<Wire>,
}

impl End {
    pub(super) fn new(core: &Rc<Core>, wire: &Rc<Wire>) -> End {
        End { core: core.clone(), wire: wire.clone() }
    }

    /// Sends bytes. They arrive cut and delayed at random.
    pub fn write(&self, bytes: &[u8]) {
        {
            let mut far = self.wire.far();
            if far.closed || far.reset {
                return;
            }
            far.sent.extend(bytes);
        }
        self.core.schedule_inbound(&self.wire);
    }

    /// What has arrived and was not read, without waiting.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        let bytes = self.wire.far().arrived.drain(..).collect();
        self.core.schedule_outbound(&self.wire);
        bytes
    }

    /// What arrives next; `None` when the shard's side has sent its last.
    pub async fn read(&self) -> Option<Vec<u8>> {
        poll_fn(|context| {
            let mut far = self.wire.far();
            if far.arrived.is_empty() {
                if far.fin || far.cut {
                    return Poll::Ready(false);
                }
                register(&mut far.waker, context);
                return Poll::Pending;
            }
            Poll::Ready(true)
        })
        .await
        .then(|| self.take())
    }

    /// Reads until `marker` has come; the bytes with it, and what came after it stays. `None` if
    /// the shard's side ends before.
    pub async fn read_until(&self, marker: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            if let Some(at) = find(&bytes, marker) {
                let rest = bytes.split_off(at + marker.len());
                self.put_back(&rest);
                return Some(bytes);
            }
            bytes.extend(self.read().await?);
        }
    }

    /// Reads exactly `count` bytes, or `None` if the shard's side ends before.
    pub async fn read_exact(&self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            bytes.extend(self.read().await?);
        }
        let rest = bytes.split_off(count);
        self.put_back(&rest);
        Some(bytes)
    }

    fn put_back(&self, bytes: &[u8]) {
        let mut far = self.wire.far();
        for byte in bytes.iter().rev() {
            far.arrived.push_front(*byte);
        }
    }

    /// Reads until the shard's side ends.
    pub async fn read_to_end(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(more) = self.read().await {
            bytes.extend(more);
        }
        bytes
    }

    /// Bounds what may arrive unread: a smaller window is a slower reader.
    pub fn window(&self, bytes: usize) {
        self.wire.far().window = bytes;
    }

    /// Closes this direction: a FIN follows what was written. Reading goes on.
    pub fn close(&self) {
        self.wire.far().closed = true;
        self.core.schedule_inbound(&self.wire);
    }

    /// Resets the connection: what was written and not delivered is lost.
    pub fn reset(&self) {
        {
            let mut far = self.wire.far();
            far.reset = true;
            far.sent.clear();
        }
        self.core.schedule_inbound(&self.wire);
    }

    /// Whether and how the shard's side has gone. Bytes may still be unread.
    #[must_use]
    pub fn gone(&self) -> Gone {
        let far = self.wire.far();
        match (far.cut, far.fin) {
            (true, _) => Gone::Reset,
            (false, true) => Gone::Closed,
            (false, false) => Gone::No,
        }
    }

    /// Waits until the shard's side has gone, reading and dropping what arrives.
    pub async fn wait_gone(&self) -> Gone {
        while self.read().await.is_some() {}
        self.gone()
    }

    /// Waits in virtual time.
    pub fn sleep(&self, duration: Duration) -> Deadline {
        self.core.local.sleep(duration)
    }

    /// A random number in `0..bound`, by the world's seed.
    #[must_use]
    pub fn random_below(&self, bound: u64) -> u64 {
        self.core.net().below(bound)
    }
}

fn find(bytes: &[u8], marker: &[u8]) -> Option<usize> {
    bytes.windows(marker.len()).position(|window| window == marker)
}

impl Drop for End {
    fn drop(&mut self) {
        {
            let mut far = self.wire.far();
            far.closed = true;
            // Nobody reads any more: nothing of ours may wait for that.
            far.window = LEFT;
            far.waker = None;
        }
        self.core.schedule_inbound(&self.wire);
        self.core.schedule_outbound(&self.wire);
    }
}
