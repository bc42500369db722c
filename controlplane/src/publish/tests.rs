use super::*;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::{IoSliceMut, Read};

fn sealed(generation: u64) -> Sealed {
    let draft = policy::Draft { generation, ..Default::default() };
    let secrets = Secrets { keys: vec![(policy::KeyId(3), policy::Secret::new(b"k".to_vec()))], identity: None };
    Sealed::new(generation, policy::image::seal(&draft), secrets)
}

fn ack(generation: u64, stage: Stage, after_us: u64) -> Ack {
    Ack { generation, stage, after_us }
}

#[test]
fn secrets_come_first_and_the_image_comes_sealed() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let sealed = sealed(4);
    send(&ours, &sealed).unwrap();
    drop(ours);
    let mut bytes = Vec::new();
    let mut image = None;
    loop {
        let mut chunk = [0; 64];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = rustix::net::recvmsg(&theirs, &mut [IoSliceMut::new(&mut chunk)], &mut control, RecvFlags::empty()).unwrap();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                for fd in fds {
                    assert!(image.replace(File::from(fd)).is_none(), "one descriptor and no more");
                }
            }
        }
        if got.bytes == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..got.bytes]);
    }
    let (first, taken) = wire::decode(&bytes).unwrap().unwrap();
    assert_eq!(first, Frame::Secrets(sealed.secrets.clone()));
    let (second, rest) = wire::decode(&bytes[taken..]).unwrap().unwrap();
    assert_eq!(second, Frame::Publish(Publish { generation: 4, length: sealed.image.len() as u64, digest: sealed.digest }));
    assert_eq!(taken + rest, bytes.len());

    let mut file = image.expect("the image is beside the frame");
    let mut content = Vec::new();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_end(&mut content).unwrap();
    assert_eq!(policy::image::open(&content).unwrap().generation, 4);
    assert!(file.write_all(b"x").is_err(), "nobody can change it");
    assert!(file.set_len(1).is_err());
}

#[test]
fn what_a_data_plane_is_welcomed_with() {
    let sealed = sealed(4);
    assert_eq!(welcome(4, sealed.digest, &sealed), Welcome::Nothing);
    assert_eq!(welcome(0, [0; 32], &sealed), Welcome::Send);
    assert_eq!(welcome(3, [1; 32], &sealed), Welcome::Send);
    assert_eq!(welcome(4, [1; 32], &sealed), Welcome::Outnumber(4), "the same number with another content is not the same");
    assert_eq!(welcome(9, [1; 32], &sealed), Welcome::Outnumber(9));
}

#[test]
fn a_publish_ends_when_all_have_adopted_it() {
    let now = Instant::now();
    let mut publishing = Publishing::new(5, [1, 2], now);
    publishing.acknowledged(1, &ack(5, Stage::Prepared, 10));
    publishing.acknowledged(1, &ack(5, Stage::Adopted, 300));
    publishing.acknowledged(2, &ack(4, Stage::Adopted, 1));
    assert_eq!(publishing.outcome(now), None, "an acknowledgement of another generation is none");
    publishing.acknowledged(2, &ack(5, Stage::Adopted, 700));
    let outcome = publishing.outcome(now).unwrap();
    assert_eq!(outcome, Outcome { adopted: true, planes: 2, slowest_us: 700, reasons: vec![] });
}

#[test]
fn a_publish_ends_when_one_refuses_goes_or_stays_silent() {
    let now = Instant::now();
    let mut publishing = Publishing::new(5, [1, 2, 3], now);
    publishing.refused(1, 5, "no room".to_owned());
    publishing.gone(2);
    publishing.acknowledged(3, &ack(5, Stage::Prepared, 10));
    assert_eq!(publishing.outcome(now), None);
    let outcome = publishing.outcome(now + PATIENCE).unwrap();
    assert!(!outcome.adopted);
    assert_eq!(outcome.reasons, ["no room", "not every shard has adopted it within 15 s"]);
    let nobody = Publishing::new(6, [], now).outcome(now).unwrap();
    assert!(nobody.adopted && nobody.planes == 0);
}
