//! A against B: two runs that were kept, or two builds of Throwover in turns.
//!
//! A verdict is only given when a bootstrap interval of the ratio does not hold 1. Builds are
//! compared round by round, one after the other within each. Rounds are samples of two processes
//! only, and processes of one build may differ by more than an interval of their rounds says: builds
//! that are started anew several times are compared start by start. Seconds of two single runs are
//! samples of those two runs only; several runs in each folder are compared run by run.

use crate::{
    bootstrap::{self, SAMPLES_MIN},
    child::{Folder, Place},
    commands::{self, Patience, Places},
    figures::{self, Contestant, Figure, Round, Verdict},
    intervals::Second,
    machine,
    outcome::Outcome,
    peers,
    sink::{Answers, Sink},
    stage::Stage,
    table::spread,
    throwover::{self, Gateway, Providers},
    way::Way,
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Builds are up within so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that each build keeps ready.
const WARM: usize = 64;
/// Times that builds are started anew, at most.
const STARTS_MAX: i64 = 1_000;
/// Runs of one folder, at most.
const RUNS_MAX: usize = 1_000;

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Folder of a run, of several runs, or of a build's binaries
    #[arg(value_name = "A")]
    ours: PathBuf,
    /// The same, to be compared with A
    #[arg(value_name = "B")]
    theirs: PathBuf,
    /// Fail when the interval says that B takes so much more than A, in per cent
    #[arg(long, value_name = "PER_CENT")]
    fail_above: Option<f64>,
    /// Rounds, of builds; they take turns within each
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Starts, of builds; several are compared by the medians of each one's rounds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=STARTS_MAX))]
    starts: u16,
    /// Length of one round, of builds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections, of builds
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Size of a request's body, of builds
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    request_bytes: usize,
    /// Size of an answer's body, of builds
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    answer_bytes: usize,
    /// Run builds and load before all other work (niceness -20), for machines that are not quiet
    #[arg(long)]
    pub(crate) first_in_line: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    places: Places,
}

const CPU: Figure = Figure { name: "cpu_us_per_request", title: "CPU us/request" };
const THROUGHPUT: Figure = Figure { name: "answers_per_second", title: "answers/s" };
const P50: Figure = Figure { name: "p50_us", title: "p50 us" };
const P99: Figure = Figure { name: "p99_us", title: "p99 us" };
const MAX: Figure = Figure { name: "max_us", title: "max us" };

/// Compares, prints, and fails when it was asked to.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    let kinds = [&line.ours, &line.theirs].map(|folder| kind(folder));
    let [ours, theirs] = kinds;
    let (found, worse) = match (ours?, theirs?) {
        (Kind::Build, Kind::Build) => builds(line)?,
        (Kind::Runs(ours), Kind::Runs(theirs)) => runs(line, &ours, &theirs)?,
        _ => return Err(io::Error::other("one of the two has runs, the other one binaries")),
    };
    commands::print(line.places.format, found)?;
    Ok(if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

enum Kind {
    Runs(Vec<Outcome>),
    Build,
}

/// What a folder holds.
fn kind(folder: &Path) -> io::Result<Kind> {
    if folder.join("throwover-dataplane").is_file() {
        return Ok(Kind::Build);
    }
    if folder.join("run.json").is_file() {
        return Ok(Kind::Runs(vec![Outcome::read(folder)?]));
    }
    let entries = fs::read_dir(folder).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    let mut runs: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join("run.json").is_file()).collect();
    runs.sort();
    if runs.is_empty() || runs.len() > RUNS_MAX {
        return Err(io::Error::other(format!("{}: neither runs nor binaries of Throwover are there", folder.display())));
    }
    Ok(Kind::Runs(runs.iter().map(|path| Outcome::read(path)).collect::<io::Result<_>>()?))
}

/// Whether the interval lies above what is allowed.
fn worse(verdict: &Verdict, fail_above: Option<f64>) -> bool {
    matches!((verdict, fail_above), (Verdict::Times(found), Some(allowed)) if found.low > 1.0 + allowed / 100.0)
}

/// Figures of runs: each run's own when there are several, those of the seconds when there is one.
fn samples(runs: &[Outcome], figure: Figure) -> Vec<f64> {
    let of_second = |second: &Second| match figure.name {
        "p50_us" => second.p50_us,
        "p99_us" => second.p99_us,
        "max_us" => second.max_us,
        _ => second.answers as f64 / second.length_s.max(1e-9),
    };
    if let [only] = runs {
        // The last interval may be short, and holds what came after the end.
        let whole = only.seconds.len().saturating_sub(1);
        return only.seconds[..whole].iter().filter(|second| second.answers > 0).map(of_second).collect();
    }
    let of_run = |run: &Outcome| match figure.name {
        "answers_per_second" => run.figures["figures"]["answers_per_second"].as_f64(),
        name => run.figures["figures"]["latency"][name].as_f64(),
    };
    runs.iter().filter_map(of_run).collect()
}

