//! A prompt that nobody can read whole is made to fit, and what was left out is told.

use serde_json::{Value, json};
use tests::testkit::{
    gateway::Gateway,
    policy::Policy,
    provider::Provider,
    story::Story,
    tenant::{Answer, Ask},
    until,
};

/// Some 4,900 bytes of text, which are taken for 970 tokens. What is left of them is to be seen whole: providers log
/// the first 4,096 bytes of a body.
const ROUNDS: usize = 8;
const LOGGED: usize = 4_096;
const KEEP: &str = "compact: {keep_turns: 4}";

fn long(name: &str, times: usize) -> String {
    format!("{name}: {}", "so it went on ".repeat(times))
}

/// A task, calls of a tool and what it answered, and at the end a question.
fn conversation() -> Vec<Value> {
    let mut messages = vec![json!({"role": "system", "content": "Be brief."}), json!({"role": "user", "content": "the task"})];
    for round in 0..ROUNDS {
        let call = json!({"id": format!("call-{round}"), "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}});
        messages.push(json!({"role": "assistant", "content": long(&format!("plan-{round}"), 7), "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": format!("call-{round}"), "content": long(&format!("seen-{round}"), 34)}));
    }
    messages.push(json!({"role": "assistant", "content": "done"}));
    messages.push(json!({"role": "user", "content": "the question"}));
    messages
}

fn ask(chain: &str, stream: bool) -> Ask {
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}});
    let body = json!({"model": chain, "stream": stream, "max_tokens": 100, "messages": conversation(), "tools": [tool]});
    Ask::post("/v1/chat/completions", &body)
}

/// `messages=12 tool_results=3 tokens=4500`
fn told(answer: &Answer) -> Option<[u64; 3]> {
    let field = answer.head.field("x-throwover-compacted")?;
    let numbers: Vec<u64> = field.split(' ').map(|part| part.split_once('=').unwrap().1.parse().unwrap()).collect();
    numbers.try_into().ok()
}

/// What is left is whole: the ends of the conversation, and both or neither of a call and its outcome.
fn is_sound(body: &str) {
    assert!(body.len() < LOGGED, "{} bytes", body.len());
    for part in ["Be brief.", "the task", "done", "the question", &format!("seen-{}", ROUNDS - 1)] {
        assert!(body.contains(part), "{part} is missing: {body}");
    }
    assert!(!body.contains("seen-0:"), "the oldest went first: {body}");
    let mut kept = 0;
    for round in 0..ROUNDS {
        let count = body.matches(&format!("call-{round}\"")).count();
        assert!(count == 0 || count == 2, "call-{round} stands there {count} times: {body}");
        kept += count;
    }
    assert!(kept >= 2, "{body}");
}

#[test]
fn what_nobody_can_read_is_made_to_fit() {
    let provider = Provider::speaking(&[("open", mock::Dialect::Openai), ("claude", mock::Dialect::Anthropic)]);
    let mut policy = Policy::new().endpoint("open", &format!("http://{}/v1", provider.plain("open")), "auth: none").endpoint(
        "claude",
        &format!("http://{}", provider.plain("claude")),
        "dialect: anthropic, keys: [\"sk-operators\"]",
    );
    for target in ["open", "claude"] {
        for way in ["whole", "stream"] {
            let name = format!("{target}-{way}");
            policy = policy.chain_of(&name, &format!("[{{provider: {target}, model: {name}, context_window: 600}}]"), KEEP);
        }
    }
    policy = policy.chain_of("without", "[{provider: open, model: without, context_window: 600}]", "");
    let gateway = Gateway::start(&policy);
    for target in ["open", "claude"] {
        for (way, stream) in [("whole", false), ("stream", true)] {
            let name = format!("{target}-{way}");
            let story = Story::of(&name, gateway.tenant().ask(&ask(&name, stream)), &provider, &name);
            assert_eq!((story.answer.head.status, story.asked(target)), (200, 1), "{story}");
            let [messages, results, tokens] = told(&story.answer).unwrap();
            assert!(messages > 0 && messages < 16 && results == 7 && tokens > 600, "{story}");
            is_sound(story.entries[0].body.as_deref().unwrap());
            let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
            assert_eq!(record["compacted"], json!({"messages": messages, "tool_results": results, "tokens": tokens}), "{record}");
        }
    }
    let answer = gateway.tenant().ask(&ask("without", false));
    assert_eq!((answer.head.status, answer.code(), told(&answer)), (400, "context_length_exceeded".to_owned(), None), "{}", answer.text());
    assert_eq!(gateway.meter("throwover_compacted_total"), 4.0);
    until("an operator is told", || gateway.ask("status", &[]).text.contains("compacted_total").then_some(()));
}

