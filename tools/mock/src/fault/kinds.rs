//! The one table of fault kinds.

/// When a fault takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// At the listening socket.
    Listener,
    /// On an accepted connection, before any request is read.
    Accept,
    /// On one exchange.
    Request,
}

/// What values a parameter takes, with its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A whole number.
    Number(u64),
    /// A whole number that may be absent.
    Optional,
    /// Any text.
    Text(&'static str),
    /// Any text, or absent.
    OptionalText,
    /// One of these; the first is the default.
    Choice(&'static [&'static str]),
}

impl Shape {
    /// The default as help and tables show it.
    #[must_use]
    pub fn default_text(self) -> String {
        match self {
            Shape::Number(number) => number.to_string(),
            Shape::Optional | Shape::OptionalText => "none".to_owned(),
            Shape::Text(text) => text.to_owned(),
            Shape::Choice(choices) => choices.join(" or "),
        }
    }
}

/// One parameter of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name, with the unit in it.
    pub name: &'static str,
    /// What values it takes.
    pub shape: Shape,
    /// What it means, in a few words.
    pub help: &'static str,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind that the row describes.
    pub kind: Kind,
    /// Its name, as users write it.
    pub name: &'static str,
    /// When it takes effect.
    pub stage: Stage,
    /// What happens, in one sentence.
    pub help: &'static str,
    /// Its own parameters.
    pub parameters: &'static [Parameter],
}

macro_rules! kinds {
    ($($kind:ident $name:literal $stage:ident $help:literal
        { $($parameter:ident: $shape:expr, $meaning:literal;)* })*) => {
        /// What can go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $help] $kind,)*
        }

        /// Every kind there is, in the order of the enum.
        pub const KINDS: &[Row] = &[
            $(Row {
                kind: Kind::$kind,
                name: $name,
                stage: Stage::$stage,
                help: $help,
                parameters: &[$(Parameter {
                    name: stringify!($parameter),
                    shape: $shape,
                    help: $meaning,
                },)*],
            },)*
        ];
    };
}

impl Kind {
    /// The row that describes this kind.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &KINDS[self as usize]
    }
}

use Shape::{Choice, Number, Optional, OptionalText, Text};