fn runs(line: &Line, ours: &[Outcome], theirs: &[Outcome]) -> io::Result<((String, Value), bool)> {
    let (several, single) = (ours.len() > 1 && theirs.len() > 1, ours.len() == 1 && theirs.len() == 1);
    if !several && !single {
        return Err(io::Error::other("compare one run with one, or several with several"));
    }
    let unit = if several { "runs" } else { "seconds of one run each; two runs of the same build may differ by more" };
    let mut text = format!("A {}\nB {}\nsamples are {unit}\n", line.ours.display(), line.theirs.display());
    for (name, run) in [("A", &ours[0]), ("B", &theirs[0])] {
        text.push_str(&format!("{name}: {} {}\n", run.figures["through"], run.figures["work"]));
    }
    if ours[0].figures["work"] != theirs[0].figures["work"] {
        text.push_str("beware: the work of the two is not the same\n");
    }
    if ours[0].figures["machine"]["processor"] != theirs[0].figures["machine"]["processor"] {
        text.push_str("beware: the machines of the two are not the same\n");
    }
    text.push_str(&format!("{:<12} {:>28} {:>28}  B, times A\n", "", "A median [least..most]", "B median [least..most]"));
    let (mut failed, mut all) = (false, serde_json::Map::new());
    for figure in [P50, P99, MAX, THROUGHPUT] {
        let (one, other) = (samples(ours, figure), samples(theirs, figure));
        let verdict = if one.len().min(other.len()) < SAMPLES_MIN {
            Verdict::None(format!("{} samples; {SAMPLES_MIN} are needed", one.len().min(other.len())), None)
        } else {
            figures::said(bootstrap::of_ratio(&one, &other))
        };
        // More answers are no regression.
        failed |= figure != THROUGHPUT && figure != MAX && worse(&verdict, line.fail_above);
        text.push_str(&format!(
            "{:<12} {:>28} {:>28}  {}\n",
            figure.title,
            figures::spread_text(&one),
            figures::spread_text(&other),
            verdict.text()
        ));
        all.insert(figure.name.to_owned(), json!({"a": one, "b": other, "compared": verdict.json()}));
    }
    Ok(((text, json!({"samples": unit, "figures": all})), failed))
}

/// One build that runs.
struct Build {
    gateway: Gateway,
    plane: crate::child::Process,
    daemon: crate::child::Process,
}

fn builds(line: &Line) -> io::Result<((String, Value), bool)> {
    let folder = Folder::make(line.places.keep)?;
    machine::raise_files(65_536);
    let mut stage = Stage::new()?;
    let answers = Answers { bytes: line.answer_bytes, events: 1, interval: Duration::ZERO };
    stage.place(|poll| Sink::open(&answers, 0, None, poll))?;
    machine::pin(line.places.load_cpu)?;
    let contestants = if line.starts == 1 {
        started(line, &mut stage, folder.path(), 0)?
    } else {
        let mut all = ["A", "B"].map(Contestant::new);
        for start in 0..line.starts {
            line.patience.wait(&line.places)?;
            let own = folder.path().join(start.to_string());
            for (all, found) in all.iter_mut().zip(started(line, &mut stage, &own, usize::from(start))?) {
                all.rounds.push(whole(&found.rounds));
            }
            eprintln!("start {} of {} done", start + 1, line.starts);
        }
        all
    };
    let rounds = if line.starts == 1 { String::new() } else { format!("{} starts of ", line.starts) };
    let title = format!(
        "A {}, B {}: {} B request, {} B answer, {} connections, {rounds}{} rounds of {} s",
        line.ours.display(),
        line.theirs.display(),
        line.request_bytes,
        line.answer_bytes,
        line.connections,
        line.rounds,
        line.seconds
    );
    let figures = [CPU, P50, P99, THROUGHPUT];
    let [ours, theirs] = &contestants;
    let failed = [CPU, P50].iter().any(|&figure| worse(&figures::verdict(ours, theirs, figure), line.fail_above));
    // The table compares with its last one.
    let shown = [theirs.clone(), ours.clone()];
    let text = format!("{}\n{}", machine::described(), figures::text(&title, &figures, &shown));
    Ok(((text, figures::json(&title, &figures, &shown)), failed))
}

/// Starts both builds in a folder of their own, every second time B before A, and takes all rounds.
fn started(line: &Line, stage: &mut Stage, folder: &Path, start: usize) -> io::Result<[Contestant; 2]> {
    let sink = stage.sink().ok_or_else(|| io::Error::other("no sink"))?.address()?;
    let mut running = Vec::new();
    for turn in 0..2 {
        let (name, binaries) = [("a", &line.ours), ("b", &line.theirs)][(turn + start) % 2];
        let own = folder.join(name);
        fs::create_dir_all(&own)?;
        let gateway = Gateway::prepare(binaries, &own, &Providers::new(sink, None, WARM))?;
        let daemon = gateway.start_daemon(Place::default())?;
        let plane = gateway.start_plane(line.places.proxy_cpu, line.first_in_line)?;
        running.push(Build { gateway, plane, daemon });
    }
    let mut ended = None;
    let up = stage.until(PATIENCE, |_| {
        ended = running.iter_mut().find_map(|build| build.plane.still_up().and_then(|()| build.daemon.still_up()).err());
        ended.is_some() || running.iter().all(|build| build.gateway.ready())
    })?;
    match ended {
        Some(error) => return Err(error),
        None if !up => return Err(io::Error::other("the two builds did not come up in time")),
        None => stage.run(Duration::from_millis(500))?,
    };
    running.rotate_left(start % 2);
    let _first = line.first_in_line.then(machine::FirstInLine::take).transpose()?;
    turns(line, stage, &running)
}

