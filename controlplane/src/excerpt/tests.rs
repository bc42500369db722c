use super::*;
use crate::{load, reference::Surroundings, validate};

/// What a check of `text` prints and gives to programs.
fn told(text: &str) -> String {
    let from = Surroundings {
        variable: Box::new(|name| (name == "A_KEY").then(|| "from-the-environment-SECRET".to_owned())),
        file: Box::new(|_| Err(std::io::Error::from(std::io::ErrorKind::NotFound))),
        today: "2026-11-20".to_owned(),
    };
    let loaded = load::text("p.yaml", text);
    let checked = validate::validate(&loaded, &from);
    checked.complaints.render(&loaded.sources) + &checked.complaints.json(&loaded.sources).to_string()
}

#[test]
fn no_complaint_shows_a_secret() {
    let table = [
        "providers: {p: {endpoint: \"http://127.0.0.1:9/v1\", keys: [\"sk-SECRET\"], colour: red}}",
        "providers: {p: {endpoint: \"http://127.0.0.1:9/v1\", keys: sk-SECRET}}",
        "providers: {p: {endpoint: \"http://127.0.0.1:9/v1\", keys: [{key: sk-SECRET, weight: none}]}}",
        "providers: {p: {endpoint: \"http://127.0.0.1:9/v1\", api_key: sk-SECRET}}",
        "providers: {p: {endpoint: \"http://127.0.0.1:9/v1\", headers: {host: a, x-api-key: SECRET}}}",
        "providers: {p: {endpoint: \"https://user:SECRET@host/v1\"}}",
        "gateway: {egress: {proxy: \"http://user:SECRET@host:1\"}}",
        "tenants: [{name: a, keys: [{sha256: tk-SECRET}]}, {name: b, keys: [{key: tk-SECRET-2}, {key: tk-SECRET-2}]}]",
        "tenants: [{name: a, keys: [tk-SECRET]}]",
        "tenants: [{name: a, keys: tk-SECRET}]",
        "tenants:\n  - name: a\n    keys:\n      - key: tk-SECRET",
        "providers: {p: {keys: [\"sk-SECRET]}}",
        "providers:\n  p:\n    keys:\n      - \"sk-0123456789-SECRET\n",
    ];
    for text in table {
        let said = told(text);
        assert!(said.contains("-->"), "there is something to complain about: {text}\n{said}");
        assert!(!said.contains("SECRET"), "{text}\n{said}");
    }
}

#[test]
fn what_is_no_secret_is_shown() {
    let said = told("providers: {p: {endpoint: \"ftp://host\", keys: [\"${A_KEY}\"], colour: red}}");
    assert!(said.contains("keys: [\"${A_KEY}\"], colour: red"), "{said}");
    assert!(said.contains("`ftp://host` is no endpoint"), "{said}");
    let said = told("gateway: {tls: {certificate: /none/c.pem, key: /none/k.pem}}");
    assert!(said.contains("key: /none/k.pem"), "{said}");
    let said = told("fallback: {chains: [{name: \"unclosed}]}");
    assert!(said.contains("fallback: {chains: [{name: \"unclosed}]}"), "{said}");
}

#[test]
fn columns_stay_where_they_are() {
    let span = |column, length| Span { file: 0, line: 3, column, length };
    assert_eq!(starred("keys: [äb, c]", 3, [span(8, 2)].into_iter()), "keys: [**, c]");
    assert_eq!(starred("keys: [a]", 4, [span(8, 1)].into_iter()), "keys: [a]");
    assert_eq!(starred("short", 3, [span(4, 100), span(90, 2)].into_iter()), "sho**");
}
