//! Marks on the time strip: when faults were made, as their makers have written it down.
//!
//! One mark a line: `12.5 text`, `12.5..20 text`, or with `@` before it the same in Unix time.

use std::{fs, io, path::Path};

/// A file of more marks is not a file of marks.
const MARKS_MAX: usize = 10_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    from: f64,
    to: f64,
    unix: bool,
    pub(crate) text: String,
}

impl Mark {
    /// From when to when, in seconds since a run began.
    pub(crate) fn within(&self, begun_unix: f64) -> (f64, f64) {
        let begun = if self.unix { begun_unix } else { 0.0 };
        (self.from - begun, self.to - begun)
    }
}

/// Reads the file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Mark>> {
    let wrong = |what: String| io::Error::other(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    parse(&text).map_err(|line| wrong(format!("line {line} is no mark: SECONDS[..SECONDS] TEXT, with @ before Unix times")))
}

/// The marks of a text, or the number of the line that is none.
fn parse(text: &str) -> Result<Vec<Mark>, usize> {
    let mut marks = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mark = mark(line).filter(|_| marks.len() < MARKS_MAX).ok_or(number + 1)?;
        marks.push(mark);
    }
    Ok(marks)
}

fn mark(line: &str) -> Option<Mark> {
    let (time, text) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let (unix, time) = time.strip_prefix('@').map_or((false, time), |time| (true, time));
    let (from, to) = time.split_once("..").unwrap_or((time, time));
    let number = |text: &str| text.trim_start_matches('@').parse::<f64>().ok().filter(|number| number.is_finite());
    let (from, to) = (number(from)?, number(to)?);
    (from <= to).then(|| Mark { from, to, unix, text: text.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{Mark, parse};

    #[test]
    fn marks_are_points_and_spans() {
        let marks = parse("# faults\n\n3 primary 500\n4.5..6 primary down\n@1700000010..1700000012 by the clock\n7\n").expect("sound");
        let mark = |from: f64, to: f64, unix: bool, text: &str| Mark { from, to, unix, text: text.to_owned() };
        let expected = [
            mark(3.0, 3.0, false, "primary 500"),
            mark(4.5, 6.0, false, "primary down"),
            mark(1_700_000_010.0, 1_700_000_012.0, true, "by the clock"),
            mark(7.0, 7.0, false, ""),
        ];
        assert_eq!(marks, expected);
        assert_eq!(marks[2].within(1_700_000_000.0), (10.0, 12.0));
        assert_eq!(marks[0].within(1_700_000_000.0), (3.0, 3.0));
        for (text, line) in [("x", 1), ("1 a\n5..3 b", 2), ("NaN x", 1), ("@ x", 1)] {
            assert_eq!(parse(text), Err(line), "{text:?}");
        }
    }
}
