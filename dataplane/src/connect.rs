//! Verb 6: a connection to a provider, warm from the pool or opened now.

use crate::{
    current::Policy,
    downstream::{Gone, Waiter},
    io::{Connect, Errno, Instant, SECURES, Stream},
    meters::{Meter, Spread},
    pool::Upstream,
    relay::{Matter, Outcome, Scene},
    resolve::Answer,
    shard::Shard,
    tls,
    wire::{self, Broken, Wire},
};
use engine::judge::Transport;
use policy::{Origin, OriginId, limits};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet, VecDeque},
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
};

/// Between two addresses of one name, as RFC 8305, section 5, recommends, in milliseconds.
const STAGGER_MS: u64 = 250;
/// Addresses of one name that are tried at once.
const AT_ONCE_MAX: usize = 4;
/// An address that did not answer is tried last for so long, in milliseconds.
const SULK_MS: u64 = 10_000;
/// Addresses that may be remembered as not answering.
const SULKING_MAX: usize = 1_024;
/// Between two looks for an answer of the resolver, in milliseconds.
const RESOLVE_POLL_MS: u64 = 5;

/// Addresses of names, as the resolver told them, and which of them did not answer.
#[derive(Default)]
pub struct Addresses {
    known: RefCell<HashMap<Arc<str>, Arc<[IpAddr]>>>,
    sulking: RefCell<VecDeque<(SocketAddr, Instant)>>,
}

impl Addresses {
    /// Takes an answer of the resolver in.
    pub fn learn(&self, answer: Answer) {
        let mut known = self.known.borrow_mut();
        if known.len() < limits::ORIGINS_MAX * 2 || known.contains_key(&answer.host) {
            known.insert(answer.host, answer.addresses);
        }
    }

    /// Forgets names that none of `hosts` is, once more are known than a policy can name: else those of
    /// policies long gone would leave no room for the next one's.
    pub fn settle<'h>(&self, hosts: impl Iterator<Item = &'h str>) {
        let mut known = self.known.borrow_mut();
        if known.len() > limits::ORIGINS_MAX {
            let wanted: HashSet<&str> = hosts.collect();
            known.retain(|host, _| wanted.contains(&**host));
        }
    }

    /// Addresses of a host in the order in which to try them: families in turn, those that did not
    /// answer lately last. `None` while the resolver has not answered.
    fn of(&self, host: &str, port: u16, now: Instant) -> Option<Vec<SocketAddr>> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Some(vec![SocketAddr::new(literal, port)]);
        }
        let known = self.known.borrow().get(host)?.clone();
        let (mut six, mut four): (VecDeque<_>, VecDeque<_>) = (VecDeque::new(), VecDeque::new());
        for &address in known.iter() {
            if address.is_ipv6() { six.push_back(address) } else { four.push_back(address) }
        }
        let mut order = Vec::with_capacity(known.len());
        while !six.is_empty() || !four.is_empty() {
            order.extend(six.pop_front().map(|address| SocketAddr::new(address, port)));
            order.extend(four.pop_front().map(|address| SocketAddr::new(address, port)));
        }
        order.sort_by_key(|address| self.sulks(address, now));
        Some(order)
    }

    fn sulks(&self, address: &SocketAddr, now: Instant) -> bool {
        self.sulking.borrow().iter().any(|(sulking, until)| sulking == address && *until > now)
    }

    fn sulk(&self, address: SocketAddr, until: Instant) {
        let mut sulking = self.sulking.borrow_mut();
        sulking.retain(|(known, _)| *known != address);
        if sulking.len() >= SULKING_MAX {
            sulking.pop_front();
        }
        sulking.push_back((address, until));
    }
}

/// A connection for an attempt: warm if there is one, else opened within the time for that.
///
/// # Errors
/// Why there is none, as the engine judges it; or the tenant went away.
pub async fn obtain(scene: &Scene<'_>, waiter: &mut Waiter<'_>) -> Result<Upstream, Outcome> {
    let (Matter { shard, policy, .. }, attempt) = (scene.matter, scene.attempt);
    let origin = policy.providers[attempt.provider].origin;
    // The pool's connections may all be as stale as the one that just failed.
    if !attempt.fresh
        && let Some(upstream) = shard.pools.pick(shard, origin)
    {
        shard.meters().count(Meter::UpstreamReused);
        return Ok(upstream);
    }
    // Boxed: rare, and larger than all the rest of the walk together.
    let opening = Box::pin(open(shard, policy, origin, Instant(attempt.connect_by.0)));
    match waiter.unless_gone(opening).await {
        Ok(Ok(wire)) => Ok(shard.pools.adopt(shard, origin, wire)),
        Ok(Err(transport)) => Err(transport.into()),
        Err(Gone) => Err(Outcome::HungUp),
    }
}

