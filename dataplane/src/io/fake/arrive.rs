//! How connections come about: theirs to our listeners, and ours to their addresses.

use super::end::End;
use super::wire::{Attempt, Core, Handler, Happening, Outcome, Route, State, Wire};
use crate::io::Errno;
use std::rc::Rc;

impl Core {
    pub(super) fn arrive(&self, wire: Rc<Wire>, tag: u32) {
        let listening = self.net().listening.contains(&tag);
        if !listening {
            wire.near().state = State::Closed;
            {
                let mut far = wire.far();
                far.fin = true;
                far.cut = true;
            }
            return wire.wake_far();
        }
        self.net().backlog.push_back((wire, tag));
        self.admit_backlog();
    }

    /// Accepts what waits, as far as there is room.
    pub(super) fn admit_backlog(&self) {
        let mut net = self.net();
        while !net.backlog.is_empty() {
            let room = net.downstream < net.settings.downstream_max as usize
                && net.sockets + 8 < net.settings.connections as usize
                && self.local.tasks.live() < net.settings.tasks_max;
            if !room {
                net.stats.accept_pauses += 1;
                return;
            }
            let Some((wire, tag)) = net.backlog.pop_front() else {
                return;
            };
            net.sockets += 1;
            net.downstream += 1;
            net.stats.accepted += 1;
            net.note(self.now(), 6, wire.id, 0);
            wire.near().state = State::Open;
            net.accepted.push_back((wire.clone(), tag));
            if let Some(waiter) = net.accept_waiter.take() {
                waiter.wake();
            }
            if !wire.inbound_scheduled.replace(true) {
                net.schedule(self.now(), Happening::Inbound(wire));
            }
        }
    }

    pub(super) fn answer(self: &Rc<Self>, attempt: &Rc<Attempt>) {
        if matches!(*attempt.outcome.borrow(), Outcome::Over) {
            return;
        }
        let route = self.net().routes.get(&attempt.to).cloned();
        let result = match route {
            Some(Route::Hang) => return,
            Some(Route::Fail(error)) => Err(error),
            None => Err(Errno::REFUSED),
            Some(Route::Serve(handler)) => {
                let full = {
                    let net = self.net();
                    net.sockets >= net.settings.connections as usize
                };
                if full { Err(Errno::TABLE_FULL) } else { Ok(self.serve(&handler)) }
            }
        };
        self.net().note(self.now(), 7, result.is_ok().into(), 0);
        let before = attempt.outcome.replace(Outcome::Done(result));
        if let Outcome::Pending(Some(waker)) = before {
            waker.wake();
        }
    }

    fn serve(self: &Rc<Self>, handler: &Handler) -> Rc<Wire> {
        let wire = {
            let mut net = self.net();
            net.sockets += 1;
            net.stats.connected += 1;
            let now = self.now();
            net.wire(now, State::Open, false)
        };
        let script = handler(End::new(self, &wire));
        self.scripts.spawn(script);
        wire
    }
}
