use super::*;
use crate::{complaint::Severity, load, validate};

/// An environment with a secret under each of these names.
fn with(names: &[String]) -> Surroundings {
    let names = names.to_vec();
    let value = |name: &str| format!("sk-secret-of-{}", name.to_lowercase());
    let variable = move |name: &str| names.iter().any(|known| known == name).then(|| value(name));
    Surroundings { variable: Box::new(variable), ..validate::tests::surroundings() }
}

fn variables() -> Vec<String> {
    let catalogue = Catalogue::built_in();
    let mut all: Vec<String> = catalogue.names().flat_map(|name| catalogue.provider(name).unwrap().variables.clone()).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn whatever_is_set_the_file_passes() {
    let all = variables();
    let mut cases: Vec<Vec<String>> = all.iter().map(|name| vec![name.clone()]).collect();
    cases.extend([Vec::new(), all]);
    for names in cases {
        let from = with(&names);
        let (text, _) = policy(&from);
        let loaded = load::text("throwover.yaml", &text);
        let checked = validate::validate(&loaded, &from);
        let told = checked.complaints.render(&loaded.sources);
        assert!(!checked.complaints.refuse() && checked.complaints.count(Severity::Warning) == 0, "{names:?}: {told}\n{text}");
        assert!(checked.plan.chains.contains_key("chat"));
        assert!(!text.contains("secret"), "{text}");
        assert!(names.iter().all(|name| text.contains(name.as_str()) || text.contains("_API_KEY")), "{text}");
    }
}

#[test]
fn the_names_are_told_and_nothing_else() {
    let (text, names) = policy(&with(&["GROQ_API_KEY".to_owned(), "ANTHROPIC_API_KEY".to_owned()]));
    assert_eq!(names, ["ANTHROPIC_API_KEY", "GROQ_API_KEY"]);
    assert!(text.contains("- {provider: groq, model: \"llama-3.3-70b-versatile\"}   # GROQ_API_KEY"), "{text}");
    assert!(text.contains("anthropic"), "{text}");
}

#[test]
fn every_starter_is_known_and_served() {
    let catalogue = Catalogue::built_in();
    for name in catalogue.names().filter(|name| !catalogue.provider(name).unwrap().variables.is_empty() && *name != "gemini") {
        let model = starter(name);
        assert_ne!(model, "MODEL", "{name} has no starter");
        assert_eq!(catalogue.successor(name, model), None, "{name}/{model} is retired");
        let facts = catalogue.model(name, model);
        assert!(facts.is_none_or(|facts| facts.retires.is_none()), "{name}/{model} will be retired");
        // Perplexity publishes no list, and the catalogue has none.
        assert!(facts.is_some() || name == "perplexity", "{name}/{model} is not in the catalogue");
    }
}

#[test]
fn what_is_there_stays() {
    let folder = std::env::temp_dir().join(format!("throwover-init-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("throwover.yaml");
    let arguments = Arguments::from([("file".to_owned(), file.to_str().unwrap().to_owned())]);
    assert_eq!(init(&arguments).code, code::OK);
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(init(&arguments).code, code::REFUSED);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let nowhere = Arguments::from([("file".to_owned(), folder.join("no/such/folder.yaml").to_str().unwrap().to_owned())]);
    assert_eq!(init(&nowhere).code, code::FAILED);
    std::fs::remove_dir_all(&folder).unwrap();
}
