//! Images of snapshots and of secrets: as they come, and with the input sealed as a payload. What
//! is proved sound can be prepared for serving.
#![no_main]

use engine::Prepared;
use libfuzzer_sys::fuzz_target;
use policy::image::{self, MAGIC, SCHEMA};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&sealed(&MAGIC, bytes));
    if let Ok(secrets) = image::open_secrets(&sealed(b"THROWSEC", bytes)) {
        assert_eq!(image::open_secrets(&image::seal_secrets(1, &secrets)), Ok(secrets));
    }
});

fn check(bytes: &[u8]) {
    let Ok(snapshot) = image::open(bytes) else { return };
    let again = image::open(&image::seal(&snapshot)).expect("what was sound still is");
    assert_eq!(*again, *snapshot);
    Prepared::build(snapshot);
}

fn sealed(magic: &[u8; 8], payload: &[u8]) -> Vec<u8> {
    let mut image = magic.to_vec();
    image.extend_from_slice(&SCHEMA.to_le_bytes());
    image.extend_from_slice(&1_u64.to_le_bytes());
    image.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    image.extend_from_slice(blake3::hash(payload).as_bytes());
    image.extend_from_slice(payload);
    image
}
