//! `throwover schema` against every policy that we show to anybody.
//!
//! The validator here knows the words of JSON Schema that ours uses, and panics at any other: a word
//! that it passed over would be a check that cannot fail.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use controlplane::{complaint::Complaints, tree};
use serde_json::{Value, json};
use support::House;

fn schema() -> Value {
    serde_json::from_slice(&House::new().command("schema", &[]).output().unwrap().stdout).unwrap()
}

fn yaml(text: &str) -> Value {
    let mut complaints = Complaints::default();
    tree::parse(text, 0, &mut complaints).unwrap_or_else(|| panic!("{complaints:?} in {text}")).json()
}

/// Where a value breaks the schema, and how.
fn broken(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$schema" | "title" | "description" | "required" | "properties" | "items" | "additionalProperties" => true,
            "type" => kind(value) == rule || (rule == "number" && value.is_number()),
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| quantity(rule.as_str().unwrap(), text)),
            "anyOf" => rule.as_array().unwrap().iter().any(|one| broken(one, value, at).is_empty()),
            word => panic!("the schema has a `{word}` that this test does not know"),
        };
        if !fits {
            found.push(format!("{at}: {value} against {word} {rule}"));
        }
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter(|name| !members.contains_key(name.as_str().unwrap())) {
            found.push(format!("{at} lacks {name}"));
        }
        for (name, member) in members {
            let below = format!("{at}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(rule), _) => found.extend(broken(rule, member, &below)),
                (None, Value::Object(rule)) => found.extend(broken(&json!(rule), member, &below)),
                (None, Value::Bool(false)) => found.push(format!("{below} is not known")),
                (None, _) => {}
            }
        }
    }
    if let (Some(items), Some(rule)) = (value.as_array(), schema.get("items")) {
        found.extend(items.iter().enumerate().flat_map(|(index, item)| broken(rule, item, &format!("{at}[{index}]"))));
    }
    found
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The one form of pattern that the schema has: a number and a unit.
fn quantity(pattern: &str, text: &str) -> bool {
    let rest = pattern.strip_prefix("^[0-9]+(\\.[0-9]+)?").unwrap_or_else(|| panic!("an unknown pattern: {pattern}"));
    let (units, spaced): (Vec<String>, bool) = match rest {
        "%$" => (vec!["%".to_owned()], false),
        rest => {
            let inner = rest.strip_prefix(" ?(").and_then(|rest| rest.strip_suffix(")$")).unwrap_or_else(|| panic!("{pattern}"));
            (inner.split('|').flat_map(spelled).collect(), true)
        }
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = if spaced { unit.strip_prefix(' ').unwrap_or(unit) } else { unit };
    let sound = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    number.splitn(2, '.').all(sound) && units.iter().any(|known| known == unit)
}

/// `[KMG]iB` in full.
fn spelled(unit: &str) -> Vec<String> {
    match unit.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((letters, rest)) => letters.chars().map(|letter| format!("{letter}{rest}")).collect(),
        None => vec![unit.to_owned()],
    }
}

/// Every block between ```yaml and ``` of a page, without the indentation of the list it stands in.
fn snippets(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut within: Option<usize> = None;
    for line in page.lines() {
        let fence = line.trim_start();
        match within {
            None if fence == "```yaml" => {
                within = Some(line.len() - fence.len());
                found.push(String::new());
            }
            Some(_) if fence == "```" => within = None,
            Some(indent) => {
                let text = found.last_mut().unwrap();
                text.push_str(line.get(indent..).unwrap_or_default());
                text.push('\n');
            }
            None => {}
        }
    }
    assert!(within.is_none(), "a block has no end");
    found
}

#[test]
fn every_example_and_snippet_keeps_to_it() {
    let schema = schema();
    let mut shown: Vec<(String, String)> = Vec::new();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = file.unwrap().path();
        shown.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    assert!(shown.len() >= 5);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let snippets = snippets(&page);
    assert!(snippets.len() >= 2, "the page begins with a policy");
    shown.extend(snippets.into_iter().enumerate().map(|(index, text)| (format!("snippet {index} of the README"), text)));
    for (name, text) in shown {
        let found = broken(&schema, &yaml(&text), "policy");
        assert!(found.is_empty(), "{name}: {found:#?}");
        // And they are what they look like: policies that load, given their keys.
        let house = House::new();
        house.write(&text);
        let mut check = house.command("check", &[house.config().to_str().unwrap()]);
        for variable in text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name) {
            if !variable.contains(':') {
                check.env(variable, "secret-that-is-long-enough");
            }
        }
        for variable in ["OPENAI_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "GEMINI_API_KEY"] {
            check.env(variable, "secret-that-is-long-enough");
        }
        let output = check.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn what_it_refuses_is_refused_by_check_too() {
    let schema = schema();
    let chain =
        "fallback: {chains: [{name: c, models: [{provider: v, model: m}]}]}\nproviders: {v: {endpoint: \"http://127.0.0.1:1/v1\"}}\n";
    assert!(broken(&schema, &yaml(chain), "policy").is_empty());
    for wrong in [
        "gatway: {}",
        "defaults: {ttft: 5}",
        "defaults: {ttft: 5 parsecs}",
        "defaults: {max_body: 32Mib}",
        "defaults: {max_attempts: -1}",
        "gateway: {shards: many}",
        "gateway: {shards: 5000}",
        "gateway: []",
        "models: {x: {deployments: [{provider: v, model: m}], balance: coin}}",
        "models: {x: {balance: weighted}}",
        "routes: [{when: {model: x}}]",
        "routes: {chain: c}",
    ] {
        let text = format!("{chain}{wrong}\n");
        assert!(!broken(&schema, &yaml(&text), "policy").is_empty(), "the schema lets pass: {wrong}");
        let house = House::new();
        house.write(&text);
        let code = house.command("check", &[house.config().to_str().unwrap()]).output().unwrap().status.code();
        assert_eq!(code, Some(3), "check lets pass: {wrong}");
    }
}
