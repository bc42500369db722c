//! Names to addresses, in a thread of its own: a name server is never waited for by a shard.
//!
//! Every name of the policy is looked up when it appears and again every half minute; the last good
//! answer is kept when a look-up fails. Shards are sent the answers outside of generations.

use crate::{
    io::Bell,
    process::{self, Process},
};
use crossbeam::{channel, queue::ArrayQueue};
use std::{
    collections::HashMap,
    net::{IpAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

/// Between two look-ups of the same name.
const REFRESH: Duration = Duration::from_secs(30);
/// Between two look-ups of a name that has had no answer yet.
const RETRY: Duration = Duration::from_secs(2);
/// Addresses kept of one answer.
const ADDRESSES_MAX: usize = 16;
/// Answers that may wait for one shard: one for every origin.
pub const ANSWERS_MAX: usize = policy::limits::ORIGINS_MAX;

/// What a shard learns of a name.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The name that was asked for.
    pub host: Arc<str>,
    /// Its addresses, both families, in the resolver's order; empty when there is no such name.
    pub addresses: Arc<[IpAddr]>,
}

/// The way to the resolver.
#[derive(Clone)]
pub struct Resolver(channel::Sender<Need>);

/// What the resolver is told.
enum Need {
    /// These names, and no others.
    Names(Vec<String>),
    /// What is known, once more: there are shards now that have not heard it.
    Again,
}

impl Resolver {
    /// Tells which names the newest policy needs. Address literals are not names.
    pub fn need(&self, names: Vec<String>) {
        // A full channel means that newer lists are already on their way.
        drop(self.0.try_send(Need::Names(names)));
    }

    /// Asks for every answer once more, for shards that have just begun.
    pub fn repeat(&self) {
        // A full channel means that answers follow anyway.
        drop(self.0.try_send(Need::Again));
    }
}

/// Starts the thread.
///
/// # Errors
/// The thread could not be started.
pub fn start(process: Arc<Process>) -> std::io::Result<Resolver> {
    let (sender, receiver) = channel::bounded(16);
    std::thread::Builder::new().name("resolve".to_owned()).spawn(move || run(&process, &receiver))?;
    Ok(Resolver(sender))
}

fn run(process: &Process, needs: &channel::Receiver<Need>) {
    process::step_back();
    let mut known: HashMap<Arc<str>, Arc<[IpAddr]>> = HashMap::new();
    loop {
        let wait = if known.values().any(|addresses| addresses.is_empty()) { RETRY } else { REFRESH };
        match needs.recv_timeout(wait) {
            Ok(Need::Again) | Err(channel::RecvTimeoutError::Timeout) => {}
            Ok(Need::Names(names)) => {
                known.retain(|name, _| names.iter().any(|wanted| **wanted == **name));
                for name in names {
                    known.entry(Arc::from(name)).or_insert_with(|| Arc::from([]));
                }
            }
            Err(channel::RecvTimeoutError::Disconnected) => return,
        }
        for (host, addresses) in &mut known {
            if let Some(found) = look_up(host) {
                *addresses = found;
            }
            let answer = Answer { host: host.clone(), addresses: addresses.clone() };
            for seat in process.seats() {
                deliver(&seat.answers, seat.bell(), answer.clone());
            }
        }
    }
}

/// `None` when the resolver failed, so that the last good answer is kept; empty when it says that
/// there is no such name.
fn look_up(host: &str) -> Option<Arc<[IpAddr]>> {
    let mut addresses: Vec<IpAddr> = (host, 0).to_socket_addrs().ok()?.map(|address| address.ip()).collect();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    Some(Arc::from(addresses))
}

fn deliver(answers: &ArrayQueue<Answer>, bell: Option<&Bell>, answer: Answer) {
    // The oldest answer gives way: a newer one for the same name follows within half a minute.
    answers.force_push(answer);
    if let Some(bell) = bell {
        bell.ring();
    }
}
