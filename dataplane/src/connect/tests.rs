use super::*;

#[test]
fn names_of_policies_long_gone_leave_room() {
    let addresses = Addresses::default();
    let learn = |host: &str| addresses.learn(Answer { host: Arc::from(host), addresses: Arc::from([IpAddr::from([192, 0, 2, 1])]) });
    let knows = |host: &str| addresses.of(host, 443, Instant::default()).is_some();
    // One name after another, each in a policy of its own.
    for number in 0..limits::ORIGINS_MAX * 3 {
        let host = format!("h{number}.test");
        learn(&host);
        assert!(knows(&host), "{host}");
        addresses.settle([host.as_str()].into_iter());
        assert!(knows(&host), "{host}");
    }
    assert!(addresses.known.borrow().len() <= limits::ORIGINS_MAX + 1);
}