#[test]
fn who_can_read_it_all_is_asked_first() {
    let provider = Provider::with(&["small", "large"], &mock::Answers::default());
    let models = |name: &str| {
        format!("[{{provider: small, model: {name}, context_window: 600}}, {{provider: large, model: {name}, context_window: 100000}}]")
    };
    let quick = format!("{KEEP}, retry: {{max_attempts: 2}}, breaker: {{consecutive: 1000, min_requests: 1000}}");
    let policy = Policy::over(&provider).chain_of("well", &models("well"), &quick).chain_of("down", &models("down"), &quick);
    let gateway = Gateway::start(&policy);
    let story = Story::of("all of it", gateway.tenant().ask(&ask("well", false)), &provider, "well");
    assert_eq!((story.answer.head.status, story.asked("small"), told(&story.answer)), (200, 0, None), "{story}");
    // Refused for its key, it is left alone: what is left goes to the other.
    provider.fault("large", "401");
    let story = Story::of("what is left", gateway.tenant().ask(&ask("down", false)), &provider, "down");
    assert_eq!((story.answer.head.status, story.answer.head.field("x-throwover-provider")), (200, Some("small")), "{story}");
    assert!(told(&story.answer).is_some() && story.asked("large") == 1, "{story}");
    is_sound(story.entries.last().unwrap().body.as_deref().unwrap());
}

/// The estimate had it fit, and the provider had not.
#[test]
fn what_a_provider_could_not_read_is_asked_once_more_with_less() {
    let provider = Provider::new();
    let models = |name: &str| format!("[{{provider: primary, model: {name}, context_window: 1000}}]");
    let policy = Policy::over(&provider).chain_of("c", &models("c"), KEEP).chain_of("never", &models("never"), KEEP);
    let gateway = Gateway::start(&policy);
    provider.fault("primary", "400;code=context_length_exceeded;count=1");
    let story = Story::of("once more", gateway.tenant().ask(&ask("c", false)), &provider, "c");
    assert_eq!((story.answer.head.status, story.asked("primary")), (200, 2), "{story}");
    assert!(told(&story.answer).is_some(), "{story}");
    is_sound(story.entries[1].body.as_deref().unwrap());
    assert!(story.entries[1].body.as_ref().map(String::len) < story.entries[0].body.as_ref().map(String::len), "{story}");
    // It is made to fit once, and then the refusal is told.
    provider.fault("primary", "400;code=context_length_exceeded");
    let story = Story::of("never", gateway.tenant().ask(&ask("never", false)), &provider, "never");
    assert_eq!((story.answer.head.status, story.asked("primary")), (400, 2), "{story}");
}

#[test]
fn what_cannot_be_made_to_fit_is_refused_and_nobody_is_asked() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).chain_of("c", "[{provider: primary, model: c, context_window: 600}]", KEEP);
    let gateway = Gateway::start(&policy);
    let body = json!({"model": "c", "messages": [{"role": "user", "content": "one text ".repeat(4_000)}]});
    let story = Story::of("one text", gateway.tenant().ask(&Ask::post("/v1/chat/completions", &body)), &provider, "c");
    story.refused(400, "context_length_exceeded");
    assert!(story.entries.is_empty(), "{story}");
}

/// How a summary begins that stands in a prompt.
const IN_SHORT: &str = "were left out. In short:] ";
/// A model that can read 600 tokens, and a chain that has what is left out summed up.
fn summed_up(by: &str, members: &str) -> String {
    format!(
        "compact: {{keep_turns: 2, summarise: {{{by}, context_window: 8000}}}}, breaker: {{consecutive: 1000, min_requests: 1000}}, {members}"
    )
}

