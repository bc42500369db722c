//! What faults do to an answer and to its delivery.
//!
//! Pure. Substitutes come first (an error status instead of the answer), then edits of whatever
//! is to be sent, then orders for the wire. Where two faults of a list contradict, the first wins;
//! therefore lists are applied back to front.

use std::time::Duration;

use crate::answer::{self, Answer, Content};
use crate::fault::{Fault, Kind};
use crate::script::Random;

mod edit;
mod limits;
mod substitute;
#[cfg(test)]
mod tests;

/// Where in an answer something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before the first byte of the head.
    BeforeHead,
    /// Between the head and the body.
    AfterHead,
    /// After so many events of a stream; in a JSON answer, in the middle of the body.
    Events(u64),
    /// After so many bytes of the body.
    Bytes(u64),
    /// In the middle of the body.
    Half,
}

/// How an answer stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Silence; then the rest.
    StallThenGoOn(Option<Duration>),
    /// Silence; then the end of the connection.
    StallThenClose(Option<Duration>),
    /// FIN, with TLS `close_notify` or without.
    Cut {
        /// Whether `close_notify` goes first.
        notify: bool,
    },
    /// RST.
    Reset,
}

/// A stop in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Where.
    pub at: Point,
    /// How.
    pub how: How,
}

/// How the body's length is told, or mistold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Truthfully.
    #[default]
    True,
    /// `Content-Length` is off by so much.
    LengthOff(i64),
    /// `Content-Length` and chunked at once.
    LengthAndChunked,
    /// Two lengths that differ.
    LengthTwice,
    /// A chunk size that is no number, after so many events.
    BadChunk(u64),
}

/// Orders for the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivery {
    /// Wait before the head.
    pub wait: Duration,
    /// Wait between events.
    pub gap: Duration,
    /// One byte per write, with this wait after each.
    pub drip: Option<Duration>,
    /// The stop, if any.
    pub stop: Option<Stop>,
    /// How the length is told.
    pub framing: Framing,
    /// How many 103 heads come first.
    pub informational_heads: u64,
    /// How many bytes of padding the head carries.
    pub head_padding_bytes: u64,
    /// So many bytes of garbage instead of everything.
    pub garbage_bytes: Option<u64>,
    /// Repeat the last content without end, with this gap.
    pub endless_gap: Option<Duration>,
    /// Say `Connection: close` and do it.
    pub close_after: bool,
    /// Close without saying so, this long after the answer.
    pub idle_close: Option<Duration>,
    /// Only from this many requests on the connection.
    pub idle_close_requests: Option<u64>,
}

/// What faults need to know of the request.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The model that was asked for.
    pub model: &'a str,
    /// The identifier of the request.
    pub request_id: &'a str,
}

/// Applies faults to the answer that a well provider would give.
#[must_use]
pub fn apply(faults: &[Fault], mut answer: Answer, mut delivery: Delivery, asking: Asking<'_>, random: &mut Random) -> (Answer, Delivery) {
    for fault in faults.iter().rev() {
        if let Some(instead) = substitute::answer(fault, &answer, asking) {
            answer = instead;
        }
    }
    for fault in faults.iter().rev() {
        edit::content(fault, &mut answer, asking);
        if fault.kind == Kind::Limits {
            limits::tell(fault, &mut answer);
        }
        timing(fault, &mut delivery, random);
        stops(fault, &mut delivery);
        framing(fault, &mut delivery);
    }
    answer::enclose(&mut answer);
    (answer, delivery)
}

fn timing(fault: &Fault, delivery: &mut Delivery, random: &mut Random) {
    match fault.kind {
        Kind::Latency => delivery.wait = latency(fault, random),
        Kind::Pace => {
            delivery.gap = match fault.optional("tokens_per_second") {
                Some(rate) => Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX),
                None => millis(fault.number("gap_ms")),
            }
        }
        Kind::Drip => delivery.drip = Some(millis(fault.number("ms"))),
        Kind::Split => delivery.drip = Some(Duration::ZERO),
        Kind::Endless => delivery.endless_gap = Some(millis(fault.number("gap_ms"))),
        _ => {}
    }
}

