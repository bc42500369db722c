//! How bytes move: in random pieces, bounded by buffers on our side and by a window on theirs.

use super::wire::{Core, Happening, State, Wire};
use crate::io::timers::Timers;
use crate::io::{Cause, Errno, Piece};
use std::rc::Rc;

/// Undelivered buffers at which receiving pauses, as in the product.
const RECEIVED_MAX: usize = 8;
/// ... and at which it goes on.
pub(super) const RECEIVED_LOW: usize = 2;
/// The window of an end that was dropped.
pub(super) const LEFT: usize = usize::MAX;
/// Queued bytes above which a sender ought to wait for room.
pub(super) const HIGH: usize = 64 * 1024;
/// Queued bytes below which there is room again.
pub(super) const LOW: usize = 16 * 1024;

impl Core {
    /// Lets everything happen that is due; says how much that was.
    pub(super) fn happen(self: &Rc<Self>) -> usize {
        let mut count = 0;
        loop {
            let now = self.now();
            let event = {
                let mut net = self.net();
                match net.events.peek() {
                    Some(next) if next.0.at <= now => net.events.pop(),
                    _ => None,
                }
            };
            let Some(event) = event else { return count };
            count += 1;
            match event.0.what {
                Happening::Inbound(wire) => {
                    wire.inbound_scheduled.set(false);
                    self.deliver_inbound(&wire);
                }
                Happening::Outbound(wire) => {
                    wire.outbound_scheduled.set(false);
                    self.deliver_outbound(&wire);
                }
                Happening::Arrives(wire, tag) => self.arrive(wire, tag),
                Happening::Answered(attempt) => self.answer(&attempt),
            }
        }
    }

    fn deliver_inbound(&self, wire: &Rc<Wire>) {
        let mut near = wire.near();
        if near.eof || near.error.is_some() || near.state == State::Closed {
            return;
        }
        if wire.far().reset {
            near.error = Some(Errno::RESET);
            near.awaits_fin = false;
            near.wake_writer();
            drop(near);
            self.net().note(self.now(), 1, wire.id, 0);
            return self.news(wire, Cause::Closed);
        }
        let waiting = wire.far().sent.len();
        if waiting == 0 {
            if !wire.far().closed {
                return;
            }
            near.eof = true;
            near.awaits_fin = false;
            drop(near);
            self.net().note(self.now(), 2, wire.id, 0);
            return self.news(wire, Cause::Closed);
        }
        match near.state {
            State::Closing if near.awaits_fin => {
                wire.far().sent.clear();
                drop(near);
                return self.schedule_inbound(wire);
            }
            State::Open | State::Parked => {}
            State::Waiting | State::Closing | State::Closed => return,
        }
        if near.received.len() >= RECEIVED_MAX {
            self.net().stats.paused += 1;
            return;
        }
        let group = {
            let net = self.net();
            net.groups[usize::from(near.bulk)].clone()
        };
        let count = self.random_part(waiting.min(group.size() as usize));
        let bytes: Vec<u8> = wire.far().sent.iter().take(count).copied().collect();
        let Some(chunk) = group.fill(&bytes) else {
            let mut net = self.net();
            net.stats.starved += 1;
            if !near.starved {
                near.starved = true;
                net.starved.push(wire.clone());
            }
            return;
        };
        wire.far().sent.drain(..count);
        near.received.push_back(chunk);
        near.received_at = self.now();
        drop(near);
        self.net().note(self.now(), 3, wire.id, count);
        self.schedule_inbound(wire);
        self.news(wire, Cause::Readable);
    }

    /// Some part of `count`, at least one: often all, sometimes a single byte.
    fn random_part(&self, count: usize) -> usize {
        let mut net = self.net();
        match net.below(8) {
            0 => 1,
            1..=3 => 1 + net.below(count as u64) as usize,
            _ => count,
        }
    }

    fn deliver_outbound(self: &Rc<Self>, wire: &Rc<Wire>) {
        let mut near = wire.near();
        if near.state == State::Closed {
            return;
        }
        if near.queued_bytes > 0 && wire.is_left() {
            // Nobody is there any more: writing is answered by a reset.
            near.error.get_or_insert(Errno::PIPE);
            near.awaits_fin = false;
            near.wake_writer();
            self.drop_pieces(&mut near);
            drop(near);
            return self.news(wire, Cause::Closed);
        }
        let window = {
            let far = wire.far();
            far.window.saturating_sub(far.arrived.len())
        };
        if near.queued_bytes > 0 {
            if window == 0 {
                return;
            }
            let mut count = self.random_part(near.queued_bytes.min(window));
            self.net().note(self.now(), 4, wire.id, count);
            near.queued_bytes -= count;
            near.sent_at = self.now();
            while count > 0 {
                let offset = near.offset;
                let piece = near.pieces.front().expect("only queued bytes are sent");
                let part = count.min(piece.len() - offset);
                wire.far().arrived.extend(&piece[offset..offset + part]);
                count -= part;
                if offset + part == piece.len() {
                    near.offset = 0;
                    if let Some(piece) = near.pieces.pop_front() {
                        self.local.vectors.done(piece);
                    }
                } else {
                    near.offset += part;
                }
            }
            if near.queued_bytes < LOW {
                near.wake_writer();
            }
        }
        let (more, shutting) = (near.queued_bytes > 0, near.shutting);
        drop(near);
        if more {
            self.schedule_outbound(wire);
        } else if shutting {
            wire.far().fin = true;
        }
        wire.wake_far();
        self.finish(wire);
    }

