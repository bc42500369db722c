//! The state of the simulated network.

use super::end::End;
use crate::io::group::Group;
use crate::io::local::Local;
use crate::io::tasks::Tasks;
use crate::io::timers::Timers;
use crate::io::{Cause, Chunk, Errno, Instant, Piece, Settings, Stats};
use std::cell::{Cell, RefCell, RefMut};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

pub(super) type Script = Pin<Box<dyn Future<Output = ()>>>;
pub(super) type Handler = Rc<dyn Fn(End) -> Script>;

/// What a connect to an address meets.
#[derive(Clone)]
pub(super) enum Route {
    Serve(Handler),
    Fail(Errno),
    Hang,
}

/// Who holds our side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not accepted yet.
    Waiting,
    Open,
    Parked,
    Closing,
    Closed,
}

/// Our side.
#[derive(Debug)]
pub(super) struct Near {
    pub(super) state: State,
    pub(super) downstream: bool,
    pub(super) received: VecDeque<Chunk>,
    pub(super) pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are gone already.
    pub(super) offset: usize,
    pub(super) queued_bytes: usize,
    pub(super) eof: bool,
    pub(super) error: Option<Errno>,
    pub(super) bulk: bool,
    pub(super) shutting: bool,
    pub(super) awaits_fin: bool,
    pub(super) dirty: bool,
    pub(super) starved: bool,
    pub(super) token: u32,
    pub(super) timer: u32,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    pub(super) received_at: Instant,
    pub(super) sent_at: Instant,
}

/// The side that a test plays.
#[derive(Debug, Default)]
pub(super) struct Far {
    /// On their way to us.
    pub(super) sent: VecDeque<u8>,
    pub(super) closed: bool,
    pub(super) reset: bool,
    /// Arrived there and not read.
    pub(super) arrived: VecDeque<u8>,
    /// Arrived bytes at which the network takes no more from us.
    pub(super) window: usize,
    /// Our side has sent its last.
    pub(super) fin: bool,
    /// Our side has reset.
    pub(super) cut: bool,
    pub(super) waker: Option<Waker>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) id: u32,
    pub(super) near: RefCell<Near>,
    pub(super) far: RefCell<Far>,
    /// An event that moves bytes this way is under way.
    pub(super) inbound_scheduled: Cell<bool>,
    pub(super) outbound_scheduled: Cell<bool>,
}

impl Wire {
    pub(super) fn near(&self) -> RefMut<'_, Near> {
        self.near.borrow_mut()
    }

    pub(super) fn far(&self) -> RefMut<'_, Far> {
        self.far.borrow_mut()
    }

    pub(super) fn wake_far(&self) {
        let waker = self.far().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Near {
    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

#[derive(Debug)]
pub(super) enum Happening {
    /// Bytes, a FIN or a reset reach us.
    Inbound(Rc<Wire>),
    /// Bytes or a FIN leave us.
    Outbound(Rc<Wire>),
    /// A tenant's connection stands in the listener's queue.
    Arrives(Rc<Wire>, u32),
    /// A connect has its answer.
    Answered(Rc<Attempt>),
}

/// A connect.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) to: SocketAddr,
    pub(super) outcome: RefCell<Outcome>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Pending(Option<Waker>),
    Done(Result<Rc<Wire>, Errno>),
    /// Taken, or called off.
    Over,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Instant,
    pub(super) number: u64,
    pub(super) what: Happening,
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        self.number == other.number
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Event) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Event) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Everything of the network.
pub(super) struct Net {
    pub(super) events: BinaryHeap<Reverse<Event>>,
    pub(super) numbers: u64,
    pub(super) wires: u32,
    pub(super) groups: [Rc<Group>; 2],
    pub(super) routes: BTreeMap<SocketAddr, Route>,
    /// Tags of the listeners; empty before `listen` and after `stop_listening`.
    pub(super) listening: Vec<u32>,
    /// Arrived and not accepted for lack of room.
    pub(super) backlog: VecDeque<(Rc<Wire>, u32)>,
    pub(super) accepted: VecDeque<(Rc<Wire>, u32)>,
    pub(super) accept_waiter: Option<Waker>,
    pub(super) woken: VecDeque<(Rc<Wire>, Cause)>,
    pub(super) woken_waiter: Option<Waker>,
    /// Wires with a timer, parked or lingering, and the parked without one.
    pub(super) timed: BTreeMap<u32, Rc<Wire>>,
    pub(super) parked: BTreeMap<u32, Rc<Wire>>,
    pub(super) starved: Vec<Rc<Wire>>,
    pub(super) dirty: Vec<Rc<Wire>>,
    pub(super) sockets: usize,
    pub(super) downstream: usize,
    pub(super) settings: Settings,
    pub(super) stats: Stats,
    pub(super) random: u64,
    pub(super) trace: u64,
}

/// One simulated shard.
pub(super) struct Core {
    pub(super) local: Rc<Local>,
    /// What plays the peers, apart from the tasks of the code under test.
    pub(super) scripts: Tasks,
    pub(super) net: RefCell<Net>,
}

impl fmt::Debug for Core {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Core {{ {:?}, scripts: {:?} }}", self.local.tasks, self.scripts)
    }
}

impl Net {
    pub(super) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.random()) * u128::from(bound)) >> 64) as u64
    }

    /// Folds what happened into the trace.
    pub(super) fn note(&mut self, now: Instant, what: u64, who: u32, count: usize) {
        for part in [now.0, what, u64::from(who), count as u64] {
            self.trace = (self.trace ^ part).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
        }
    }

    /// Lets something happen after a random delay: mostly well below a millisecond.
    pub(super) fn schedule(&mut self, now: Instant, what: Happening) {
        let micros = match self.below(16) {
            0 => self.below(5_000),
            1..=4 => 0,
            _ => self.below(200),
        };
        self.numbers += 1;
        let event = Event { at: now.plus_micros(micros), number: self.numbers, what };
        self.events.push(Reverse(event));
    }

    pub(super) fn wire(&mut self, now: Instant, state: State, downstream: bool) -> Rc<Wire> {
        self.wires += 1;
        let near = Near {
            state,
            downstream,
            received: VecDeque::new(),
            pieces: VecDeque::new(),
            offset: 0,
            queued_bytes: 0,
            eof: false,
            error: None,
            bulk: false,
            shutting: false,
            awaits_fin: false,
            dirty: false,
            starved: false,
            token: 0,
            timer: Timers::NONE,
            reader: None,
            writer: None,
            received_at: now,
            sent_at: now,
        };
        let far = Far { window: 256 * 1024, ..Far::default() };
        Rc::new(Wire {
            id: self.wires,
            near: RefCell::new(near),
            far: RefCell::new(far),
            inbound_scheduled: Cell::new(false),
            outbound_scheduled: Cell::new(false),
        })
    }
}

impl Core {
    pub(super) fn net(&self) -> RefMut<'_, Net> {
        self.net.borrow_mut()
    }

    pub(super) fn now(&self) -> Instant {
        self.local.now()
    }

    /// Something moves towards us, soon.
    pub(super) fn schedule_inbound(&self, wire: &Rc<Wire>) {
        if !wire.inbound_scheduled.replace(true) {
            self.net().schedule(self.now(), Happening::Inbound(wire.clone()));
        }
    }

    /// Something moves away from us, soon.
    pub(super) fn schedule_outbound(&self, wire: &Rc<Wire>) {
        if !wire.outbound_scheduled.replace(true) {
            self.net().schedule(self.now(), Happening::Outbound(wire.clone()));
        }
    }
}