/// Opens a connection to `origin`, TLS included.
///
/// # Errors
/// Why it could not be opened by `by`.
pub async fn open(shard: &Rc<Shard>, policy: &Policy, origin: OriginId, by: Instant) -> Result<Wire, Transport> {
    let began = shard.io.precise();
    let deadline = shard.io.deadline(by);
    let mut work: Pin<Box<dyn Future<Output = Result<Wire, Transport>> + '_>> = Box::pin(establish(shard, policy, &policy.origins[origin]));
    let result = poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending if deadline.poll_expired(cx) => Poll::Ready(Err(Transport::ConnectTimeout)),
        Poll::Pending => Poll::Pending,
    })
    .await;
    match &result {
        Ok(_) => {
            shard.meters().count(Meter::UpstreamOpened);
            shard.meters().spread(Spread::Connect, shard.io.precise().0.saturating_sub(began.0));
        }
        Err(_) => shard.meters().count(Meter::UpstreamFailed),
    }
    result
}

async fn establish(shard: &Rc<Shard>, policy: &Policy, origin: &Origin) -> Result<Wire, Transport> {
    let (host, port) = origin.first_hop();
    let mut addresses = resolved(shard, host, port).await;
    addresses.truncate(limits::ORIGINS_MAX);
    let stream = race(shard, &addresses).await?;
    let plain = Wire::new(shard.io.clone(), stream, None);
    let wire = if origin.proxy.is_some() { tunnel(shard, plain, origin).await? } else { plain };
    match origin.tls {
        Some(profile) if SECURES => {
            let client = shard.client(profile, policy.trust(profile));
            let mut hello = shard.io.vec();
            let session = tls::Session::connect(&client, &origin.server_name, &mut hello).map_err(|fault| transport_of(&fault))?;
            let (stream, _) = wire.into_parts();
            let wire = wire::handshake(&shard.io, stream, Box::new(session), hello).await.map_err(|broken| match broken {
                Broken::Tls(fault) => transport_of(&fault),
                Broken::Io(_) => Transport::TlsHandshake,
            })?;
            // Who answers before being asked would be one answer ahead of every request that follows,
            // and give each tenant that of another.
            if wire.has_returned() { Err(Transport::Http) } else { Ok(wire) }
        }
        _ => Ok(wire),
    }
}

fn transport_of(fault: &tls::Fault) -> Transport {
    match fault {
        tls::Fault::Certificate(_) => Transport::TlsCertificate,
        tls::Fault::Protocol(_) => Transport::TlsHandshake,
    }
}

/// Waits for the resolver's first answer; afterwards, the last good one is there at once.
async fn resolved(shard: &Shard, host: &str, port: u16) -> Vec<SocketAddr> {
    loop {
        if let Some(addresses) = shard.addresses.of(host, port, shard.io.now()) {
            return addresses;
        }
        shard.io.sleep(std::time::Duration::from_millis(RESOLVE_POLL_MS)).await;
    }
}

/// Connects to the first address that answers; the next one is tried beside it when one fails or
/// takes long.
async fn race(shard: &Shard, addresses: &[SocketAddr]) -> Result<Stream, Transport> {
    let mut waiting = addresses.iter().copied();
    let mut running: Vec<(SocketAddr, Pin<Box<Connect>>)> = Vec::with_capacity(AT_ONCE_MAX);
    let mut last = Transport::Resolve;
    let next_at = shard.io.deadline(shard.io.now());
    poll_fn(|cx| {
        loop {
            let mut at = 0;
            while at < running.len() {
                match running[at].1.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(errno)) => {
                        let (address, _) = running.remove(at);
                        shard.addresses.sulk(address, shard.io.now().plus_millis(SULK_MS));
                        last = refused(errno);
                        next_at.reset(shard.io.now());
                    }
                }
            }
            if running.len() < AT_ONCE_MAX
                && (running.is_empty() || next_at.poll_expired(cx))
                && let Some(address) = waiting.next()
            {
                running.push((address, Box::pin(shard.io.connect(address))));
                next_at.reset(shard.io.now().plus_millis(STAGGER_MS));
                continue;
            }
            return if running.is_empty() { Poll::Ready(Err(last)) } else { Poll::Pending };
        }
    })
    .await
}

fn refused(errno: Errno) -> Transport {
    if errno == Errno::TIMED_OUT { Transport::ConnectTimeout } else { Transport::ConnectRefused }
}

/// Asks an egress proxy for a tunnel (RFC 9110, section 9.3.6).
async fn tunnel(shard: &Shard, mut wire: Wire, origin: &Origin) -> Result<Wire, Transport> {
    let mut head = shard.io.vec();
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    head.extend_from_slice(format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n", port = origin.port).as_bytes());
    wire.send(head);
    let mut answer: Vec<u8> = Vec::new();
    let mut interim = 0;
    loop {
        match codec::head::response(&answer, limits::ANSWER_HEAD_BYTES_MAX) {
            Ok(None) => {
                let bytes = wire.recv().await.map_err(|_| Transport::ConnectRefused)?.ok_or(Transport::ConnectRefused)?;
                answer.extend_from_slice(&bytes);
            }
            // RFC 9110, section 15.2: any number of them may come before the answer.
            Ok(Some((response, used))) if response.informational && interim < limits::INTERIM_HEADS_MAX => {
                interim += 1;
                answer.drain(..used);
            }
            // "Any 2xx (Successful) response indicates that the sender … will switch to tunnel mode
            // immediately after the response header section."
            Ok(Some((response, used))) if (200..300).contains(&response.status) && used == answer.len() => return Ok(wire),
            Ok(Some(_)) | Err(_) => return Err(Transport::ConnectRefused),
        }
    }
}

#[cfg(test)]
mod tests;
