//! Functions fit a screen.

use super::{File, Finding, has_word};

#[cfg(test)]
mod tests;

/// From here on a function is worth a thought.
const LINES_SOFT: usize = 70;
/// From here on it must be split.
const LINES_HARD: usize = 100;

pub(super) fn check(files: &[File], findings: &mut Vec<Finding>) {
    for file in files.iter().filter(|file| file.is_rust()) {
        for (name, first, lines) in functions(&file.code) {
            if lines > LINES_HARD {
                let message = format!("`{name}` has {lines} lines; split it, the cap is {LINES_HARD}");
                findings.push(Finding::failure(&file.path, first, message));
            } else if lines > LINES_SOFT {
                let message = format!("`{name}` has {lines} lines; a screen has {LINES_SOFT}");
                findings.push(Finding::note(&file.path, first, message));
            }
        }
    }
}

/// Name, first line and count of lines of every function with a body, in blanked code.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !has_word(line, "fn") {
            continue;
        }
        let after = line.split("fn ").nth(1).unwrap_or_default();
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // `fn(&T) -> U` is a type.
        if name.is_empty() {
            continue;
        }
        let start = line.find("fn ").unwrap_or_default();
        if let Some(count) = body_lines(&lines[index..], start) {
            found.push((name, index + 1, count));
        }
    }
    found
}

/// How many lines there are up to the brace that closes the body; `None` if there is no body.
fn body_lines(lines: &[&str], start: usize) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (index, line) in lines.iter().enumerate() {
        let from = if index == 0 { start } else { 0 };
        for c in line[from..].chars() {
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets = brackets.saturating_sub(1),
                // Only outside of brackets: `[u8; 4]` is no end.
                ';' if braces == 0 && brackets == 0 => return None,
                '{' => braces += 1,
                '}' if braces == 1 => return Some(index + 1),
                '}' => braces = braces.saturating_sub(1),
                _ => {}
            }
        }
    }
    None
}
