use crate::{load, plan::Plan, validate};
use codec::dialect::Needs;
use policy::Thinking;

fn planned(text: &str) -> (Plan, String) {
    let loaded = load::text("p.yaml", text);
    let checked = validate::validate(&loaded, &validate::tests::surroundings());
    (checked.plan, checked.complaints.render(&loaded.sources))
}

#[test]
fn what_the_policy_says_goes_before_the_catalogue() {
    let (plan, rendered) = planned(
        "providers: {own: {endpoint: \"http://127.0.0.1:9/v1\"}}
models:
  small:
    deployments: [{provider: own, model: a, max_output: 100}, {provider: own, model: b}]
    context_window: 8192
    lacks: [image, tools]
    max_output: 2000
fallback:
  chains:
    - name: c
      models:
        - {provider: openai, model: gpt-4.1, context_window: 32000, lacks: []}
        - {provider: own, model: c, thinking: budget}
        - {provider: openai, model: gpt-4o, thinking: effort}
        - {provider: openai, model: gpt-5.5, thinking: none}
        - {provider: groq, model: unheard-of}
",
    );
    assert!(!rendered.contains("error"), "{rendered}");
    let facts = |target: &str| plan.targets[target].facts.clone();
    let lacks = |target: &str| Needs::from_bits(facts(target).understands.lacks);
    // A deployment goes before the model that it is one of.
    assert_eq!((facts("own/a").context_window, facts("own/a").understands.output_max), (Some(8_192), Some(100)));
    assert_eq!((lacks("own/b"), facts("own/b").understands.output_max), (Needs::IMAGE.and(Needs::TOOLS), Some(2_000)));
    // What is not said stays the catalogue's; an empty list is said.
    assert_eq!((facts("openai/gpt-4.1").context_window, lacks("openai/gpt-4.1")), (Some(32_000), Needs::NONE));
    assert_eq!(facts("openai/gpt-4.1").understands.output_max, Some(32_768));
    // How it thinks says that it does.
    assert_eq!((facts("own/c").understands.thinking, facts("own/c").reasoning), (Thinking::Budget, true));
    assert!(facts("openai/gpt-4o").reasoning && !lacks("openai/gpt-4o").has(Needs::REASONING));
    assert!(!facts("openai/gpt-5.5").reasoning && lacks("openai/gpt-5.5").has(Needs::REASONING));
    assert_eq!(lacks("groq/unheard-of"), lacks("groq/*"), "what a provider lacks, all of its models do");
}

#[test]
fn what_is_said_wrongly_or_twice() {
    let chain = |links: &str| {
        format!(
            "providers: {{own: {{endpoint: \"http://127.0.0.1:9/v1\"}}}}
models: {{m: {{deployments: [{{provider: own, model: a, context_window: 4096}}]}}}}
fallback: {{chains: [{{name: c, models: [{links}]}}]}}"
        )
    };
    for (links, expected) in [
        ("{provider: own, model: b, lacks: [imag]}", "did you mean `image`?"),
        ("{provider: own, model: b, thinking: efort}", "did you mean `effort`?"),
        ("{provider: own, model: b, context_window: 0}", "context_window must be within 1 and"),
        ("{provider: own, model: b, max_output: 8KiB}", "a whole number is wanted here"),
        ("{provider: own, model: a, context_window: 8192}", "`context_window` of `own/a` is said twice, and differently"),
        ("{provider: own, model: b, lacks: [image]}, {provider: own, model: b, lacks: []}", "`lacks` of `own/b` is said twice"),
        ("{provider: own, model: b, lacks: image}", "a list is wanted here"),
    ] {
        let (_, rendered) = planned(&chain(links));
        assert!(rendered.contains("error") && rendered.contains(expected), "{links}\n{rendered}");
    }
    let (_, rendered) = planned(&chain("{model: m, context_window: 4096}, {provider: own, model: b, max_output: 1}"));
    assert!(!rendered.contains("error"), "the same may be said twice\n{rendered}");
}
