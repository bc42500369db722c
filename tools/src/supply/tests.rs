use super::*;
use rules::{Ban, below};

const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn own() -> Rules {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE)).unwrap();
    Rules::read(&text).unwrap()
}

fn package(name: &str, version: &str, license: Option<&str>, source: Option<&str>) -> Package {
    Package {
        id: name.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        license: license.map(str::to_owned),
        source: source.map(str::to_owned),
        checksum: None,
    }
}

#[test]
fn expressions_are_judged_as_they_are_meant() {
    let table = [
        ("MIT", Ok(true)),
        ("GPL-3.0", Ok(false)),
        ("MIT/GPL-3.0", Ok(true)),
        ("GPL-3.0 OR MIT AND GPL-3.0", Ok(false)),
        ("GPL-3.0 AND MIT OR MIT", Ok(true)),
        ("(MIT OR GPL-3.0) AND Zlib", Ok(true)),
        ("(MIT OR Zlib) AND GPL-3.0", Ok(false)),
        ("Apache-2.0 WITH LLVM-exception", Ok(true)),
        ("Apache-2.0 WITH Other-exception", Ok(false)),
        ("MPL-2.0+", Ok(false)),
        ("Zlib+", Ok(true)),
    ];
    let allowed = |word: &str| ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].contains(&word);
    for (expression, expected) in table {
        assert_eq!(licence::allows(expression, &allowed), expected, "{expression}");
    }
    for wrong in ["", "MIT OR", "(MIT", "MIT)", "OR MIT", "MIT Zlib", &"(".repeat(99)] {
        assert!(licence::allows(wrong, &allowed).is_err(), "{wrong}");
    }
}

#[test]
fn the_lists_of_the_repository_are_read() {
    let rules = own();
    assert!(rules.licences.iter().any(|word| word == "MIT") && !rules.licences.iter().any(|word| word.contains("GPL")));
    let floor = Ban { name: "rustls".to_owned(), below: Some("0.23.45".to_owned()), reason: "the floor of its advisories".to_owned() };
    assert!(rules.bans.contains(&floor), "{:?}", rules.bans);
    assert!(rules.excepted("bitmaps", "MPL-2.0") && !rules.excepted("other", "MPL-2.0"));
    assert_eq!(rules.registries, ["https://github.com/rust-lang/crates.io-index"]);
}

#[test]
fn a_rule_is_not_lost_without_a_word() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE)).unwrap();
    for (from, to) in [
        ("[licenses]", "[licences]"),
        ("allow = [\n    \"0BSD\"", "allow = \"0BSD\""),
        ("    \"MIT\",", "    \"MIT\", \"X\","),
        ("{ crate = \"rsa\", reason", "{ name = \"rsa\", reason"),
        ("rustls:<0.23.45", "rustls@0.23.44"),
        ("allow-registry = [\"https://github.com/rust-lang/crates.io-index\"]", "allow-registry = []"),
        ("]\n\n[sources]", "\n[sources]"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Rules::read(&text.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn what_may_not_be_here_is_found() {
    let rules = own();
    let table = [
        (package("fine", "1.0.0", Some("MIT"), Some(INDEX)), ""),
        (package("ours", "0.1.0", None, None), ""),
        (package("copyleft", "1.0.0", Some("GPL-3.0-only"), Some(INDEX)), "is under GPL-3.0-only"),
        (package("silent", "1.0.0", None, Some(INDEX)), "names no licence"),
        (package("stray", "1.0.0", Some("MIT"), Some("git+https://example.org/x")), "comes from git+https://example.org/x"),
        (package("serde_yaml", "0.9.0", Some("MIT"), Some(INDEX)), "is banned: unmaintained"),
        (package("rustls", "0.23.44", Some("MIT"), Some(INDEX)), "is banned: the floor"),
        (package("rustls", "0.23.45", Some("MIT"), Some(INDEX)), ""),
        (package("rustls", "0.24.0-dev.1", Some("MIT"), Some(INDEX)), ""),
    ];
    for (package, expected) in table {
        let findings = judge(&package, &rules);
        match expected {
            "" => assert_eq!(findings, Vec::<String>::new(), "{}", package.name),
            expected => assert!(findings.len() == 1 && findings[0].contains(expected), "{findings:?}"),
        }
    }
}

#[test]
fn versions_are_compared_as_numbers() {
    for (version, limit, expected) in
        [("0.9.20", "0.9.20", false), ("0.9.3", "0.9.20", true), ("1.0.0", "0.39", false), ("0.38.9", "0.39", true), ("2.0", "2", false)]
    {
        assert_eq!(below(version, limit), expected, "{version} < {limit}");
    }
}
