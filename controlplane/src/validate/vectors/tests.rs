//! What `check` says of chains for embeddings.

use crate::{load, validate};

fn warned(chain: &str) -> String {
    let text = format!("providers: {{own: {{endpoint: \"http://127.0.0.1:9/v1\"}}}}\nfallback: {{chains: [{{name: c, {chain}}}]}}");
    let loaded = load::text("p.yaml", &text);
    validate::validate(&loaded, &validate::tests::surroundings()).complaints.render(&loaded.sources)
}

const SMALL: &str = "{provider: openai, model: text-embedding-3-small}";

#[test]
fn who_gives_vectors_of_another_length_is_named() {
    let table = [
        (format!("models: [{SMALL}, {{provider: mistral, model: mistral-embed}}]"), "`dimensions: 1536` says of it that they are as long"),
        (
            format!("models: [{{provider: google, model: gemini-embedding-001}}, {SMALL}]"),
            "`dimensions: 1536` at `google/gemini-embedding-001`",
        ),
        (format!("models: [{{provider: own, model: m}}, {SMALL}]"), "`dimensions` says how long those of `own/m` are"),
        (
            "models: [{provider: openai, model: text-embedding-ada-002}, {provider: own, model: m, dimensions: 7}]".to_owned(),
            "do not fit into one index",
        ),
    ];
    for (chain, expected) in table {
        let said = warned(&chain);
        assert!(said.contains("is passed over for embeddings") && said.contains(expected), "{chain}: {said}");
        assert!(said.contains("`mix_dimensions: true` asks it all the same"), "{said}");
        let mixed = warned(&format!("mix_dimensions: true, {chain}"));
        assert!(!mixed.contains("passed over"), "{mixed}");
    }
}

#[test]
fn who_fits_is_not() {
    let table = [
        format!("models: [{SMALL}, {{provider: google, model: gemini-embedding-001}}]"),
        format!("models: [{SMALL}, {{provider: own, model: text-embedding-3-small}}]"),
        format!("models: [{SMALL}, {{provider: own, model: m, dimensions: 1536}}]"),
        format!("models: [{{provider: google, model: gemini-embedding-001, dimensions: 1536}}, {SMALL}]"),
        "models: [{provider: openai, model: gpt-4.1}, {provider: anthropic, model: claude-haiku-4-5}]".to_owned(),
    ];
    for chain in table {
        let said = warned(&chain);
        assert!(!said.contains("passed over") && !said.contains("error"), "{chain}: {said}");
    }
}

#[test]
fn a_length_that_cannot_be() {
    for (length, expected) in
        [("0", "dimensions must be within 1 and"), ("4000", "its vectors have 3072 numbers, and can be told to have fewer")]
    {
        let said = warned(&format!("models: [{{provider: google, model: gemini-embedding-001, dimensions: {length}}}]"));
        assert!(said.contains(expected), "{said}");
    }
}
