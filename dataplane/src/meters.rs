//! Every counter and histogram of the data plane, declared once: the metrics page, the statistics
//! for the control plane and the reference derive from these tables.
//!
//! Each shard has its own [`Meters`], which it alone writes and the recorder reads: a count is a
//! load and a store, never a locked instruction.

use policy::Class;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! table {
    ($(#[$doc:meta])* $kind:ident { $($name:ident = $word:literal, $form:ident, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum $kind { $(#[doc = $help] $name),* }

        impl $kind {
            /// Every entry, in the order of declaration.
            pub const ALL: &'static [$kind] = &[$($kind::$name),*];

            /// Name on the metrics page, without the prefix `throwover_`.
            pub const fn word(self) -> &'static str {
                match self { $($kind::$name => $word),* }
            }

            /// What it counts.
            pub const fn help(self) -> &'static str {
                match self { $($kind::$name => $help),* }
            }

            /// How it behaves.
            pub const fn form(self) -> Form {
                match self { $($kind::$name => Form::$form),* }
            }
        }
    };
}

/// How a meter behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Spread of times, kept in nanoseconds and shown in seconds.
    Histogram,
}

table! {
    /// Counters and gauges of one shard.
    Meter {
        ConnectionsAccepted = "downstream_connections_total", Counter, "Connections that tenants opened.";
        ConnectionsOpen = "downstream_connections_open", Gauge, "Connections of tenants that are open, idle ones included.";
        DownstreamTlsFailed = "downstream_tls_failures_total", Counter, "TLS handshakes of tenants that failed.";
        IntroductionsRefused = "introductions_refused_total", Counter, "Connections whose proxy was not trusted, or did not say who comes.";
        HeadsRefused = "heads_refused_total", Counter, "Requests whose head broke HTTP or a limit.";
        BodiesRefused = "bodies_refused_total", Counter, "Requests whose body broke HTTP, JSON or a limit.";
        Unauthorized = "unauthorized_total", Counter, "Requests without a key that is known.";
        Guesses = "key_guesses_total", Counter, "Unknown keys that came from an address too fast.";
        OutOfBounds = "address_refused_total", Counter, "Requests with a known key from an address that it may not be used from.";
        RateLimited = "rate_limited_total", Counter, "Requests of tenants beyond what they may ask for in a minute.";
        BudgetRefused = "budget_refused_total", Counter, "Requests of tenants whose budget has too little left.";
        BudgetReduced = "budget_reduced_total", Counter, "Requests that took another chain, since so much of their tenant's budget was used.";
        Shed = "shed_total", Counter, "Requests refused because the gateway was full.";
        Requests = "requests_total", Counter, "Requests whose head was read.";
        Exchanges = "exchanges_total", Counter, "Requests that were decided, each one exchange.";
        ExchangesInFlight = "exchanges_in_flight", Gauge, "Exchanges that have begun and not ended.";
        Streams = "streams_total", Counter, "Exchanges that asked for a stream.";
        Answered = "answered_total", Counter, "Exchanges that ended with a complete answer.";
        Filtered = "filtered_total", Counter, "Complete answers that a filter had ended, as they say.";
        Refusals = "refusals_total", Counter, "Complete answers in which the model refused, as they say.";
        Estimated = "estimated_total", Counter, "Counts of tokens that no provider gave, and the gateway estimated.";
        Struck = "struck_total", Counter, "Attempts that a rehearsal made to fail, or late.";
        Templates = "templates_total", Counter, "Exchanges that ended with the text of their chain, since no target could answer.";
        Compacted = "compacted_total", Counter, "Exchanges whose prompt was made to fit, since nobody could read all of it.";
        Summaries = "summaries_total", Counter, "Summaries of what was left out of a prompt.";
        SummariesFailed = "summaries_failed_total", Counter, "Prompts that were made to fit without the summary that their chain asks for.";
        Earlier = "earlier_total", Counter, "Exchanges that ended with an earlier answer to the identical request, since no target could answer.";
        EarlierMissed = "earlier_missed_total", Counter, "Exchanges that found no earlier answer when they needed one.";
        EarlierHanded = "earlier_handed_total", Counter, "Answers that were handed over to be kept.";
        EarlierDropped = "earlier_dropped_total", Counter, "Answers that were not kept because too many were on their way.";
        Relayed = "relayed_errors_total", Counter, "Exchanges that ended with a provider's own error, returned once.";
        Failed = "failed_total", Counter, "Exchanges that ended with an error of the gateway's.";
        CutStreams = "cut_streams_total", Counter, "Exchanges whose answer had begun, if only with comments, and ended with an error.";
        Flawed = "flawed_streams_total", Counter, "Streams that were whole, and not in the form that their request asked for.";
        Unchecked = "form_unchecked_total", Counter, "Answers that were too large to be looked at for the form that their request asked for, or had too many calls, or their schema too entangled.";
        HungUp = "hung_up_total", Counter, "Exchanges whose tenant went away.";
        Attempts = "attempts_total", Counter, "Attempts made at targets.";
        AttemptsFailed = "attempts_failed_total", Counter, "Attempts that did not give the answer.";
        Spent = "spent_total", Counter, "Times that an answer said that nothing remains of its provider's limits, and others were asked first.";
        Hedges = "hedges_total", Counter, "Second attempts beside a slow first one.";
        HedgesWon = "hedges_won_total", Counter, "Second attempts that had something to show before the first.";
        Standby = "standby_total", Counter, "Exchanges whose first attempt was made at a later target of their chain, by its `standby`.";
        Fallbacks = "fallbacks_total", Counter, "Exchanges that were answered by another target than the first, which had failed or could not be asked.";
        PromptTokens = "prompt_tokens_total", Counter, "Prompt tokens, as providers count them.";
        AnswerTokens = "answer_tokens_total", Counter, "Answer tokens, as providers count them.";
        Cost = "cost_nanodollars_total", Counter, "What attempts cost, in billionths of a US dollar, where prices are known.";
        UpstreamOpened = "upstream_connections_total", Counter, "Connections opened to providers.";
        UpstreamFailed = "upstream_connections_failed_total", Counter, "Connections to providers that could not be opened.";
        UpstreamReused = "upstream_reused_total", Counter, "Attempts that took a warm connection.";
        UpstreamIdle = "upstream_connections_idle", Gauge, "Warm connections to providers.";
        BytesIn = "downstream_received_bytes_total", Counter, "Bytes of request bodies.";
        BytesOut = "downstream_sent_bytes_total", Counter, "Bytes of answer bodies.";
        BodyBytesHeld = "body_held_bytes", Gauge, "Bytes of the body budget that are in use.";
        RecordsDropped = "records_dropped_total", Counter, "Decision records that the recorder could not keep up with.";
        EventsDropped = "events_dropped_total", Counter, "Events that the link could not keep up with.";
        Turns = "reactor_turns_total", Counter, "Turns of the shard's ring.";
        Completions = "reactor_completions_total", Counter, "Completions that the ring delivered.";
        Starved = "reactor_buffers_starved_total", Counter, "Times that a receive found no buffer.";
        Generation = "policy_generation", Gauge, "Generation that the shard serves.";
    }
}

