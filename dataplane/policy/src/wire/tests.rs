use super::*;

fn frames() -> Vec<Frame> {
    vec![
        Frame::Hello(Hello {
            schema: 1,
            build: "0.1.0".into(),
            pid: 1,
            run: 7,
            generation: 0,
            digest: [0; 32],
            shards: 2,
            listen: vec![],
            admin: None,
        }),
        Frame::Publish(Publish { generation: 2, length: 100, digest: [9; 32] }),
        Frame::Ack(Ack { generation: 2, stage: Stage::Adopted, after_us: 12 }),
        Frame::Nack(Nack { generation: 2, reason: "damaged".into() }),
        Frame::Stats(Stats { meters: vec![("requests".into(), 7)], ..Stats::default() }),
        Frame::Event(Event { at_us: 1, kind: "fallback".into(), details: vec![("from".into(), "a".into())] }),
        Frame::Drain { grace_ms: 5 },
        Frame::Reload,
        Frame::Spending(vec![Spending { tenant: "acme".into(), start: 2_517, spent: crate::Money(12), reserved: crate::Money(3) }]),
        Frame::SpentElsewhere(vec![Elsewhere { tenant: "acme".into(), own: crate::Money(4), ..Elsewhere::default() }]),
        Frame::Secrets(Secrets::default()),
        Frame::Marks(vec![Mark { target: "own/m".into(), reason: crate::Degradation::WrongAnswer, for_ms: 9 }]),
    ]
}

#[test]
fn frames_survive_the_way_however_they_are_split() {
    let mut bytes = Vec::new();
    for frame in frames() {
        bytes.extend(encode(&frame).unwrap());
    }
    for cut in 0..bytes.len() {
        let (mut seen, mut at) = (Vec::new(), 0);
        for end in [cut, bytes.len()] {
            while let Some((frame, used)) = decode(&bytes[at..end]).unwrap() {
                seen.push(frame);
                at += used;
            }
        }
        assert_eq!(seen, frames(), "cut at {cut}");
    }
}

#[test]
fn damage_is_refused() {
    let good = encode(&Frame::Drain { grace_ms: 77 }).unwrap();
    let check = |at: usize, to: u8, expected: Refusal| {
        let mut bytes = good.clone();
        bytes[at] = to;
        assert_eq!(decode(&bytes), Err(expected));
    };
    check(3, 0xff, Refusal::TooLong(0xff00_0000 | good[0] as usize));
    check(4, 9, Refusal::Version(9));
    check(8, good[8] ^ 1, Refusal::Checksum);
    check(HEADER_BYTES, good[HEADER_BYTES] ^ 1, Refusal::Checksum);
}
