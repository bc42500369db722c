//! The table of kinds as people read it.

use super::{COMMON, KINDS};

/// The table as text, for `throwover-mock faults`.
#[must_use]
pub fn listing() -> String {
    let mut out = String::new();
    for row in KINDS {
        out.push_str(&format!("{:<22}{}\n", row.name, row.help));
        for parameter in row.parameters {
            out.push_str(&format!("  {:<20}{} [{}]\n", parameter.name, parameter.help, parameter.shape.default_text()));
        }
    }
    out.push_str(&format!("\nEvery kind also takes {COMMON}.\n"));
    out
}

/// The table as Markdown, for the README.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| kind | what happens | parameters (default) |\n|---|---|---|\n");
    for row in KINDS {
        let parameters: Vec<String> =
            row.parameters.iter().map(|p| format!("`{}` {} ({})", p.name, p.help, p.shape.default_text())).collect();
        out.push_str(&format!("| `{}` | {} | {} |\n", row.name, row.help, parameters.join("; ")));
    }
    out
}

/// The kind whose name differs least from what was written.
pub(super) fn nearest(written: &str) -> &'static str {
    let by_distance = KINDS.iter().min_by_key(|row| distance(written, row.name));
    by_distance.map_or("status", |row| row.name)
}

/// Levenshtein distance over bytes; names are short ASCII, input is cut to 64 bytes.
fn distance(left: &str, right: &str) -> usize {
    let right = right.as_bytes();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}