table! {
    /// Histograms of one shard.
    Spread {
        OverheadRequest = "overhead_request_seconds", Histogram, "From the request's last byte to the first attempt's bytes handed to the ring.";
        OverheadAnswer = "overhead_answer_seconds", Histogram, "From the provider's decisive byte to the answer's bytes handed to the ring.";
        Switch = "switch_seconds", Histogram, "From an attempt's failure to the next attempt's bytes handed to the ring, waits of the policy excluded.";
        FirstToken = "first_token_seconds", Histogram, "From the request's last byte to the stream's first content.";
        Gap = "token_gap_seconds", Histogram, "Between two receptions of one stream's content.";
        Exchange = "exchange_seconds", Histogram, "From the request's last byte to the answer's last.";
        Connect = "connect_seconds", Histogram, "To open a connection to a provider, TLS included.";
    }
}

/// Sub-buckets of each power of two: values are kept to two significant digits.
const SUB: usize = 64;
/// Powers of two above the first 64 values: up to 2^41 ns, about 36 minutes.
const POWERS: usize = 36;
/// Buckets of one histogram.
const BUCKETS: usize = SUB * POWERS;

/// One histogram: fixed buckets, written by one shard and read by the recorder.
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    sum: AtomicU64,
}

impl Histogram {
    fn new() -> Self {
        let buckets: Box<[AtomicU64]> = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Histogram { buckets: buckets.try_into().expect("just made with this length"), sum: AtomicU64::new(0) }
    }

    /// Counts one value, in nanoseconds; above the range it counts as the largest.
    pub fn record(&self, nanos: u64) {
        bump(&self.buckets[bucket_of(nanos)], 1);
        bump(&self.sum, nanos);
    }
}

/// One writer, so that a load and a store are enough.
fn bump(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(by), Relaxed);
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < SUB as u64 {
        return nanos as usize;
    }
    let power = 63 - nanos.leading_zeros() as usize;
    let shift = power - 6;
    let index = (shift + 1) * SUB + ((nanos >> shift) as usize & (SUB - 1));
    index.min(BUCKETS - 1)
}

