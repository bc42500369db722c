//! A way through a contestant: where requests go, what they carry, and what comes back.

use crate::{
    canned::{self, Asking},
    check::Expected,
    load::{Pace, Plan},
    machine::Used,
    meaning::Meaning,
};
use std::{net::SocketAddr, rc::Rc, time::Duration};

/// A request that takes longer is an error.
pub(crate) const TIMEOUT_NS: u64 = 30_000_000_000;
/// Answers for each connection, of a contestant that is slow, before a round of a closed loop ends.
const SLOW_ANSWERS: u64 = 8;

/// What a contestant is, for one kind of work.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) to: SocketAddr,
    pub(crate) model: &'static str,
    pub(crate) key: &'static str,
    /// Whose CPU time counts.
    pub(crate) pids: Vec<u32>,
    /// Further header lines of its requests, each with its end.
    pub(crate) fields: String,
    /// It writes answers anew: what they say is compared, not each byte.
    pub(crate) rewrites: bool,
    /// A round may have to be longer to say anything, and what is left of it takes time to end.
    pub(crate) slow: bool,
}

/// What is asked, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) request_bytes: usize,
    pub(crate) answer_bytes: usize,
    /// Of streams, events with content; completions otherwise.
    pub(crate) events: Option<usize>,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
}

impl Way {
    /// One that passes on what it is given, as fast as it can.
    pub(crate) fn new(name: &'static str, to: SocketAddr, model: &'static str, key: &'static str, pids: &[u32]) -> Way {
        Way { name, to, model, key, pids: pids.to_vec(), fields: String::new(), rewrites: false, slow: false }
    }

    /// What the load does.
    pub(crate) fn plan(&self, asked: &Asked) -> Plan {
        let host = self.to.to_string();
        let stream = asked.events.is_some();
        let asking = Asking { path: canned::PATH, host: &host, key: self.key, model: self.model, bytes: asked.request_bytes, stream };
        let request = canned::with_fields(&canned::request(&asking), &self.fields);
        Plan {
            to: self.to,
            // Who writes answers anew may compress them as well; what they say is read here.
            request: if self.rewrites { canned::uncompressed(&request) } else { request },
            expected: self.expected(asked),
            connections: asked.connections,
            pace: asked.pace,
            timeout_ns: TIMEOUT_NS,
        }
    }

    fn expected(&self, asked: &Asked) -> Expected {
        let Some(events) = asked.events else {
            let body = canned::completion(asked.answer_bytes);
            return if self.rewrites {
                Expected::JsonSaying(Rc::new(Meaning::of_completion(&body).expect("the sink's own is a completion")))
            } else {
                Expected::Json(Some(body))
            };
        };
        let data = canned::stream(events);
        if self.rewrites {
            let chunks = data.iter().map(String::as_str).filter(|data| *data != "[DONE]");
            Expected::StreamSaying(Rc::new(Meaning::of_stream(chunks).expect("the sink's own are chunks")))
        } else {
            Expected::Stream(Some(data.into()))
        }
    }

    /// The shares of the time that it was busy, and that it was kept from its core by other work.
    pub(crate) fn shares(&self, used: &Used, elapsed: Duration) -> (f64, f64) {
        // An interpreter's threads for its memory take the core from the one that has the requests.
        let (busy, held) = if self.slow { used.of_one_core() } else { (used.busiest_run_ns, used.busiest_wait_ns) };
        let share = |nanos: u64| nanos as f64 / elapsed.as_nanos() as f64;
        (share(busy), share(held))
    }

    /// So many answers are waited for before a round ends, within reason.
    pub(crate) fn answers_min(&self, asked: &Asked) -> u64 {
        match asked.pace {
            Pace::Closed if self.slow => SLOW_ANSWERS * asked.connections as u64,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Way};
    use crate::{check::Expected, load::Pace, machine::Used};
    use std::time::Duration;

    #[test]
    fn a_way_says_what_is_sent_and_what_is_expected() {
        let to = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        let asked = Asked { request_bytes: 1_024, answer_bytes: 1_024, events: None, connections: 64, pace: Pace::Closed };
        let streams = Asked { events: Some(3), pace: Pace::Open { per_second: 10.0 }, ..asked };
        let mut way = Way::new("peer", to, "model", "key", &[7]);
        assert!(matches!((way.plan(&asked).expected, way.plan(&streams).expected), (Expected::Json(Some(_)), Expected::Stream(Some(_)))));
        assert_eq!((way.answers_min(&asked), way.answers_min(&streams)), (0, 0));
        (way.rewrites, way.slow, way.fields) = (true, true, "x-provider: sink\r\n".to_owned());
        assert!(matches!((way.plan(&asked).expected, way.plan(&streams).expected), (Expected::JsonSaying(_), Expected::StreamSaying(_))));
        assert_eq!((way.answers_min(&asked), way.answers_min(&streams)), (512, 0));
        let used = Used { run_ns: 900, busiest_run_ns: 600, busiest_wait_ns: 400, ..Used::default() };
        assert_eq!(way.shares(&used, Duration::from_nanos(1_000)), (0.9, 0.1));
        assert_eq!(Way::new("peer", to, "model", "key", &[7]).shares(&used, Duration::from_nanos(1_000)), (0.6, 0.4));
        let request = way.plan(&asked).request;
        assert!(memchr::memmem::find(&request, b"\r\nx-provider: sink\r\n").is_some());
        assert!(memchr::memmem::find(&request, b"\r\nAuthorization: Bearer key\r\n").is_some());
    }
}
