//! How faults are ordered: by request, by count and model, by certificate.

mod caller;

use caller::{Caller, World, chat_body};
use mock::{CertificateKind, Fault};

#[test]
fn requests_can_ask_for_their_own_faults() {
    let world = World::new();
    let mut caller = world.call();
    let reply = caller.ask("/v1/chat/completions", &chat_body("gpt-4o!529", true));
    assert_eq!(reply.status, 529);
    caller.chat_with("x-mock-fault: 404\r\nx-mock-words: 2\r\n", false);
    assert_eq!(caller.reply().json()["error"]["code"], "model_not_found");
    caller.chat_with("x-mock-words: 2\r\n", false);
    let answer = caller.reply().json();
    assert_eq!(answer["choices"][0]["message"]["content"], "a says: w0 w1");
    let reply = caller.ask("/v1/chat/completions", &chat_body("gpt-4o!nonsense", false));
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &"bad_mock_fault".into()));
    let reply = caller.ask("/v1/chat/completions", &chat_body("gpt-4o!refuse", false));
    assert_eq!(reply.status, 400, "a listener cannot be closed by one of its requests");
    assert_eq!(world.log()[0].model, "gpt-4o");
}

#[test]
fn counts_models_and_lists_are_obeyed() {
    let world = World::new();
    let faults = [Fault::parse("503;model=gpt-4*").unwrap().times(2)];
    world.admin.set_faults("a", &faults).unwrap();
    let mut caller = world.call();
    let status = |caller: &mut Caller, model: &str| caller.ask("/v1/chat/completions", &chat_body(model, false)).status;
    assert_eq!(status(&mut caller, "o3"), 200);
    assert_eq!(status(&mut caller, "gpt-4o"), 503);
    assert_eq!(status(&mut caller, "gpt-4.1"), 503);
    assert_eq!(status(&mut caller, "gpt-4o"), 200);
    assert_eq!(world.counter("faults_struck"), 2);
}

#[test]
fn bad_certificates_are_refused_by_callers_that_look() {
    let world = World::new();
    for kind in CertificateKind::ALL {
        world.admin.set_certificate("a", *kind).unwrap();
        let outcome = Caller::secure(world.tls_address(), world.trust());
        let refused = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        let expected = match kind {
            CertificateKind::Good => "",
            CertificateKind::Expired => "Expired",
            CertificateKind::NotYetValid => "NotValidYet",
            CertificateKind::WrongHost => "not valid for name",
            CertificateKind::SelfSigned | CertificateKind::UnknownIssuer => "UnknownIssuer",
        };
        assert!(refused.to_lowercase().replace(' ', "").contains(&expected.to_lowercase().replace(' ', "")), "{kind:?}: {refused}");
        assert_eq!(expected.is_empty(), refused.is_empty(), "{kind:?}: {refused}");
    }
}

#[test]
fn a_refusal_ends_by_itself_and_strikes_both_listeners() {
    let world = World::new();
    world.fault("refuse;for_ms=30");
    let refused = |address| std::net::TcpStream::connect(address).is_err();
    if refused(world.address()) && !refused(world.tls_address()) {
        // Both were told before the order was answered; only time can have opened the other.
        let state = world.admin.provider("a").unwrap();
        assert_eq!(state["state"], "well");
    }
    world.until("plain connections are accepted again", |world| (!refused(world.address())).then_some(()));
    world.until("TLS connections are accepted again", |world| (!refused(world.tls_address())).then_some(()));
    assert_eq!(world.call_tls().ask("/v1/chat/completions", &chat_body("m", false)).status, 200);
}
