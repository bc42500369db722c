//! `cargo xtask faults`: runs the fault matrix, and makes the README's table of it.
//!
//! The test writes what every tenant saw; nothing here knows what is right. A run in which anything is wrong makes
//! no table: the README never says less, or more, than a run that was clean.

use crate::{ci, readme};
use serde_json::Value;
use std::{path::Path, process::Command};

#[cfg(test)]
mod tests;

/// The table stands between lines of this name.
const NAME: &str = "faults";
/// What the test writes, in the target folder; see also the step `test`.
const RUN: &str = "faults.json";
/// What must be none.
const NONE: [&str; 6] =
    ["wrong", "hangs", "truncated successes", "targets hammered", "callers' mistakes replayed", "attempts after a hang-up"];
/// The columns, as the run names client and form.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("chat", "json", "OpenAI chat"),
    ("chat", "stream", "its stream"),
    ("messages", "json", "Anthropic"),
    ("messages", "stream", "its stream"),
    ("generate", "json", "Gemini"),
    ("generate", "stream", "its stream"),
];
/// Fallbacks that a chain may have.
const FALLBACKS: [u64; 3] = [0, 1, 2];

/// One cell of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    fault: String,
    class: String,
    client: String,
    form: String,
    fallbacks: u64,
    mark: String,
}

/// Runs the matrix and writes the table; with `--check` it compares the table with the last run.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let only_check = readme::only_check(arguments)?;
    let from = ci::target(root).join(RUN);
    if !only_check {
        let mut test = Command::new("cargo");
        test.args(["test", "--package", "tests", "--test", "faults", "--", "--nocapture"]).env("THROWOVER_FAULTS", &from).current_dir(root);
        let status = test.status().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !status.success() {
            return Err("something is wrong with the cells that the test tells of".to_owned());
        }
    }
    let text = readme::read(&from).map_err(|why| format!("{why}; `cargo xtask faults` and `cargo xtask ci test` write it"))?;
    let run = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", from.display()))?;
    readme::put(root, NAME, &(table(&cells(&run)?)? + &totals(&run["totals"])?), only_check)
}

/// The check alone, as a step.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    run(root, &["--check".to_owned()])
}

/// Reads what the test wrote. A cell that is complained of is an error: there is nothing to be shown of it.
fn cells(run: &Value) -> Result<Vec<Cell>, String> {
    let cells = run["cells"].as_array().filter(|cells| !cells.is_empty()).ok_or("the run has no cells")?;
    let text = |cell: &Value, name: &str| cell[name].as_str().map(str::to_owned).ok_or(format!("a cell has no `{name}`"));
    let cell = |value: &Value| {
        let cell = Cell {
            fault: text(value, "fault")?,
            class: text(value, "class")?,
            client: text(value, "client")?,
            form: text(value, "form")?,
            fallbacks: value["fallbacks"].as_u64().ok_or("a cell has no `fallbacks`")?,
            mark: text(value, "mark")?,
        };
        match value["complaints"].as_array().filter(|complaints| complaints.is_empty()) {
            Some(_) => Ok(cell),
            None => Err(format!("{}, {} {}, {} fallbacks: {}", cell.fault, cell.client, cell.form, cell.fallbacks, value["complaints"])),
        }
    };
    cells.iter().map(cell).collect()
}

/// The table in Markdown: a line for each fault, and in each column what was seen with no, one and two fallbacks.
fn table(cells: &[Cell]) -> Result<String, String> {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for cell in cells {
        let row = (cell.fault.as_str(), cell.class.as_str());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let names: Vec<&str> = COLUMNS.iter().map(|(_, _, name)| *name).collect();
    let mut out = format!("| fault | class | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for (fault, class) in rows {
        out.push_str(&format!("| {fault} | {class} |"));
        for (client, form, _) in COLUMNS {
            let here = cells.iter().filter(|cell| (cell.fault.as_str(), cell.client.as_str(), cell.form.as_str()) == (fault, client, form));
            let here: Vec<&Cell> = here.collect();
            let mark = |fallbacks: u64| here.iter().find(|cell| cell.fallbacks == fallbacks).map(|cell| cell.mark.as_str());
            let marks: Vec<&str> = FALLBACKS.into_iter().filter_map(mark).collect();
            match (here.len(), marks.len()) {
                (0, _) => out.push_str(" – |"),
                (found, shown) if found == FALLBACKS.len() && shown == found => out.push_str(&format!(" {} |", marks.join(" "))),
                _ => return Err(format!("{fault}, {client} {form}: {} cells where there are to be {}", here.len(), FALLBACKS.len())),
            }
        }
        out.push('\n');
    }
    Ok(out)
}

/// The run in numbers. What must be none and is not is an error.
fn totals(totals: &Value) -> Result<String, String> {
    let number = |name: &str| totals[name].as_u64().ok_or(format!("the totals have no `{name}`"));
    if let Some(name) = NONE.into_iter().find(|name| number(name) != Ok(0)) {
        return Err(format!("the run is not clean: {name}: {}", totals[name]));
    }
    let (cells, answers, errors) = (number("cells")?, number("complete answers")?, number("honest errors")?);
    if answers + errors != cells {
        return Err(format!("{answers} answers and {errors} errors are not {cells} cells"));
    }
    let none: Vec<String> = NONE.iter().map(|name| format!("{name} 0")).collect();
    Ok(format!("\n{cells} cells: {answers} complete answers, {errors} honest errors; {}.\n", none.join(", ")))
}