/// A long talk in the language of a client: the task, turns that alternate, a question.
fn talk(client: &str, model: &str, stream: bool) -> Ask {
    let mut said = vec![(true, "the task".to_owned())];
    said.extend((0..24).map(|turn| (turn % 2 == 1, long(&format!("turn-{turn}"), 16))));
    said.push((true, "the question".to_owned()));
    let messages = |assistant: &str, content: &dyn Fn(&str) -> (&'static str, Value)| -> Vec<Value> {
        let message = |(user, text): &(bool, String)| {
            let (name, content) = content(text);
            json!({"role": if *user { "user" } else { assistant }, name: content})
        };
        said.iter().map(message).collect()
    };
    let plain = |text: &str| ("content", json!(text));
    match client {
        "chat" => {
            let body = json!({"model": model, "stream": stream, "max_tokens": 100, "messages": messages("assistant", &plain)});
            Ask::post("/v1/chat/completions", &body)
        }
        "messages" => {
            let body = json!({"model": model, "stream": stream, "max_tokens": 100, "messages": messages("assistant", &plain)});
            Ask::post("/v1/messages", &body).with("anthropic-version", "2023-06-01")
        }
        _ => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let parts = |text: &str| ("parts", json!([{"text": text}]));
            let body = json!({"contents": messages("model", &parts), "generationConfig": {"maxOutputTokens": 100}});
            Ask::post(&format!("/v1beta/models/{model}:{verb}"), &body)
        }
    }
}

/// Providers of every dialect: some answer, and `sum-` some sum up.
fn of_every_dialect() -> (Provider, Policy) {
    let dialects = [("open", mock::Dialect::Openai), ("claude", mock::Dialect::Anthropic), ("google", mock::Dialect::Gemini)];
    let summing = dialects.map(|(name, dialect)| (["sum-", name].concat(), dialect));
    let all: Vec<(&str, mock::Dialect)> =
        dialects.into_iter().chain(summing.iter().map(|(name, dialect)| (name.as_str(), *dialect))).collect();
    let provider = Provider::speaking(&all);
    let mut policy = Policy::new();
    for (name, dialect) in &all {
        let (path, members) = match dialect {
            mock::Dialect::Openai => ("/v1", "auth: none"),
            mock::Dialect::Anthropic => ("", "dialect: anthropic, keys: [\"sk-operators\"]"),
            mock::Dialect::Gemini => ("/v1beta", "dialect: gemini, keys: [\"sk-operators\"], auth: {header: x-goog-api-key}"),
        };
        policy = policy.endpoint(name, &format!("http://{}{path}", provider.plain(name)), members);
    }
    (provider, policy)
}

