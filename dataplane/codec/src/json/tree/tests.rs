use proptest::prelude::*;
use serde_json::Value as Model;

use super::*;

fn same(value: Value<'_>, model: &Model) {
    match model {
        Model::Null => assert!(value.is_null()),
        Model::Bool(bool) => assert_eq!(value.bool(), Some(*bool)),
        Model::Number(number) => {
            assert_eq!(
                value.u64(),
                number.as_u64().or_else(|| number.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0 && *f <= 9e15).map(|f| f as u64))
            );
            assert_eq!(value.f64(), number.as_f64());
        }
        Model::String(text) => assert_eq!(value.str().unwrap().decode(), *text),
        Model::Array(list) => {
            assert_eq!(value.elements().count(), list.len());
            value.elements().zip(list).for_each(|(value, model)| same(value, model));
        }
        Model::Object(map) => {
            assert_eq!(value.members().count(), map.len());
            for (name, member) in value.members() {
                same(member, &map[&*name.decode()]);
                assert_eq!(value.get(&name.decode()).is_none(), member.is_null());
            }
        }
    }
    assert_eq!(&serde_json::from_slice::<Model>(value.raw()).unwrap(), model);
}

fn any_json() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        Just(Model::Null),
        any::<bool>().prop_map(Model::from),
        any::<i64>().prop_map(Model::from),
        any::<u64>().prop_map(Model::from),
        ".*".prop_map(Model::from),
        "[\\\\\"\n\u{1}\u{10000}-\u{10010}]{0,6}".prop_map(Model::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Model::from),
            prop::collection::hash_map(".{0,12}", inner, 0..6).prop_map(|map| Model::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_indexed_text_says_what_it_said(model in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&model) } else { serde_json::to_vec(&model) }.unwrap();
        same(Tree::new().read(&text).unwrap(), &model);
    }

    #[test]
    fn escapes_are_what_was_meant(text in ".*") {
        let model = Model::from(text.clone());
        // serde_json escapes as little as it must; this escapes all that can be.
        let full: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let mut tree = Tree::new();
        let quoted = format!("\"{full}\"");
        prop_assert_eq!(&*tree.read(quoted.as_bytes()).unwrap().str().unwrap().decode(), text.as_str());
        let quoted = serde_json::to_string(&model).unwrap();
        prop_assert!(tree.read(quoted.as_bytes()).unwrap().str().unwrap().is(&text));
    }

    #[test]
    fn no_bytes_hurt(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Tree::new().read(&bytes).map(|value| value.members().count() + value.elements().count());
        let _ = Str(&bytes).decode();
    }
}

#[test]
fn words_are_compared_as_meant() {
    let mut tree = Tree::new();
    let value = tree.read(br#"{"r\u006fle":"us\u0065r","n":null,"a":1.0,"b":-1,"c":1e3,"a":2}"#).unwrap();
    assert!(value.text("role").unwrap().is("user"));
    assert!(!value.text("role").unwrap().is("use"));
    assert!(value.get("n").is_none());
    assert_eq!(value.get("a").unwrap().u64(), Some(1));
    assert_eq!(value.get("b").unwrap().u64(), None);
    assert_eq!(value.get("c").unwrap().u64(), Some(1000));
}

#[test]
fn halves_of_pairs_are_replaced() {
    for (text, meant) in
        [(r"\ud800", "\u{fffd}"), (r"\ud800x", "\u{fffd}x"), (r"\udc00", "\u{fffd}"), (r"\ud800A", "\u{fffd}A"), (r"\ud83d\ude00", "😀")]
    {
        assert_eq!(Str(text.as_bytes()).decode(), meant, "{text}");
    }
}

#[test]
fn the_index_is_bounded() {
    let text = format!("[{}1]", "1,".repeat(NODES_MAX));
    assert_eq!(Tree::new().read(text.as_bytes()).unwrap_err().code, Code::TooManyValues);
}
