//! Verb 1: connections of tenants, from the listener to the walk and back to rest.
//!
//! An idle connection is a slot of the ring, not a task. The dispatcher takes those that something
//! came for and gives each a future from a pool, so that a steady exchange allocates nothing.

use crate::{
    admission::{Full, Place},
    current::{Held as Serving, Policy},
    downstream::{Downstream, Gone, Next},
    io::{Cause, Instant, Stream, TaskPool},
    meters::Meter,
    request::{self, Ended},
    respond::Refusal,
    shard::{Kept, Shard},
    tls,
    wire::{self, Wire},
};
use codec::proxy::{self, Introduction};
use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    rc::Rc,
    task::Poll,
};

/// So long a connection keeps its task after an exchange, in milliseconds: to rest and to come back
/// costs as much as a twentieth of an exchange, and a busy tenant asks again at once.
const LINGER_MS: u64 = 4;
/// Futures of exchanges that are kept for later ones.
const SPARE_FUTURES_MAX: usize = 1_024;

/// Takes connections from the listeners, for as long as the shard lives.
pub async fn run(shard: Rc<Shard>) {
    loop {
        let accepted = shard.io.accept().await;
        let stream = accepted.stream;
        shard.opened();
        let Some(policy) = shard.policy.get() else {
            shard.closed();
            continue;
        };
        let by = shard.io.now().plus_millis(policy.gateway.head_ms);
        match policy.server() {
            _ if shard.is_introduced(accepted.tag) => {
                shard.io.spawn(introduce(shard.clone(), policy, stream, by));
            }
            Some(server) => {
                let session = tls::Session::accept(server);
                shard.io.spawn(secure(shard.clone(), session, stream, None, by));
            }
            None => shard.park(stream, Kept { unused: true, ..Kept::default() }, by),
        }
    }
}

/// Hears from a proxy that is trusted who the tenant is, and goes on with the connection.
async fn introduce(shard: Rc<Shard>, policy: Rc<Serving>, mut stream: Stream, by: Instant) {
    let heard = within(&shard, by, introduction(&policy, &mut stream)).await.flatten();
    let Some(said) = heard else {
        shard.meters().count(Meter::IntroductionsRefused);
        return shard.closed();
    };
    match policy.server() {
        Some(server) => secure(shard, tls::Session::accept(server), stream, said.source, by).await,
        None => {
            let wire = Wire::new(shard.io.clone(), stream, None);
            converse(shard, wire, said.source).await;
        }
    }
}

/// What the proxy says first; `None` when it is not trusted, or says something else.
async fn introduction(policy: &Policy, stream: &mut Stream) -> Option<Introduction> {
    let proxy = stream.peer().await?.ip();
    if !policy.gateway.proxies.iter().any(|network| network.contains(proxy)) {
        return None;
    }
    let mut joined = Vec::new();
    loop {
        let chunk = stream.recv().await.ok()??;
        let before = joined.len();
        joined.extend_from_slice(&chunk);
        if let Some((said, used)) = proxy::introduction(&joined).ok()? {
            stream.unread(chunk.slice(used - before..chunk.len()));
            return Some(said);
        }
        if joined.len() > proxy::SIZE_MAX {
            return None;
        }
    }
}

/// `work`, unless it takes longer than until `by`.
async fn within<T>(shard: &Shard, by: Instant, work: impl Future<Output = T>) -> Option<T> {
    let deadline = shard.io.deadline(by);
    let mut work = Box::pin(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if deadline.poll_expired(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Sets TLS up, within the time for a head, and goes on with the connection.
async fn secure(shard: Rc<Shard>, session: Result<tls::Session, tls::Fault>, stream: Stream, from: Option<IpAddr>, by: Instant) {
    let Ok(session) = session else { return shard.closed() };
    let work = wire::handshake(&shard.io, stream, Box::new(session), Vec::new());
    match within(&shard, by, work).await.and_then(Result::ok) {
        None => {
            shard.meters().count(Meter::DownstreamTlsFailed);
            shard.closed();
        }
        // The first request came with the handshake's last bytes.
        Some(wire) if wire.has_returned() => converse(shard, wire, from).await,
        Some(wire) => {
            let (stream, session) = wire.into_parts();
            shard.park(stream, Kept { session, from, unused: true }, by);
        }
    }
}

/// Gives each connection that something came for a future, for as long as the shard lives.
pub async fn dispatch(shard: Rc<Shard>) {
    let pool = TaskPool::new(SPARE_FUTURES_MAX);
    loop {
        let woken = shard.io.woken().await;
        let Kept { session, from, .. } = shard.unpark(woken.token);
        match woken.cause {
            Cause::Readable => {
                let wire = Wire::new(shard.io.clone(), woken.stream, session);
                shard.io.spawn_pooled(&pool, converse(shard.clone(), wire, from));
            }
            Cause::Closed | Cause::Expired => {
                Wire::new(shard.io.clone(), woken.stream, session).close();
                shard.closed();
            }
        }
    }
}

/// Serves the requests that have come, one after another, and lets the connection rest again.
// Not an `async fn`: one keeps room for its arguments twice.
#[allow(clippy::manual_async_fn)]
pub(crate) fn converse(shard: Rc<Shard>, wire: Wire, from: Option<IpAddr>) -> impl Future<Output = ()> {
    async move {
        let mut tenant = Downstream::new(&shard, wire, from);
        loop {
            let Some(policy) = shard.policy.get() else { return shard.closed() };
            request::serve(&shard, &policy, &mut tenant).await;
            if !tenant.keep_alive || shard.process.draining() {
                shard.closed();
                return if tenant.torn { tenant.wire.reset() } else { tenant.wire.close_after_peer() };
            }
            match tenant.next_request(shard.io.now().plus_millis(LINGER_MS)).await {
                Next::Comes => tenant.renew(),
                Next::NotYet => {
                    let until = shard.io.now().plus_millis(policy.gateway.keep_alive_ms);
                    let (stream, session) = tenant.wire.into_parts();
                    return shard.park(stream, Kept { session, from: tenant.from, unused: false }, until);
                }
                Next::Never => {
                    shard.closed();
                    return tenant.wire.close();
                }
            }
        }
    }
}

/// A place for an exchange, or a refusal within the queue's time.
pub async fn admit(shard: &Shard, policy: &Policy, tenant: &mut Downstream) -> Result<Place, Ended> {
    let most = shard.share(policy.gateway.in_flight_max);
    if let Some(place) = shard.admission.try_enter(most) {
        return Ok(place);
    }
    let until = shard.io.now().plus_millis(policy.gateway.queue_ms);
    let waiting = Box::pin(shard.admission.enter(&shard.io, most, until));
    match tenant.unless_gone(waiting).await {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(Full)) => {
            shard.meters().count(Meter::Shed);
            Err(Refusal::full("gateway_full", "The gateway has as many requests in flight as it may; try again.").closing().into())
        }
        Err(Gone) => Err(Ended::HungUp),
    }
}
