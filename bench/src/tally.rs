//! What a load has counted: answers, errors by kind, spreads of times.

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, time::Duration};

/// Longest time that is told apart, in nanoseconds.
const TIME_MAX: u64 = 600 * 1_000_000_000;

/// Why a request has no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No connection could be opened.
    Connect,
    /// The connection broke or ended before the answer was complete.
    Cut,
    /// An answer with this status.
    Status(u16),
    /// The answer is not HTTP.
    Malformed,
    /// The answer is not the one that was sent.
    Content,
    /// Nothing for too long.
    Timeout,
    /// Too many requests of the schedule wait for a connection.
    Backlog,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Connect => f.write_str("not connected"),
            Kind::Cut => f.write_str("cut"),
            Kind::Status(status) => write!(f, "status {status}"),
            Kind::Malformed => f.write_str("malformed"),
            Kind::Content => f.write_str("wrong content"),
            Kind::Timeout => f.write_str("timeout"),
            Kind::Backlog => f.write_str("backlog"),
        }
    }
}

/// A spread of times.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

/// Points of a spread that are shown.
const POINTS: [(&str, f64); 6] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

impl Times {
    /// Nothing yet; values keep three digits.
    pub(crate) fn new() -> Times {
        Times(Histogram::new_with_bounds(1, TIME_MAX, 3).expect("the bounds are in order"))
    }

    /// Counts a time in nanoseconds; what is beyond the range counts as the longest.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.max(1));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this share of all values does not exceed, in microseconds.
    pub(crate) fn at(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e3
    }

    /// Adds what another has counted.
    pub(crate) fn add(&mut self, other: &Times) {
        self.0.add(&other.0).expect("all of them have the same bounds");
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }

    /// The histogram, in nanoseconds.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub(crate) fn json(&self) -> Value {
        let mut points: serde_json::Map<String, Value> =
            POINTS.iter().map(|(name, share)| (format!("{name}_us"), json!(self.at(*share)))).collect();
        points.insert("mean_us".to_owned(), json!(self.0.mean() / 1e3));
        points.insert("count".to_owned(), json!(self.count()));
        Value::Object(points)
    }

    fn text(&self) -> String {
        POINTS.map(|(name, share)| format!("{name} {:.0}", self.at(share))).join("  ")
    }
}