#[test]
fn what_is_left_out_is_summed_up_in_every_language() {
    let cases = [("chat", "open", "sum-claude"), ("messages", "google", "sum-open"), ("generate", "claude", "sum-google")];
    let (provider, mut policy) = of_every_dialect();
    for (client, target, by) in cases {
        let models = format!("[{{provider: {target}, model: {client}, context_window: 600, price: {{input: 1, output: 2}}}}]");
        let price = "price: {input: 100, output: 200}";
        policy = policy.chain_of(client, &models, &summed_up(&format!("provider: {by}, model: {client}-short, {price}"), "deadline: 30s"));
    }
    let gateway = Gateway::start(&policy);
    for (client, target, by) in cases {
        for (before, stream) in [false, true].into_iter().enumerate() {
            let story = Story::of(client, gateway.tenant().ask(&talk(client, client, stream)), &provider, client);
            assert_eq!((story.answer.head.status, story.asked(target)), (200, before + 1), "{story}");
            let body = story.entries[before].body.as_deref().unwrap();
            assert!(body.contains(IN_SHORT) && body.contains(&format!("{by} says: w0 w1")), "{story}\n{body}");
            assert!(body.contains("the task") && body.contains("the question") && !body.contains("turn-3:"), "{body}");
            let field = story.answer.head.field("x-throwover-compacted").unwrap();
            assert!(field.contains(&format!(" summary_by={by}/{client}-short summary_ms=")), "{field}");
            let questions = provider.log_of(&format!("{client}-short"));
            let question = questions.last().unwrap();
            assert!(question.provider == by && question.body.as_ref().unwrap().contains("turn-0:"), "{question:?}");
            let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
            let summary = &record["summary"];
            assert_eq!((&summary["target"], &summary["used"]), (&json!(format!("{by}/{client}-short")), &json!(1)), "{record}");
            assert!(summary["tokens_in"].as_u64() > Some(0) && summary["bytes"].as_u64() > Some(60), "{record}");
            // It is a part of what the request cost, and the larger one here.
            let (all, own) = (record["cost_usd"].as_f64().unwrap(), summary["cost_usd"].as_f64().unwrap());
            assert!(own > all / 2.0 && own < all, "{record}");
            assert!(!gateway.access_log().contains("so it went on") && !gateway.access_log().contains("says: w0"), "no content is logged");
        }
    }
    assert_eq!((gateway.meter("throwover_summaries_total"), gateway.meter("throwover_summaries_failed_total")), (6.0, 0.0));
    until("an operator is told", || {
        let events = gateway.ask("events", &[("last", "1000")]).data;
        let told = |event: &&Value| event["kind"] == "compacted" && event["details"]["summary_by"] == "sum-open/messages-short";
        (events.as_array().unwrap().iter().filter(told).count() == 2).then_some(())
    });
}

#[test]
fn a_summary_that_fails_is_done_without() {
    let (provider, policy) = of_every_dialect();
    let cases = [
        ("500", "server_error"),
        ("429", "rate_limit"),
        ("stall-before-head", "timeout"),
        ("refusal", "filtered"),
        ("empty-choices", "empty"),
    ];
    let mut policy = policy;
    let mut faults = Vec::new();
    for (at, (fault, _)) in cases.iter().enumerate() {
        let models = format!("[{{provider: open, model: m{at}, context_window: 600}}]");
        policy = policy.chain_of(&format!("m{at}"), &models, &summed_up(&format!("provider: sum-open, model: s{at}"), "deadline: 3s"));
        faults.push(format!("{fault};model=s{at}"));
    }
    provider.fault("sum-open", &faults.join(","));
    let gateway = Gateway::start(&policy);
    for (at, (fault, why)) in cases.iter().enumerate() {
        let name = format!("m{at}");
        let story = Story::of(fault, gateway.tenant().ask(&talk("chat", &name, false)), &provider, &name);
        story.answered_by("open");
        let field = story.answer.head.field("x-throwover-compacted").unwrap();
        assert!(field.contains(&format!(" no_summary={why} summary_ms=")), "{fault}: {field}");
        let body = story.entries[0].body.as_deref().unwrap();
        assert!(body.contains("the task") && !body.contains(IN_SHORT), "{fault}: {body}");
        let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
        assert_eq!((&record["summary"]["why"], &record["attempts"][0]["end"]), (&json!(why), &json!("answered")), "{record}");
        assert_eq!(provider.log_of(&format!("s{at}")).len(), 1, "{fault}: it is asked once");
    }
    assert_eq!(gateway.meter("throwover_summaries_failed_total"), 5.0);
}

