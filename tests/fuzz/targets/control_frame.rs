//! Frames of the control socket: as they come, and with the input sealed as a payload, since no
//! fuzzer finds a checksum by chance.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::wire::{self, HEADER_BYTES, VERSION};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut frame = vec![0; HEADER_BYTES];
    frame[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    frame[4..6].copy_from_slice(&VERSION.to_le_bytes());
    frame[8..12].copy_from_slice(&blake3::hash(bytes).as_bytes()[..4]);
    frame.extend_from_slice(bytes);
    check(&frame);
});

fn check(bytes: &[u8]) {
    let Ok(Some((frame, used))) = wire::decode(bytes) else { return };
    assert!((HEADER_BYTES..=bytes.len()).contains(&used));
    for end in 0..used {
        assert_eq!(wire::decode(&bytes[..end]), Ok(None), "a part of a frame is none yet");
    }
    let again = wire::encode(&frame).expect("what came fits into a frame");
    assert_eq!(wire::decode(&again), Ok(Some((frame, again.len()))));
}
