//! `cargo xtask matrix`: the README's table of who can ask whom for what, made of a run of the SDK tests.
//!
//! The tests write what became of each cell; nothing here knows what works. A cell that fails or was not run
//! makes no table: the README never says less, or more, than the last run that was whole.

use crate::{ci, readme};
use serde_json::Value;
use std::path::Path;

#[cfg(test)]
mod tests;

/// The table stands between lines of this name.
const NAME: &str = "matrix";

/// What the SDK tests write, in the target folder.
const RUN: &str = "matrix.json";

/// One cell of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    client: String,
    provider: String,
    form: String,
    feature: String,
    verdict: String,
    reasons: Vec<String>,
}

/// Writes the table into the README; with `--check` it only says whether it is there.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let only_check = readme::only_check(arguments)?;
    let from = ci::target(root).join(RUN);
    let text = readme::read(&from).map_err(|why| format!("{why}; `cargo xtask ci sdk` writes it"))?;
    let run = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", from.display()))?;
    readme::put(root, NAME, &table(&cells(&run)?)?, only_check)
}

/// The check alone, as a step.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    run(root, &["--check".to_owned()])
}

/// Reads what the tests wrote.
fn cells(run: &Value) -> Result<Vec<Cell>, String> {
    let cells = run["cells"].as_array().filter(|cells| !cells.is_empty()).ok_or("the run has no cells")?;
    let text = |cell: &Value, name: &str| cell[name].as_str().map(str::to_owned).ok_or(format!("a cell has no `{name}`"));
    let cell = |cell: &Value| {
        let reasons = cell["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Cell {
            client: text(cell, "client")?,
            provider: text(cell, "provider")?,
            form: text(cell, "form")?,
            feature: text(cell, "feature")?,
            verdict: text(cell, "verdict")?,
            reasons: reasons.map(str::to_owned).collect(),
        })
    };
    cells.iter().map(cell).collect()
}

/// The table in Markdown, and below it the reasons of what is not supported.
fn table(cells: &[Cell]) -> Result<String, String> {
    let mut features: Vec<&str> = Vec::new();
    let mut rows: Vec<(&str, &str)> = Vec::new();
    let mut reasons: Vec<&str> = Vec::new();
    for cell in cells {
        let row = (cell.client.as_str(), cell.provider.as_str());
        add(&mut features, cell.feature.as_str());
        add(&mut rows, row);
        cell.reasons.iter().for_each(|reason| add(&mut reasons, reason));
    }
    let mut out = format!("| client | provider | {} |\n|---|---|{}\n", features.join(" | "), "---|".repeat(features.len()));
    for (client, provider) in rows {
        out.push_str(&format!("| {client} | {provider} |"));
        for feature in &features {
            let here = |cell: &&Cell| (cell.client.as_str(), cell.provider.as_str(), cell.feature.as_str()) == (client, provider, *feature);
            let here: Vec<&Cell> = cells.iter().filter(here).collect();
            let words = here.iter().map(|cell| Ok((cell.form.as_str(), word(cell, &reasons)?)));
            let words = words.collect::<Result<Vec<_>, String>>()?;
            out.push_str(&format!(" {} |", joined(&words)));
        }
        out.push('\n');
    }
    for (index, reason) in reasons.iter().enumerate() {
        out.push_str(&format!("\n{}: {reason}.\n", number(index)));
    }
    Ok(out)
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// What stands for a cell. One that fails or was not run is an error: there is nothing to be said of it.
fn word(cell: &Cell, reasons: &[&str]) -> Result<String, String> {
    let own = cell.reasons.iter().filter_map(|reason| reasons.iter().position(|known| known == reason));
    match cell.verdict.as_str() {
        "works" => Ok("yes".to_owned()),
        "unsupported" => Ok(own.map(number).collect::<Vec<_>>().join(", ")),
        other => Err(format!("{} to {}, {}, {}: {other}", cell.client, cell.provider, cell.feature, cell.form)),
    }
}

fn number(index: usize) -> String {
    format!("({})", index + 1)
}

/// What is said of the forms of a cell: once, where it is the same of all.
fn joined(words: &[(&str, String)]) -> String {
    match words {
        [(_, first), rest @ ..] if rest.iter().all(|(_, word)| word == first) => first.clone(),
        _ => words.iter().map(|(form, word)| format!("{form}: {word}")).collect::<Vec<_>>().join(", "),
    }
}
