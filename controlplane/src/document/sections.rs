//! Every section of a policy.

use super::{
    read::{At, Named, Read, Reader, Several, schema_of},
    units::{Amount, Count, Duration, Millis, Share, Size},
};
use crate::{
    complaint::Complaint,
    read_as_map, section,
    tree::{Node, Value},
    vocabulary,
};
use serde_json::json;

section! {
    /// A whole policy.
    Document = "the policy" {
        /// Version of this language; there is one.
        version: Count, "1";
        /// What the process does as a whole.
        gateway: Gateway, "loopback, no TLS";
        /// What holds where a chain says nothing.
        defaults: Defaults, "see each";
        /// Where models are, and how they are reached: a name and its facts.
        providers: Named<Provider>, "those of the catalogue";
        /// Names for one model in several places.
        models: Named<Model>, "none";
        /// What is tried, in which order.
        fallback: Fallback, "no chains";
        /// Which request takes which chain, in order; the first that fits decides.
        routes: Vec<At<Route>>, "none";
        /// Who may ask.
        tenants: Vec<At<Tenant>>, "everybody who reaches the loopback address";
    }
    /// What the process does as a whole.
    Gateway = "`gateway`" {
        /// Addresses that tenants connect to, at most 16. Needs a restart.
        listen: Several<String>, "127.0.0.1:8080";
        /// What is shown to tenants that connect by TLS.
        tls: Tls, "plain HTTP";
        /// Address of /livez, /readyz and /metrics, or `off`. Needs a restart.
        admin: String, "127.0.0.1:9901";
        /// Cores that move traffic: a number, or `auto` for one less than there are. Needs a restart.
        shards: Shards, "auto";
        /// Streams may finish for so long when the process is told to end.
        drain: Duration, "300s";
        /// How providers are reached from here.
        egress: Egress, "directly";
        /// File for decision records as JSON lines; `stderr`, or `off`.
        access_log: String, "stderr";
        /// A request beyond the limits waits for so long before it is refused.
        queue: Duration, "100ms";
        /// A request's head must be complete after so long.
        head_timeout: Duration, "10s";
        /// A request's body must be complete after so long, and longer in proportion to its size.
        body_timeout: Duration, "15s";
        /// An idle connection is kept for so long.
        keep_alive: Duration, "75s";
        /// A tenant that takes nothing of its answer for so long is cut off.
        write_stall: Duration, "30s";
        /// Microseconds that a shard looks for work before it sleeps; `0` sleeps at once.
        spin_us: Count, "0";
        /// Most connections of tenants.
        connections: Count, "65536";
    }
    /// What is shown to tenants that connect by TLS.
    Tls = "`tls`" {
        /// Path of the certificate chain (PEM, leaf first), or a reference.
        certificate: String, "required";
        /// Reference to the private key (PEM): `${file:/etc/throwover/key.pem}`.
        key: String, "required";
    }
    /// How providers are reached from here.
    Egress = "`egress`" {
        /// Proxy that every connection to a provider goes through, loopback ones excepted: `http://host:port`.
        proxy: String, "none";
        /// Path of further certificate authorities (PEM) that are trusted at every provider.
        ca: String, "none";
    }
    /// What holds where a chain says nothing.
    Defaults = "`defaults`" {
        /// A whole exchange, over all attempts; at most 1h.
        deadline: Duration, "600s";
        /// Attempts of one exchange, over all targets; 1 to 16.
        max_attempts: Count, "6";
        /// Request sent to first token.
        ttft: Duration, "30s";
        /// The same, for models that reason first.
        ttft_reasoning: Duration, "120s";
        /// Between two bytes of an answer that has begun.
        idle: Duration, "30s";
        /// Until a connection to a provider stands, TLS included.
        connect: Duration, "3s";
        /// Streams: comments keep the connection open when nothing was sent for so long.
        keepalive_after: Duration, "10s";
        /// Largest request body; at most 512MiB.
        max_body: Size, "32MiB";
        /// Request bodies held by the whole process.
        body_memory: Size, "256MiB";
        /// Requests in flight in the whole process.
        in_flight: Count, "4096";
        /// When a target is left alone for a while.
        breaker: Breaker, "see each";
        /// Attempts and waits.
        retry: Retry, "see each";
    }
    /// Where models are, and how they are reached.
    Provider = "a provider" {
        /// How it speaks.
        dialect: Dialect, "the catalogue's, or openai";
        /// URL that paths are appended to: `http://10.0.0.7:8000/v1`.
        endpoint: String, "the catalogue's";
        /// Credentials: references, or mappings with a weight.
        keys: Several<Key>, "the catalogue's environment variable";
        /// How a credential is presented: `bearer`, `none`, or `header: NAME`.
        auth: Auth, "the catalogue's, or bearer";
        /// Where it processes data, in your words.
        regions: Several<String>, "unknown";
        /// Connections to it.
        connections: Connections, "see each";
        /// Path of the only certificate authorities (PEM) that are trusted there.
        ca: String, "those of the system";
        /// Name that its certificate must carry.
        server_name: String, "the endpoint's host";
        /// Further fields of every request: name and value.
        headers: Named<String>, "none";
        /// Most attempts in flight, over all shards.
        in_flight: Count, "4096";
    }
    /// One credential of a provider.
    KeyEntry = "a key" {
        /// Reference: `${OPENAI_API_KEY}` or `${file:/path}`.
        key: String, "required";
        /// Share of the attempts.
        weight: Count, "1";
        /// Requests in a minute that the provider grants it.
        rpm: Count, "unknown", inert "a key is paused when the provider answers 429, not before";
        /// Tokens in a minute that the provider grants it.
        tpm: Count, "unknown", inert "a key is paused when the provider answers 429, not before";
    }
    /// Connections to a provider.
    Connections = "`connections`" {
        /// Kept ready by each shard; at most 256.
        warm: Count, "1";
        /// Most of the whole process.
        max: Count, "1024";
    }
    /// One model in several places.
    Model = "a model" {
        /// The places.
        deployments: Vec<At<Deployment>>, "required";
        /// How a request picks among them.
        balance: Balance, "weighted";
    }
    /// One place of a model.
    Deployment = "a deployment" {
        /// Which provider.
        provider: String, "required";
        /// The model's name there.
        model: String, "required";
        /// Share of the load.
        weight: Count, "1";
    }
    /// What is tried, in which order.
    Fallback = "`fallback`" {
        /// The chains.
        chains: Vec<At<Chain>>, "required";
    }
    /// Different models, in order.
    Chain = "a chain" {
        /// What requests call it.
        name: String, "required";
        /// What is tried; lower `priority` first, else in this order.
        models: Vec<At<Link>>, "required";
        /// What is changed about the handling of failures.
        triggers: Vec<At<Trigger>>, "every failure moves on";
        /// Attempts and waits.
        retry: Retry, "see each";
        /// When a target is left alone for a while.
        breaker: Breaker, "see each";
        /// What follows when a stream breaks after the first token was shown.
        midstream: Midstream, "error", inert "a stream that breaks after its first token ends with an error event";
        /// A second attempt beside a slow first one.
        hedge: Hedge, "none", inert "a slow target is left at the `latency` trigger instead";
        /// A whole exchange, over all attempts.
        deadline: Duration, "that of `defaults`";
        /// Request sent to first token.
        ttft: Duration, "that of `defaults`";
        /// Between two bytes of an answer that has begun.
        idle: Duration, "that of `defaults`";
        /// Reasoning is shown as it comes, and a stream that has shown any is not restarted elsewhere.
        stream_reasoning: bool, "false";
    }
    /// One position of a chain: a provider's model, a name from `models`, or a fixed text.
    Link = "an entry of `models`" {
        /// Which provider; without it, `model` is a name from `models`.
        provider: String, "none";
        /// The model.
        model: String, "none";
        /// Lower goes first; those without one come last, in the order of the file.
        priority: Count, "none";
        /// Answer of last resort.
        template: String, "none", inert "a chain whose targets all fail answers with the last error";
    }
    /// What is changed about one class of failures, or a condition.
    Trigger = "a trigger" {
        /// A failure class, `latency`, `error_rate` or `all`.
        r#type: TriggerType, "required";
        /// `false` ends the exchange at this failure instead of moving on.
        enabled: bool, "true";
        /// `latency`: milliseconds to the first token of a stream.
        threshold_ms: Millis, "that of `ttft`";
        /// `error_rate`: share of attempts that may fail.
        threshold: Share, "that of `breaker`";
        /// What follows the failure.
        action: String, "the best for the class", inert "the class decides: retry, next key, next target or error";
    }
    /// Attempts and waits.
    Retry = "`retry`" {
        /// Attempts of one exchange, over all targets; 1 to 16.
        max_attempts: Count, "that of `defaults`";
        /// How waits at the same target grow.
        backoff: Backoff, "exponential";
        /// First wait, at most.
        base: Duration, "500ms";
        /// Longest wait.
        cap: Duration, "8s";
    }
    /// When a target is left alone for a while.
    Breaker = "`breaker`" {
        /// Failures are counted over so long.
        window: Duration, "30s";
        /// More than this share of failures opens it.
        failure_rate: Share, "50%";
        /// The share counts from so many attempts on.
        min_requests: Count, "20";
        /// So many failures in a row open it.
        consecutive: Count, "5";
        /// First time open; doubles while probes fail.
        cooldown: Duration, "5s";
        /// Longest time open.
        cooldown_max: Duration, "60s";
        /// Slow answers as failures.
        slow: Slow, "none", inert "slow targets are left by the `latency` trigger";
    }
    /// Slow answers as failures.
    Slow = "`slow`" {
        /// What is slow.
        over: Duration, "required";
        /// Share of slow answers that opens the breaker.
        rate: Share, "80%";
    }
    /// A second attempt beside a slow first one.
    Hedge = "`hedge`" {
        /// When: a duration, or a percentile such as `p95`.
        after: String, "required";
        /// Share of requests that may be sent twice.
        budget: Share, "2%";
    }
    /// Which request takes which chain.
    Route = "a route" {
        /// A name for it, for explanations.
        name: String, "its position";
        /// What must hold; absent conditions hold always.
        when: When, "always";
        /// The chain.
        chain: String, "required";
    }
    /// What must hold for a route.
    When = "`when`" {
        /// The request's model; one `*` stands for anything.
        model: String, "any";
        /// Who asks.
        tenant: String, "anybody";
        /// Request fields that must have exactly these values.
        header: Named<String>, "none";
    }
    /// Who may ask.
    Tenant = "a tenant" {
        /// A name for it.
        name: String, "required";
        /// Its keys, as SHA-256 digests or references.
        keys: Vec<At<TenantKey>>, "required";
        /// Names that it may ask for; one `*` stands for anything.
        models: Vec<At<String>>, "all";
        /// Money that it may spend.
        budget: Budget, "none", inert "nothing is refused for its price";
        /// Requests in a minute.
        rpm: Count, "no limit", inert "requests are not counted per tenant";
        /// Tokens in a minute.
        tpm: Count, "no limit", inert "tokens are not counted per tenant";
        /// Networks that it may ask from.
        allow_ips: Vec<At<String>>, "all";
        /// Regions that may process its data.
        residency: Vec<At<String>>, "all";
    }
    /// One key of a tenant.
    TenantKey = "a tenant's key" {
        /// SHA-256 of the key, in 64 hexadecimal digits.
        sha256: String, "none";
        /// Reference to the key itself: `${ACME_KEY}`.
        key: String, "none";
    }
    /// Money that a tenant may spend.
    Budget = "`budget`" {
        /// US dollars.
        usd: Amount, "required";
        /// In how long.
        per: Period, "month";
    }
}

