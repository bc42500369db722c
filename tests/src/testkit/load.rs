//! A steady load that fails when anything but whole answers comes.

use super::{
    gateway::Gateway,
    provider::text_of,
    tenant::{Ask, End, Tenant},
    until,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Tenants that ask on kept connections until told to end; the count of answers, each of them whole.
#[derive(Debug)]
pub struct Load {
    end: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    /// So many of them, every second one with streams; all of them ask the chain `c`, whose first
    /// provider is `primary`.
    pub fn start(gateway: &Gateway, tenants: usize) -> Load {
        let (end, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..tenants).map(|index| {
            let (address, end, answers) = (gateway.address, end.clone(), answers.clone());
            thread::spawn(move || {
                let mut tenant = Tenant::connect(address);
                let ask = if index % 2 == 0 { Ask::chat("c") } else { Ask::stream("c") };
                while !end.load(Ordering::Acquire) {
                    let answer = tenant.ask(&ask);
                    assert_eq!((answer.head.status, answer.end), (200, End::Complete), "{}", answer.text());
                    assert_eq!(answer.content(), text_of("primary"));
                    answers.fetch_add(1, Ordering::AcqRel);
                }
            })
        });
        Load { threads: threads.collect(), end, answers }
    }

    /// How many answers came so far.
    pub fn count(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// Waits until so many more answers have come: traffic flows.
    pub fn flows(&self, more: u64) {
        let wanted = self.count() + more;
        until("traffic flows", || (self.count() >= wanted || self.threads.iter().any(thread::JoinHandle::is_finished)).then_some(()));
    }

    /// Ends it; fails when one of the tenants saw anything but whole answers.
    pub fn finish(self) -> u64 {
        self.end.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().expect("every answer was whole, on a connection that was kept");
        }
        self.answers.load(Ordering::Acquire)
    }
}
