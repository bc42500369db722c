use super::*;

#[test]
fn a_daemon_that_says_nothing_is_not_waited_for_for_ever() {
    let folder = std::env::temp_dir().join(format!("throwover-socket-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // It listens and never accepts.
    let _silent = UnixListener::bind(folder.join("operator.sock")).unwrap();
    let request = Request { verb: "status".to_owned(), ..Request::default() };
    let late = ask_within(&folder, &request, Duration::from_millis(5)).map(|_| ()).unwrap_err();
    assert!(matches!(late.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{late}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn rights_come_from_the_kernel() {
    let roles = [(0, Role::Operator), (1000, Role::Operator), (1001, Role::Viewer), (u32::MAX, Role::Viewer)];
    for (uid, expected) in roles {
        assert_eq!(role(Peer { uid, pid: 1 }, 1000), expected, "uid {uid}");
    }
    // A daemon of root takes orders from root alone.
    assert_eq!(role(Peer { uid: 1000, pid: 1 }, 0), Role::Viewer);
}

#[test]
fn only_a_whole_line_is_obeyed() {
    assert_eq!(whole(b"reload --confirm-within 60s\n"), Ok("reload --confirm-within 60s"));
    for line in [&b"reload"[..], b"", b"reload \xff\n", &vec![b'x'; LINE_BYTES_MAX as usize]] {
        assert!(whole(line).is_err());
    }
}

#[test]
fn a_request_with_what_is_not_known_is_refused() {
    assert!(parse("{\"verb\": \"reload\", \"arguments\": {\"why\": \"x\"}}").is_ok());
    assert!(parse("{\"verb\": \"reload\", \"argument\": {\"confirm-within\": \"60s\"}}").is_err());
}

#[test]
fn an_operator_too_many_is_told_so() {
    let folder = std::env::temp_dir().join(format!("throwover-operators-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("operator.sock")).unwrap();
    let (to, _messages) = sync_channel(1);
    let audit = Audit::open(&folder).unwrap();
    thread::spawn(move || serve(listener, to, audit));
    // They say nothing, and keep their places. Who comes next is accepted after them.
    let places: Vec<UnixStream> = (0..OPERATORS_MAX).map(|_| UnixStream::connect(folder.join("operator.sock")).unwrap()).collect();
    let request = Request { verb: "status".to_owned(), ..Request::default() };
    let (answer, mut rest) = ask_within(&folder, &request, Duration::from_secs(10)).unwrap();
    assert_eq!(answer.code, code::REFUSED);
    assert!(answer.text.starts_with("32 operators are connected"), "{}", answer.text);
    assert!(rest.next().is_none_or(|line| line.is_err()));
    drop(places);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_answer_obeys_nobody_but_us() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let text = "refused   the image\u{1b}[2J is\u{9b}1m damaged\nstill running\n".to_owned();
    answer(&ours, false, &Answer::refused(code::REFUSED, text)).unwrap();
    drop(ours);
    let mut read = String::new();
    theirs.read_to_string(&mut read).unwrap();
    assert_eq!(read, "refused   the image\\u{1b}[2J is\\u{9b}1m damaged\nstill running\n");
}

#[test]
fn an_event_stays_on_its_line() {
    let reason = ("reason".to_owned(), "no\n09:00:00  ready".to_owned());
    let line = observe::event_line(&Event { at_us: 0, kind: "refused".to_owned(), details: vec![reason] });
    assert!(line.ends_with(" reason=no\\n09:00:00  ready"), "{line}");
}
