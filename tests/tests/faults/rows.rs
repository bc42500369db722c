//! What can go wrong, one row each: how it is brought about, and which class of failure it is.

use mock::CertificateKind;

/// How a fault is brought about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// By faults of the mock at one request: of JSON answers, and of streams; empty where there is nothing to
    /// break. `{lead}` stands for the events of a dialect before its first content, `{shown}` for as many as
    /// show some of it.
    Request(&'static str, &'static str),
    /// By a fault of the mock at the connection.
    Connection(&'static str),
    /// By TLS, and a fault of the mock at the connection.
    Secure(&'static str),
    /// By TLS, and this certificate.
    Certificate(CertificateKind),
    /// By TLS to who speaks none.
    NoTls,
    /// By a name that has no address.
    NoName,
}

/// One fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The classes that it may be judged as; more than one where bytes may overtake one another.
    pub(crate) classes: &'static [&'static str],
    /// The same of streams, where it differs.
    pub(crate) of_streams: Option<&'static [&'static str]>,
    /// The same of streams of Gemini's, where that differs once more.
    pub(crate) of_gemini: Option<&'static [&'static str]>,
    pub(crate) way: Way,
    /// Needs patience that runs out.
    pub(crate) slow: bool,
    /// Strikes a stream after its first content, when nothing can be taken back.
    pub(crate) late: bool,
    /// For how long the provider asks to be left alone, in milliseconds.
    pub(crate) pause_ms: u64,
}

impl Row {
    const fn new(name: &'static str, classes: &'static [&'static str], way: Way) -> Row {
        Row { name, classes, of_streams: None, of_gemini: None, way, slow: false, late: false, pause_ms: 0 }
    }

    const fn slow(self) -> Row {
        Row { slow: true, ..self }
    }

    const fn pause(self, pause_ms: u64) -> Row {
        Row { pause_ms, ..self }
    }

    const fn streams(self, classes: &'static [&'static str]) -> Row {
        Row { of_streams: Some(classes), ..self }
    }

    const fn gemini(self, classes: &'static [&'static str]) -> Row {
        Row { of_gemini: Some(classes), ..self }
    }

    /// The classes that it may be judged as at a provider of this dialect.
    pub(crate) fn classes(&self, stream: bool, dialect: &str) -> &'static [&'static str] {
        let of_gemini = self.of_gemini.filter(|_| stream && dialect == "generate");
        of_gemini.or(self.of_streams.filter(|_| stream)).unwrap_or(self.classes)
    }

    /// The classes in a word or two, for the table.
    pub(crate) fn class_text(&self) -> String {
        let mut words: Vec<&str> = Vec::new();
        let others = [self.of_streams, self.of_gemini].into_iter().flatten().flatten();
        for class in self.classes.iter().chain(others) {
            if !words.contains(class) {
                words.push(class);
            }
        }
        words.join(", ")
    }
}

