//! Policies: any text is read or complained about, and what is not refused can be served.
#![no_main]

use controlplane::{compile, load, reference::Surroundings, validate};
use engine::Prepared;
use libfuzzer_sys::fuzz_target;
use policy::image;
use std::io;

fuzz_target!(|text: &str| {
    let from = Surroundings {
        variable: Box::new(|name| name.ends_with("KEY").then(|| format!("secret of {name}"))),
        file: Box::new(|path| match path.to_str() {
            Some("/ca.pem") => Ok(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }),
        today: "2026-11-20".to_owned(),
    };
    let loaded = load::text("policy.yaml", text);
    let checked = validate::validate(&loaded, &from);
    let shown = checked.complaints.render(&loaded.sources);
    checked.complaints.json(&loaded.sources);
    checked.complaints.summary();
    if checked.complaints.refuse() {
        assert!(!shown.is_empty(), "refused without a word");
        return;
    }
    let compiled = match compile::compile(&checked.plan, &compile::Previous::default(), 1) {
        Ok(compiled) => compiled,
        Err(flaw) => panic!("`check` was content, and yet: {flaw}"),
    };
    let snapshot = image::open(&image::seal(&compiled.draft)).expect("what is compiled can be served");
    assert_eq!(*snapshot, compiled.draft);
    Prepared::build(snapshot);
});