kinds! {
    Refuse "refuse" Listener "Closes the listening socket: connections are refused, the port stays reserved." {
        existing: Choice(&["keep", "reset"]), "what becomes of open connections";
    }
    BlackHole "black-hole" Listener "Lets new connections hang: the queue of the listening socket is full and nobody empties it." {}
    CloseOnAccept "close-on-accept" Accept "Accepts and closes at once." {}
    ResetOnAccept "reset-on-accept" Accept "Accepts and resets at once (RST)." {}
    NeverRead "never-read" Accept "Accepts and never reads a byte." {}
    TlsStall "tls-stall" Accept "Reads the TLS ClientHello and never answers it; plain connections are left alone." {}

    Latency "latency" Request "Waits before the head." {
        ms: Number(100), "the wait; the mean or median of the spread";
        spread: Choice(&["fixed", "uniform", "exponential", "lognormal"]), "distribution (uniform is 0 to twice ms)";
        p99_ms: Optional, "99th percentile of the lognormal, else ten times ms";
    }
    Pace "pace" Request "Spaces the events of a stream." {
        gap_ms: Number(50), "wait between events";
        tokens_per_second: Optional, "instead of gap_ms";
    }
    Drip "drip" Request "Sends one byte at a time, head included, with a wait after each." {
        ms: Number(10), "wait after each byte";
    }
    Split "split" Request "Sends every byte in a write of its own, without waiting." {}

    Status "status" Request "Answers with an error status and the provider's error body." {
        status: Number(503), "the status code";
        code: OptionalText, "error.code (or type, or reason) instead of the usual one, such as insufficient_quota";
        retry_after: Optional, "Retry-After in seconds (Gemini: RetryInfo in the body)";
        retry_after_date: Optional, "Retry-After as an HTTP date, so many seconds ahead";
        retry_after_ms: Optional, "retry-after-ms";
        shape: Choice(&["own", "openai", "array", "empty", "string", "flat", "integer", "problem", "detail"]), "form of the body: the dialect's own, or as other providers write it";
    }
    Html "html" Request "Answers with an HTML error page, as a CDN does." {
        status: Number(502), "the status code";
    }
    Redirect "redirect" Request "Answers with a redirect." {
        status: Number(307), "the status code";
        location: Text("http://127.0.0.1:9/v1/chat/completions"), "where to";
    }
    Garbage "garbage" Request "Answers with bytes that are not HTTP, then closes." {
        bytes: Number(256), "how many";
    }

    StallBeforeHead "stall-before-head" Request "Reads the request and never answers." {
        ms: Optional, "closes after so long, else when the caller hangs up";
    }
    StallAfterHead "stall-after-head" Request "Sends the head and then nothing." {
        ms: Optional, "closes after so long, else when the caller hangs up";
    }
    Stall "stall" Request "Falls silent in mid-answer." {
        events: Optional, "after so many events of the stream";
        bytes: Optional, "after so many bytes of the body (half of it if neither is given)";
        ms: Optional, "goes on after so long, else silent until the caller hangs up";
    }
    CutBeforeHead "cut-before-head" Request "Reads the request and closes (FIN)." {}
    ResetBeforeHead "reset-before-head" Request "Reads the request and resets (RST)." {}
    Cut "cut" Request "Closes (FIN) in mid-answer, without TLS close_notify unless asked." {
        events: Optional, "after so many events of the stream";
        bytes: Optional, "after so many bytes of the body (half of it if neither is given)";
        notify: Choice(&["no", "yes"]), "sends close_notify first (TLS)";
    }
    Reset "reset" Request "Resets (RST) in mid-answer." {
        events: Optional, "after so many events of the stream";
        bytes: Optional, "after so many bytes of the body (half of it if neither is given)";
    }

    BadChunk "bad-chunk" Request "Sends a chunk size that is no number, then closes." {
        events: Number(1), "after so many events of the stream";
    }
    LengthLong "length-long" Request "Content-Length promises more than is sent, then closes." {
        bytes: Number(100), "how many too many";
    }
    LengthShort "length-short" Request "Content-Length promises less than is sent; the connection stays open." {
        bytes: Number(10), "how many too few";
    }
    LengthAndChunked "length-and-chunked" Request "Sends both Content-Length and Transfer-Encoding: chunked." {}
    LengthTwice "length-twice" Request "Sends two Content-Length headers that differ." {}
    HugeHead "huge-head" Request "Sends a head that is far too large." {
        bytes: Number(1_048_576), "of padding headers";
    }
    InformationalFlood "informational-flood" Request "Sends many 103 heads before the real one." {
        heads: Number(1000), "how many";
    }

    ErrorIn200 "error-in-200" Request "Answers 200 with a JSON error object, also when a stream was asked for." {
        code: Text("server_error"), "error.code, or its like";
    }
    ErrorEvent "error-event" Request "Sends an error event in mid-stream and ends cleanly." {
        events: Number(3), "after so many events";
        code: Text("server_error"), "error.code, or its like";
    }
    ErrorBeforeContent "error-before-content" Request "Sends an error event before the first content." {
        code: Text("server_error"), "error.code, or its like";
    }
    EmptyChoices "empty-choices" Request "Answers 200 with nothing in it: no choices, no output, no content events." {}
    EmptyBody "empty-body" Request "Answers 200 with the right Content-Type and nothing behind the head." {}
    TruncatedJson "truncated-json" Request "Sends JSON that lacks its end, with a matching length and a clean end; in a stream the first content does." {
        bytes: Number(16), "how many are missing";
    }
    WrongType "wrong-type" Request "Sends the right body under the wrong Content-Type." {
        type: Text("text/html; charset=utf-8"), "the type";
    }
    Encoded "encoded" Request "Says that the body is compressed, which nobody asked for; it is not." {
        coding: Text("gzip"), "the Content-Encoding";
    }
    NoTerminal "no-terminal" Request "Ends a stream cleanly without its finish reason and terminal marker." {
        events: Optional, "after so many events, else after the last content";
        keep_finish: Choice(&["no", "yes"]), "keeps the finish reason, drops only the marker";
    }
    HugeEvent "huge-event" Request "Puts one enormous event into the stream, or one enormous text into the JSON." {
        bytes: Number(67_108_864), "its size";
        events: Number(2), "after so many events";
    }
    Endless "endless" Request "Repeats content without end, until the caller hangs up." {
        gap_ms: Number(0), "wait between events";
    }
    Finish "finish" Request "Ends with another finish reason." {
        reason: Text("content_filter"), "such as length or content_filter, put into the words of the dialect";
        content: Choice(&["keep", "drop"]), "whether anything is said before it";
    }
    Refusal "refusal" Request "Answers with a refusal instead of content." {}
    Prose "prose" Request "Answers in prose, also when JSON was asked for." {}
    WrongSchema "wrong-schema" Request "Answers with JSON that breaks the schema that was asked for, and calls tools with such." {}
    NoUsage "no-usage" Request "Leaves usage out." {}
    Comments "comments" Request "Sends an SSE comment before every event; a JSON array has none." {
        text: Text("keep-alive"), "the comment";
    }
    Crlf "crlf" Request "Ends the lines of events with CRLF instead of LF." {}

    Limits "limits" Request "Says of rate limits what it is told to." {
        form: Choice(&["own", "openai", "groq", "anthropic", "cerebras", "mistral", "moonshot", "none"]), "whose names and form";
        of: Choice(&["requests", "tokens"]), "which of the two remains in part; of the other all";
        remaining: Number(0), "how much of it remains";
        limit: Number(100), "how much there is in a window";
        reset_ms: Number(60_000), "until all is back; Anthropic and Moonshot round up to seconds, Mistral does not say";
    }

    CloseAfter "close-after" Request "Answers with Connection: close and closes." {}
    IdleClose "idle-close" Request "Closes a kept-alive connection without saying so." {
        ms: Number(0), "so long after the answer";
        requests: Optional, "only after so many requests on the connection";
    }
}
