//! `cargo xtask tidy`: the rules of the repository that compilers do not know.
//!
//! Looks at the files that git knows, so that whatever lies in the working copy besides is nobody's
//! business. Rules about words look at code only: comments and strings may name anything.

use std::fmt;
use std::path::Path;
use std::process::Command;

mod blank;
mod functions;
mod homes;
mod promises;
#[cfg(test)]
mod tests;

/// A file of the repository.
#[derive(Debug)]
pub(crate) struct File {
    path: String,
    text: String,
    /// The text with comments, strings and characters blanked out, for Rust; empty for others.
    code: String,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        let is_rust = path.ends_with(".rs");
        File { path: path.to_owned(), text: text.to_owned(), code: if is_rust { blank::blanked(text) } else { String::new() } }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Worth a thought.
    Note,
    /// Must be mended.
    Failure,
}

/// Something that a rule found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    weight: Weight,
    message: String,
}

impl Finding {
    fn failure(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, weight: Weight::Failure, message: message.into() }
    }

    fn note(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding { weight: Weight::Note, ..Finding::failure(path, line, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Note => "note",
            Weight::Failure => "error",
        };
        write!(f, "{weight}: {}:{}: {}", self.path, self.line, self.message)
    }
}

/// Looks at all files and adds what it finds.
type Rule = fn(&[File], &mut Vec<Finding>);

/// Every rule.
const RULES: &[Rule] = &[top_level, sizes, names, markers, homes::check, functions::check, promises::check];

/// What may stand at the top, besides dotfiles.
const TOP_LEVEL: &[&str] = &["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "dataplane", "controlplane", "bench", "tests", "tools"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

/// Words that promise work instead of doing it. Put together here so that this file has none.
const MARKERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// What people write by hand: the caps hold for these.
const WRITTEN: &[&str] = &["rs", "py", "sh", "js", "ts", "mjs"];

/// Where text is searched for markers.
const TEXTS: &[&str] = &["rs", "py", "sh", "js", "ts", "mjs", "md", "toml", "yaml", "yml", "html", "service"];

/// From here on a file is worth a thought.
const LINES_SOFT: usize = 400;
/// From here on a file must be split.
const LINES_HARD: usize = 700;

/// Runs every rule over the repository.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("takes no arguments".to_owned());
    }
    let files = repository(root)?;
    let findings = check(&files);
    for finding in &findings {
        println!("{finding}");
    }
    let failures = findings.iter().filter(|finding| finding.weight == Weight::Failure).count();
    println!("{} files, {} notes, {failures} errors", files.len(), findings.len() - failures);
    match failures {
        0 => Ok(()),
        count => Err(format!("{count} rules broken, see above")),
    }
}

fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        rule(files, &mut findings);
    }
    findings
}

/// The files that git knows and that are text.
fn repository(root: &Path) -> Result<Vec<File>, String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let output = listed.map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let paths = String::from_utf8_lossy(&output.stdout);
    // A file that was removed but not staged is still listed, and not there to be read.
    let read = |path: &str| Some(File::new(path, &std::fs::read_to_string(root.join(path)).ok()?));
    Ok(paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect())
}

fn top_level(files: &[File], findings: &mut Vec<Finding>) {
    let mut seen = std::collections::BTreeSet::new();
    for file in files {
        let top = file.path.split('/').next().unwrap_or_default();
        if !top.starts_with('.') && !TOP_LEVEL.contains(&top) && seen.insert(top) {
            let message = format!("`{top}` does not belong at the top; put it into one of the packages");
            findings.push(Finding::failure(&file.path, 1, message));
        }
    }
}

/// Whether a file was written by a program or is data.
fn is_data(path: &str) -> bool {
    path.contains("/generated/") || path.contains("/data/") || path.contains("/corpus/")
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn sizes(files: &[File], findings: &mut Vec<Finding>) {
    let written = |file: &&File| WRITTEN.contains(&extension(&file.path)) && !is_data(&file.path);
    for file in files.iter().filter(written) {
        let lines = file.text.lines().count();
        if lines > LINES_HARD {
            let message = format!("{lines} lines; split it, the cap is {LINES_HARD}");
            findings.push(Finding::failure(&file.path, lines, message));
        } else if lines > LINES_SOFT {
            let message = format!("{lines} lines; {LINES_SOFT} is where files begin to be two");
            findings.push(Finding::note(&file.path, lines, message));
        }
    }
}

fn names(files: &[File], findings: &mut Vec<Finding>) {
    for file in files {
        let stem = |part: &str| part.split('.').next().unwrap_or_default().to_ascii_lowercase();
        if let Some(part) = file.path.split('/').find(|part| EMPTY_NAMES.contains(&stem(part).as_str())) {
            let message = format!("`{part}` names nothing; call it after the noun that it holds");
            findings.push(Finding::failure(&file.path, 1, message));
        }
    }
}

fn markers(files: &[File], findings: &mut Vec<Finding>) {
    let text = |file: &&File| TEXTS.contains(&extension(&file.path)) && !is_data(&file.path);
    for file in files.iter().filter(text) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(marker) = MARKERS.iter().find(|marker| has_word(line, marker)) {
                let message = format!("`{marker}`: do it now, or write down what is missing where users read");
                findings.push(Finding::failure(&file.path, index + 1, message));
            }
        }
    }
}

/// Whether `word` stands in the line by itself. A word may be a path such as `Instant::now`.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}
