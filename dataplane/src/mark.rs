//! What the control plane has found out about targets, on the board that every shard sees.

use crate::process::Process;
use engine::{Board, Moment};
use policy::{Mark, Snapshot, limits};
use std::collections::HashMap;

/// Writes marks down. Whoever sends them may end at any time, so that each lapses by itself, and soon.
pub fn apply(process: &Process, marks: &[Mark], now: Moment) {
    if let Some(policy) = process.current.load() {
        write_down(&policy, &process.board, marks, now);
    }
}

fn write_down(snapshot: &Snapshot, board: &Board, marks: &[Mark], now: Moment) {
    let named: HashMap<&str, &Mark> = marks.iter().take(limits::MARKS_MAX).map(|mark| (mark.target.as_str(), mark)).collect();
    for (id, target) in snapshot.targets.iter() {
        match named.get(target.name.as_str()) {
            Some(mark) if mark.for_ms > 0 => {
                board.target(id).degrade(now.plus_ms(mark.for_ms.min(limits::MARK_MS_MAX)), mark.reason);
            }
            Some(_) => board.target(id).restore(),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