/// One wait from the distribution; at most an hour, whatever chance says.
fn latency(fault: &Fault, random: &mut Random) -> Duration {
    let ms = fault.number("ms") as f64;
    let drawn = match fault.text("spread") {
        "uniform" => random.unit() * 2.0 * ms,
        "exponential" => -(1.0 - random.unit()).ln() * ms,
        "lognormal" => {
            // The 99th percentile lies 2.326 deviations above the median.
            let p99 = fault.optional("p99_ms").map_or(ms * 10.0, |p99| p99 as f64);
            let sigma = (p99.max(ms).max(1.0) / ms.max(1.0)).ln() / 2.326;
            ms * (sigma * random.normal()).exp()
        }
        _ => ms,
    };
    Duration::from_secs_f64((drawn / 1000.0).clamp(0.0, 3600.0))
}

fn stops(fault: &Fault, delivery: &mut Delivery) {
    let limit = || fault.optional("ms").map(Duration::from_millis);
    let (at, how) = match fault.kind {
        Kind::StallBeforeHead => (Point::BeforeHead, How::StallThenClose(limit())),
        Kind::StallAfterHead => (Point::AfterHead, How::StallThenClose(limit())),
        Kind::CutBeforeHead => (Point::BeforeHead, How::Cut { notify: false }),
        Kind::ResetBeforeHead => (Point::BeforeHead, How::Reset),
        Kind::Stall => (point(fault), How::StallThenGoOn(limit())),
        Kind::Cut => {
            let notify = fault.text("notify") == "yes";
            (point(fault), How::Cut { notify })
        }
        Kind::Reset => (point(fault), How::Reset),
        _ => return,
    };
    delivery.stop = Some(Stop { at, how });
}

fn point(fault: &Fault) -> Point {
    match (fault.optional("bytes"), fault.optional("events")) {
        (Some(bytes), _) => Point::Bytes(bytes),
        (None, Some(events)) => Point::Events(events),
        (None, None) => Point::Half,
    }
}

fn framing(fault: &Fault, delivery: &mut Delivery) {
    let number = |name| i64::try_from(fault.number(name)).unwrap_or(i64::MAX);
    match fault.kind {
        Kind::BadChunk => delivery.framing = Framing::BadChunk(fault.number("events")),
        Kind::LengthLong => delivery.framing = Framing::LengthOff(number("bytes")),
        Kind::LengthShort => delivery.framing = Framing::LengthOff(-number("bytes")),
        Kind::LengthAndChunked => delivery.framing = Framing::LengthAndChunked,
        Kind::LengthTwice => delivery.framing = Framing::LengthTwice,
        Kind::HugeHead => delivery.head_padding_bytes = fault.number("bytes"),
        Kind::InformationalFlood => delivery.informational_heads = fault.number("heads"),
        Kind::Garbage => delivery.garbage_bytes = Some(fault.number("bytes")),
        Kind::CloseAfter => delivery.close_after = true,
        Kind::IdleClose => {
            delivery.idle_close = Some(millis(fault.number("ms")));
            delivery.idle_close_requests = fault.optional("requests");
        }
        _ => {}
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Resolves a point to bytes of the body, now that the body is known.
#[must_use]
pub fn stop_at_bytes(stop: Stop, content: &Content) -> u64 {
    let lengths: Vec<u64> = match content {
        Content::Whole(body) => vec![body.len() as u64],
        Content::Events(events) => events.iter().map(crate::answer::Event::len).collect(),
    };
    let total: u64 = lengths.iter().sum();
    match (stop.at, content) {
        (Point::BeforeHead | Point::AfterHead, _) => 0,
        (Point::Bytes(bytes), _) => bytes,
        (Point::Events(count), Content::Events(_)) => lengths.iter().take(usize::try_from(count).unwrap_or(usize::MAX)).sum(),
        (Point::Events(_), Content::Whole(_)) | (Point::Half, _) => total / 2,
    }
}
