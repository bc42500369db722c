//! The fields that the gateway knows by name: one table per direction.
//!
//! A known field costs one span in the parsed head; all others are skipped and may be looked for
//! again with `find`. Some fields have other names besides, where providers say the same thing
//! differently. Names are looked up by their length, so that a lookup compares with the few names of
//! the same length and allocates nothing.

/// No known name is longer.
const NAME_SIZE_MAX: usize = 48;

/// The places of the names in the order of their lengths.
const fn by_length<const COUNT: usize>(names: &[&str; COUNT]) -> [u8; COUNT] {
    let mut order = [0; COUNT];
    let mut end = 0;
    while end < COUNT {
        let mut at = end;
        while at > 0 && names[order[at - 1] as usize].len() > names[end].len() {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = end as u8;
        end += 1;
    }
    order
}

/// Where in that order the names of each length begin, and one more for the end.
const fn starts(names: &[&str], order: &[u8]) -> [u8; NAME_SIZE_MAX + 2] {
    let mut starts = [0; NAME_SIZE_MAX + 2];
    let mut size = 0;
    let mut index = 0;
    while size < starts.len() {
        while index < order.len() && names[order[index] as usize].len() < size {
            index += 1;
        }
        starts[size] = index as u8;
        size += 1;
    }
    assert!(index == names.len(), "a name is longer than NAME_SIZE_MAX");
    starts
}

/// A name in lower case as six words that overlap where it is short: names of the same length are
/// the same when their words are.
type Folded = [u64; 6];

/// Of the bytes of a token, this turns only upper case letters into a letter, a digit or a hyphen
/// that was none before: `fold` is the same for two names exactly when they differ in case alone, if
/// one of them consists of these.
const CASE: u64 = 0x2020_2020_2020_2020;

/// `4 <= name.len() <= NAME_SIZE_MAX`
#[inline]
const fn fold(name: &[u8]) -> Folded {
    if name.len() < 8 {
        return [half(name, 0), half(name, name.len() - 4), 0, 0, 0, 0];
    }
    let last = name.len() - 8;
    let mut words = [word(name, last); 6];
    let mut at = 0;
    while at < 5 && at * 8 < last {
        words[at] = word(name, at * 8);
        at += 1;
    }
    words
}

#[inline]
fn same(one: &Folded, other: &Folded) -> bool {
    one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

const fn word(name: &[u8], at: usize) -> u64 {
    match name.split_at(at).1.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes) | CASE,
        None => 0,
    }
}

const fn half(name: &[u8], at: usize) -> u64 {
    match name.split_at(at).1.first_chunk::<4>() {
        Some(bytes) => u32::from_le_bytes(*bytes) as u64 | CASE,
        None => 0,
    }
}

const fn fold_known(name: &str) -> Folded {
    let bytes = name.as_bytes();
    assert!(4 <= bytes.len() && bytes.len() <= NAME_SIZE_MAX, "no known name is shorter, and none longer");
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        assert!(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-', "a known name has these alone");
        at += 1;
    }
    fold(bytes)
}

