//! Providers as scripts: what they answer, and every way in which they fail to.

use super::{
    book::{Book, Seen},
    dice::Dice,
    line::Line,
};
use crate::io::{Io, fake::End};

use answer::Answer;
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

mod answer;

/// How a provider behaves for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It answers.
    Well,
    /// It answers, byte by byte almost.
    Dripping,
    /// It answers after so many milliseconds.
    Late(u64),
    /// It answers with an error, and perhaps says when to come back, in milliseconds.
    Status(u16, Option<u64>),
    /// It says "later" in another way: an interim head first, then the answer.
    Interim,
    /// It closes without a word.
    CloseBeforeHead,
    /// The same after so many milliseconds.
    CloseLate(u64),
    /// It resets without a word.
    ResetBeforeHead,
    /// It never says anything.
    StallBeforeHead,
    /// It stops within the body, and waits.
    StallWithin,
    /// It closes within the body.
    CutWithin,
    /// It resets within the body.
    ResetWithin,
    /// A stream ends properly, but without its marker.
    NoMarker,
    /// A stream ends in mid-sentence, and its framing properly.
    NoFinish,
    /// An error event within the stream; a JSON answer that holds an error.
    ErrorWithin,
    /// An answer that holds nothing.
    Empty,
    /// JSON that is none.
    BadJson,
    /// A chunk without a size.
    BadChunk,
    /// The length says more than comes.
    Short,
    /// The length says less than comes.
    Long,
    /// It answers and ends the connection, as it said it would.
    Closing,
    /// It answers, the end of the connection being the end of the body.
    ToEnd,
    /// It answers, and says something more that nobody asked for.
    Surplus,
    /// Its head is no HTTP.
    BadHead,
    /// It answers with a page for humans.
    Page,
    /// A JSON answer of more than can be held; a stream that thinks aloud for very long.
    Large,
    /// As `Large`, and cut within.
    LargeCut,
    /// It answers a stream after so many milliseconds, with JSON and a status of success that is not 200.
    Accepted(u64),
    /// The stream reasons for a while before its first content.
    Reasoning(u64),
    /// Comments keep the stream alive while nothing is said, so many times.
    Pings(u64),
    /// The stream reasons so many times, so many milliseconds apart.
    Musing(u64, u64),
    /// A stream that ends properly after its role, and holds nothing else.
    NoFinishUnseen,
    /// As `ErrorWithin`, `StallWithin` and `ResetWithin`, and always after the first content.
    ErrorAfterContent,
    /// See `ErrorAfterContent`.
    StallAfterContent,
    /// See `ErrorAfterContent`.
    ResetAfterContent,
    /// It answers properly and closes the idle connection at once.
    CloseAfter,
}

/// Every manner that histories are drawn from; those that answer come up more often.
const DRAWN: &[Manner] = &[
    Manner::Dripping,
    Manner::Late(150),
    Manner::Late(600),
    Manner::Status(429, None),
    Manner::Status(429, Some(120)),
    Manner::Status(429, Some(9_000)),
    Manner::Status(500, None),
    Manner::Status(503, None),
    Manner::Status(401, None),
    Manner::Status(400, None),
    Manner::Interim,
    Manner::CloseBeforeHead,
    Manner::ResetBeforeHead,
    Manner::StallBeforeHead,
    Manner::StallWithin,
    Manner::CutWithin,
    Manner::ResetWithin,
    Manner::NoMarker,
    Manner::NoFinish,
    Manner::ErrorWithin,
    Manner::Empty,
    Manner::BadJson,
    Manner::BadChunk,
    Manner::Short,
    Manner::Long,
    Manner::Closing,
    Manner::ToEnd,
    Manner::Surplus,
    Manner::BadHead,
    Manner::Page,
    Manner::Large,
    Manner::LargeCut,
    Manner::Reasoning(700),
    Manner::Pings(4),
    Manner::Accepted(400),
    Manner::CloseAfter,
];

/// Draws a manner; `permille` of them are not plainly good.
pub(super) fn draw(dice: &mut Dice, permille: u64) -> Manner {
    if dice.chance(permille) { dice.pick(DRAWN) } else { Manner::Well }
}

/// What one provider does: a list to begin with, and then what the dice say.
pub(super) struct Temper {
    pub(super) next: VecDeque<Manner>,
    pub(super) dice: Dice,
    /// How many of the others are not plainly good, in thousandths.
    pub(super) faults_permille: u64,
}

impl Temper {
    pub(super) fn manner(&mut self) -> Manner {
        match self.next.pop_front() {
            Some(manner) => manner,
            None => draw(&mut self.dice, self.faults_permille),
        }
    }
}

/// How a question for a summary begins, which belongs to a request and does not name it.
const SUMS_UP: &[u8] = b"You are given the earlier part of a conversation";

/// The number of the request that a body belongs to.
fn request_of(body: &[u8]) -> u32 {
    let marker = b"\"user\":\"r";
    let at = body.windows(marker.len()).position(|window| window == marker).expect("every body names its request");
    body[at + marker.len()..].iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |number, byte| number * 10 + u32::from(byte - b'0'))
}

/// Serves one connection to its end.
pub(super) async fn serve(io: Io, end: End, index: usize, temper: Rc<RefCell<Temper>>, book: Rc<RefCell<Book>>) {
    let mut line = Line::new(io, end);
    let mut reused = false;
    while let Some(head) = line.head().await {
        let body = line.body(&head, false).await;
        if !body.whole {
            return;
        }
        let sums_up = find(&body.bytes, SUMS_UP);
        let request = if sums_up { 0 } else { request_of(&body.bytes) };
        let (manner, dice, serial) = {
            let mut temper = temper.borrow_mut();
            (temper.manner(), temper.dice.fork(), book.borrow_mut().serial())
        };
        let stream = find(&body.bytes, b"\"stream\":true");
        let usage = find(&body.bytes, b"\"include_usage\":true");
        let responses = head.first.contains("/responses");
        let mut answer = Answer { line: &mut line, dice, serial, manner, stream, responses, usage };
        let script = answer.write();
        let seen = Seen { provider: index, at: answer.line.now(), body: body.bytes, head, reused, meant: script.meant.clone() };
        match sums_up {
            true => book.borrow_mut().summaries.push(seen),
            false => book.borrow_mut().seen.entry(request).or_default().push(seen),
        }
        if !answer.perform(script).await {
            // Whoever sends on a connection whose last answer was left in doubt would be answered
            // by the wrong one.
            while line.fill().await {}
            // Who closes without warning, or says more than it was asked for, may be asked meanwhile.
            let unannounced = matches!(manner, Manner::CloseAfter | Manner::Surplus);
            if line.has_more() && !unannounced {
                book.borrow_mut().complaints.push(format!("provider {index} was asked on a connection left in doubt by {manner:?}"));
            }
            return;
        }
        reused = true;
    }
}

pub(super) fn find(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
