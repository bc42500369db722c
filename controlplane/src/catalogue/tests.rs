use super::*;

#[test]
fn the_built_in_catalogue_is_sound() {
    let catalogue = Catalogue::built_in();
    assert!(catalogue.providers.len() >= 20 && catalogue.models.len() >= 200);
    for (name, known) in &catalogue.providers {
        assert!(known.endpoint.starts_with("http"), "{name}");
        assert_eq!(known.variables.is_empty(), known.auth == Auth::None, "{name}: a key needs a way to present it");
    }
    for ((provider, model), successor) in &catalogue.retired {
        assert!(catalogue.provider(provider).is_some(), "{provider}");
        assert!(catalogue.model(provider, successor).is_some(), "{provider}/{successor} succeeds {model} and is unknown");
        assert!(catalogue.successor(provider, successor).is_none(), "{provider}/{successor} is itself retired");
    }
}

#[test]
fn facts_in_the_units_of_the_contract() {
    let catalogue = Catalogue::built_in();
    let facts = catalogue.model("openai", "gpt-4.1-2025-04-14").expect("it is listed");
    assert_eq!(facts.price, Some(policy::Price { input: 2_000_000, output: 8_000_000 }));
    assert_eq!(facts.context_window, Some(1_047_576));
    assert_eq!(catalogue.successor("gemini", "gemini-pro"), catalogue.successor("google", "gemini-pro"));
    assert!(catalogue.model("openai", "no-such-model").is_none());
}