macro_rules! fields {
    ($(#[$meta:meta])* $name:ident { $($variant:ident $text:literal $rule:ident,)+ } also { $($other:literal $same:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $(
                #[doc = concat!("`", $text, "`")]
                $variant,
            )+
        }

        impl $name {
            /// Every field of the table, in its order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            const NAMES: &'static [&'static str] = &[$($text,)+];
            const KNOWN: [&'static str; Self::COUNT + Self::OTHER.len()] = [$($text,)+ $($other,)*];
            const OTHER: &'static [$name] = &[$($name::$same,)*];
            const ORDER: [u8; Self::KNOWN.len()] = by_length(&Self::KNOWN);
            const STARTS: [u8; NAME_SIZE_MAX + 2] = starts(&Self::KNOWN, &Self::ORDER);
            const SORTED: [(Folded, $name); Self::KNOWN.len()] = {
                let mut sorted = [([0; 6], Self::ALL[0]); Self::KNOWN.len()];
                let mut at = 0;
                while at < sorted.len() {
                    let place = Self::ORDER[at] as usize;
                    let field = if place < Self::COUNT { Self::ALL[place] } else { Self::OTHER[place - Self::COUNT] };
                    sorted[at] = (fold_known(Self::KNOWN[place]), field);
                    at += 1;
                }
                sorted
            };

            /// The name in lower case; of several, the first.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }

            /// The field of that name or another of its names, a token in whatever case it is written.
            pub fn of(name: &[u8]) -> Option<$name> {
                if name.len() > NAME_SIZE_MAX {
                    return None;
                }
                let first = usize::from(Self::STARTS[name.len()]);
                let end = usize::from(Self::STARTS[name.len() + 1]);
                if first == end {
                    return None;
                }
                let name = fold(name);
                Self::SORTED[first..end].iter().find(|(known, _)| same(known, &name)).map(|(_, field)| *field)
            }

            /// Whether a second line of this field refuses the head. For the others the first
            /// line counts.
            pub fn once(self) -> bool {
                const ONCE: &[bool] = &[$(fields!(@$rule),)+];
                ONCE[self as usize]
            }
        }
    };
    (@once) => { true };
    (@first) => { false };
}

fields! {
    /// Request fields with a meaning to the gateway. `once` fields decide about framing, identity
    /// or policy, so that two different readings of a duplicate would be a hole.
    Field {
        Host "host" once,
        Accept "accept" first,
        Expect "expect" first,
        XApiKey "x-api-key" once,
        Connection "connection" first,
        UserAgent "user-agent" first,
        Tracestate "tracestate" first,
        Traceparent "traceparent" first,
        OpenaiBeta "openai-beta" first,
        ContentType "content-type" once,
        XRequestId "x-request-id" first,
        Authorization "authorization" once,
        ContentLength "content-length" once,
        OpenaiProject "openai-project" first,
        AnthropicBeta "anthropic-beta" first,
        XGoogApiKey "x-goog-api-key" once,
        IdempotencyKey "idempotency-key" once,
        ContentEncoding "content-encoding" once,
        TransferEncoding "transfer-encoding" once,
        AnthropicVersion "anthropic-version" first,
        XRequestTimeout "x-request-timeout" first,
        XThrowoverChain "x-throwover-chain" once,
        OpenaiOrganization "openai-organization" first,
        XStainlessTimeout "x-stainless-timeout" first,
        XThrowoverSession "x-throwover-session" once,
        XStainlessRetryCount "x-stainless-retry-count" first,
        XThrowoverDeadlineMs "x-throwover-deadline-ms" once,
        XStainlessReadTimeout "x-stainless-read-timeout" first,
    } also {}
}

