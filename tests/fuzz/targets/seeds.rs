//! Writes the seeds that nobody can write by hand: payloads of frames and of images. To be run in
//! `tests/fuzz` whenever the schema changes.

use controlplane::{compile, load, reference::Surroundings, validate};
use policy::{
    KeyId, Secret, Secrets, image,
    wire::{self, Ack, Event, Frame, Hello, KeyState, Nack, Publish, Stage, Stats, TargetState},
};
use std::{fs, io, path::Path};

/// Bytes before the payload of an image: magic, schema, generation, length, digest.
const IMAGE_HEADER_BYTES: usize = 8 + 4 + 8 + 8 + 32;

fn main() -> io::Result<()> {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new("corpus").join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    for (name, frame) in frames() {
        let bytes = wire::encode(&frame).map_err(io::Error::other)?;
        write("control_frame", name, &bytes[wire::HEADER_BYTES..])?;
    }
    let secrets = Secrets { keys: vec![(KeyId(3), Secret::new(b"a key".to_vec()))], identity: None };
    write("snapshot_image", "secrets", &image::seal_secrets(1, &secrets)[IMAGE_HEADER_BYTES..])?;
    for entry in fs::read_dir("../../controlplane/examples")? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("policy");
        write("policy_file", name, text.as_bytes())?;
        let from = Surroundings {
            variable: Box::new(|name| Some(format!("secret of {name}"))),
            file: Box::new(|_| Err(io::Error::from(io::ErrorKind::NotFound))),
            today: "2026-11-20".to_owned(),
        };
        let checked = validate::validate(&load::text(name, &text), &from);
        if let Ok(compiled) = compile::compile(&checked.plan, &compile::Previous::default(), 1) {
            let image = image::seal(&compiled.draft);
            write("snapshot_image", name, &image[IMAGE_HEADER_BYTES..])?;
        }
    }
    Ok(())
}

fn frames() -> Vec<(&'static str, Frame)> {
    let hello = Hello {
        schema: 1,
        build: "0.1.0".into(),
        pid: 1,
        run: 1,
        generation: 0,
        digest: [0; 32],
        shards: 2,
        listen: vec!["127.0.0.1:80".parse().expect("an address")],
        admin: Some("[::1]:9".parse().expect("an address")),
    };
    let target = TargetState {
        name: "a/b".into(),
        breaker: "open".into(),
        paused_ms: 1,
        attempts: 2,
        failures: 3,
        first_token_us: 4,
        in_flight: 5,
        ..TargetState::default()
    };
    let key = KeyState { provider: "a".into(), key: 3, place: 1, of: 2, class: "auth".into(), disabled: true, ..KeyState::default() };
    let stats = Stats {
        meters: vec![("requests".into(), 7)],
        targets: vec![target],
        keys: vec![key],
        pools: vec![("o".into(), 1, 2)],
        ..Stats::default()
    };
    let secrets = Secrets { keys: vec![(KeyId(3), Secret::new(b"a key".to_vec()))], identity: None };
    vec![
        ("hello", Frame::Hello(hello)),
        ("secrets", Frame::Secrets(secrets)),
        ("publish", Frame::Publish(Publish { generation: 2, length: 100, digest: [9; 32] })),
        ("ack", Frame::Ack(Ack { generation: 2, stage: Stage::Adopted, after_us: 12 })),
        ("nack", Frame::Nack(Nack { generation: 2, reason: "damaged".into() })),
        ("stats", Frame::Stats(stats)),
        ("event", Frame::Event(Event { at_us: 1, kind: "fallback".into(), details: vec![("from".into(), "a".into())] })),
        ("drain", Frame::Drain { grace_ms: 5 }),
        ("reload", Frame::Reload),
    ]
}
