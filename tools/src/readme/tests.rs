use super::*;

#[test]
fn a_table_has_its_place() {
    let readme = "a\n<!-- matrix -->\nold\n<!-- /matrix -->\nb\n";
    let wanted = placed(readme, "matrix", "new\n").unwrap();
    assert_eq!(wanted, "a\n<!-- matrix -->\nnew\n<!-- /matrix -->\nb\n");
    assert_eq!(placed(&wanted, "matrix", "new\n").unwrap(), wanted);
    assert!(placed("a\n<!-- matrix -->\n", "matrix", "new\n").unwrap_err().contains("<!-- /matrix -->"));
    assert!(placed(readme, "faults", "new\n").unwrap_err().contains("<!-- faults -->"));
}

#[test]
fn a_verb_takes_nothing_or_the_check() {
    assert_eq!(only_check(&[]), Ok(false));
    assert_eq!(only_check(&["--check".to_owned()]), Ok(true));
    assert!(only_check(&["--chekc".to_owned()]).is_err());
}
