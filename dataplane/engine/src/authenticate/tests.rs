use super::*;
use policy::{Draft, Snapshot, Tenant};

fn prepared(tenants: &[(&str, &[&str])]) -> Prepared {
    let mut draft = Draft::default();
    for (name, keys) in tenants {
        let digests = keys.iter().map(|key| Sha256::digest(key).into()).collect();
        draft.tenants.push(Tenant { name: (*name).into(), digests, models: vec![], ..Tenant::default() });
    }
    Prepared::build(Snapshot::try_new(draft).unwrap())
}

#[test]
fn a_policy_without_tenants_asks_nobody() {
    let open = prepared(&[]);
    assert_eq!(authenticate(&open, None), Ok(None));
    assert_eq!(authenticate(&open, Some(b"anything")), Ok(None));
}

#[test]
fn every_key_of_a_tenant_is_its_own() {
    let some = prepared(&[("acme", &["sk-a", "sk-b"]), ("globex", &["sk-c"]), ("idle", &[])]);
    let check = |key: Option<&[u8]>, expected| assert_eq!(authenticate(&some, key), expected, "{key:?}");
    check(Some(b"sk-a"), Ok(Some(TenantId(0))));
    check(Some(b"sk-b"), Ok(Some(TenantId(0))));
    check(Some(b"sk-c"), Ok(Some(TenantId(1))));
    check(Some(b"sk-d"), Err(Denial::Unknown));
    check(Some(b"sk-a "), Err(Denial::Unknown));
    check(Some(&[b'k'; CREDENTIAL_BYTES_MAX + 1]), Err(Denial::Unknown));
    check(Some(b""), Err(Denial::Missing));
    check(None, Err(Denial::Missing));
}

#[test]
fn tenants_without_keys_do_not_open_the_door() {
    assert_eq!(authenticate(&prepared(&[("idle", &[])]), Some(b"x")), Err(Denial::Unknown));
}

#[test]
fn thousands_of_keys_are_told_apart() {
    let keys: Vec<String> = (0..5_000).map(|n| format!("sk-{n}")).collect();
    let names: Vec<(&str, Vec<&str>)> = keys.iter().map(|key| ("t", vec![key.as_str()])).collect();
    let tenants: Vec<(&str, &[&str])> = names.iter().map(|(name, keys)| (*name, keys.as_slice())).collect();
    let many = prepared(&tenants);
    for (n, key) in (0..).zip(&keys) {
        assert_eq!(authenticate(&many, Some(key.as_bytes())), Ok(Some(TenantId(n))));
    }
    assert_eq!(authenticate(&many, Some(b"sk-5000")), Err(Denial::Unknown));
}

#[test]
fn bearer_is_read_as_the_rfc_has_it() {
    let check = |value: &str, expected: Option<&str>| assert_eq!(bearer(value.as_bytes()), expected.map(str::as_bytes), "{value:?}");
    check("Bearer sk-1", Some("sk-1"));
    check("bearer   sk-1 ", Some("sk-1"));
    check("BEARER sk-1", Some("sk-1"));
    check("Bearer", None);
    check("Bearer ", None);
    check("Bearersk-1", None);
    check("Basic sk-1", None);
    check("", None);
    check("é", None);
}
