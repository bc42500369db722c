//! One page from one or several runs: it needs nothing else to be shown, and loads nothing.

use crate::{
    axis::{self, Log, nines, nines_of},
    marks::{self, Mark},
    outcome::Outcome,
    spectrum,
    svg::{COLOURS, Picture, escaped},
};
use clap::Args;
use serde_json::Value;
use std::{fs, io, path::PathBuf, process::ExitCode};

#[cfg(test)]
mod tests;

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Folders that `run --out` has written
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// The page
    #[arg(long, default_value = "report.html", value_name = "FILE")]
    out: PathBuf,
    /// Faults and the like: lines of SECONDS[..SECONDS] TEXT, with @ before Unix times
    #[arg(long, value_name = "FILE")]
    marks: Option<PathBuf>,
}

/// Spreads in the order in which they are shown, and what they are.
const SPREADS: [(&str, &str); 6] = [
    ("latency", "Latency: intended start to last byte"),
    ("first_event", "First event: intended start to the first event of a stream"),
    ("delay", "Delay: an event's own stamp to its arrival"),
    ("gap", "Gap: between two events of one stream"),
    ("service", "Service: sent to last byte, what a load that waits would have seen"),
    ("generator_lateness", "Lateness of the generator itself"),
];

/// Nothing is fetched from anywhere, whatever a text may hold.
const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>throwover-bench</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid #ddd; } th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } .note { color: #57606a; font-size: .85rem; } .bad { color: #b00020; }
svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; fill: #57606a; }
text.y { text-anchor: end; } text.x { text-anchor: middle; } svg text.mark { fill: #8a1c00; }
line.grid { stroke: #e3e6ea; } polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
polyline.thin { stroke-width: 1; stroke-dasharray: 4 3; } polyline.faint { stroke-width: 1; opacity: .55; }
rect.fault { fill: #d55e00; opacity: .18; } rect.errors { fill: #b00020; opacity: .35; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
pre { overflow-x: auto; background: #f6f8fa; padding: .6rem; font-size: .8rem; }
</style></head><body>
"#;

/// Writes the page.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    if line.runs.len() > COLOURS.len() {
        return Err(io::Error::other(format!("no more than {} runs on one page", COLOURS.len())));
    }
    let runs: Vec<Outcome> = line.runs.iter().map(|folder| Outcome::read(folder)).collect::<io::Result<_>>()?;
    let marks = line.marks.as_deref().map(marks::read).transpose()?.unwrap_or_default();
    fs::write(&line.out, page(&runs, &marks))?;
    println!("{}", line.out.display());
    Ok(ExitCode::SUCCESS)
}

/// The page.
fn page(runs: &[Outcome], marks: &[Mark]) -> String {
    let mut page = String::from(HEAD);
    page.push_str("<h1>throwover-bench</h1>\n");
    page.push_str(&table(runs));
    for (name, title) in SPREADS {
        page.push_str(&percentiles(runs, name, title));
    }
    page.push_str("<h2>Second by second</h2>\n<p class=\"note\">Latency of each interval: thick p50, dashed p99, faint the greatest. Red: intervals with errors.</p>\n");
    for (run, colour) in runs.iter().zip(COLOURS) {
        page.push_str(&strip(run, colour, marks));
    }
    page.push_str("<h2>Where it comes from</h2>\n");
    for run in runs {
        let mut figures = run.figures.clone();
        // The strip shows them, and the folder holds them.
        figures["seconds"] = Value::from(run.seconds.len());
        let text = serde_json::to_string_pretty(&figures).unwrap_or_default();
        page.push_str(&format!(
            "<details><summary>{}, {}</summary><pre>{}</pre></details>\n",
            escaped(&run.name()),
            escaped(&run.folder.display().to_string()),
            escaped(&text)
        ));
    }
    page.push_str("</body></html>\n");
    page
}

fn key(colour: &str, name: &str) -> String {
    format!("<span class=\"key\" style=\"background:{colour}\"></span>{}", escaped(name))
}

/// Figures of all runs.
fn table(runs: &[Outcome]) -> String {
    let mut text = String::from(
        "<div class=\"scroll\"><table><tr><th>run</th><th>through</th><th>answers/s</th><th>errors</th><th>p50</th><th>p99</th>\
         <th>p99.9</th><th>max</th><th>generator late, p99</th><th>CPU each</th></tr>\n",
    );
    for (run, colour) in runs.iter().zip(COLOURS) {
        let figures = &run.figures["figures"];
        let at = |name: &str, share: f64| {
            let found = run.histograms.get(name).filter(|histogram| !histogram.is_empty());
            found.map_or("-".to_owned(), |histogram| axis::time(histogram.value_at_quantile(share) as f64 / 1e3))
        };
        let errors = figures["errors"].as_object().map_or(0, |errors| errors.values().filter_map(Value::as_u64).sum::<u64>());
        let through = &run.figures["through"];
        let through = through["through"].as_str().or_else(|| through["url"].as_str()).unwrap_or("?");
        let cpu = figures["proxy_cpu_us_per_answer"].as_f64().map_or("-".to_owned(), axis::time);
        text.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{:.0}</td><td{}>{errors}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{cpu}</td></tr>\n",
            key(colour, &run.name()),
            escaped(through),
            figures["answers_per_second"].as_f64().unwrap_or(0.0),
            if errors > 0 { " class=\"bad\"" } else { "" },
            at("latency", 0.5),
            at("latency", 0.99),
            at("latency", 0.999),
            at("latency", 1.0),
            at("generator_lateness", 0.99),
        ));
    }
    text.push_str("</table></div>\n");
    for run in runs {
        if let Some(warning) = run.figures["figures"]["warning"].as_str() {
            text.push_str(&format!("<p class=\"bad\">{}: {}</p>\n", escaped(&run.name()), escaped(warning)));
        }
    }
    let machines: std::collections::BTreeSet<&str> = runs.iter().filter_map(|run| run.figures["machine"]["processor"].as_str()).collect();
    if machines.len() > 1 {
        text.push_str("<p class=\"bad\">These runs are of different machines.</p>\n");
    }
    text
}