/// A start as one round: the medians of the rounds that count, where they are more than half.
fn whole(rounds: &[Round]) -> Round {
    let good: Vec<&Round> = rounds.iter().filter(|round| round.void.is_none()).collect();
    if 2 * good.len() <= rounds.len() {
        let why = rounds.iter().find_map(|round| round.void.as_deref()).unwrap_or("none was taken");
        return Round { void: Some(format!("{} of {} rounds count; {why}", good.len(), rounds.len())), ..Round::default() };
    }
    let median = |name| Some((name, spread(good.iter().filter_map(|round| round.values.get(name).copied()))?.median));
    Round { values: [CPU, P50, P99, THROUGHPUT].iter().filter_map(|figure| median(figure.name)).collect(), void: None }
}

fn turns(line: &Line, stage: &mut Stage, running: &[Build]) -> io::Result<[Contestant; 2]> {
    let wanted = peers::Wanted {
        time: commands::seconds(line.seconds)?,
        connections: line.connections,
        request_bytes: line.request_bytes,
        answer_bytes: line.answer_bytes,
        ..commands::wanted(&line.places)
    };
    let mut all = ["A", "B"].map(Contestant::new);
    for round in 0..line.rounds {
        // A B, B A, A B: neither is always the one that comes after the other.
        for turn in 0..2 {
            let index = (turn + round) % 2;
            let build = &running[index];
            let way = Way::new("throwover", build.gateway.listen, throwover::PLAIN, throwover::TENANT_KEY, &[build.plane.pid()]);
            let found = peers::measure(stage, &wanted, &way)?;
            let values = [
                (CPU.name, found.cpu_us.unwrap_or(0.0)),
                (THROUGHPUT.name, found.per_second),
                (P50.name, found.p50_us),
                (P99.name, found.p99_us),
            ];
            all[index].rounds.push(Round { values: values.into(), void: found.void() });
        }
        eprintln!("round {} of {} done", round + 1, line.rounds);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{CPU, P50, THROUGHPUT, Verdict, samples, whole, worse};
    use crate::{bootstrap::Estimate, figures::Round, intervals::Second, outcome::Outcome};
    use serde_json::json;

    fn outcome(p50: f64, seconds: u32) -> Outcome {
        let second = |at: u32| Second {
            at_s: f64::from(at),
            length_s: 0.5,
            answers: 100,
            errors: 0,
            p50_us: p50 + f64::from(at),
            p99_us: 2.0 * p50,
            max_us: 3.0 * p50,
        };
        Outcome {
            folder: "run".into(),
            figures: json!({"figures": {"answers_per_second": 321.0, "latency": {"p50_us": p50}}}),
            seconds: (0..seconds).map(second).collect(),
            histograms: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn one_run_has_seconds_and_several_have_themselves() {
        let one = [outcome(10.0, 4)];
        assert_eq!(samples(&one, P50), [10.0, 11.0, 12.0], "the last interval is not whole");
        assert_eq!(samples(&one, THROUGHPUT), [200.0; 3]);
        let two = [outcome(10.0, 4), outcome(20.0, 4)];
        assert_eq!(samples(&two, P50), [10.0, 20.0]);
        assert_eq!(samples(&two, THROUGHPUT), [321.0; 2]);
    }

    #[test]
    fn a_start_is_the_medians_of_the_rounds_that_count() {
        let round = |cpu: f64, void: Option<&str>| Round {
            values: [(CPU.name, cpu), (P50.name, 10.0 * cpu)].into(),
            void: void.map(str::to_owned),
        };
        let found = whole(&[round(1.0, None), round(90.0, Some("2 cut")), round(3.0, None), round(2.0, None)]);
        assert_eq!(found, round(2.0, None));
        let half = whole(&[round(1.0, None), round(2.0, Some("2 cut"))]);
        assert_eq!((half.values.len(), half.void.as_deref()), (0, Some("1 of 2 rounds count; 2 cut")));
        assert!(whole(&[]).void.is_some());
    }

    #[test]
    fn only_what_is_certainly_more_fails() {
        let found = |low: f64, high: f64| Verdict::Times(Estimate { median: f64::midpoint(low, high), low, high });
        assert!(worse(&found(1.06, 1.1), Some(5.0)));
        assert!(!worse(&found(1.04, 1.1), Some(5.0)));
        assert!(!worse(&found(1.06, 1.1), None));
        assert!(!worse(&Verdict::None("noise".to_owned(), None), Some(0.0)));
    }
}
