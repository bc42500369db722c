//! The admin listener: `/livez`, `/readyz` and `/metrics`, in a thread that no shard waits for.

use crate::{
    earlier,
    io::Instant,
    meters::{Form, Meter, Spectrum, Spread},
    process::{self, Process},
};
use codec::head::{self, Method};
use engine::Moment;
use policy::{Class, limits};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

/// A question must be asked, and its answer taken, within this time, in milliseconds: the next in
/// line is waiting.
const PATIENCE_MS: u64 = 2_000;
/// Between two looks at whether the listener is still this process's.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: crate::handover::ADMIN_TICK.subsec_nanos() as i64 };

/// Starts the thread.
///
/// # Errors
/// It cannot be waited for.
pub fn start(process: Arc<Process>, listener: TcpListener) -> std::io::Result<()> {
    // Another process may have it too, and take what this one was woken for.
    listener.set_nonblocking(true)?;
    process.set_admin(listener.local_addr()?);
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        process::step_back();
        // A process that has handed its sockets over leaves this one to the other, too.
        while !process.handed_over() {
            let mut sockets = [PollFd::new(&listener, PollFlags::IN)];
            if !matches!(poll(&mut sockets, Some(&TICK)), Ok(1..)) {
                continue;
            }
            match listener.accept().and_then(|(stream, _)| stream.set_nonblocking(false).map(|()| stream)) {
                // Whoever asks badly or slowly has hung up on himself alone.
                Ok(stream) => drop(serve(&process, stream, PATIENCE_MS)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    })?;
    Ok(())
}

fn serve(process: &Process, mut stream: TcpStream, patience_ms: u64) -> std::io::Result<()> {
    let until = Instant::now().plus_millis(patience_ms);
    let mut bytes = Vec::new();
    let (status, kind, body) = loop {
        let mut part = [0; 4 * limits::KIB];
        stream.set_read_timeout(Some(left(until)?))?;
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&part[..count]);
        match head::request(&bytes, limits::HEAD_BYTES_MAX) {
            Ok(None) => {}
            Ok(Some((request, _))) if request.method != Method::Get => {
                break (405, "text/plain", "Only GET is answered here.\n".to_owned());
            }
            Ok(Some((request, _))) => break page(process, request.path(&bytes)),
            Err(refusal) => break (refusal.status(), "text/plain", format!("{}\n", refusal.message())),
        }
    };
    let mut out = Vec::new();
    head::write_status(&mut out, status);
    out.extend_from_slice(format!("content-type: {kind}; charset=utf-8\r\n").as_bytes());
    head::write_length(&mut out, body.len() as u64);
    head::write_close(&mut out);
    head::write_end(&mut out);
    out.extend_from_slice(body.as_bytes());
    let mut rest = &out[..];
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(rest)? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            count => rest = &rest[count..],
        }
    }
    Ok(())
}

/// What is left of the time for one question. Who asks byte by byte gets no more of it than others.
fn left(until: Instant) -> std::io::Result<Duration> {
    match until.millis_since(Instant::now()) {
        0 => Err(std::io::ErrorKind::TimedOut.into()),
        millis => Ok(Duration::from_millis(millis)),
    }
}

fn page(process: &Process, path: &[u8]) -> (u16, &'static str, String) {
    match path {
        b"/livez" | b"/healthz" | b"/health/liveliness" => (200, "text/plain", "ok\n".to_owned()),
        b"/readyz" | b"/health/readiness" => readiness(process),
        b"/metrics" => (200, "text/plain; version=0.0.4", metrics(process)),
        _ => (404, "text/plain", "Here are /livez, /readyz and /metrics.\n".to_owned()),
    }
}

fn readiness(process: &Process) -> (u16, &'static str, String) {
    let (generation, ready, draining) = (process.current.generation(), process.ready(), process.draining());
    let text = format!("ready: {ready}\ngeneration: {generation}\ndraining: {draining}\nlisteners: {}\n", process.listen().len());
    (if ready { 200 } else { 503 }, "text/plain", text)
}

/// Upper bounds of the buckets that the page shows, in nanoseconds: 1 µs to 100 s.
const BOUNDS: [u64; 25] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    25_000_000_000,
    50_000_000_000,
    100_000_000_000,
];

