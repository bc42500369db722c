//! What each verb of `codec` and `engine` costs by itself: nanoseconds, and instructions where
//! valgrind is installed.
//!
//! Nanoseconds are what this machine gave; the best of many batches is nearest to what the code
//! costs. Instructions are the same on every quiet or busy machine, so that a regression of two
//! per cent is seen in them.

use crate::{
    commands::{self, Format},
    provenance,
    table::spread,
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

mod bytes;
mod callgrind;
mod decisions;
mod policy;
mod translation;

#[cfg(test)]
mod tests;

/// Length of one batch.
const BATCH_NS: f64 = 400_000.0;
/// Memory that is touched before each cold call: more than caches hold.
const WASTE: usize = 64 << 20;

/// The command line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// Batches of each verb, in turns
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// Calls of each verb that is measured cold
    #[arg(long, default_value_t = 300)]
    cold_calls: usize,
    /// Count no instructions, though valgrind is installed
    #[arg(long)]
    no_instructions: bool,
    /// Compare with these
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Fail when a verb costs so much more than in --against, in per cent: instructions where both have them
    #[arg(long, value_name = "PER_CENT", requires = "against")]
    fail_above: Option<f64>,
    /// Write the costs there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Processor to run on
    #[arg(long)]
    cpu: Option<usize>,
    /// Only verbs whose names hold this
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    only: String,
    /// Call this verb so often, and nothing else: how valgrind is given it
    #[arg(long, hide = true, value_name = "VERB")]
    count: Option<String>,
    /// Calls of --count
    #[arg(long, hide = true, default_value_t = callgrind::CALLS)]
    calls: usize,
    #[command(flatten)]
    format: Format,
}

/// A verb that can be called again and again; the argument is the number of the call.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// Caches are emptied before each call.
    pub(crate) cold: bool,
    /// Called behind that with the number of the call to come, and not counted.
    pub(crate) warm: Option<Box<dyn FnMut(usize)>>,
    pub(crate) call: Box<dyn FnMut(usize)>,
}

