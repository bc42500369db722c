use super::*;
use crate::{load, validate};

fn explained(arguments: &[(&str, &str)]) -> Answer {
    let text = "providers:
  a: {endpoint: \"https://a.test/v1\"}
  b: {endpoint: \"https://b.test/v1\"}
tenants: [{name: acme, keys: [{key: \"${ACME_TENANT_KEY}\"}], models: [\"chat*\", \"a/*\", spread]}]
routes: [{name: gold, when: {model: chat, header: {x-tier: gold}}, chain: best}]
fallback:
  chains:
    - name: chat
      models:
        - {provider: a, model: m, lacks: [image, tools], context_window: 1000}
        - {provider: huggingface, model: n}
        - {provider: b, model: w, context_window: 4000}
      triggers: [{type: auth, enabled: false}, {type: empty, action: next_model}, {type: timeout, action: next_key}]
    - name: spread
      models: [{provider: a, model: m3}, {provider: b, model: m3}, {provider: b, model: m4, after: [content_filter]}]
      standby: 2.5%
    - {name: chat-dropping, models: [{provider: a, model: m2, lacks: [seed]}], drop_params: true}
    - {name: best, models: [{provider: b, model: m}], breaker: {slow: {over: 5s, rate: 75%}}}
    - name: chat-vectors
      models:
        - {provider: a, model: v, dimensions: 1536}
        - {provider: b, model: s, dimensions: 1024}
        - {provider: b, model: v}
";
    let checked = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings());
    let compiled = compile::compile(&checked.plan, &compile::Previous::default(), 1).unwrap();
    let prepared = Prepared::build(Snapshot::try_new(compiled.draft).unwrap());
    let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    decision(&prepared, &arguments, &HashMap::from([("a/m".to_owned(), "breaker open".to_owned())]))
}

#[test]
fn the_chain_its_targets_and_why_not_the_others() {
    let answer = explained(&[("tenant", "acme"), ("model", "chat")]);
    assert!(answer.text.contains("chain     chat: it answers to the name `chat`"), "{}", answer.text);
    assert!(answer.text.contains("a/m  asks a for `m`  [breaker open]"), "{}", answer.text);
    assert!(answer.text.contains("never asked: HF_TOKEN is not set"), "{}", answer.text);
    assert!(answer.text.contains("ends at   auth"), "{}", answer.text);
    assert!(answer.text.contains("follows   next_key after timeout; next_model after empty\n"), "{}", answer.text);
    assert_eq!(answer.data["follows"], json!(["next_key after timeout", "next_model after empty"]));
}

#[test]
fn what_a_target_lacks_and_what_is_too_large_for_it() {
    let skipped = |arguments: &[(&str, &str)]| {
        let answer = explained(&[&[("tenant", "acme"), ("model", "chat")], arguments].concat());
        let rows = answer.data["targets"].as_array().unwrap().clone();
        let why: Vec<String> = rows.iter().map(|row| row["skipped"].as_str().unwrap_or("-").to_owned()).collect();
        (why, answer)
    };
    let of = |why: [&str; 3]| why.map(str::to_owned).to_vec();
    let unset = "HF_TOKEN is not set";
    assert_eq!(skipped(&[("needs", "image, json_schema")]).0, of(["lacks image", unset, "-"]));
    assert_eq!(skipped(&[("needs", "tools,image"), ("tokens", "2000")]).0, of(["lacks image, tools", unset, "-"]));
    assert_eq!(skipped(&[("tokens", "2000")]).0, of(["too_large", unset, "-"]));
    // Nobody is left: the answer is the gateway's own.
    let (why, answer) = skipped(&[("tokens", "5000")]);
    assert_eq!(why, of(["too_large", unset, "too_large"]));
    assert_eq!((&answer.data["answer"]["status"], &answer.data["answer"]["code"]), (&400.into(), &"context_length_exceeded".into()));
    assert!(answer.text.contains("answer    400 (context_length_exceeded)"), "{}", answer.text);
    let dropped = explained(&[("tenant", "acme"), ("model", "chat-dropping"), ("needs", "seed")]);
    assert_eq!(dropped.data["targets"][0]["skipped"], serde_json::Value::Null, "{}", dropped.text);
}

#[test]
fn a_request_in_another_dialect_needs_a_translation() {
    // What has a meaning only in its own dialect is not translated.
    let asked = |dialect: &str| explained(&[("tenant", "acme"), ("model", "chat"), ("needs", "own_dialect"), ("dialect", dialect)]);
    assert_eq!(asked("openai").data["targets"][2]["skipped"], serde_json::Value::Null);
    assert_eq!(asked("anthropic").data["targets"][2]["skipped"], "lacks own_dialect");
}

#[test]
fn a_request_that_is_described_wrongly_is_told_how() {
    for (name, value, expected) in [
        ("needs", "imag", "did you mean `image`?"),
        ("needs", "zzzzzzzzzz", "image, image_url, audio"),
        ("tokens", "many", "no number of tokens"),
        ("dimensions", "long", "no number of numbers"),
        ("dialect", "french", "openai, responses, anthropic or gemini"),
    ] {
        let answer = explained(&[("tenant", "acme"), ("model", "chat"), (name, value)]);
        assert!(answer.code == code::USAGE && answer.text.contains(expected), "{}", answer.text);
    }
}

#[test]
fn embeddings_of_another_length_are_passed_over() {
    let skipped = |more: &[(&str, &str)]| {
        let answer = explained(&[&[("tenant", "acme"), ("model", "chat-vectors")], more].concat());
        let rows = answer.data["targets"].as_array().unwrap().clone();
        rows.iter().map(|row| row["skipped"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(skipped(&[]), ["-", "-", "-"], "a chat has no vectors");
    let why = "its vectors are of 1024 numbers, and those that are wanted of 1536 numbers";
    assert_eq!(skipped(&[("embeddings", "")]), ["-", why, "-"]);
    let asked = skipped(&[("dimensions", "1024"), ("dialect", "gemini")]);
    assert_eq!((asked[0].as_str(), asked[1].as_str()), ("-", "-"), "its provider judges what the chain's own model can: {asked:?}");
    let refused = explained(&[("tenant", "acme"), ("model", "chat-vectors"), ("embeddings", ""), ("dialect", "anthropic")]);
    assert!(refused.code == code::USAGE && refused.text.contains("openai and gemini"), "{}", refused.text);
}

#[test]
fn routes_and_rest_names_lead_as_in_the_gateway() {
    let routed = explained(&[("tenant", "acme"), ("model", "chat"), ("header", "X-Tier=gold")]);
    assert_eq!(routed.data["chain"], "best");
    let rest = explained(&[("tenant", "acme"), ("model", "a/anything/at-all")]);
    assert_eq!((&rest.data["chain"], &rest.data["targets"][0]["model"]), (&"a/*".into(), &"anything/at-all".into()));
}

#[test]
fn refusals_are_answers_and_missing_tenants_are_not() {
    assert_eq!(explained(&[("tenant", "acme"), ("model", "best")]).data["status"], 403);
    assert_eq!(explained(&[("model", "chat")]).code, code::USAGE);
    assert_eq!(explained(&[("model", "chat"), ("tenant", "acem")]).code, code::USAGE);
}

#[test]
fn when_slow_answers_open_the_breaker_is_said() {
    let answer = explained(&[("tenant", "acme"), ("model", "chat"), ("header", "x-tier=gold")]);
    assert!(answer.text.contains("breaker   opens also when 75% of answers take longer than 5.0 s\n"), "{}", answer.text);
    assert!(!explained(&[("tenant", "acme"), ("model", "chat")]).text.contains("breaker   "));
}

#[test]
fn who_is_tried_first_at_times_is_said() {
    let answer = explained(&[("tenant", "acme"), ("model", "spread")]);
    assert!(answer.text.contains("standby   2.5% of requests are tried first at b/m3\n"), "{}", answer.text);
    assert_eq!((&answer.data["standby_permille"], &answer.data["standby"]), (&25.into(), &json!(["b/m3"])));
    assert!(!explained(&[("tenant", "acme"), ("model", "chat")]).text.contains("standby"));
}
