use super::*;
use policy::{Auth, Dialect, OriginId};

fn place(dialect: Dialect, base: &str) -> Place {
    Place::of(&Provider {
        name: "p".to_owned(),
        dialect,
        speaks: dialect.speaks(),
        quirks: 0,
        origin: OriginId(0),
        base_path: base.to_owned(),
        auth: Auth::None,
        keys: Vec::new(),
        in_flight_max: 1,
        headers: Vec::new(),
        regions: Vec::new(),
        checks: Vec::new(),
        retries: policy::Retries::default(),
        concurrency: policy::Concurrency::default(),
    })
}

fn check(dialect: Dialect, base: &str, surface: Surface, model: &str, expected: &str) {
    let line = place(dialect, base).line(surface, model).expect("it can stand in a head");
    let expected = head::RequestLine::new("POST", expected.as_bytes()).expect("so can what is expected");
    assert_eq!(line, expected, "{base} {surface:?} {model}");
}

#[test]
fn paths_follow_the_endpoint() {
    use Dialect::{Anthropic, Gemini, OpenAi};
    check(OpenAi, "/v1", Surface::Chat, "m", "/v1/chat/completions");
    check(OpenAi, "", Surface::Responses, "m", "/responses");
    check(OpenAi, "/v1?version=2", Surface::Chat, "m", "/v1/chat/completions?version=2");
    check(Anthropic, "", Surface::Messages, "m", "/v1/messages");
    check(Anthropic, "/v1", Surface::CountTokens, "m", "/v1/messages/count_tokens");
    check(Anthropic, "/anthropic?beta=true", Surface::Messages, "m", "/anthropic/v1/messages?beta=true");
    check(Gemini, "/v1beta", Surface::Generate, "g", "/v1beta/models/g:generateContent");
    check(Gemini, "/v1beta?trace=1", Surface::Generate, "g", "/v1beta/models/g:generateContent?trace=1");
    check(Gemini, "/v1beta?trace=1", Surface::StreamGenerate, "g", "/v1beta/models/g:streamGenerateContent?alt=sse&trace=1");
}

#[test]
fn a_model_stands_in_the_path_where_the_endpoint_says_so() {
    let azure = "/openai/deployments/{model}?api-version=2024-10-21";
    let at = |model: &str, surface, expected: &str| {
        check(Dialect::OpenAi, azure, surface, model, &format!("/openai/deployments/{expected}?api-version=2024-10-21"));
    };
    at("gpt-4o_eu.2", Surface::Chat, "gpt-4o_eu.2/chat/completions");
    at("embed", Surface::Embeddings, "embed/embeddings");
    // What would be another path, or another query, is none.
    at("a/b?c=d#e f%", Surface::Chat, "a%2Fb%3Fc%3Dd%23e%20f%25/chat/completions");
    at("m\u{fc}\r\n", Surface::Chat, "m%C3%BC%0D%0A/chat/completions");
    at("{model}", Surface::Chat, "%7Bmodel%7D/chat/completions");
    for model in ["", ".", ".."] {
        assert_eq!(place(Dialect::OpenAi, azure).line(Surface::Chat, model), Err(head::Unwritable::Target), "{model:?}");
    }
    check(Dialect::OpenAi, "/{model}/x/{model}", Surface::Chat, "m", "/m/x/m/chat/completions");
}

/// The operator's key goes along: nobody but the operator says which path it is for.
#[test]
fn no_model_leads_to_another_path() {
    let line = |model: &str| place(Dialect::Gemini, "/v1beta").line(Surface::Generate, model);
    for model in ["..", "../files", "m/../../files", "a/./b", "models/../x", "/m", "m/", "a//b", "tunedModels/.."] {
        assert_eq!(line(model), Err(head::Unwritable::Target), "{model:?}");
    }
    check(Dialect::Gemini, "/v1beta", Surface::Generate, "tunedModels/mine", "/v1beta/tunedModels/mine:generateContent");
    check(Dialect::Gemini, "/v1beta", Surface::Generate, "..m", "/v1beta/models/..m:generateContent");
    check(Dialect::Gemini, "/v1beta", Surface::Generate, "a/%2e%2e/b", "/v1beta/models/a/%252e%252e/b:generateContent");
}
