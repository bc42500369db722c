use super::*;

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let asker = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (asker, listener.accept().unwrap().0)
}

#[test]
fn who_asks_byte_by_byte_is_hung_up_on() {
    let (mut asker, stream) = pair();
    let dripping = std::thread::spawn(move || {
        // Far more than a head may hold would come before it ends, and every byte comes in time.
        let mut sent = 0_usize;
        while asker.write_all(b"a").is_ok() {
            sent += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        sent
    });
    let end = serve(&Process::new(Instant::now()), stream, 50).unwrap_err();
    assert!(matches!(end.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock), "{end}");
    assert!(dripping.join().unwrap() < limits::HEAD_BYTES_MAX);
}

#[test]
fn who_asks_well_is_answered() {
    let (mut asker, stream) = pair();
    asker.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    serve(&Process::new(Instant::now()), stream, PATIENCE_MS).unwrap();
    let mut answer = String::new();
    asker.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("ready: false\ngeneration: 0\ndraining: false\nlisteners: 0\n"),
        "{answer}"
    );
}