    pub(super) fn drop_pieces(&self, near: &mut super::wire::Near) {
        near.queued_bytes = 0;
        near.offset = 0;
        for piece in near.pieces.drain(..) {
            self.local.vectors.done(piece);
        }
    }

    /// Something happened that the owner of our side wants to know.
    fn news(&self, wire: &Rc<Wire>, cause: Cause) {
        let state = wire.near().state;
        match state {
            State::Parked => self.unpark(wire, cause),
            State::Closing => self.finish(wire),
            State::Open | State::Waiting | State::Closed => wire.near().wake_reader(),
        }
    }

    pub(super) fn unpark(&self, wire: &Rc<Wire>, cause: Cause) {
        let mut near = wire.near();
        near.state = State::Open;
        self.disarm(wire.id, &mut near.timer);
        let mut net = self.net();
        net.parked.remove(&wire.id);
        net.woken.push_back((wire.clone(), cause));
        if let Some(waiter) = net.woken_waiter.take() {
            waiter.wake();
        }
    }

    fn disarm(&self, id: u32, timer: &mut u32) {
        if *timer != Timers::NONE {
            self.local.timers.disarm(*timer);
            *timer = Timers::NONE;
            self.net().timed.remove(&id);
        }
    }

    /// A wire's timer came due.
    pub(super) fn on_timer(&self, id: u32) {
        let wire = self.net().timed.remove(&id);
        let Some(wire) = wire else { return };
        wire.near().timer = Timers::NONE;
        let state = wire.near().state;
        if state == State::Parked {
            self.unpark(&wire, Cause::Expired);
        } else {
            self.net().stats.linger_cut += 1;
            self.cut(&wire);
        }
    }

    /// Our handle was dropped: what is queued still goes out, within the linger time.
    pub(super) fn release(&self, wire: &Rc<Wire>) {
        let mut near = wire.near();
        near.state = State::Closing;
        near.reader = None;
        near.writer = None;
        let unread = !near.received.is_empty();
        near.received.clear();
        if unread && !near.awaits_fin {
            // As TCP does: closing over unread data is a reset, after what was sent.
            wire.far().cut = near.pieces.is_empty();
        }
        if !near.pieces.is_empty() || near.awaits_fin {
            let mut net = self.net();
            let at = self.now() + net.settings.linger;
            near.timer = self.local.timers.arm(at, wire.id);
            net.timed.insert(wire.id, wire.clone());
        }
        drop(near);
        self.schedule_inbound(wire);
        self.finish(wire);
    }

    /// Drops what is queued and closes with a reset.
    pub(super) fn cut(&self, wire: &Rc<Wire>) {
        {
            let mut near = wire.near();
            near.state = State::Closing;
            near.awaits_fin = false;
            near.reader = None;
            near.writer = None;
            near.received.clear();
            near.error.get_or_insert(Errno::CANCELLED);
            self.drop_pieces(&mut near);
            wire.far().cut = true;
        }
        self.finish(wire);
    }

    /// Ends our side if nothing is left to do for it.
    pub(super) fn finish(&self, wire: &Rc<Wire>) {
        let mut near = wire.near();
        if near.state != State::Closing {
            return;
        }
        if near.error.is_some() {
            self.drop_pieces(&mut near);
        }
        if !near.pieces.is_empty() {
            drop(near);
            return self.schedule_outbound(wire);
        }
        if near.awaits_fin {
            return;
        }
        self.disarm(wire.id, &mut near.timer);
        near.state = State::Closed;
        let unread = !wire.far().sent.is_empty();
        {
            let mut far = wire.far();
            far.fin = true;
            far.cut |= unread;
        }
        let mut net = self.net();
        net.sockets -= 1;
        net.downstream -= usize::from(near.downstream);
        net.note(self.now(), 5, wire.id, 0);
        drop(net);
        drop(near);
        wire.wake_far();
        self.admit_backlog();
    }

    /// The end of a turn: what was queued starts to move, and who starved may try again.
    pub(super) fn flush(&self) {
        let dirty = std::mem::take(&mut self.net().dirty);
        for wire in dirty {
            wire.near().dirty = false;
            self.schedule_outbound(&wire);
        }
        let starved = std::mem::take(&mut self.net().starved);
        for wire in starved {
            let home = {
                let net = self.net();
                net.groups[usize::from(wire.near().bulk)].at_home()
            };
            if home == 0 {
                self.net().starved.push(wire);
            } else {
                wire.near().starved = false;
                self.schedule_inbound(&wire);
            }
        }
        self.admit_backlog();
    }

    /// Queues a piece. It is dropped if our side can send no more.
    pub(super) fn enqueue(&self, wire: &Rc<Wire>, piece: Piece) {
        let mut near = wire.near();
        let deaf = near.error.is_some() || near.shutting || near.state != State::Open;
        if piece.is_empty() || deaf {
            self.local.vectors.done(piece);
            return;
        }
        near.queued_bytes += piece.len();
        near.pieces.push_back(piece);
        if !std::mem::replace(&mut near.dirty, true) {
            self.net().dirty.push(wire.clone());
        }
    }
}

impl Wire {
    /// Whether the test has let go of its end.
    fn is_left(self: &Rc<Self>) -> bool {
        self.far().window == LEFT
    }
}