/// Percentiles of one spread, all runs over one another; nothing when no run has it.
fn percentiles(runs: &[Outcome], name: &str, title: &str) -> String {
    let found: Vec<_> = runs
        .iter()
        .zip(COLOURS)
        .filter_map(|(run, colour)| Some((run, colour, run.histograms.get(name).filter(|histogram| !histogram.is_empty())?)))
        .collect();
    let rows: Vec<Vec<spectrum::Row>> = found.iter().map(|(.., histogram)| spectrum::rows(histogram)).collect();
    let Some(times) = Log::around(rows.iter().flatten().map(|row| row.value_us)) else { return String::new() };
    let most = found.iter().map(|(.., histogram)| nines_of(histogram.len())).fold(1.0, f64::max);
    let mut picture = Picture::new(320.0, title);
    picture.times(&times);
    for step in 0..=most.floor() as u32 {
        picture.upright(f64::from(step) / most, &axis::percent(step));
    }
    picture.upright(nines(0.5, most) / most, "50 %");
    let mut keys = Vec::new();
    for ((run, colour, histogram), rows) in found.iter().zip(&rows) {
        // The greatest value lies where its count ends, not at the end of the longest run.
        let own = nines_of(histogram.len());
        let places: Vec<(f64, f64)> = rows.iter().map(|row| (nines(row.share, own) / most, times.place(row.value_us))).collect();
        picture.line(colour, "run", &places);
        keys.push(format!("{} ({} values)", key(colour, &run.name()), histogram.len()));
    }
    format!("<h2>{}</h2>\n<p class=\"note\">{}</p>\n{}", escaped(title), keys.join(" &nbsp; "), picture.finish())
}

/// One run over time.
fn strip(run: &Outcome, colour: &str, marks: &[Mark]) -> String {
    let end = run.seconds.iter().map(|second| second.at_s + second.length_s).fold(0.0, f64::max);
    let good = || run.seconds.iter().filter(|second| second.answers > 0);
    let Some(times) = Log::around(good().flat_map(|second| [second.p50_us, second.max_us])).filter(|_| end > 0.0) else {
        return format!("<p class=\"note\">{}: no answer.</p>\n", escaped(&run.name()));
    };
    let mut picture = Picture::new(220.0, &format!("{} over time", run.name()));
    picture.times(&times);
    for at in axis::seconds(end) {
        picture.upright(at / end, &format!("{} s", axis::short(at)));
    }
    let begun = run.figures["begun_unix_s"].as_f64().unwrap_or(0.0);
    for mark in marks {
        let (from, to) = mark.within(begun);
        if to >= 0.0 && from <= end {
            picture.band("fault", from.max(0.0) / end, to.min(end) / end, &mark.text);
        }
    }
    for second in run.seconds.iter().filter(|second| second.errors > 0) {
        picture.band("errors", second.at_s / end, (second.at_s + second.length_s) / end, "");
    }
    for (class, value) in [
        ("faint", (|second| second.max_us) as fn(&crate::intervals::Second) -> f64),
        ("thin", |second| second.p99_us),
        ("run", |second| second.p50_us),
    ] {
        // Intervals without an answer leave a gap: nothing is drawn over them.
        for stretch in run.seconds.split(|second| second.answers == 0) {
            let middle = |second: &crate::intervals::Second| (second.at_s + second.length_s / 2.0) / end;
            let places: Vec<(f64, f64)> = stretch.iter().map(|second| (middle(second), times.place(value(second)))).collect();
            picture.line(colour, class, &places);
        }
    }
    format!("<p class=\"note\">{}</p>\n{}", key(colour, &run.name()), picture.finish())
}