/// The same at a JSON answer and at a stream.
const fn both(name: &'static str, classes: &'static [&'static str], written: &'static str) -> Row {
    Row::new(name, classes, Way::Request(written, written))
}

const fn each(name: &'static str, classes: &'static [&'static str], json: &'static str, stream: &'static str) -> Row {
    Row::new(name, classes, Way::Request(json, stream))
}

const fn late(name: &'static str, classes: &'static [&'static str], stream: &'static str) -> Row {
    Row { late: true, ..Row::new(name, classes, Way::Request("", stream)) }
}

/// Every fault.
pub(crate) const ROWS: &[&[Row]] = &[STATUSES, BODIES, WIRE, CONNECTIONS, LATE];

/// Error answers that say what they are.
const STATUSES: &[Row] = &[
    both("400 invalid", &["invalid_request"], "400;code=invalid_value"),
    both("400 context window", &["context_window"], "400;code=context_length_exceeded"),
    both("400 content filter", &["content_filter"], "400;code=content_filter"),
    both("400, no body", &["invalid_request"], "status;status=400;shape=empty"),
    both("400, its body is cut", &["invalid_request"], "400;code=invalid_value,cut;bytes=60"),
    both("401", &["auth"], "401"),
    both("402", &["quota_exhausted"], "402"),
    both("403", &["permission"], "403"),
    both("404 model", &["model_gone"], "404"),
    both("408", &["timeout"], "408"),
    both("409", &["server_error"], "409"),
    both("410", &["model_gone"], "410"),
    both("413", &["invalid_request"], "413"),
    both("422", &["invalid_request"], "422"),
    both("424", &["server_error"], "424"),
    both("425", &["reset"], "425"),
    both("429", &["rate_limit"], "429").pause(1_000),
    both("429, Retry-After: 1", &["rate_limit"], "429;retry_after=1").pause(1_000),
    both("429, Retry-After: 60", &["rate_limit"], "429;retry_after=60").pause(60_000),
    // A date has no parts of a second: it may be a second less ahead than was meant.
    both("429, Retry-After as a date", &["rate_limit"], "429;retry_after_date=3").pause(1_900),
    both("429, retry-after-ms: 300", &["rate_limit"], "429;retry_after_ms=300").pause(300),
    both("429, no body", &["rate_limit"], "status;status=429;shape=empty").pause(1_000),
    both("429 out of quota", &["quota_exhausted"], "429;code=insufficient_quota"),
    both("451", &["content_filter"], "451"),
    both("498", &["overloaded"], "498"),
    both("499", &["reset"], "499"),
    both("500", &["server_error"], "500"),
    both("500, a bare string", &["server_error"], "500;shape=string"),
    both("500, problem+json", &["server_error"], "500;shape=problem"),
    both("501", &["server_error"], "501"),
    both("502", &["server_error"], "502"),
    both("503", &["overloaded"], "503"),
    both("503, retry-after-ms: 300", &["overloaded"], "503;retry_after_ms=300").pause(300),
    both("503, no body", &["overloaded"], "503;shape=empty"),
    both("503, its body is cut", &["overloaded"], "503,cut;bytes=10"),
    both("503, its body stalls", &["overloaded"], "503,stall;bytes=10").slow(),
    both("504", &["timeout"], "504"),
    both("520", &["server_error"], "520"),
    both("521", &["connect"], "521"),
    both("522", &["connect"], "522"),
    both("523", &["connect"], "523"),
    both("524", &["timeout"], "524"),
    both("525", &["tls"], "525"),
    both("526", &["tls"], "526"),
    both("529", &["overloaded"], "529"),
    both("530", &["connect"], "530"),
    both("HTML, 403", &["permission"], "html;status=403"),
    both("HTML, 413", &["invalid_request"], "html;status=413"),
    both("HTML, 502", &["server_error"], "html;status=502"),
    both("redirect 301", &["malformed"], "redirect;status=301"),
    both("redirect 307", &["malformed"], "redirect"),
];

/// Answers with status 200 that are none.
const BODIES: &[Row] = &[
    both("HTML, 200", &["malformed"], "html;status=200"),
    each(
        "HTML that calls itself an answer",
        &["malformed"],
        "html;status=200,wrong-type;type=application/json",
        "html;status=200,wrong-type;type=text/event-stream",
    )
    .streams(&["stream_cut"]),
    both("error in 200", &["server_error"], "error-in-200"),
    each("rate limit in 200", &["rate_limit"], "error-in-200;code={rate}", "error-before-content;code={rate}").pause(1_000),
    each("error event before content", &["server_error"], "", "error-before-content"),
    // A stream of Gemini's has no end but the finish reason of its candidate, and here is none.
    both("no choices", &["empty"], "empty-choices").gemini(&["stream_cut"]),
    both("no body", &["empty"], "empty-body"),
    both("204", &["empty"], "status;status=204;shape=empty").streams(&["malformed"]),
    each("truncated JSON", &["malformed"], "truncated-json", "truncated-json"),
    each("no end", &["malformed"], "truncated-json;bytes=2", "no-terminal;events={lead}").streams(&["stream_cut"]),
    both("wrong content type", &["malformed"], "wrong-type"),
    both("wrong encoding", &["malformed"], "encoded"),
    each("finish reason: error", &["server_error"], "{finish-json}", "{finish-stream}"),
    each("event of 2 MiB", &["malformed"], "", "huge-event;bytes=2097152;events={lead}"),
];

/// What breaks on the wire.
const WIRE: &[Row] = &[
    both("cut before head", &["reset"], "cut-before-head"),
    both("reset before head", &["reset"], "reset-before-head"),
    both("stall before head", &["timeout"], "stall-before-head").slow(),
    both("slow head", &["timeout"], "latency;ms=600000").slow(),
    both("stall after head", &["timeout"], "stall-after-head").slow(),
    both("a byte now and then", &["timeout"], "drip;ms=50").slow(),
    each("stall in mid-answer", &["timeout"], "stall", "stall;events={lead}").slow(),
    each("cut in mid-answer", &["stream_cut"], "cut", "cut;events={lead}"),
    // A reset may overtake the head that was sent before it.
    each("reset in mid-answer", &["stream_cut", "reset"], "reset", "reset;events={lead}"),
    each("bad chunk", &["malformed"], "bad-chunk", "bad-chunk;events={lead}"),
    each("length too long", &["stream_cut"], "length-long", "no-terminal;events={lead},length-long"),
    each("length too short", &["malformed"], "length-short", "length-short;bytes=100000").streams(&["empty"]),
    both("length and chunked", &["malformed"], "length-and-chunked"),
    both("two lengths", &["malformed"], "length-twice"),
    both("head of 1 MiB", &["malformed"], "huge-head"),
    both("1000 interim heads", &["malformed"], "informational-flood"),
    both("no HTTP", &["malformed"], "garbage"),
];

/// What breaks before a request is sent.
const CONNECTIONS: &[Row] = &[
    Row::new("connection refused", &["connect"], Way::Connection("refuse")),
    Row::new("connection hangs", &["connect"], Way::Connection("black-hole")),
    Row::new("name without address", &["connect"], Way::NoName),
    Row::new("closed on accept", &["reset"], Way::Connection("close-on-accept")),
    Row::new("reset on accept", &["reset", "connect"], Way::Connection("reset-on-accept")),
    Row::new("never read", &["timeout"], Way::Connection("never-read")).slow(),
    Row::new("TLS handshake hangs", &["connect"], Way::Secure("tls-stall")),
    Row::new("no TLS", &["tls"], Way::NoTls),
    Row::new("certificate expired", &["tls"], Way::Certificate(CertificateKind::Expired)),
    Row::new("certificate of another host", &["tls"], Way::Certificate(CertificateKind::WrongHost)),
    Row::new("certificate of an unknown CA", &["tls"], Way::Certificate(CertificateKind::UnknownIssuer)),
];

/// What breaks after the user has seen something.
const LATE: &[Row] = &[
    late("cut after content", &["stream_cut"], "cut;events={shown}"),
    // Paced: a reset overtakes what was not read yet, and then nobody has seen anything.
    late("reset after content", &["stream_cut"], "pace;gap_ms=150,reset;events={shown}"),
    late("stall after content", &["timeout"], "stall;events={shown}").slow(),
    late("bad chunk after content", &["malformed"], "bad-chunk;events={shown}"),
    late("error event after content", &["server_error"], "error-event;events={shown}"),
    late("no end after content", &["stream_cut"], "no-terminal"),
];

/// A fault in the words that a provider of this dialect is broken by.
pub(crate) fn written(fault: &str, client: &str) -> String {
    // Anthropic has no word for an error at the end, and sends one.
    let [lead, shown, rate, finish_json, finish_stream] = match client {
        "chat" => ["1", "4", "rate_limit_exceeded", "finish;reason=error;content=drop", "finish;reason=error;content=drop"],
        "messages" => ["2", "8", "rate_limit_error", "error-in-200", "error-before-content"],
        _ => ["0", "4", "rate_limit_exceeded", "finish;reason=OTHER;content=drop", "finish;reason=OTHER;content=drop"],
    };
    fault
        .replace("{lead}", lead)
        .replace("{shown}", shown)
        .replace("{rate}", rate)
        .replace("{finish-json}", finish_json)
        .replace("{finish-stream}", finish_stream)
}
