//! The folder of one run: written once, read by `report`, `compare` and by other people's tools.
//!
//! `run.json` has every figure and where it comes from, `run.hlog` the histograms of each second
//! (HdrHistogram's interval log, V2 compressed, one tag for each spread), `NAME.hgrm` the
//! percentiles of each spread, `spectrum.txt` all of it for people.

use crate::{intervals::Second, spectrum, tally::Tally};
use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Names within the folder.
const FIGURES: &str = "run.json";
/// The log of intervals.
pub(crate) const LOG: &str = "run.hlog";
/// A log of more bytes is not read into memory.
const LOG_BYTES_MAX: u64 = 1 << 30;

/// A run that was read back.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) folder: PathBuf,
    pub(crate) figures: Value,
    pub(crate) seconds: Vec<Second>,
    /// Of the whole run, in nanoseconds, by the names of spreads.
    pub(crate) histograms: BTreeMap<String, Histogram<u64>>,
}

impl Outcome {
    /// Reads the folder.
    pub(crate) fn read(folder: &Path) -> io::Result<Outcome> {
        let path = folder.join(FIGURES);
        let wrong = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let figures: Value = serde_json::from_slice(&fs::read(&path).map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
        let seconds = figures["seconds"].as_array().ok_or_else(|| wrong(&"it has no list of seconds"))?;
        let seconds: Option<Vec<Second>> = seconds.iter().map(Second::read).collect();
        Ok(Outcome {
            seconds: seconds.ok_or_else(|| wrong(&"a second of it lacks a figure"))?,
            histograms: histograms(&folder.join(LOG))?,
            folder: folder.to_owned(),
            figures,
        })
    }

    /// What the run is called.
    pub(crate) fn name(&self) -> String {
        let named = self.figures["name"].as_str().filter(|name| !name.is_empty());
        named.map_or_else(|| self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), str::to_owned)
    }
}

/// Writes what the log of intervals does not hold; that one is there already.
pub(crate) fn write(folder: &Path, figures: &Value, whole: &Tally) -> io::Result<()> {
    let mut all = String::new();
    for (name, times) in whole.spreads() {
        let path = folder.join(format!("{name}.hgrm"));
        if times.count() == 0 {
            // What an earlier run may have left in the same folder is not of this one.
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => continue,
            }
        }
        let text = spectrum::text(times.histogram());
        fs::write(path, &text)?;
        all.push_str(&format!("{name}, in microseconds\n{text}\n"));
    }
    fs::write(folder.join("spectrum.txt"), all)?;
    let text = serde_json::to_string_pretty(figures).map_err(io::Error::other)?;
    fs::write(folder.join(FIGURES), text + "\n")
}

/// The histograms of a log, intervals added up, by their tags.
pub(crate) fn histograms(path: &Path) -> io::Result<BTreeMap<String, Histogram<u64>>> {
    let wrong = |what: String| io::Error::other(format!("{}: {what}", path.display()));
    if fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len() > LOG_BYTES_MAX {
        return Err(wrong("more than 1 GiB".to_owned()));
    }
    let bytes = fs::read(path)?;
    let mut all: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(&bytes) {
        let entry = entry.map_err(|error| wrong(format!("{error:?}")))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let packed = STANDARD.decode(interval.encoded_histogram()).map_err(|error| wrong(error.to_string()))?;
        let found: Histogram<u64> = deserializer.deserialize(&mut &packed[..]).map_err(|error| wrong(format!("{error:?}")))?;
        let tag = interval.tag().map_or("latency", |tag| tag.as_str()).to_owned();
        match all.entry(tag) {
            std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(found)),
            std::collections::btree_map::Entry::Occupied(mut sum) => {
                sum.get_mut().add(&found).map_err(|error| wrong(format!("{error:?}")))?;
            }
        }
    }
    Ok(all)
}
