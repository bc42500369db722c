//! The gateway's decision records, read back from its access log: what it says of each exchange,
//! to the nanosecond or microsecond, where its histograms have buckets.

use crate::tally::Times;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Bytes of one line, at most.
const LINE_MAX: u64 = 64 * 1024;
/// Lines that are read, at most.
const LINES_MAX: u64 = 50_000_000;

/// Everything that was read.
#[derive(Debug)]
pub(crate) struct Records {
    /// Exchanges by how they ended.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Lines of requests that came to no exchange.
    pub(crate) others: u64,
    /// Exchanges of which a candidate was not asked, because its breaker was open or for another reason.
    pub(crate) skipped: u64,
    /// The gateway's own time for a whole exchange, of those that were answered.
    pub(crate) overhead: Times,
    /// An attempt's failure to the next attempt's bytes, in steps of a microsecond.
    pub(crate) switch: Times,
}

impl Records {
    fn new() -> Records {
        Records { outcomes: BTreeMap::new(), others: 0, skipped: 0, overhead: Times::new(), switch: Times::new() }
    }

    pub(crate) fn exchanges(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Takes one line; `None` when it is no record.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let record: Value = serde_json::from_slice(line).ok()?;
        let Some(outcome) = record.as_object()?.get("outcome") else {
            self.others += 1;
            return Some(());
        };
        let outcome = outcome.as_str()?;
        if outcome == "answered" {
            self.overhead.record(record["overhead_ns"].as_u64()?);
        }
        let attempts = record["attempts"].as_array()?;
        for pair in attempts.windows(2) {
            // A time of less than a microsecond is left out of the record. What was closed before it
            // was used is no failure of a target's.
            let at = |attempt: &Value, name: &str| attempt[name].as_u64().unwrap_or(0);
            if pair[0]["end"] != "stale" {
                self.switch.record(at(&pair[1], "sent_us").saturating_sub(at(&pair[0], "end_us")) * 1_000);
            }
        }
        self.skipped += u64::from(record["skipped"].as_array().is_some_and(|skipped| !skipped.is_empty()));
        *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
        Some(())
    }
}

/// Reads a log from this byte on, line by line.
pub(crate) fn read(path: &Path, from: u64) -> io::Result<Records> {
    let wrong = |what: String| io::Error::other(format!("{}: {what}", path.display()));
    let mut file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    file.seek(SeekFrom::Start(from))?;
    let (mut reader, mut line, mut records) = (BufReader::with_capacity(1 << 20, file), Vec::new(), Records::new());
    for number in 1..=LINES_MAX {
        line.clear();
        (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(records);
        }
        if line.last() != Some(&b'\n') || records.take(&line).is_none() {
            return Err(wrong(format!("line {number} after byte {from} is no record")));
        }
    }
    Err(wrong(format!("more than {LINES_MAX} lines")))
}

#[cfg(test)]
mod tests {
    use super::{Records, read};

    const SWITCHED: &str = r#"{"at_us":1,"request":"r","status":200,"outcome":"answered","chain":"c","overhead_ns":15000,"attempts":[{"target":"a","end":"overloaded","status":503,"begun_us":2,"sent_us":9,"end_us":200},{"target":"b","end":"answered","begun_us":203,"sent_us":221,"end_us":400}],"skipped":[]}"#;
    const PLAIN: &str = r#"{"at_us":2,"request":"s","status":200,"outcome":"answered","overhead_ns":9000,"attempts":[{"target":"a","end":"stale"},{"target":"a","end":"answered","sent_us":7}],"skipped":[{"target":"z","why":"breaker_open"}]}"#;
    const FAILED: &str = r#"{"at_us":3,"request":"t","status":502,"outcome":"error","overhead_ns":1,"attempts":[],"skipped":[]}"#;
    const STRANGER: &str = r#"{"at_us":4,"request":"u","status":401,"code":"invalid_api_key"}"#;

    fn written(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("throwover-bench-records-{name}-{}", std::process::id()));
        std::fs::write(&path, text).expect("a folder for temporary files");
        path
    }

    fn of(name: &str, text: &str, from: u64) -> std::io::Result<Records> {
        let path = written(name, text);
        let found = read(&path, from);
        std::fs::remove_file(path).expect("it was made above");
        found
    }

    #[test]
    fn every_line_counts_as_what_it_is() {
        let before = "an earlier line\n";
        let text = format!("{before}{SWITCHED}\n{PLAIN}\n{FAILED}\n{STRANGER}\n");
        let found = of("every", &text, before.len() as u64).expect("records");
        assert_eq!((found.outcomes["answered"], found.outcomes["error"], found.others, found.exchanges()), (2, 1, 1, 3));
        assert_eq!((found.overhead.count(), found.switch.count(), found.skipped), (2, 1, 1));
        assert!((found.overhead.at(1.0) - 15.0).abs() < 0.02, "{}", found.overhead.at(1.0));
        // 221 - 200: what follows a stale connection is no switch.
        assert!((found.switch.at(1.0) - 21.0).abs() < 0.02, "{}", found.switch.at(1.0));
    }

    #[test]
    fn a_line_that_is_none_is_an_error() {
        for (name, text) in [("torn", &SWITCHED[..SWITCHED.len() - 4]), ("none", "[]\n"), ("text", "x\n")] {
            assert!(of(name, text, 0).is_err(), "{name}");
        }
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(70_000));
        assert!(of("long", &long, 0).is_err());
        assert_eq!(of("empty", "", 0).expect("nothing").exchanges(), 0);
    }
}