/// The metrics page, in Prometheus' text format.
pub fn metrics(process: &Process) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(out, "{text}").expect("a String grows");
    let shards = || process.seats().iter().map(|seat| &seat.meters);
    for &meter in Meter::ALL {
        let kind = if meter.form() == Form::Gauge { "gauge" } else { "counter" };
        line(format_args!("# HELP throwover_{} {}\n# TYPE throwover_{} {kind}", meter.word(), meter.help(), meter.word()));
        for (shard, meters) in shards().enumerate() {
            line(format_args!("throwover_{}{{shard=\"{shard}\"}} {}", meter.word(), meters.get(meter)));
        }
    }
    line(format_args!(
        "# HELP throwover_attempt_failures_total Attempts that failed, by class.\n# TYPE throwover_attempt_failures_total counter"
    ));
    for &class in Class::ALL {
        let sum: u64 = shards().map(|meters| meters.failures(class)).sum();
        line(format_args!("throwover_attempt_failures_total{{class=\"{}\"}} {sum}", class.word()));
    }
    for &spread in Spread::ALL {
        let (word, spectrum) = (spread.word(), Spectrum::of(shards(), spread));
        line(format_args!("# HELP throwover_{word} {}\n# TYPE throwover_{word} histogram", spread.help()));
        for bound in BOUNDS {
            line(format_args!("throwover_{word}_bucket{{le=\"{}\"}} {}", bound as f64 / 1e9, spectrum.at_most(bound)));
        }
        line(format_args!("throwover_{word}_bucket{{le=\"+Inf\"}} {}", spectrum.count));
        line(format_args!("throwover_{word}_sum {}\nthrowover_{word}_count {}", spectrum.sum as f64 / 1e9, spectrum.count));
    }
    for ((word, value), help) in earlier::gauges(process).into_iter().zip(["Answers that are kept.", "Bytes that they take."]) {
        line(format_args!("# HELP throwover_{word} {help}\n# TYPE throwover_{word} gauge\nthrowover_{word} {value}"));
    }
    targets(process, &mut line);
    let build = env!("CARGO_PKG_VERSION");
    line(format_args!(
        "# HELP throwover_build_info The build.\n# TYPE throwover_build_info gauge\nthrowover_build_info{{version=\"{build}\"}} 1"
    ));
    out
}

/// Live state of each target and origin; as many series as the policy has, and no more.
fn targets(process: &Process, line: &mut dyn FnMut(std::fmt::Arguments<'_>)) {
    let stats = crate::stats::of(process);
    line(format_args!("# HELP throwover_target_attempts_total Attempts made at a target.\n# TYPE throwover_target_attempts_total counter"));
    for target in &stats.targets {
        line(format_args!("throwover_target_attempts_total{{target=\"{}\"}} {}", escaped(&target.name), target.attempts));
    }
    line(format_args!(
        "# HELP throwover_target_failures_total Attempts at a target that failed.\n# TYPE throwover_target_failures_total counter"
    ));
    for target in &stats.targets {
        line(format_args!("throwover_target_failures_total{{target=\"{}\"}} {}", escaped(&target.name), target.failures));
    }
    line(format_args!(
        "# HELP throwover_target_cost_usd_total What attempts at a target cost, in US dollars.\n# TYPE throwover_target_cost_usd_total counter"
    ));
    let policy = process.current.load();
    if let Some(policy) = &policy {
        for (id, target) in policy.targets.iter().filter(|(_, target)| target.price.is_some() && target.disabled.is_none()) {
            let cost: policy::Money = process.seats().iter().map(|seat| seat.spent(id)).sum();
            line(format_args!("throwover_target_cost_usd_total{{target=\"{}\"}} {cost}", escaped(&target.name)));
        }
    }
    line(format_args!(
        "# HELP throwover_further_attempts_left Attempts that may be made at once beyond the first ones.\n\
         # TYPE throwover_further_attempts_left gauge"
    ));
    for left in policy.iter().flat_map(|policy| crate::stats::allotments(policy, &process.board, Moment(Instant::now().0))) {
        line(format_args!("throwover_further_attempts_left{{kind=\"{}\",of=\"{}\"}} {}", left.kind, escaped(&left.name), left.left));
    }
    line(format_args!("# HELP throwover_breaker_open 1 while the breaker of a target refuses.\n# TYPE throwover_breaker_open gauge"));
    for target in &stats.targets {
        let open = u8::from(target.breaker != "closed");
        line(format_args!("throwover_breaker_open{{target=\"{}\"}} {open}", escaped(&target.name)));
    }
    line(format_args!(
        "# HELP throwover_target_degraded 1 while others are asked before a target, since it was found unwell.\n\
         # TYPE throwover_target_degraded gauge"
    ));
    for target in stats.targets.iter().filter(|target| !target.degraded.is_empty()) {
        line(format_args!("throwover_target_degraded{{target=\"{}\",reason=\"{}\"}} 1", escaped(&target.name), target.degraded));
    }
    line(format_args!("# HELP throwover_pool_connections Connections to an origin.\n# TYPE throwover_pool_connections gauge"));
    for (origin, idle, busy) in &stats.pools {
        let origin = escaped(origin);
        line(format_args!("throwover_pool_connections{{origin=\"{origin}\",state=\"idle\"}} {idle}"));
        line(format_args!("throwover_pool_connections{{origin=\"{origin}\",state=\"busy\"}} {busy}"));
    }
}

/// A label's value, as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
