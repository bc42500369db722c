use super::*;
use serde_json::json;

fn cell(client: &str, form: &str, feature: &str, verdict: &str, reasons: &[&str]) -> Value {
    json!({"client": client, "provider": "P", "form": form, "feature": feature, "verdict": verdict, "reasons": reasons})
}

fn made(run: &[Value]) -> Result<String, String> {
    table(&cells(&json!({"cells": run}))?)
}

#[test]
fn a_table_of_what_works_and_why_the_rest_does_not() {
    let run = [
        cell("A", "json", "text", "works", &[]),
        cell("A", "stream", "text", "works", &[]),
        cell("A", "json", "thoughts", "works", &[]),
        cell("A", "stream", "thoughts", "unsupported", &["nobody asks"]),
        cell("B", "json", "text", "unsupported", &["none", "nobody asks"]),
        cell("B", "stream", "text", "unsupported", &["none", "nobody asks"]),
        cell("B", "json", "thoughts", "works", &[]),
        cell("B", "stream", "thoughts", "works", &[]),
    ];
    let expected = "\
        | client | provider | text | thoughts |\n\
        |---|---|---|---|\n\
        | A | P | yes | json: yes, stream: (1) |\n\
        | B | P | (2), (1) | yes |\n\
        \n(1): nobody asks.\n\
        \n(2): none.\n";
    assert_eq!(made(&run), Ok(expected.to_owned()));
}

#[test]
fn what_fails_or_was_not_run_makes_no_table() {
    for verdict in ["fails", "missing"] {
        let why = made(&[cell("A", "json", "text", verdict, &[])]).unwrap_err();
        assert_eq!(why, format!("A to P, text, json: {verdict}"));
    }
    assert!(made(&[]).is_err());
    assert_eq!(made(&[json!({"client": "A"})]), Err("a cell has no `provider`".to_owned()));
}