/// What a summary may cost is taken out of the tenant's budget like anything else, and an answer is worth more.
#[test]
fn a_summary_that_the_budget_cannot_pay_is_done_without() {
    let (provider, policy) = of_every_dialect();
    // A summary takes some 2,000 tokens: 20 dollars and more. The answer takes less than a cent.
    let models = "[{provider: open, model: paid, context_window: 600, price: {input: 1, output: 2}}]";
    let by = summed_up("provider: sum-open, model: paid-short, price: {input: 10000, output: 20000}", "deadline: 30s");
    let tenants = [("poor", "sk-poor-0123456789abcdef", 1), ("rich", "sk-rich-0123456789abcdef", 100_000)];
    let section: String = tenants
        .iter()
        .map(|(name, key, usd)| format!("\n  - {{name: {name}, keys: [{{key: \"{key}\"}}], budget: {{usd: {usd}, per: month}}}}"))
        .collect();
    let gateway = Gateway::start(&policy.chain_of("paid", models, &by).section(&format!("tenants:{section}")));
    for (at, (name, key, _)) in tenants.iter().enumerate() {
        let story = Story::of(name, gateway.tenant().ask(&talk("chat", "paid", false).key(key)), &provider, "paid");
        story.answered_by("open");
        let field = story.answer.head.field("x-throwover-compacted").unwrap();
        let body = story.entries[at].body.as_deref().unwrap();
        assert!(body.contains("the task") && body.contains("the question") && !body.contains("turn-3:"), "{body}");
        let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
        if *name == "poor" {
            assert!(field.contains(" no_summary=budget summary_ms=") && !body.contains(IN_SHORT), "{field}\n{body}");
            assert!(provider.log_of("paid-short").is_empty(), "nobody is asked for what cannot be paid");
            assert_eq!((&record["summary"]["why"], &record["summary"]["cost_usd"]), (&json!("budget"), &json!(0)), "{record}");
            assert!(record["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0 && cost < 0.01), "{record}");
        } else {
            assert!(field.contains(" summary_by=sum-open/paid-short summary_ms=") && body.contains(IN_SHORT), "{field}\n{body}");
            assert!(record["summary"]["cost_usd"].as_f64().is_some_and(|cost| cost > 1.0), "{record}");
        }
    }
    assert_eq!((gateway.meter("throwover_summaries_total"), gateway.meter("throwover_summaries_failed_total")), (1.0, 1.0));
}

/// The first target fails after the summary is there: the next one, of another language, is given the same.
#[test]
fn one_summary_serves_every_target_of_a_chain() {
    let (provider, policy) = of_every_dialect();
    let models = "[{provider: open, model: two, context_window: 600}, {provider: claude, model: two, context_window: 700}]";
    let price = "price: {input: 100, output: 200}";
    let retry = "deadline: 30s, retry: {max_attempts: 2, base: 1ms}";
    let gateway =
        Gateway::start(&policy.chain_of("two", models, &summed_up(&format!("provider: sum-google, model: two-short, {price}"), retry)));
    provider.fault("open", "500;model=two");
    let story = Story::of("two targets", gateway.tenant().ask(&talk("chat", "two", false)), &provider, "two");
    story.answered_by("claude");
    assert_eq!((story.asked("open"), story.asked("claude"), story.entries.len()), (1, 1, 2), "{story}");
    for entry in &story.entries {
        let body = entry.body.as_deref().unwrap();
        assert!(body.contains(IN_SHORT) && body.contains("sum-google says: w0 w1") && !body.contains("turn-3:"), "{story}\n{body}");
    }
    let questions = provider.log_of("two-short");
    assert_eq!(questions.len(), 1, "it is asked for once: {questions:?}");
    let record = gateway.record(story.answer.head.field("x-request-id").unwrap());
    assert_eq!((record["attempts"].as_array().map(Vec::len), &record["summary"]["used"]), (Some(2), &json!(1)), "{record}");
    assert_eq!(gateway.meter("throwover_summaries_total"), 1.0);
}

#[test]
fn a_tenant_that_leaves_ends_its_summary() {
    let (provider, policy) = of_every_dialect();
    let by = summed_up("provider: sum-open, model: s", "deadline: 60s");
    let gateway = Gateway::start(&policy.chain_of("c", "[{provider: open, model: c, context_window: 600}]", &by));
    provider.fault("sum-open", "stall-before-head");
    let mut tenant = gateway.tenant();
    tenant.send(&talk("chat", "c", true).bytes());
    until("a summary is asked for", || (provider.log().len() == 1).then_some(()));
    drop(tenant);
    until("it is given up", || (provider.log_of("s")[0].outcome == mock::journal::Outcome::HungUp).then_some(()));
    assert!(provider.log_of("c").is_empty(), "nobody is asked for an answer");
    assert_eq!(gateway.meter("throwover_hung_up_total"), 1.0);
}
