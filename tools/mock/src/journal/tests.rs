use super::*;

#[test]
fn the_ring_is_bounded_and_numbers_go_on() {
    let journal = Journal::new(false);
    let entry = journal.entry("a", &Request::default());
    for _ in 0..ENTRIES_MAX + 5 {
        journal.begin(entry.clone());
    }
    let (entries, next) = journal.read(None, 0, usize::MAX);
    assert_eq!((entries.len(), entries[0].sequence), (ENTRIES_MAX, 6));
    assert_eq!(next, ENTRIES_MAX as u64 + 5);
    // The first five are gone; to settle them is not an error, and changes nothing.
    journal.end(1, Outcome::HungUp, 1, 1);
    journal.end(6, Outcome::HungUp, 7, 2);
    let (entries, next) = journal.read(Some("a"), 5, 2);
    assert!(entries[0].hung_up && !entries[1].hung_up);
    assert_eq!((entries.len(), next), (2, 7));
    journal.clear();
    assert_eq!(journal.begin(entry), ENTRIES_MAX as u64 + 6);
}

#[test]
fn secrets_are_never_kept() {
    let journal = Journal::new(true);
    let secret = "sk-proj-0123456789abcdef";
    let request = Request {
        headers: SECRETS.iter().map(|name| (name.to_uppercase(), format!("Bearer {secret}"))).collect(),
        body: vec![b'x'; 10_000],
        ..Request::default()
    };
    let entry = journal.entry("a", &request);
    assert_eq!(entry.headers.len(), SECRETS.len());
    let shown = serde_json::to_string(&entry).unwrap();
    assert!(!shown.contains(secret) && !shown.contains("0123456789"));
    assert!(entry.headers[0].1.starts_with("Bearer …cdef#"));
    assert_eq!(entry.body.unwrap().len(), BODY_KEPT_MAX);
    assert!(!journal.masked("short").contains("hort"));
}

#[test]
fn keys_in_queries_are_masked() {
    let journal = Journal::new(false);
    let shown = |target: &str| {
        let request = Request { target: target.to_owned(), ..Request::default() };
        journal.entry("a", &request).path
    };
    let path = shown("/v1beta/models?key=AIza0123456789abcd&pageSize=5");
    assert!(path.starts_with("/v1beta/models?key=…abcd#") && path.ends_with("&pageSize=5"), "{path}");
    assert_eq!(shown("/v1/models?x=key=1"), "/v1/models?x=key=1");
}
