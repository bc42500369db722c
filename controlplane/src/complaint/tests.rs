use super::*;

#[test]
fn nearest_word() {
    let words = ["threshold_ms", "enabled", "type", "threshold"];
    let table = [
        ("threshhold_ms", Some("threshold_ms")),
        ("tpye", Some("type")),
        ("Enabled", Some("enabled")),
        ("enable", Some("enabled")),
        ("colour", None),
        ("", None),
    ];
    for (word, expected) in table {
        assert_eq!(nearest(word, words), expected, "{word}");
    }
}

#[test]
fn a_complaint_at_the_end_of_a_line_has_its_caret() {
    let sources = Sources { files: vec![("p.yaml".to_owned(), "a:\nbc: é x".to_owned())], ..Sources::default() };
    let mut complaints = Complaints::default();
    complaints.push(Complaint::error(Span { file: 0, line: 2, column: 7, length: 40 }, "what").help("mend").at("a.b"));
    complaints.push(Complaint::note(Span::start(0), "first in the file, last in weight"));
    let expected = "error: what\n --> p.yaml:2:7   (a.b)\n2 | bc: é x\n  |       ^ mend\n\
                    note: first in the file, last in weight\n --> p.yaml:1:1\n1 | a:\n  | ^\n";
    assert_eq!(complaints.render(&sources), expected);
    assert_eq!(complaints.summary(), "1 error, 1 note");
}

#[test]
fn words_in_a_sentence() {
    assert_eq!(list([]), "");
    assert_eq!(list(["a"]), "a");
    assert_eq!(list(["a", "b", "c"]), "a, b or c");
}
