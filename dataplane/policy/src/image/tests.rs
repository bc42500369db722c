use super::*;
use crate::{KeyId, Secret, snapshot};

#[test]
fn what_is_sealed_opens_again() {
    let draft = snapshot::tests::draft();
    let image = seal(&draft);
    assert_eq!(*open(&image).unwrap(), draft);
}

#[test]
fn every_flipped_bit_is_refused() {
    let image = seal(&snapshot::tests::draft());
    for at in 0..image.len() {
        // The generation in the header is for humans: the payload's counts.
        if (12..20).contains(&at) {
            continue;
        }
        let mut damaged = image.clone();
        damaged[at] ^= 1;
        assert!(open(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn every_cut_is_refused() {
    let image = seal(&snapshot::tests::draft());
    for length in 0..image.len() {
        assert!(open(&image[..length]).is_err(), "{length} bytes");
    }
    let mut longer = image.clone();
    longer.push(0);
    assert_eq!(open(&longer), Err(Refusal::Length));
}

#[test]
fn an_unsound_draft_is_refused() {
    let mut draft = snapshot::tests::draft();
    draft.names[0].chain = crate::ChainId(99);
    assert!(matches!(open(&seal(&draft)), Err(Refusal::Flaw(_))));
}

#[test]
fn secrets_travel_apart_and_show_nothing() {
    let secrets = Secrets { keys: vec![(KeyId(3), Secret::new(b"sk-very-secret".to_vec()))], identity: None };
    let image = seal_secrets(1, &secrets);
    assert_eq!(open_secrets(&image).unwrap().key(KeyId(3)).unwrap().reveal(), b"sk-very-secret");
    assert_eq!(open(&image), Err(Refusal::Magic));
    assert!(!format!("{secrets:?}").contains("secret\""));
    assert!(!format!("{secrets:?}").contains("sk-"));
}

/// A change of the tables changes this digest: count [`SCHEMA`] up, then write the new one here.
#[test]
fn the_schema_number_follows_the_tables() {
    let image = seal(&snapshot::tests::draft());
    assert_eq!((SCHEMA, blake3::hash(&image).to_hex()[..16].to_owned()), (8, "03959dfba8ede150".to_owned()));
}
