//! What an operator is told about a policy: where, what is wrong, and how to mend it.

use crate::excerpt;
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Most complaints that one check prints; the rest is counted.
pub const SHOWN_MAX: usize = 100;

/// A place in a file. Lines and columns begin at 1 and count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Index into [`Sources`].
    pub file: u16,
    /// Line.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// How many characters; at least 1.
    pub length: u32,
}

impl Span {
    /// The first character of a file.
    pub fn start(file: u16) -> Span {
        Span { file, line: 1, column: 1, length: 1 }
    }
}

/// The files of one policy, as read.
#[derive(Clone, Default)]
pub struct Sources {
    /// Name and text of each.
    pub files: Vec<(String, String)>,
    /// What is not to be shown of them.
    pub hidden: Vec<Span>,
    /// Those that are no YAML, by index.
    pub unread: Vec<u16>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.iter().map(|(name, _)| name)).finish()
    }
}

impl Sources {
    /// The line of `span`, as it may be shown.
    fn line(&self, span: Span) -> String {
        let text = self.files.get(usize::from(span.file)).map_or("", |(_, text)| text.as_str());
        let line = text.lines().nth(span.line.saturating_sub(1) as usize).unwrap_or("");
        if self.unread.contains(&span.file) {
            return excerpt::guarded(line);
        }
        excerpt::starred(line, span.line, self.hidden.iter().copied().filter(|hidden| hidden.file == span.file))
    }

    /// Name of the file of `span`.
    pub fn name(&self, span: Span) -> &str {
        self.files.get(usize::from(span.file)).map_or("", |(name, _)| name.as_str())
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// The policy loads, and does not do what its reader may think.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// One thing that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// How bad.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// Where, as a path of keys.
    pub path: String,
    /// What.
    pub what: String,
    /// How to mend it; may be empty.
    pub mend: String,
}

impl Complaint {
    fn new(severity: Severity, span: Span, what: impl Into<String>) -> Complaint {
        Complaint { severity, span, path: String::new(), what: what.into(), mend: String::new() }
    }

    /// The policy is refused.
    pub fn error(span: Span, what: impl Into<String>) -> Complaint {
        Complaint::new(Severity::Error, span, what)
    }

    /// The policy loads, with a doubt.
    pub fn warning(span: Span, what: impl Into<String>) -> Complaint {
        Complaint::new(Severity::Warning, span, what)
    }

    /// Worth knowing.
    pub fn note(span: Span, what: impl Into<String>) -> Complaint {
        Complaint::new(Severity::Note, span, what)
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, mend: impl Into<String>) -> Complaint {
        self.mend = mend.into();
        self
    }

    /// Says where, as a path of keys.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Complaint {
        self.path = path.into();
        self
    }
}

/// Every complaint of one check.
#[derive(Clone, Debug, Default)]
pub struct Complaints(Vec<Complaint>);

impl Complaints {
    /// Adds one.
    pub fn push(&mut self, complaint: Complaint) {
        self.0.push(complaint);
    }

    /// True when the policy is refused.
    pub fn refuse(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|complaint| complaint.severity == severity).count()
    }

    /// Errors first, then in the order of the files.
    pub fn sorted(&self) -> Vec<&Complaint> {
        let mut all: Vec<&Complaint> = self.0.iter().collect();
        all.sort_by_key(|complaint| (complaint.severity, complaint.span));
        all.dedup();
        all
    }

    /// For humans, with the line and a caret under each place.
    pub fn render(&self, sources: &Sources) -> String {
        let mut text = String::new();
        let all = self.sorted();
        for complaint in all.iter().take(SHOWN_MAX) {
            render(complaint, sources, &mut text);
        }
        if all.len() > SHOWN_MAX {
            writeln!(text, "… and {} more", all.len() - SHOWN_MAX).expect("a String grows");
        }
        text
    }

    /// For programs.
    pub fn json(&self, sources: &Sources) -> serde_json::Value {
        let all = self.sorted().into_iter().map(|complaint| {
            serde_json::json!({
                "severity": complaint.severity,
                "file": sources.name(complaint.span),
                "line": complaint.span.line,
                "column": complaint.span.column,
                "length": complaint.span.length,
                "path": complaint.path,
                "what": complaint.what,
                "mend": complaint.mend,
            })
        });
        serde_json::Value::Array(all.collect())
    }

    /// How many of each, in words.
    pub fn summary(&self) -> String {
        let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
            .into_iter()
            .map(|severity| (self.sorted().iter().filter(|c| c.severity == severity).count(), severity.word()))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
            .collect();
        if parts.is_empty() { "no complaints".to_owned() } else { parts.join(", ") }
    }
}

fn render(complaint: &Complaint, sources: &Sources, text: &mut String) {
    let span = complaint.span;
    let number = span.line.to_string();
    let margin = " ".repeat(number.len());
    let line = sources.line(span).replace('\t', " ");
    let room = line.chars().count().saturating_sub(span.column.saturating_sub(1) as usize).max(1);
    let caret = "^".repeat((span.length as usize).min(room));
    let indent = " ".repeat(span.column.saturating_sub(1) as usize);
    let path = if complaint.path.is_empty() { String::new() } else { format!("   ({})", complaint.path) };
    let label = if complaint.mend.is_empty() { String::new() } else { format!(" {}", complaint.mend) };
    writeln!(text, "{}: {}", complaint.severity.word(), complaint.what).expect("a String grows");
    writeln!(text, "{margin}--> {}:{}:{}{path}", sources.name(span), span.line, span.column).expect("a String grows");
    writeln!(text, "{number} | {line}").expect("a String grows");
    writeln!(text, "{margin} | {indent}{caret}{label}").expect("a String grows");
}

/// The word of `words` that is nearest to `word`, when it is near enough to be meant.
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = (word.chars().count() / 3).max(1);
    words.into_iter().map(|other| (distance(word, other), other)).filter(|(steps, _)| *steps <= far).min().map(|(_, other)| other)
}

/// Letters to change, insert, drop or swap with their neighbour, bounded by the lengths of names.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let right: Vec<char> = right.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for i in 1..=left.len() {
        let mut row = vec![i; right.len() + 1];
        for j in 1..=right.len() {
            let change = usize::from(left[i - 1] != right[j - 1]);
            row[j] = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

/// Words as a sentence has them: `a`, `a or b`, `a, b or c`.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests;
