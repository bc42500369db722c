use super::*;

fn surroundings() -> Surroundings {
    Surroundings {
        variable: Box::new(|name| match name {
            "KEY" => Some("sk-1\n".to_owned()),
            "CREDENTIALS_DIRECTORY" => Some("/run/credentials/throwover.service".to_owned()),
            _ => None,
        }),
        file: Box::new(|path| match path.to_str() {
            Some("/key") => Ok(b"sk-2 \n".to_vec()),
            Some("/run/credentials/throwover.service/key_openai") => Ok(b"sk-3\n".to_vec()),
            Some("/split") => Ok(b"sk\nx".to_vec()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }),
        today: "2026-11-20".to_owned(),
    }
}

#[test]
fn forms() {
    assert_eq!(parse("${A}"), Reference::Variable("A"));
    assert_eq!(parse("${env:A}"), Reference::Variable("A"));
    assert_eq!(parse("${file:/a}"), Reference::File("/a"));
    assert_eq!(parse("${credential:a}"), Reference::Credential("a"));
    assert_eq!(parse("sk-${A}"), Reference::Literal);
}

#[test]
fn credentials_are_trimmed_and_fit_a_head() {
    let from = surroundings();
    assert_eq!(credential("${KEY}", &from).unwrap().reveal(), b"sk-1");
    assert_eq!(credential("${file:/key}", &from).unwrap().reveal(), b"sk-2");
    assert_eq!(credential("${NONE}", &from), Err(Missing::Unset("NONE".to_owned())));
    assert!(matches!(credential("${file:/none}", &from), Err(Missing::Unreadable(..))));
    let refused = credential("${file:/split}", &from).unwrap_err();
    assert_eq!(refused.to_string(), "/split holds nothing that can be sent as a credential");
}

#[test]
fn a_file_without_end_is_refused() {
    let missing = credential("${file:/dev/zero}", &Surroundings::real()).unwrap_err();
    assert_eq!(missing.to_string(), "/dev/zero cannot be read: it holds more than 4 MiB");
}

#[test]
fn credentials_of_the_service_manager() {
    let from = surroundings();
    assert_eq!(credential("${credential:key_openai}", &from).unwrap().reveal(), b"sk-3");
    assert!(matches!(credential("${credential:none}", &from), Err(Missing::Unreadable(..))));
    for name in ["", "..", ".", "../throwover.yaml", "/etc/shadow"] {
        assert_eq!(credential(&format!("${{credential:{name}}}"), &from), Err(Missing::Misnamed(name.to_owned())));
    }
    let alone = Surroundings { variable: Box::new(|_| None), ..surroundings() };
    let missing = credential("${credential:key_openai}", &alone).unwrap_err();
    assert!(missing.to_string().contains("CREDENTIALS_DIRECTORY is not set; LoadCredential="), "{missing}");
}