/// Makes a verb.
type Maker = fn(&'static str) -> Verb;

/// Every verb, by its name; making one prepares what it needs, and no more.
const VERBS: [(&str, Maker); 27] = [
    ("request head, 12 fields", bytes::request_head),
    ("answer head, 11 fields", bytes::answer_head),
    ("chunk, one event", bytes::small_chunk),
    ("chunk, 16 KiB", bytes::large_chunk),
    ("request scan, 1 KiB", bytes::request_1k),
    ("request scan, 20 KiB", bytes::request_20k),
    ("answer scan, 1 KiB", bytes::answer),
    ("SSE delta, split and classify", bytes::delta),
    ("authenticate", decisions::authenticate),
    ("decide, hot", decisions::decide_hot),
    ("decide, 4,000 models in turn", decisions::decide_many),
    ("decide, cold", decisions::decide_cold),
    ("decide, policy cold", decisions::decide_cold_policy),
    ("decide, next, succeeded", decisions::exchange),
    ("judge a 429", decisions::judge),
    ("record", decisions::record),
    ("request to Anthropic, 1 KiB", translation::request_anthropic_1k),
    ("request to Anthropic, 64 KiB", translation::request_anthropic_64k),
    ("request to Gemini, 1 KiB", translation::request_gemini_1k),
    ("request to Gemini, 64 KiB", translation::request_gemini_64k),
    ("request to Responses, 1 KiB", translation::request_responses_1k),
    ("request with tools to Anthropic", translation::request_tools),
    ("event of Anthropic to OpenAI", translation::event_anthropic),
    ("event of Gemini to OpenAI", translation::event_gemini),
    ("event of OpenAI to Anthropic", translation::event_openai),
    ("answer of Anthropic to OpenAI", translation::answer),
    ("answer against its schema, 1 KiB", bytes::schema),
];

/// What one verb costs.
#[derive(Clone, Debug, PartialEq)]
struct Cost {
    best_ns: f64,
    median_ns: f64,
    /// Of single calls; those of a batch are not told apart.
    p99_ns: Option<f64>,
    instructions: Option<f64>,
}

impl Cost {
    fn json(&self) -> Value {
        json!({"best_ns": self.best_ns, "median_ns": self.median_ns, "p99_ns": self.p99_ns, "instructions": self.instructions})
    }

    fn read(value: &Value) -> Option<Cost> {
        let number = |name: &str| value[name].as_f64();
        Some(Cost {
            best_ns: number("best_ns")?,
            median_ns: number("median_ns")?,
            p99_ns: number("p99_ns"),
            instructions: number("instructions"),
        })
    }
}

/// Measures, prints, writes and compares.
pub(crate) fn run(line: &Line) -> io::Result<ExitCode> {
    if let Some(name) = &line.count {
        return count(name, line.calls);
    }
    if line.rounds == 0 || line.cold_calls == 0 {
        return Err(io::Error::other("--rounds and --cold-calls must be more than 0"));
    }
    // Before anything is measured: a file that cannot be read is told at once.
    let against = line.against.as_deref().map(read).transpose()?;
    if let Some(cpu) = line.cpu {
        crate::machine::pin(cpu)?;
    }
    let mut verbs: Vec<Verb> = VERBS.iter().filter(|(name, _)| name.contains(&line.only)).map(|(name, make)| make(name)).collect();
    if verbs.is_empty() {
        return Err(io::Error::other(format!("no verb's name holds {:?}", line.only)));
    }
    let samples = measure(&mut verbs, line.rounds, line.cold_calls);
    let mut costs = Vec::new();
    for (verb, samples) in verbs.iter().zip(samples) {
        let p99_ns = verb.cold.then(|| percentile(&samples, 99));
        let found = spread(samples).ok_or_else(|| io::Error::other("nothing was measured"))?;
        let instructions = if line.no_instructions { None } else { callgrind::instructions(verb.name)? };
        costs.push((verb.name.to_owned(), Cost { best_ns: found.low, median_ns: found.median, p99_ns, instructions }));
    }
    let value = json!({
        "format": 1,
        "commit": provenance::commit(),
        "machine": provenance::machine(),
        "optimised": !cfg!(debug_assertions),
        "rounds": line.rounds,
        "costs": costs.iter().map(|(name, cost)| (name.clone(), cost.json())).collect::<serde_json::Map<_, _>>(),
    });
    if let Some(path) = &line.out {
        fs::write(path, serde_json::to_string_pretty(&value).map_err(io::Error::other)? + "\n")?;
    }
    let mut text = shown(&costs, against.as_ref().map(|(costs, _)| costs.as_slice()));
    if cfg!(debug_assertions) {
        text.push_str("beware: this is a debug build\n");
    }
    let mut failed = false;
    if let Some((before, value)) = &against {
        let alike = value["machine"]["processor"] == provenance::machine()["processor"];
        if !alike {
            text.push_str("beware: nanoseconds are of different machines; only instructions are compared\n");
        }
        for (name, grown) in regressions(&costs, before, line.fail_above.unwrap_or(0.0), alike).iter().filter(|_| line.fail_above.is_some())
        {
            text.push_str(&format!("regression: {name} costs {grown:.1} % more\n"));
            failed = true;
        }
    }
    commands::print(line.format, (text, value))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn count(name: &str, calls: usize) -> io::Result<ExitCode> {
    let found = VERBS.iter().find(|(verb, _)| *verb == name).ok_or_else(|| io::Error::other(format!("there is no verb {name}")))?;
    let mut verb = found.1(found.0);
    // What is found out only once is not what a call costs.
    (0..callgrind::CALLS).for_each(|number| (verb.call)(number));
    callgrind::counted(&mut *verb.call, calls);
    Ok(ExitCode::SUCCESS)
}

/// Nanoseconds of one call each: verbs take turns, so that no stretch of noise is one verb's.
fn measure(verbs: &mut [Verb], rounds: usize, cold_calls: usize) -> Vec<Vec<f64>> {
    let repeats: Vec<usize> = verbs.iter_mut().map(|verb| if verb.cold { 1 } else { repeats(&mut *verb.call) }).collect();
    let mut samples = vec![Vec::new(); verbs.len()];
    for _ in 0..rounds {
        for ((verb, &repeats), samples) in verbs.iter_mut().zip(&repeats).zip(&mut samples).filter(|((verb, _), _)| !verb.cold) {
            let begun = Instant::now();
            (0..repeats).for_each(|number| (verb.call)(number));
            samples.push(begun.elapsed().as_nanos() as f64 / repeats as f64);
        }
    }
    if !verbs.iter().any(|verb| verb.cold) {
        return samples;
    }
    // An empty timing costs something too, and for one call that counts.
    let empty = (0..1_000).map(|_| Instant::now().elapsed().as_nanos()).min().unwrap_or(0);
    let mut waste = vec![1_u8; WASTE];
    for (verb, samples) in verbs.iter_mut().zip(&mut samples).filter(|(verb, _)| verb.cold) {
        for number in (0..cold_calls).map(|number| number * 31 + 7) {
            waste.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
            std::hint::black_box(&waste);
            if let Some(warm) = &mut verb.warm {
                warm(number);
            }
            // The clock's own pages are as cold as the rest, and are not what is measured.
            std::hint::black_box(Instant::now());
            let begun = Instant::now();
            (verb.call)(number);
            samples.push(begun.elapsed().as_nanos().saturating_sub(empty) as f64);
        }
    }
    samples
}

/// The nearest rank.
fn percentile(samples: &[f64], percent: usize) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples.get((samples.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Calls that fill a batch.
fn repeats(call: &mut dyn FnMut(usize)) -> usize {
    let begun = Instant::now();
    (0..100).for_each(&mut *call);
    let once = begun.elapsed().as_nanos() as f64 / 100.0;
    ((BATCH_NS / once.max(1.0)) as usize).clamp(1, 1_000_000)
}

/// Reads kept costs.
fn read(path: &Path) -> io::Result<(Vec<(String, Cost)>, Value)> {
    let wrong = |what: &dyn std::fmt::Display| io::Error::other(format!("{}: {what}", path.display()));
    let value: Value = serde_json::from_slice(&fs::read(path).map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    let costs = value["costs"].as_object().ok_or_else(|| wrong(&"it has no costs"))?;
    let costs: Option<Vec<(String, Cost)>> = costs.iter().map(|(name, cost)| Some((name.clone(), Cost::read(cost)?))).collect();
    Ok((costs.ok_or_else(|| wrong(&"a cost of it lacks a figure"))?, value))
}

fn named<'a>(costs: &'a [(String, Cost)], name: &str) -> Option<&'a Cost> {
    costs.iter().find(|(other, _)| other == name).map(|(_, cost)| cost)
}

/// How much more it costs than before, in per cent.
fn grown(now: f64, before: f64) -> f64 {
    if before > 0.0 { (now / before - 1.0) * 100.0 } else { 0.0 }
}

/// Verbs that cost more than is allowed: by instructions where both have them, else by the best time.
fn regressions(now: &[(String, Cost)], before: &[(String, Cost)], allowed: f64, alike: bool) -> Vec<(String, f64)> {
    let each = now.iter().filter_map(|(name, cost)| {
        let before = named(before, name)?;
        let grown = match (cost.instructions, before.instructions) {
            (Some(now), Some(before)) => grown(now, before),
            _ if alike => grown(cost.best_ns, before.best_ns),
            _ => return None,
        };
        (grown > allowed).then(|| (name.clone(), grown))
    });
    each.collect()
}

fn shown(costs: &[(String, Cost)], before: Option<&[(String, Cost)]>) -> String {
    let mut text = format!("{:<34} {:>10} {:>10} {:>10} {:>12}", "", "best ns", "median ns", "p99 ns", "instructions");
    text.push_str(if before.is_some() { "   best, instructions: against before\n" } else { "\n" });
    for (name, cost) in costs {
        let instructions = cost.instructions.map_or("-".to_owned(), |count| format!("{count:.0}"));
        let p99 = cost.p99_ns.map_or("-".to_owned(), |ns| format!("{ns:.0}"));
        text.push_str(&format!("{name:<34} {:>10.1} {:>10.1} {p99:>10} {instructions:>12}", cost.best_ns, cost.median_ns));
        match before.map(|before| named(before, name)) {
            None => {}
            Some(None) => text.push_str("   new"),
            Some(Some(before)) => {
                text.push_str(&format!("   {:+.1} %", grown(cost.best_ns, before.best_ns)));
                if let Some((now, before)) = cost.instructions.zip(before.instructions) {
                    text.push_str(&format!(", {:+.2} % ({:+.0})", grown(now, before), now - before));
                }
            }
        }
        text.push('\n');
    }
    text
}
