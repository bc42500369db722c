use super::*;

fn merged(files: &[(&str, &str)]) -> Loaded {
    merge(Sources { files: files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(), ..Sources::default() })
}

#[test]
fn lists_are_appended_and_mappings_joined() {
    let loaded = merged(&[
        ("1.yaml", "routes: [{chain: a}]\nproviders: {x: {}}"),
        ("2.yaml", "routes: [{chain: b}]\nproviders: {y: {}}"),
        ("3.yaml", ""),
    ]);
    assert!(!loaded.complaints.refuse());
    let Some(Node { value: Value::Map(entries), .. }) = loaded.tree else { panic!("a mapping") };
    let Value::List(routes) = &entries[0].node.value else { panic!("a list") };
    let Value::Map(providers) = &entries[1].node.value else { panic!("a mapping") };
    assert_eq!((routes.len(), providers.len()), (2, 2));
    assert_eq!(routes[1].span.file, 1, "each remembers its file");
}

#[test]
fn what_is_said_twice_is_refused() {
    let loaded = merged(&[("1.yaml", "gateway: {drain: 1s}"), ("2.yaml", "gateway: {drain: 2s}")]);
    let expected =
        "error: this is said twice\n --> 2.yaml:1:18\n1 | gateway: {drain: 2s}\n  |                  ^^ it also stands in 1.yaml:1\n";
    assert_eq!(loaded.complaints.render(&loaded.sources), expected);
}

#[test]
fn no_yaml_is_one_complaint() {
    for text in ["a: [1, 2", "a: 1\na: 2", "a: &x [*x]", "{{{{"] {
        let loaded = merged(&[("p.yaml", text)]);
        assert!(loaded.tree.is_none() && loaded.complaints.refuse(), "{text}");
    }
}

#[test]
fn bombs_of_aliases_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(merged(&[("p.yaml", &text)]).tree.is_none());
}

#[test]
fn a_file_without_end_is_refused() {
    let refused = load(std::path::Path::new("/dev/zero")).unwrap_err();
    assert!(refused.to_string().contains("larger than 64 MiB"), "{refused}");
}
