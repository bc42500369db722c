use super::*;
use serde_json::json;

fn cell(fault: &str, client: &str, form: &str, fallbacks: u64, mark: &str) -> Value {
    json!({"fault": fault, "class": "timeout", "client": client, "form": form, "fallbacks": fallbacks, "mark": mark, "complaints": []})
}

fn made(run: &[Value]) -> Result<String, String> {
    table(&cells(&json!({"cells": run}))?)
}

#[test]
fn a_line_for_each_fault_and_a_mark_for_each_chain() {
    let run: Vec<Value> = [("chat", "json", "504"), ("generate", "stream", "cut")]
        .into_iter()
        .flat_map(|(client, form, alone)| {
            (0..3).map(move |fallbacks| cell("504", client, form, fallbacks, if fallbacks == 0 { alone } else { "✓" }))
        })
        .collect();
    let expected = "\
        | fault | class | OpenAI chat | its stream | Anthropic | its stream | Gemini | its stream |\n\
        |---|---|---|---|---|---|---|---|\n\
        | 504 | timeout | 504 ✓ ✓ | – | – | – | – | cut ✓ ✓ |\n";
    assert_eq!(made(&run), Ok(expected.to_owned()));
    assert!(made(&run[..4]).unwrap_err().contains("generate stream: 1 cells"));
}

#[test]
fn what_is_wrong_makes_no_table() {
    let mut wrong = cell("504", "chat", "json", 1, "✗");
    wrong["complaints"] = json!(["it hung"]);
    assert_eq!(made(&[wrong]), Err("504, chat json, 1 fallbacks: [\"it hung\"]".to_owned()));
    assert!(made(&[]).is_err());
    assert_eq!(made(&[json!({"fault": "x"})]), Err("a cell has no `class`".to_owned()));
}

#[test]
fn totals_that_are_not_clean_make_no_table() {
    let mut run = json!({"cells": 5, "complete answers": 3, "honest errors": 2});
    NONE.into_iter().for_each(|name| run[name] = json!(0));
    let said = totals(&run).unwrap();
    assert!(said.starts_with("\n5 cells: 3 complete answers, 2 honest errors; wrong 0, hangs 0, "), "{said}");
    for name in NONE {
        let mut run = run.clone();
        run[name] = json!(1);
        assert_eq!(totals(&run), Err(format!("the run is not clean: {name}: 1")));
    }
    run["cells"] = json!(6);
    assert!(totals(&run).is_err());
    assert!(totals(&json!({})).is_err());
}
