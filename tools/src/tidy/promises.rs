//! Every promise of a README names its test, and the test is there.
//!
//! A promise is a line that holds ``test: `path::name` ``. The last part is the function, the part
//! before it the file or folder that it stands in; `folder/file.py::name` names a Python test.

use super::{File, Finding, has_word};

#[cfg(test)]
mod tests;

pub(super) fn check(files: &[File], findings: &mut Vec<Finding>) {
    for readme in files.iter().filter(|file| file.path.ends_with("README.md")) {
        for (index, line) in readme.text.lines().enumerate() {
            for test in named(line) {
                if !exists(test, files) {
                    let message = format!("promises `{test}`, but there is no such test");
                    findings.push(Finding::failure(&readme.path, index + 1, message));
                }
            }
        }
    }
}

/// The tests that a line names.
fn named(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for start in ["test: `", "Test: `"] {
        for (at, _) in line.match_indices(start) {
            let rest = &line[at + start.len()..];
            if let Some(end) = rest.find('`') {
                found.push(&rest[..end]);
            }
        }
    }
    found
}

fn exists(test: &str, files: &[File]) -> bool {
    let mut parts = test.rsplit("::");
    let name = parts.next().unwrap_or_default();
    let place = parts.next().unwrap_or_default();
    if place.ends_with(".py") {
        let starts = [format!("def {name}("), format!("async def {name}(")];
        let defines = |line: &str| starts.iter().any(|start| line.trim_start().starts_with(start));
        return files
            .iter()
            .any(|file| (file.path == place || file.path.ends_with(&format!("/{place}"))) && file.text.lines().any(defines));
    }
    files.iter().any(|file| file.is_rust() && stands_in(&file.path, place) && has_test(file, name))
}

/// Whether the last part of a test's path names this file, or a folder or package it lies in.
fn stands_in(path: &str, place: &str) -> bool {
    // `tests` is where unit tests of any file stand, so it says nothing about which.
    place.is_empty() || place == "tests" || path.split('/').any(|part| part.trim_end_matches(".rs") == place)
}

/// Whether the file holds a function of this name with a test attribute above it.
fn has_test(file: &File, name: &str) -> bool {
    let lines: Vec<&str> = file.code.lines().collect();
    let function = format!("fn {name}");
    lines.iter().enumerate().any(|(index, line)| {
        has_word(line, &function)
            && lines[..index]
                .iter()
                .rev()
                .map(|above| above.trim())
                .take_while(|above| above.is_empty() || above.starts_with("#["))
                .any(|above| above.starts_with("#[test") || above.ends_with("::test]"))
    })
}
