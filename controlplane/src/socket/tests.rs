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
fn a_request_with_what_is_not_known_is_refused() {
    assert!(parse("{\"verb\": \"reload\", \"arguments\": {\"why\": \"x\"}}").is_ok());
    assert!(parse("{\"verb\": \"reload\", \"argument\": {\"confirm-within\": \"60s\"}}").is_err());
}
