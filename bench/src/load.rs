//! The load: many connections, one loop, every answer checked.
//!
//! Closed: each connection asks again as soon as it is answered, which saturates what is before
//! it and says what a request costs. Open: requests start by a schedule, which says how long
//! they take at a rate.

use crate::{
    check::{Check, Expected},
    reader::{Piece, Reader, Side, Start},
    schedule::Schedule,
    socket::{Poll, Ready, Received, Socket},
    tally::{Kind, Tally},
};
use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
};

#[cfg(test)]
mod tests;

/// Requests of the schedule that may wait for a connection.
const WAITING_MAX: usize = 1 << 20;
/// Connections of one source address: fewer than it has ports.
const PER_SOURCE: usize = 20_000;
/// A connection that could not be opened is tried again after so long.
const RETRY_NS: u64 = 20_000_000;
/// Connections that are opened at once when each asks only one time.
const OPENING: usize = 128;
/// How often it is looked for requests that take too long.
const SWEEP_NS: u64 = 500_000_000;

/// How requests follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as the last one is answered.
    Closed,
    /// One request on each connection, and then nothing: for memory at rest.
    Once,
    /// So many in a second.
    Open { per_second: f64 },
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    pub(crate) request: Rc<[u8]>,
    pub(crate) expected: Expected,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// A request that takes longer is an error.
    pub(crate) timeout_ns: u64,
}

#[derive(Debug)]
struct Connection {
    socket: Option<Socket>,
    reader: Reader,
    check: Check,
    /// The request that is under way.
    asked: Option<Asked>,
    /// Not before then is it opened again.
    retry_at: u64,
    answered: bool,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    intended: u64,
    sent: u64,
    last_event: u64,
    status: u16,
    close: bool,
}

/// The load.
#[derive(Debug)]
pub(crate) struct Load {
    plan: Plan,
    connections: Vec<Connection>,
    /// Connections without a request; the one that was used last goes first.
    idle: Vec<usize>,
    waiting: VecDeque<u64>,
    /// The first connection that was never opened.
    unopened: usize,
    schedule: Option<Schedule>,
    sweep_at: u64,
    stopped: bool,
    /// What is counted since the last `begin`.
    pub(crate) tally: Tally,
}

impl Load {
    /// Opens the connections.
    pub(crate) fn open(plan: Plan, now: u64, poll: &Poll) -> Load {
        let schedule = match plan.pace {
            Pace::Open { per_second } => Some(Schedule::new(now, per_second)),
            Pace::Closed | Pace::Once => None,
        };
        let new = |_| Connection {
            socket: None,
            reader: Reader::new(Side::Answers),
            check: Check::default(),
            asked: None,
            retry_at: u64::MAX,
            answered: false,
        };
        let connections: Vec<Connection> = (0..plan.connections).map(new).collect();
        let mut load = Load {
            connections,
            idle: Vec::with_capacity(plan.connections),
            waiting: VecDeque::new(),
            unopened: 0,
            schedule,
            sweep_at: now + SWEEP_NS,
            stopped: false,
            tally: Tally::new(),
            plan,
        };
        let at_once = if matches!(load.plan.pace, Pace::Once) { OPENING } else { usize::MAX };
        for _ in 0..load.connections.len().min(at_once) {
            load.start_another(now, poll);
        }
        load
    }

    /// Counts from here on.
    pub(crate) fn begin(&mut self) {
        self.tally = Tally::new();
    }

    /// Asks for something else from here on, whose answer is the same.
    pub(crate) fn turn_to(&mut self, request: Rc<[u8]>) {
        self.plan.request = request;
    }

    /// Takes no request from the schedule any more; those that wait for a connection are still sent.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Requests that are not answered yet, those that still wait for a connection among them.
    pub(crate) fn under_way(&self) -> usize {
        self.connections.iter().filter(|connection| connection.asked.is_some()).count() + self.waiting.len()
    }

    /// Connections that are open and have had an answer.
    pub(crate) fn served(&self) -> usize {
        self.connections.iter().filter(|connection| connection.answered && connection.socket.is_some()).count()
    }

