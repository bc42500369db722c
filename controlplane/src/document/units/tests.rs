use super::*;
use crate::load;

fn read<T: Read + std::fmt::Debug>(text: &str) -> Option<T> {
    let mut reader = Reader::default();
    let value = T::read(&load::text("p", text).tree?, &mut reader);
    assert_eq!(value.is_none(), reader.complaints.refuse(), "a refusal comes with a complaint: {text}");
    value
}

#[test]
fn durations() {
    let table = [
        ("800ms", Some(800)),
        ("5s", Some(5_000)),
        ("1.5m", Some(90_000)),
        ("2 h", Some(7_200_000)),
        ("5", None),
        ("5 apples", None),
        ("-5s", None),
        ("[]", None),
    ];
    for (text, expected) in table {
        assert_eq!(read::<Duration>(text).map(|duration| duration.0), expected, "{text}");
    }
}

#[test]
fn sizes() {
    let table = [("8MiB", Some(8 << 20)), ("1GB", Some(1_000_000_000)), ("12B", Some(12)), ("8", None), ("8 mb", None)];
    for (text, expected) in table {
        assert_eq!(read::<Size>(text).map(|size| size.0), expected, "{text}");
    }
}

#[test]
fn shares() {
    let table = [
        ("0.05", Some(50)),
        ("5%", Some(50)),
        ("1", Some(1_000)),
        ("0", Some(0)),
        ("5", None),
        ("-1%", None),
        ("half", None),
        (".nan", None),
    ];
    for (text, expected) in table {
        assert_eq!(read::<Share>(text).map(|share| share.0), expected, "{text}");
    }
}