read_as_map! {
    Document Gateway Tls Egress Defaults Provider Connections Model Deployment Fallback Chain Link Trigger Retry Breaker Slow Hedge
    Route When Tenant TenantKey Budget KeyEntry
}

vocabulary! {
    /// How a provider speaks.
    Dialect {
        /// OpenAI and compatible.
        OpenAi = "openai";
        /// Anthropic Messages.
        Anthropic = "anthropic";
        /// Gemini generateContent.
        Gemini = "gemini";
    }
    /// How a request picks among deployments.
    Balance {
        /// At random, in proportion to weights.
        Weighted = "weighted";
        /// In turn.
        RoundRobin = "round_robin";
        /// Fewest in flight.
        LeastOutstanding = "least_outstanding";
        /// Fastest of two drawn at random.
        PeakEwma = "peak_ewma";
        /// In the order of their prices.
        Cheapest = "cheapest";
    }
    /// How waits grow.
    Backoff {
        /// Doubling.
        Exponential = "exponential";
        /// Always the same.
        Fixed = "fixed";
        /// The same, by another name.
        Constant = "constant";
    }
    /// What follows when a stream breaks.
    Midstream {
        /// Another target goes on.
        Continue = "continue";
        /// Another target begins again.
        Restart = "restart";
        /// The stream ends with an error.
        Error = "error";
    }
    /// In how long.
    Period {
        /// One.
        Hour = "hour";
        /// One.
        Day = "day";
        /// One.
        Week = "week";
        /// One.
        Month = "month";
    }
}