/// The largest value that falls into a bucket, in nanoseconds.
fn upper_of(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = bucket / SUB - 1;
    let sub = (bucket % SUB) as u64 + SUB as u64;
    ((sub + 1) << shift) - 1
}

/// A sum of histograms of several shards, to be asked.
#[derive(Clone)]
pub struct Spectrum {
    counts: Vec<u64>,
    /// Values counted.
    pub count: u64,
    /// Their sum, in nanoseconds.
    pub sum: u64,
}

impl Spectrum {
    /// The sum over shards.
    pub fn of<'m>(shards: impl Iterator<Item = &'m Meters>, spread: Spread) -> Spectrum {
        let mut spectrum = Spectrum { counts: vec![0; BUCKETS], count: 0, sum: 0 };
        for meters in shards {
            let histogram = &meters.spreads[spread as usize];
            for (sum, cell) in spectrum.counts.iter_mut().zip(histogram.buckets.iter()) {
                let count = cell.load(Relaxed);
                *sum += count;
                spectrum.count += count;
            }
            spectrum.sum = spectrum.sum.wrapping_add(histogram.sum.load(Relaxed));
        }
        spectrum
    }

    /// The value below which `share` (0 to 1) of the values lie, in nanoseconds; 0 when empty.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_of(bucket);
            }
        }
        0
    }

    /// How many values were at most `nanos`, to within a bucket.
    pub fn at_most(&self, nanos: u64) -> u64 {
        self.counts[..=bucket_of(nanos)].iter().sum()
    }
}

/// Counters of one shard. Aligned so that no two shards write to one cache line.
#[repr(align(128))]
pub struct Meters {
    cells: [AtomicU64; Meter::ALL.len()],
    failures: [AtomicU64; Class::ALL.len()],
    spreads: [Histogram; Spread::ALL.len()],
}

impl Default for Meters {
    fn default() -> Self {
        Meters {
            cells: [const { AtomicU64::new(0) }; Meter::ALL.len()],
            failures: [const { AtomicU64::new(0) }; Class::ALL.len()],
            spreads: std::array::from_fn(|_| Histogram::new()),
        }
    }
}

impl Meters {
    /// Adds to a counter.
    pub fn add(&self, meter: Meter, by: u64) {
        bump(&self.cells[meter as usize], by);
    }

    /// Adds one.
    pub fn count(&self, meter: Meter) {
        self.add(meter, 1);
    }

    /// Takes from a gauge.
    pub fn sub(&self, meter: Meter, by: u64) {
        let cell = &self.cells[meter as usize];
        cell.store(cell.load(Relaxed).wrapping_sub(by), Relaxed);
    }

    /// Sets a gauge, or a counter that is kept elsewhere.
    pub fn set(&self, meter: Meter, to: u64) {
        self.cells[meter as usize].store(to, Relaxed);
    }

    /// Reads one.
    pub fn get(&self, meter: Meter) -> u64 {
        self.cells[meter as usize].load(Relaxed)
    }

    /// Counts a failed attempt.
    pub fn failure(&self, class: Class) {
        bump(&self.failures[class as usize], 1);
    }

    /// Failed attempts of one class.
    pub fn failures(&self, class: Class) -> u64 {
        self.failures[class as usize].load(Relaxed)
    }

    /// Counts a time.
    pub fn spread(&self, spread: Spread, nanos: u64) {
        self.spreads[spread as usize].record(nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_two_significant_digits() {
        for value in (0..4096).chain((12..41).flat_map(|power| [(1u64 << power) - 1, 1 << power, (1 << power) + 12345])) {
            let upper = upper_of(bucket_of(value));
            assert!(upper >= value, "{value} lies above its bucket's end {upper}");
            assert!((upper - value) as f64 <= value as f64 / 60.0 + 1.0, "{value} → {upper}");
        }
    }

    #[test]
    fn quantiles_are_found() {
        let meters = Meters::default();
        for value in 1..=1000 {
            meters.spread(Spread::Gap, value * 1000);
        }
        let spectrum = Spectrum::of([&meters].into_iter(), Spread::Gap);
        for (share, expected) in [(0.5, 500_000.0), (0.99, 990_000.0), (1.0, 1_000_000.0)] {
            let found = spectrum.quantile(share) as f64;
            assert!((found / expected - 1.0).abs() < 0.02, "{share}: {found}");
        }
        assert_eq!((spectrum.count, spectrum.sum), (1000, 500_500_000));
    }

    #[test]
    fn values_out_of_range_count_as_the_largest() {
        let meters = Meters::default();
        meters.spread(Spread::Gap, u64::MAX);
        assert_eq!(Spectrum::of([&meters].into_iter(), Spread::Gap).count, 1);
    }
}
