use super::*;
use crate::socket::{Answer, Request};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("throwover-audit-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn act(audit: &Audit, why: &str, answer: &Answer) {
    let request = Request { verb: "reload".to_owned(), arguments: BTreeMap::from([("why".to_owned(), why.to_owned())]) };
    audit.write(&Act::new(Peer { uid: 7, pid: 9 }, &request, answer)).unwrap();
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_act_is_one_line_whatever_is_in_it() {
    let folder = folder("line");
    let audit = Audit::open(&folder).unwrap();
    act(&audit, "two\nlines \u{1b}[2J \"", &Answer::new(String::new(), serde_json::json!({"generation": 4})));
    act(&audit, "", &Answer::refused(code::REFUSED, format!("no, {}", "ä".repeat(SAID_MAX))));
    let found = lines(&folder.join("audit.jsonl"));
    assert_eq!(found.len(), 2);
    let one = &found[0];
    assert_eq!((&one["uid"], &one["pid"], &one["verb"]), (&7.into(), &9.into(), &"reload".into()));
    assert_eq!((&one["outcome"], &one["code"], &one["generation"]), (&"ok".into(), &0.into(), &4.into()));
    assert_eq!(one["arguments"]["why"], "two\nlines \u{1b}[2J \"");
    assert_eq!(found[1]["outcome"], "refused");
    assert!(found[1]["said"].as_str().is_some_and(|said| said.starts_with("no, ä") && said.chars().count() == SAID_MAX));
    assert_eq!(fs::metadata(folder.join("audit.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn it_is_appended_to_and_bounded() {
    let folder = folder("bound");
    for _ in 0..3 {
        act(&Audit::open_with(&folder, 1_000).unwrap(), "again", &Answer::new(String::new(), serde_json::Value::Null));
    }
    assert_eq!(lines(&folder.join("audit.jsonl")).len(), 3);
    let audit = Audit::open_with(&folder, 1_000).unwrap();
    for _ in 0..100 {
        act(&audit, "once more", &Answer::new(String::new(), serde_json::Value::Null));
    }
    for name in ["audit.jsonl", "audit.jsonl.1"] {
        let length = fs::metadata(folder.join(name)).unwrap().len();
        assert!((1..=1_000).contains(&length), "{name} holds {length}");
        assert!(!lines(&folder.join(name)).is_empty());
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn no_link_is_followed_and_no_right_is_left_to_others() {
    let folder = folder("link");
    fs::write(folder.join("elsewhere"), "mine").unwrap();
    std::os::unix::fs::symlink(folder.join("elsewhere"), folder.join("audit.jsonl")).unwrap();
    assert!(Audit::open(&folder).is_err());
    fs::remove_file(folder.join("audit.jsonl")).unwrap();
    fs::write(folder.join("audit.jsonl"), "{}\n").unwrap();
    fs::set_permissions(folder.join("audit.jsonl"), fs::Permissions::from_mode(0o644)).unwrap();
    Audit::open(&folder).unwrap();
    assert_eq!(fs::metadata(folder.join("audit.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_dir_all(&folder).unwrap();
}