/// A class of failures, or a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerType {
    /// One class.
    Class(policy::Class),
    /// Time to the first token.
    Latency,
    /// Share of failures.
    ErrorRate,
    /// Every class.
    All,
}

impl Read for TriggerType {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let words: Vec<&str> = trigger_words();
        match super::read::word(node, reader, &words)?.as_str() {
            "latency" => Some(TriggerType::Latency),
            "error_rate" => Some(TriggerType::ErrorRate),
            "all" => Some(TriggerType::All),
            class => policy::Class::from_word(class).map(TriggerType::Class),
        }
    }

    fn schema() -> serde_json::Value {
        json!({"enum": trigger_words()})
    }
}

fn trigger_words() -> Vec<&'static str> {
    policy::Class::ALL.iter().map(|class| class.word()).chain(["latency", "error_rate", "all"]).collect()
}

/// How many shards; 0 is `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shards(pub u64);

impl Read for Shards {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "auto" => Some(Shards(0)),
            Value::Whole(number @ 1..=1024) => Some(Shards(*number as u64)),
            _ => {
                reader.push(Complaint::error(node.span, "`shards` is a number from 1 to 1024, or `auto`"));
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1024}]})
    }
}

/// One credential: a reference alone, or with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key(pub KeyEntry);

impl Read for Key {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Value::Text(text) = &node.value {
            return Some(Key(KeyEntry { key: Some(At { value: text.clone(), span: node.span }), ..KeyEntry::default() }));
        }
        KeyEntry::read_map(node, reader).map(Key)
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"type": "string"}, schema_of(KeyEntry::FIELDS)]})
    }
}

/// RFC 9110, section 5.6.2: `token = 1*tchar`.
pub fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// How a credential is presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`
    Bearer,
    /// A field of this name.
    Header(String),
    /// Not at all.
    None,
}

impl Read for Auth {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "bearer" => return Some(Auth::Bearer),
            Value::Text(text) if text == "none" => return Some(Auth::None),
            Value::Map(entries) if entries.len() == 1 && entries[0].key == "header" => {
                let name = String::read(&entries[0].node, reader)?;
                if is_token(&name) {
                    return Some(Auth::Header(name.to_ascii_lowercase()));
                }
                reader.push(Complaint::error(entries[0].node.span, format!("`{name}` may not be the name of a field")));
                return None;
            }
            _ => {}
        }
        reader.push(
            Complaint::error(node.span, "unknown way to present a credential").help("write `bearer`, `none` or `{header: x-api-key}`"),
        );
        None
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"enum": ["bearer", "none"]}, {"type": "object", "properties": {"header": {"type": "string"}}, "additionalProperties": false}]})
    }
}