/// Everything that is counted between two moments.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Good answers.
    pub(crate) answers: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    pub(crate) errors: BTreeMap<Kind, u64>,
    /// Intended start to last byte. In a closed loop, the start is when the request was sent.
    pub(crate) latency: Times,
    /// Sent to last byte.
    pub(crate) service: Times,
    /// Intended start to the moment that the generator came to it: its own lateness.
    pub(crate) lateness: Times,
    /// Intended start to the stream's first event.
    pub(crate) first_event: Times,
    /// Between two events of one stream.
    pub(crate) gap: Times,
    /// An event's own stamp to its arrival: one way, for each event by itself.
    pub(crate) delay: Times,
    /// Requests of the schedule that had to wait for a connection.
    pub(crate) waited: u64,
    /// Connections that had served and were closed by the other end between two requests.
    pub(crate) closed: u64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            answers: 0,
            bytes: 0,
            errors: BTreeMap::new(),
            latency: Times::new(),
            service: Times::new(),
            lateness: Times::new(),
            first_event: Times::new(),
            gap: Times::new(),
            delay: Times::new(),
            waited: 0,
            closed: 0,
        }
    }

    /// Every spread, by the name that it has in reports.
    pub(crate) fn spreads(&self) -> [(&'static str, &Times); 6] {
        [
            ("latency", &self.latency),
            ("service", &self.service),
            ("generator_lateness", &self.lateness),
            ("first_event", &self.first_event),
            ("gap", &self.gap),
            ("delay", &self.delay),
        ]
    }

    fn spreads_mut(&mut self) -> [&mut Times; 6] {
        [&mut self.latency, &mut self.service, &mut self.lateness, &mut self.first_event, &mut self.gap, &mut self.delay]
    }

    /// Adds what another has counted.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.waited += other.waited;
        self.closed += other.closed;
        other.errors.iter().for_each(|(kind, count)| *self.errors.entry(*kind).or_default() += count);
        for (ours, (_, theirs)) in self.spreads_mut().into_iter().zip(other.spreads()) {
            ours.add(theirs);
        }
    }

    /// Forgets everything, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        (self.answers, self.bytes, self.waited, self.closed) = (0, 0, 0, 0);
        self.errors.clear();
        self.spreads_mut().into_iter().for_each(Times::clear);
    }

    pub(crate) fn error(&mut self, kind: Kind) {
        *self.errors.entry(kind).or_default() += 1;
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Errors in words, the empty text when there are none.
    pub(crate) fn errors_text(&self) -> String {
        self.errors.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn json(&self, elapsed: Duration) -> Value {
        let errors: serde_json::Map<String, Value> = self.errors.iter().map(|(kind, count)| (kind.to_string(), json!(count))).collect();
        let mut whole = json!({
            "seconds": elapsed.as_secs_f64(),
            "answers": self.answers,
            "answers_per_second": self.answers as f64 / elapsed.as_secs_f64(),
            "body_bytes": self.bytes,
            "errors": errors,
            "latency": self.latency.json(),
        });
        if self.lateness.count() > 0 {
            whole["service"] = self.service.json();
            whole["generator_lateness"] = self.lateness.json();
            whole["waited_for_a_connection"] = json!(self.waited);
            whole["connections_closed_between"] = json!(self.closed);
        }
        if self.first_event.count() > 0 {
            whole["first_event"] = self.first_event.json();
            whole["gap"] = self.gap.json();
        }
        if self.delay.count() > 0 {
            whole["delay"] = self.delay.json();
        }
        whole
    }

    pub(crate) fn text(&self, elapsed: Duration) -> String {
        let mut text = format!(
            "{} answers in {:.2} s: {:.0}/s, {:.1} MB/s of bodies; errors: {}\n",
            self.answers,
            elapsed.as_secs_f64(),
            self.answers as f64 / elapsed.as_secs_f64(),
            self.bytes as f64 / 1e6 / elapsed.as_secs_f64(),
            if self.errors.is_empty() { "none".to_owned() } else { self.errors_text() }
        );
        let mut line = |name: &str, times: &Times| {
            if times.count() > 0 {
                text.push_str(&format!("{name:<22} us  {}\n", times.text()));
            }
        };
        if self.lateness.count() == 0 {
            line("latency", &self.latency);
        } else {
            line("latency (intended)", &self.latency);
            line("latency (sent)", &self.service);
            line("generator's lateness", &self.lateness);
        }
        line("first event", &self.first_event);
        line("gap between events", &self.gap);
        line("event's delay, one way", &self.delay);
        if self.waited > 0 {
            text.push_str(&format!("{} requests waited for a free connection: more --connections, or less --rate\n", self.waited));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Tally, Times};
    use std::time::Duration;

    #[test]
    fn quantiles_keep_three_digits() {
        let mut times = Times::new();
        (1..=10_000).for_each(|micros| times.record(micros * 1_000));
        for (share, expected) in [(0.5, 5_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = times.at(share);
            assert!((found / expected - 1.0).abs() < 0.001, "{share}: {found}");
        }
        times.record(u64::MAX);
        times.record(0);
        assert_eq!(times.count(), 10_002);
        assert!(times.at(1.0) >= 600e6);
    }

    #[test]
    fn errors_are_told_by_kind() {
        let mut tally = Tally::new();
        tally.answers = 10;
        tally.error(Kind::Status(503));
        tally.error(Kind::Status(503));
        tally.error(Kind::Content);
        assert_eq!(tally.errors(), 3);
        assert_eq!(tally.errors_text(), "2 status 503, 1 wrong content");
        let value = tally.json(Duration::from_secs(2));
        assert_eq!(value["answers_per_second"], 5.0);
        assert_eq!(value["errors"]["status 503"], 2);
        assert!(value.get("generator_lateness").is_none(), "a closed loop has no schedule");
        tally.lateness.record(1);
        assert!(tally.text(Duration::from_secs(2)).contains("generator's lateness"));
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let (mut whole, mut part) = (Tally::new(), Tally::new());
        for number in 1..=100_u64 {
            part.answers += 1;
            part.bytes += 10;
            part.latency.record(number * 1_000);
            part.delay.record(number);
            if number % 10 == 0 {
                part.error(Kind::Cut);
                whole.add(&part);
                part.clear();
                assert_eq!((part.answers, part.errors(), part.latency.count()), (0, 0, 0));
            }
        }
        assert_eq!((whole.answers, whole.bytes, whole.errors()), (100, 1_000, 10));
        assert_eq!((whole.latency.count(), whole.delay.count(), whole.latency.at(1.0).round()), (100, 100, 100.0));
    }
}
