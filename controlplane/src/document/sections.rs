//! Every section of a policy.

use super::{
    read::{At, Named, Several},
    units::{Amount, Count, Duration, Millis, Share, Size},
    words::{
        Action, AfterFailure, Auth, Backoff, Balance, Concurrency, Dialect, Gather, Json, Key, Midstream, Need, Params, Period, Preset,
        Quirk, SessionBy, Shards, Speak, Thinking, TriggerType,
    },
};
use crate::{read_as_map, section};

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
        /// Where proxies connect that say who comes. Needs a restart.
        proxy_protocol: ProxyProtocol, "nobody is believed";
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
    /// Where proxies connect that say who comes, by the PROXY protocol, version 1 or 2.
    ProxyProtocol = "`proxy_protocol`" {
        /// Addresses for such proxies alone; nobody else can speak there. Needs a restart.
        listen: Several<String>, "required";
        /// Networks of the proxies whose word is taken.
        from: Vec<At<String>>, "required";
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
        /// Answers kept by the whole process for the chains that have an `earlier` entry; at most 64GiB.
        cache_memory: Size, "64MiB";
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
        /// What it understands without translation, of OpenAI's dialect: `chat`, `responses`.
        speaks: Vec<At<Speak>>, "the catalogue's, or all of its dialect";
        /// What it does differently from others of its dialect, in place of what the catalogue says.
        quirks: Vec<At<Quirk>>, "the catalogue's, or none";
        /// URL that paths are appended to: `http://10.0.0.7:8000/v1`. In its path, `{model}` stands for the model's name; a query that it ends with ends every path.
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
        /// How many further attempts it is asked for by exchanges that have made one there: `{share: 20%, per_second: 10}`.
        retries: Retries, "see each";
        /// How many attempts one of its models may have in flight: with `adaptive`, fewer than `in_flight` once it has refused some or kept them waiting too long, and more again as it answers; with `fixed`, `in_flight`.
        concurrency: Concurrency, "adaptive";
        /// A path that answers with a success while all is well; who fails is asked when no other can be.
        health: Health, "none: requests show how it is";
        /// Figures that it publishes, and what they must not be: `{preset: vllm}`.
        metrics: Metrics, "none";
        /// Questions whose answers are known.
        canaries: Vec<At<Canary>>, "none";
    }
    /// A path that answers with a success while all is well.
    Health = "`health`" {
        /// From the host on, whatever path the endpoint has.
        path: String, "/health";
        /// How often it is asked; a little more or less, so that not all are asked at once.
        every: Duration, "5s";
        /// An answer must be there after so long.
        timeout: Duration, "1s";
        /// So many bad results in a row, and others are asked first.
        failures: Count, "2";
        /// So many good ones in a row, and it is asked as before.
        successes: Count, "2";
    }
    /// Figures that a provider publishes, in the text format of Prometheus and OpenMetrics.
    Metrics = "`metrics`" {
        /// The rules that suit a server: `vllm`, `sglang`, `tgi`, `llama_cpp`, or `dcgm` for the memory of GPUs.
        preset: Preset, "none";
        /// Where an exporter beside the provider is: `http://10.0.0.7:9400`.
        endpoint: String, "the provider's";
        /// From the host on.
        path: String, "/metrics";
        /// How often they are read.
        every: Duration, "5s";
        /// They must be there after so long.
        timeout: Duration, "1s";
        /// What they must not be.
        rules: Vec<At<MetricRule>>, "those of `preset`";
        /// So many bad results in a row, and others are asked first.
        failures: Count, "2";
        /// So many good ones in a row, and it is asked as before.
        successes: Count, "2";
    }
    /// What a figure must not be. One that is not published breaks no rule, unless none of them is.
    MetricRule = "a rule" {
        /// Its name, without labels: `vllm:num_requests_waiting`.
        metric: String, "required";
        /// It must not be above this.
        above: Amount, "none";
        /// It must not be below this.
        below: Amount, "none";
        /// What is made of several series of that name: `max`, `min` or `sum`.
        of: Gather, "max; with `below`, min";
    }
    /// A question whose answer is known, asked again and again: it costs money.
    Canary = "a canary" {
        /// The model, as chains name it. Only this target is judged by the answer.
        model: String, "required";
        /// The question.
        prompt: String, "required";
        /// The answer: `{text: "42"}`, `{regex: "4.?2"}` or `{json: {answer: 42}}`.
        expect: Expect, "required";
        /// How often it is asked.
        every: Duration, "30s";
        /// The answer must be there after so long.
        timeout: Duration, "10s";
        /// An answer that took longer is a bad result.
        slow: Duration, "none";
        /// The mean probability of the answer's tokens is not to be below this.
        min_confidence: Share, "none";
        /// Most tokens of the answer.
        max_tokens: Count, "64, or 2048 for models that reason first";
        /// US dollars that its answers may cost in a day (UTC); it rests until the next one.
        daily_cost: Amount, "1";
        /// Times that it is asked in a day at most.
        daily_count: Count, "10000";
        /// So many bad results in a row, and others are asked first.
        failures: Count, "2";
        /// So many good ones in a row, and it is asked as before.
        successes: Count, "2";
    }
    /// What a canary's answer is to be; one of these.
    Expect = "`expect`" {
        /// This text, but for blanks around it, a full stop at its end, and capitals.
        text: String, "none";
        /// A text in which this expression is found.
        regex: String, "none";
        /// JSON of this value.
        json: Json, "none";
    }
    /// How many further attempts a provider is asked for, over all shards; beyond, the next provider is asked.
    Retries = "`retries`" {
        /// So many for each exchange that comes there first.
        share: Share, "20%";
        /// And so many in a second, of which ten seconds' worth may be made at once.
        per_second: Count, "10";
    }
    /// One credential of a provider.
    KeyEntry = "a key" {
        /// Reference: `${OPENAI_API_KEY}`, `${file:/path}`, or `${credential:NAME}` of the service manager.
        key: String, "required";
        /// Share of the attempts.
        weight: Count, "1";
        /// Requests in a minute; beyond, another key or the next target is asked.
        rpm: Count, "no limit";
        /// Tokens in a minute, of prompts and answers together; beyond, another key or the next target is asked.
        tpm: Count, "no limit";
    }
    /// Connections to a provider.
    Connections = "`connections`" {
        /// Kept ready by each shard, from 1 to 256, where the provider is first or second in a chain.
        warm: Count, "1";
        /// None is opened ahead of need beyond so many, over the whole process.
        max: Count, "1024";
    }
    /// One model in several places.
    Model = "a model" {
        /// The places.
        deployments: Vec<At<Deployment>>, "required";
        /// How a request picks among them.
        balance: Balance, "weighted";
        /// Requests of one session go to one place while it is well, since prompt caches are worth more than balance.
        affinity: Affinity, "none";
        /// A second attempt beside a slow first one, at another deployment: `{after: p95, budget: 2%}`.
        hedge: Hedge, "none";
        /// Tokens of prompt and answer together.
        context_window: Count, "the catalogue's, or unknown";
        /// Most tokens of an answer.
        max_output: Count, "the catalogue's, or unknown";
        /// What it cannot be told, in place of what the catalogue says: a request that needs it passes by.
        lacks: Vec<At<Need>>, "the catalogue's, or nothing";
        /// How it is told how hard to think.
        thinking: Thinking, "the catalogue's, or as the newest of its dialect";
        /// Numbers of its vectors, where it makes embeddings.
        dimensions: Count, "the catalogue's, or unknown";
        /// What a million of its tokens cost, in place of what the catalogue says.
        price: Price, "the catalogue's, or unknown";
    }
    /// Requests of one session go to one place.
    Affinity = "`affinity`" {
        /// What tells that requests are of one session.
        by: SessionBy, "any";
        /// Where a session is once its place is well again.
        after_failure: AfterFailure, "return";
    }
    /// One place of a model.
    Deployment = "a deployment" {
        /// Which provider.
        provider: String, "required";
        /// The model's name there.
        model: String, "required";
        /// Share of the load.
        weight: Count, "1";
        /// Text that is put before the system prompt.
        prefix: String, "none";
        /// Text that is put behind the system prompt.
        suffix: String, "none";
        /// Members that are set in every request, in its provider's dialect: `{temperature: 0.2}`.
        params: Params, "none";
        /// Tokens of prompt and answer together.
        context_window: Count, "the catalogue's, or unknown";
        /// Most tokens of an answer.
        max_output: Count, "the catalogue's, or unknown";
        /// What it cannot be told, in place of what the catalogue says: a request that needs it passes by.
        lacks: Vec<At<Need>>, "the catalogue's, or nothing";
        /// How it is told how hard to think.
        thinking: Thinking, "the catalogue's, or as the newest of its dialect";
        /// Numbers of its vectors, where it makes embeddings.
        dimensions: Count, "the catalogue's, or unknown";
        /// What a million of its tokens cost, in place of what the catalogue says.
        price: Price, "the catalogue's, or unknown";
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
        /// What makes requests one session, and whether one that had to move to a later model stays there.
        affinity: Affinity, "each request begins with the first model that can be asked";
        /// What is changed about the handling of failures.
        triggers: Vec<At<Trigger>>, "every failure moves on";
        /// Attempts and waits.
        retry: Retry, "see each";
        /// When a target is left alone for a while.
        breaker: Breaker, "see each";
        /// What follows when a stream breaks after the first token was shown.
        midstream: Midstream, "error", inert "a stream that breaks after its first token ends with an error event";
        /// A second attempt beside a slow first one, at the next target that can be asked: `{after: p95, budget: 2%}`.
        hedge: Hedge, "none";
        /// A whole exchange, over all attempts.
        deadline: Duration, "that of `defaults`";
        /// Request sent to first token.
        ttft: Duration, "that of `defaults`";
        /// Between two bytes of an answer that has begun.
        idle: Duration, "that of `defaults`";
        /// Reasoning is shown as it comes, and a stream that has shown any is not restarted elsewhere.
        stream_reasoning: bool, "false";
        /// Parameters that a model cannot be told (`seed`, `logprobs`, `top_k` …) are left out; else it is not asked.
        drop_params: bool, "false";
        /// Embeddings may come from models whose vectors differ in length; else those that do are not asked.
        mix_dimensions: bool, "false";
        /// Models that cost more are not asked.
        max_price: MaxPrice, "none";
        /// This share of requests, up to half, is tried first at a later model, each in its turn, so that it is known to work when it is needed.
        standby: Share, "none";
        /// A prompt that no model can read whole is made to fit one; else it is refused.
        compact: Compact, "none";
    }
    /// How a prompt is made to fit: the oldest answers of tools are left out first, then the oldest turns, with what was called in them. The system prompt, the tools, what the user said first and the last turns stay.
    Compact = "`compact`" {
        /// The last turns, which stay as they are; 1 to 64.
        keep_turns: Count, "4";
        /// The model that sums up what is left out, so that a summary stands in its place. It is asked once, for 20 s and a third of the time that is left at most; whatever goes wrong with it, the prompt is made to fit without a summary.
        summarise: Summarise, "none: what is left out is not summed up";
    }
    /// The model that sums up what is left out of a prompt.
    Summarise = "`summarise`" {
        /// Which provider; without it, `model` is a name from `models`.
        provider: String, "none";
        /// The model.
        model: String, "required";
        /// Tokens of prompt and answer together.
        context_window: Count, "the catalogue's, or unknown: then it is given 8,192 at most";
        /// What a million of its tokens cost, in place of what the catalogue says.
        price: Price, "the catalogue's, or unknown";
    }
    /// What a million tokens may cost, in US dollars.
    MaxPrice = "`max_price`" {
        /// Of the prompt.
        input: Amount, "any";
        /// Of the answer.
        output: Amount, "any";
    }
    /// What a million tokens cost, in US dollars.
    Price = "`price`" {
        /// Of the prompt.
        input: Amount, "required";
        /// Of the answer.
        output: Amount, "required";
        /// Of the prompt, what is read from a cache.
        cached: Amount, "that of `input`";
        /// Of the prompt, what is written to a cache.
        cache_write: Amount, "that of `input`";
    }
    /// One position of a chain: a provider's model, a name from `models`, or a last resort.
    Link = "an entry of `models`" {
        /// Which provider; without it, `model` is a name from `models`.
        provider: String, "none";
        /// The model.
        model: String, "none";
        /// Lower goes first; those without one come last, in the order of the file.
        priority: Count, "none";
        /// Text that is put before the system prompt.
        prefix: String, "none";
        /// Text that is put behind the system prompt.
        suffix: String, "none";
        /// Members that are set in every request, in its provider's dialect: `{temperature: 0.2}`.
        params: Params, "none";
        /// Tokens of prompt and answer together.
        context_window: Count, "the catalogue's, or unknown";
        /// Most tokens of an answer.
        max_output: Count, "the catalogue's, or unknown";
        /// What it cannot be told, in place of what the catalogue says: a request that needs it passes by.
        lacks: Vec<At<Need>>, "the catalogue's, or nothing";
        /// How it is told how hard to think.
        thinking: Thinking, "the catalogue's, or as the newest of its dialect";
        /// Numbers of its vectors, where it makes embeddings.
        dimensions: Count, "the catalogue's, or unknown";
        /// What a million of its tokens cost, in place of what the catalogue says.
        price: Price, "the catalogue's, or unknown";
        /// Asked only after a failure of one of these classes in the same request: `[content_filter]`.
        after: Vec<At<TriggerType>>, "asked as its turn comes";
        /// Answer of last resort: a text, in the place of an error that nobody's request is to blame for.
        template: String, "none";
        /// Answer of last resort: an earlier answer to the identical request of the same tenant, not older than this. It goes before a template.
        earlier: Duration, "none";
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
        action: Action, "the best for the class";
        /// Whether the breaker counts it.
        breaker: bool, "the best for the class";
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
        /// A target whose breaker has closed gets its share of the load back over so long, beginning with a tenth, and the others of its step, or the next model, have the rest; `0s` is at once.
        slow_start: Duration, "30s";
        /// Slow answers open it too: `{over: 5s, rate: 80%}`.
        slow: Slow, "none: an answer may be slow";
    }
    /// Slow answers open the breaker too.
    Slow = "`slow`" {
        /// What is slow: of a stream, until its first token; else until its end.
        over: Duration, "required";
        /// Share of slow ones among the answers of the window that opens the breaker.
        rate: Share, "80%";
    }
    /// A second attempt beside a slow first one.
    Hedge = "`hedge`" {
        /// When a stream that has shown nothing, or an answer that has not ended, is slow: a duration, or a percentile of what its target took for requests of that size: `p95`; never earlier than the budget lasts, which is p98.5 for 2%.
        after: String, "p95";
        /// Share of requests that may be sent twice; what is left unused adds up to ten.
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
        budget: Budget, "no limit";
        /// Requests in a minute.
        rpm: Count, "no limit";
        /// Tokens in a minute, of prompts and answers together.
        tpm: Count, "no limit";
        /// It may have its own requests rehearse a failure of their first target: `mock_testing_fallbacks: true` in
        /// the body, or a fault in the field `x-throwover-test`.
        testing: bool, "false";
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
        /// In how long: a `day`, `week` (from Monday) or `month` of the calendar, in UTC.
        per: Period, "month";
        /// From this share on, its requests take the chain of `then`; without one, only an event tells.
        at: Share, "80%";
        /// A chain, or a model of one, that costs less.
        then: String, "none";
    }
}

read_as_map! {
    Document Health Metrics MetricRule Canary Expect Compact Summarise Affinity MaxPrice Price Gateway ProxyProtocol Tls Egress Defaults Provider Retries Connections Model Deployment Fallback Chain Link
    Trigger Retry Breaker Slow Hedge
    Route When Tenant TenantKey Budget KeyEntry
}