    /// When something is due by itself.
    pub(crate) fn next_due(&self) -> u64 {
        let scheduled = self.schedule.as_ref().filter(|_| !self.stopped).map_or(u64::MAX, Schedule::next);
        scheduled.min(self.sweep_at)
    }

    /// Starts what is due, gives up what takes too long, opens what was closed.
    pub(crate) fn tick(&mut self, now: u64, poll: &Poll) {
        while let Some(intended) = self.schedule.as_mut().filter(|_| !self.stopped).and_then(|schedule| schedule.take(now)) {
            self.tally.lateness.record(now - intended);
            match self.idle.pop() {
                Some(index) => self.ask(index, intended, now, poll),
                None if self.waiting.len() < WAITING_MAX => {
                    self.tally.waited += 1;
                    self.waiting.push_back(intended);
                }
                None => self.tally.error(Kind::Backlog),
            }
        }
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP_NS;
        // Those that wait have begun when they were meant to: leaving them out would be the very
        // omission that a schedule is for.
        while self.waiting.front().is_some_and(|intended| now - intended > self.plan.timeout_ns) {
            self.waiting.pop_front();
            self.tally.error(Kind::Timeout);
        }
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            if connection.asked.is_some_and(|asked| now - asked.sent > self.plan.timeout_ns) {
                self.fail(index, Kind::Timeout, now);
            } else if connection.socket.is_none() && connection.retry_at <= now && !self.at_end() {
                self.start(index, now, poll);
            }
        }
    }

    /// A socket is ready.
    pub(crate) fn ready(&mut self, ready: Ready, now: u64, poll: &Poll, scratch: &mut [u8]) {
        let index = ready.token as usize;
        if ready.writable
            && let Some(socket) = self.connections[index].socket.as_mut()
            && socket.flush(poll).is_err()
        {
            return self.broken(index, now);
        }
        if !ready.readable {
            return;
        }
        loop {
            let Some(socket) = self.connections[index].socket.as_mut() else { return };
            match socket.receive(scratch) {
                Ok(Received::Bytes(count, more)) => {
                    self.take(index, &scratch[..count], now, poll);
                    if !more {
                        return;
                    }
                }
                Ok(Received::Nothing) => return,
                Ok(Received::End) => return self.ended(index, now, poll),
                Err(_) => return self.broken(index, now),
            }
        }
    }

    /// There is nothing more to send.
    fn at_end(&self) -> bool {
        self.stopped && self.waiting.is_empty()
    }

    fn start_another(&mut self, now: u64, poll: &Poll) {
        if self.unopened < self.connections.len() {
            self.unopened += 1;
            self.start(self.unopened - 1, now, poll);
        }
    }

    /// Opens a connection and lets it ask.
    fn start(&mut self, index: usize, now: u64, poll: &Poll) {
        // Any address of 127/8 is ours, and each has ports of its own.
        let more = index / PER_SOURCE;
        let from = (more > 0 && self.plan.to.ip().is_loopback() && self.plan.to.is_ipv4())
            .then(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 1, more as u8)), 0));
        let connection = &mut self.connections[index];
        connection.reader = Reader::new(Side::Answers);
        match Socket::connect(self.plan.to, from, poll, index as u64) {
            Ok(socket) => {
                connection.socket = Some(socket);
                self.go_on(index, now, poll);
            }
            Err(_) => {
                connection.retry_at = now + RETRY_NS;
                self.tally.error(Kind::Connect);
            }
        }
    }

    /// A connection is free: what does it do next?
    fn go_on(&mut self, index: usize, now: u64, poll: &Poll) {
        if self.at_end() {
            return;
        }
        match self.plan.pace {
            Pace::Closed => self.ask(index, now, now, poll),
            Pace::Once if !self.connections[index].answered => self.ask(index, now, now, poll),
            Pace::Once => self.start_another(now, poll),
            Pace::Open { .. } => match self.waiting.pop_front() {
                Some(intended) => self.ask(index, intended, now, poll),
                None => self.idle.push(index),
            },
        }
    }

    fn ask(&mut self, index: usize, intended: u64, now: u64, poll: &Poll) {
        let connection = &mut self.connections[index];
        connection.check.clear();
        connection.asked = Some(Asked { intended, sent: now, last_event: intended, status: 0, close: false });
        let sent = match connection.socket.as_mut() {
            Some(socket) => socket.send(&self.plan.request, poll),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if sent.is_err() {
            self.broken(index, now);
        }
    }

    fn take(&mut self, index: usize, bytes: &[u8], now: u64, poll: &Poll) {
        let mut input = bytes;
        loop {
            let connection = &mut self.connections[index];
            let Some(asked) = connection.asked.as_mut() else {
                // Bytes that nobody asked for: the next request would take them for its answer.
                if !input.is_empty() {
                    self.fail(index, Kind::Malformed, now);
                }
                return;
            };
            match connection.reader.next(&mut input) {
                Ok(None) => return,
                Ok(Some(Piece::Head(head))) => {
                    let Start::Answer { status } = head.start else { continue };
                    (asked.status, asked.close) = (status, head.close);
                    let right = !self.plan.expected.streams() || head.events;
                    if status != 200 || !right {
                        return self.fail(index, if status == 200 { Kind::Content } else { Kind::Status(status) }, now);
                    }
                }
                Ok(Some(Piece::Body(bytes))) => {
                    let before = connection.check.events;
                    let right = connection.check.body(&self.plan.expected, bytes);
                    let events = connection.check.events;
                    for number in before..events {
                        let times = if number == 0 { &mut self.tally.first_event } else { &mut self.tally.gap };
                        times.record(now - asked.last_event);
                        asked.last_event = now;
                        if let Some(&sent) = connection.check.stamps.get(number - before).filter(|&&sent| sent > 0 && sent <= now) {
                            self.tally.delay.record(now - sent);
                        }
                    }
                    if right.is_err() {
                        return self.fail(index, Kind::Content, now);
                    }
                }
                Ok(Some(Piece::End)) => self.answered(index, now, poll),
                Err(_) => return self.fail(index, Kind::Malformed, now),
            }
        }
    }

    fn answered(&mut self, index: usize, now: u64, poll: &Poll) {
        let connection = &mut self.connections[index];
        let Some(asked) = connection.asked.take() else { return };
        if connection.check.end(&self.plan.expected).is_err() {
            return self.fail(index, Kind::Content, now);
        }
        connection.answered = true;
        self.tally.answers += 1;
        self.tally.bytes += connection.check.bytes;
        self.tally.latency.record(now - asked.intended);
        if self.schedule.is_some() {
            self.tally.service.record(now - asked.sent);
        }
        if asked.close {
            connection.socket = None;
            self.start(index, now, poll);
        } else {
            self.go_on(index, now, poll);
        }
    }

    /// The other end has closed.
    fn ended(&mut self, index: usize, now: u64, poll: &Poll) {
        let connection = &mut self.connections[index];
        match connection.reader.closed() {
            Ok(true) => self.answered(index, now, poll),
            // Between two requests it may; the next one opens it again.
            Ok(false) if connection.asked.is_none() => {
                // One that never asked anything may be told to go: it is no keep-alive connection yet.
                self.tally.closed += u64::from(connection.answered);
                connection.socket = None;
                self.idle.retain(|&idle| idle != index);
                if !self.stopped && !matches!(self.plan.pace, Pace::Once) {
                    self.start(index, now, poll);
                }
            }
            _ => self.fail(index, Kind::Cut, now),
        }
    }

    fn broken(&mut self, index: usize, now: u64) {
        // Nothing was ever read: it never stood.
        let kind = if self.connections[index].answered { Kind::Cut } else { Kind::Connect };
        self.fail(index, kind, now);
    }

    /// Counts an error; the connection is of no use any more.
    fn fail(&mut self, index: usize, kind: Kind, now: u64) {
        let connection = &mut self.connections[index];
        connection.socket = None;
        connection.asked = None;
        // Opened again by the sweep: errors must not become a storm of connections.
        connection.retry_at = now + RETRY_NS;
        self.sweep_at = self.sweep_at.min(now + RETRY_NS);
        self.idle.retain(|&idle| idle != index);
        self.tally.error(kind);
    }
}
