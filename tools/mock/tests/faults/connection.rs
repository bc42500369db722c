//! Faults of the connection itself.

use super::{
    caller::{self, End, World, find},
    chat, chat_to_end,
};

pub(super) fn refuse(world: &World) {
    let mut open = world.call();
    world.fault("refuse");
    let refused = std::net::TcpStream::connect(world.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    open.chat(false);
    assert_eq!(open.reply().status, 200, "open connections are kept unless asked otherwise");
    world.fault("refuse;existing=reset");
    world.heal();
    assert_eq!(chat(world, false).status, 200, "the same port listens again");
    let mut open = world.call();
    open.chat(false);
    assert_eq!(open.reply().status, 200);
    world.fault("refuse;existing=reset");
    assert_eq!(open.rest().1, End::Reset);
}

pub(super) fn black_hole(world: &World) {
    let mut open = world.call();
    world.fault("black-hole");
    let connect = || std::net::TcpStream::connect_timeout(&world.address(), std::time::Duration::from_millis(300));
    assert_eq!(connect().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    open.chat(false);
    assert_eq!(open.reply().status, 200, "open connections are kept");
    world.fault("refuse");
    assert_eq!(connect().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    world.fault("black-hole");
    assert_eq!(connect().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

pub(super) fn close_on_accept(world: &World) {
    world.fault("close-on-accept");
    assert_eq!(world.call().rest(), (Vec::new(), End::Clean));
}

pub(super) fn reset_on_accept(world: &World) {
    world.fault("reset-on-accept;count=1");
    // The reset may be quicker than the look at whether the connection stands.
    match std::net::TcpStream::connect(world.address()) {
        Ok(mut tcp) => {
            let ended = std::io::Read::read(&mut tcp, &mut [0]).unwrap_err();
            assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!(chat(world, false).status, 200, "it was to happen once");
}

pub(super) fn never_read(world: &World) {
    world.fault("never-read");
    let mut caller = world.call();
    caller.chat(false);
    world.until("accepted", |world| (world.counter("accepted") > 0).then_some(()));
    drop(caller);
    world.until("the hang-up is seen", |world| (world.counter("open") == 0).then_some(()));
    assert_eq!(world.counter("requests"), 0);
}

pub(super) fn tls_stall(world: &World) {
    world.fault("tls-stall");
    assert_eq!(chat(world, false).status, 200, "plain connections are left alone");
    let mut session = {
        let name = "localhost".try_into().unwrap();
        rustls::ClientConnection::new(world.trust(), name).unwrap()
    };
    let mut tcp = caller::connect(world.tls_address());
    session.write_tls(&mut tcp).unwrap();
    world.until("it struck", |world| (world.counter("faults_struck") == 1).then_some(()));
    drop(tcp);
    world.until("the hang-up is seen", |world| (world.counter("open") == 0).then_some(()));
    assert_eq!(world.counter("handshakes_full") + world.counter("handshakes_failed"), 0);
}

pub(super) fn close_after(world: &World) {
    world.fault("close-after");
    let (bytes, end) = chat_to_end(world, false);
    assert!(find(&bytes, b"connection: close\r\n").is_some());
    assert_eq!(end, End::Clean);
}

pub(super) fn idle_close(world: &World) {
    world.fault("idle-close;ms=1;requests=2");
    let mut caller = world.call();
    for _ in 0..2 {
        caller.chat(false);
        let reply = caller.reply();
        assert_eq!((reply.status, reply.header("connection")), (200, None));
    }
    assert_eq!(caller.rest(), (Vec::new(), End::Clean));
}