fields! {
    /// Response fields with a meaning to the gateway.
    ResponseField {
        Location "location" first,
        Connection "connection" first,
        RequestId "request-id" first,
        RetryAfter "retry-after" first,
        ContentType "content-type" first,
        XRequestId "x-request-id" first,
        ContentLength "content-length" once,
        RetryAfterMs "retry-after-ms" first,
        XShouldRetry "x-should-retry" first,
        OpenaiVersion "openai-version" first,
        ContentEncoding "content-encoding" first,
        TransferEncoding "transfer-encoding" once,
        OpenaiOrganization "openai-organization" first,
        OpenaiProcessingMs "openai-processing-ms" first,
        LimitTokens "x-ratelimit-limit-tokens" first,
        ResetTokens "x-ratelimit-reset-tokens" first,
        LimitRequests "x-ratelimit-limit-requests" first,
        ResetRequests "x-ratelimit-reset-requests" first,
        RemainingTokens "x-ratelimit-remaining-tokens" first,
        RemainingRequests "x-ratelimit-remaining-requests" first,
        LimitInputTokens "anthropic-ratelimit-input-tokens-limit" first,
        ResetInputTokens "anthropic-ratelimit-input-tokens-reset" first,
        LimitOutputTokens "anthropic-ratelimit-output-tokens-limit" first,
        ResetOutputTokens "anthropic-ratelimit-output-tokens-reset" first,
        RemainingInputTokens "anthropic-ratelimit-input-tokens-remaining" first,
        RemainingOutputTokens "anthropic-ratelimit-output-tokens-remaining" first,
    } also {
        // Anthropic.
        "anthropic-ratelimit-requests-limit" LimitRequests,
        "anthropic-ratelimit-requests-remaining" RemainingRequests,
        "anthropic-ratelimit-requests-reset" ResetRequests,
        "anthropic-ratelimit-tokens-limit" LimitTokens,
        "anthropic-ratelimit-tokens-remaining" RemainingTokens,
        "anthropic-ratelimit-tokens-reset" ResetTokens,
        // Cerebras.
        "x-ratelimit-limit-requests-day" LimitRequests,
        "x-ratelimit-remaining-requests-day" RemainingRequests,
        "x-ratelimit-reset-requests-day" ResetRequests,
        "x-ratelimit-limit-tokens-minute" LimitTokens,
        "x-ratelimit-remaining-tokens-minute" RemainingTokens,
        "x-ratelimit-reset-tokens-minute" ResetTokens,
        // Mistral, which shares the names of tokens with Cerebras and says no reset.
        "x-ratelimit-limit-req-minute" LimitRequests,
        "x-ratelimit-remaining-req-minute" RemainingRequests,
        // Moonshot and OpenRouter; Together besides.
        "x-ratelimit-limit" LimitRequests,
        "x-ratelimit-remaining" RemainingRequests,
        "x-ratelimit-reset" ResetRequests,
        "x-tokenlimit-limit" LimitTokens,
        "x-tokenlimit-remaining" RemainingTokens,
        "x-tokenlimit-reset" ResetTokens,
    }
}

/// What is copied from a tenant's head into the head for a provider.
///
/// Credentials, organisation and project belong to the tenant's own account and would be refused
/// or misused beside the operator's key. An idempotency key is left out because two tenants of one
/// account could name the same one and get one another's answers.
pub const RELAYED_UPSTREAM: &[Field] = &[Field::OpenaiBeta, Field::Traceparent, Field::Tracestate];

/// What is copied from a provider's head into the head for a tenant.
///
/// Whether to retry and what the request is called, the gateway says itself: a second
/// `X-Should-Retry` or `X-Request-Id` would contradict the first.
/// `Set-Cookie` never: it would let providers follow tenants. The organisation is the operator's.
/// `Content-Encoding` is not here because answers are asked for as `identity`: an encoded one is
/// the provider's fault.
pub const RELAYED_DOWNSTREAM: &[ResponseField] = &[
    ResponseField::ContentType,
    ResponseField::RetryAfter,
    ResponseField::RetryAfterMs,
    ResponseField::OpenaiVersion,
    ResponseField::OpenaiProcessingMs,
];

/// What a provider says of its limits: limit, remaining and reset of requests, of tokens, of tokens
/// read and of tokens written. They are the gateway's account's, so they go out only to a tenant that
/// has none of its own.
pub const RATE_LIMITS: &[[ResponseField; 3]; 4] = &[
    [ResponseField::LimitRequests, ResponseField::RemainingRequests, ResponseField::ResetRequests],
    [ResponseField::LimitTokens, ResponseField::RemainingTokens, ResponseField::ResetTokens],
    [ResponseField::LimitInputTokens, ResponseField::RemainingInputTokens, ResponseField::ResetInputTokens],
    [ResponseField::LimitOutputTokens, ResponseField::RemainingOutputTokens, ResponseField::ResetOutputTokens],
];
