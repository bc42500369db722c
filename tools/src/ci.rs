//! `cargo xtask ci`: every check there is, one row each.
//!
//! A step that fails does not keep the others from running: one run tells all that is wrong.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{deb, faults, matrix, supply, tidy};

#[cfg(test)]
mod tests;

/// What a step does.
enum Act {
    /// Runs a command in the root; `{target}` stands for the target directory, in its environment too.
    Run(&'static [&'static str]),
    /// Calls a function with the root.
    Call(fn(&Path) -> Result<(), String>),
}

/// One step.
struct Step {
    name: &'static str,
    act: Act,
    env: &'static [(&'static str, &'static str)],
}

impl Step {
    const fn run(name: &'static str, command: &'static [&'static str]) -> Step {
        Step { name, act: Act::Run(command), env: &[] }
    }

    const fn call(name: &'static str, function: fn(&Path) -> Result<(), String>) -> Step {
        Step { name, act: Act::Call(function), env: &[] }
    }

    const fn with(mut self, env: &'static [(&'static str, &'static str)]) -> Step {
        self.env = env;
        self
    }
}

/// Every step, in order.
const STEPS: &[Step] = &[
    Step::call("packages", packages),
    Step::run("format", &["cargo", "fmt", "--all", "--check"]),
    Step::call("tidy", |root| tidy::run(root, &[])),
    Step::call("supply", |root| supply::run(root, &[])),
    Step::run("clippy", &["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    Step::call("promtool", promtool),
    Step::run("test", &["cargo", "test", "--workspace", "--no-fail-fast"])
        .with(&[("PROMTOOL", "{target}/promtool/usr/bin/promtool"), ("THROWOVER_FAULTS", "{target}/faults.json")]),
    Step::call("faults", faults::check),
    Step::run("release", &["cargo", "build", "--locked", "--workspace", "--release"]),
    Step::call("package", deb::trial::run),
    Step::call("python", python),
    Step::run("sdk", &["{target}/venv/bin/python", "-m", "pytest", "-q", "tests/sdk/python"])
        .with(&[("THROWOVER_MATRIX", "{target}/matrix.json")]),
    Step::call("matrix", matrix::check),
    Step::call("npm", npm),
    Step::run("node", &["python3", "tests/sdk/python/stack.py", "node", "--test", "--test-reporter=spec", "tests/sdk/node/"]),
    // Sanitizers are unstable: the one flag lets the pinned stable compiler build them. A target
    // must be named so that build scripts and macros stay without; it has a folder of its own.
    Step::run(
        "address-sanitizer",
        &[
            "cargo",
            "test",
            "--package",
            "dataplane",
            "--target",
            "x86_64-unknown-linux-gnu",
            "--target-dir",
            "{target}/address-sanitizer",
            "io::ring",
        ],
    )
    .with(&[
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTFLAGS", "-Zsanitizer=address --cfg throwover_asan"),
        ("ASAN_OPTIONS", "detect_stack_use_after_return=1"),
    ]),
    Step::call("fuzz", fuzz),
    Step::run("demo", &["{target}/release/throwover", "up", "--demo", "--once"]),
];

/// The Debian packages that the steps need.
const PACKAGES: &[&str] = &["haproxy", "nginx", "openssl", "python3-venv", "systemd"];

/// The Python packages of the SDK tests, with hashes.
const REQUIREMENTS: &str = "tests/sdk/python/requirements.lock";

/// The folder of the tests of Node's SDKs, whose lock file names their packages with hashes.
const NODE_TESTS: &str = "tests/sdk/node";

/// The oldest Node that the SDKs run on.
const NODE_MIN: u32 = 20;

/// The fuzz targets; `seeds`, which stands beside them, is none.
const FUZZ_TARGETS: &[&str] = &[
    "head",
    "chunk",
    "sse",
    "json_request",
    "json_answer",
    "prompt",
    "speech",
    "schema",
    "control_frame",
    "policy_file",
    "snapshot_image",
];

/// What libFuzzer needs of the compiler, beside AddressSanitizer: counters on every edge, and the
/// operands of comparisons.
const FUZZ_FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address";

/// What a target may use, and for how long it looks: a smoke test, see `tests/fuzz/README.md`.
const FUZZ_BOUNDS: [&str; 3] = ["-max_total_time=10", "-rss_limit_mb=512", "-timeout=5"];

/// Runs all steps, or those that are named.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|argument| argument == "--list") {
        for step in STEPS {
            println!("{}", step.name);
        }
        return Ok(());
    }
    let steps = chosen(arguments)?;
    let mut results = Vec::new();
    for step in steps {
        println!("\n=== {} ===", step.name);
        let start = Instant::now();
        let result = perform(root, step);
        if let Err(why) = &result {
            println!("{}: {why}", step.name);
        }
        results.push((step.name, result.is_ok(), start.elapsed()));
    }
    print!("\n{}", summary(&results));
    let failed: Vec<&str> = results.iter().filter(|(_, ok, _)| !ok).map(|(name, _, _)| *name).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("failed: {}; repeat one with `cargo xtask ci STEP`", failed.join(", "))),
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Step>, String> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let find = |name: &String| {
        let step = STEPS.iter().find(|step| step.name == name);
        step.ok_or_else(|| format!("no step `{name}`; `cargo xtask ci --list` shows all"))
    };
    names.iter().map(find).collect()
}

fn summary(results: &[(&str, bool, Duration)]) -> String {
    let line = |(name, ok, time): &(&str, bool, Duration)| {
        let verdict = if *ok { "ok" } else { "FAILED" };
        format!("{name:<20}{verdict:<8}{:>8.1} s\n", time.as_secs_f64())
    };
    results.iter().map(line).collect()
}

fn perform(root: &Path, step: &Step) -> Result<(), String> {
    match step.act {
        Act::Call(function) => function(root),
        Act::Run(words) => {
            let target = target(root);
            let filled = |word: &str| word.replace("{target}", &target.to_string_lossy());
            let words: Vec<String> = words.iter().map(|word| filled(word)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let env: Vec<(&str, String)> = step.env.iter().map(|(name, value)| (*name, filled(value))).collect();
            let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
            command(root, &words, &env)
        }
    }
}

/// Where builds go: as Cargo decides it, made absolute.
pub(crate) fn target(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

fn command(root: &Path, words: &[&str], env: &[(&str, &str)]) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("an empty command")?;
    println!("$ {}", words.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).envs(env.iter().copied()).current_dir(root);
    let status = command.status().map_err(|error| format!("cannot run {program}: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{program} ended with {status}")),
    }
}

/// Installs the Debian packages that are missing. Needs no network when none is.
fn packages(root: &Path) -> Result<(), String> {
    let missing: Vec<&str> = PACKAGES.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        println!("all there: {}", PACKAGES.join(", "));
        return Ok(());
    }
    install(root, &missing)
}

/// Installs Debian packages.
fn install(root: &Path, missing: &[&str]) -> Result<(), String> {
    let apt = |arguments: &[&str]| {
        let mut words = if is_root() { vec!["apt-get"] } else { vec!["sudo", "apt-get"] };
        words.extend(arguments);
        command(root, &words, &[("DEBIAN_FRONTEND", "noninteractive")])
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(missing);
    // Package lists that are old or were never fetched are the usual reason to fail.
    apt(&install)
        .or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
        .map_err(|why| format!("{why}; install {} by hand", missing.join(", ")))
}

fn installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).output();
    query.is_ok_and(|output| output.stdout.ends_with(b" installed"))
}

fn is_root() -> bool {
    let user = Command::new("id").arg("-u").output();
    user.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Fetches promtool, which reads what the metrics page says. It comes in a package with a daemon, which
/// an installation would start: the package is unpacked in the target folder, and nothing installed.
fn promtool(root: &Path) -> Result<(), String> {
    let folder = target(root).join("promtool");
    let program = folder.join("usr/bin/promtool");
    if program.is_file() {
        println!("{} is there", program.display());
        return Ok(());
    }
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(told(error)),
        _ => std::fs::create_dir_all(&folder).map_err(told)?,
    }
    // apt proves what it downloads by the keys of the distribution.
    let download = || command(&folder, &["apt-get", "download", "prometheus"], &[]);
    let update: &[&str] = if is_root() { &["apt-get", "update"] } else { &["sudo", "apt-get", "update"] };
    download().or_else(|_| command(root, update, &[]).and_then(|()| download()))?;
    command(&folder, &["sh", "-c", "dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb && usr/bin/promtool --version"], &[])
}

/// Makes the Python environment of the SDK tests, unless the lock file it was made from is still
/// the same.
fn python(root: &Path) -> Result<(), String> {
    let lock = root.join(REQUIREMENTS);
    let wanted = std::fs::read(&lock).map_err(|error| format!("{}: {error}; it lists the packages with their hashes", lock.display()))?;
    let folder = target(root).join("venv");
    let made_from = folder.join("requirements.lock");
    if std::fs::read(&made_from).is_ok_and(|made| made == wanted) {
        println!("{} is up to date", folder.display());
        return Ok(());
    }
    let path = folder.to_string_lossy().into_owned();
    command(root, &["python3", "-m", "venv", "--clear", &path], &[])?;
    let pip = format!("{path}/bin/pip");
    command(root, &[&pip, "install", "--quiet", "--require-hashes", "-r", REQUIREMENTS], &[])?;
    // Written last: an environment that was left half made is made again.
    std::fs::write(&made_from, wanted).map_err(|error| format!("{}: {error}", made_from.display()))
}

/// Fetches the packages of the tests of Node's SDKs, unless the lock file they were fetched by is still the
/// same. Node comes from Debian, unless the machine has one already.
fn npm(root: &Path) -> Result<(), String> {
    if Command::new("npm").arg("--version").output().is_err() {
        install(root, &["nodejs", "npm"])?;
    }
    let said = Command::new("node").arg("--version").output().map_err(|error| format!("cannot run node: {error}"))?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if major(&version).is_none_or(|major| major < NODE_MIN) {
        return Err(format!("node is {version:?}, and the SDKs want {NODE_MIN} or later, as Debian 13 has it"));
    }
    let folder = root.join(NODE_TESTS);
    let lock = folder.join("package-lock.json");
    let wanted = std::fs::read(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let made_from = folder.join("node_modules/made-from-lock.json");
    if std::fs::read(&made_from).is_ok_and(|made| made == wanted) {
        println!("{} is up to date", folder.join("node_modules").display());
        return Ok(());
    }
    // No package of these needs a script of its own to work.
    command(&folder, &["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], &[])?;
    std::fs::write(&made_from, wanted).map_err(|error| format!("{}: {error}", made_from.display()))
}

/// The first number of `v20.1.2`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Builds the fuzz targets and lets each look for a while. Inputs that are new go to the target
/// folder; the committed ones are only read.
fn fuzz(root: &Path) -> Result<(), String> {
    let folder = root.join("tests/fuzz");
    let target = target(root).join("fuzz");
    let shown = target.to_string_lossy();
    let triple = "x86_64-unknown-linux-gnu";
    let build = ["cargo", "build", "--release", "--locked", "--bins", "--target", triple, "--target-dir", &shown];
    command(&folder, &build, &[("RUSTC_BOOTSTRAP", "1"), ("RUSTFLAGS", FUZZ_FLAGS)])?;
    for name in FUZZ_TARGETS {
        let (found, seeds) = (target.join("corpus").join(name), folder.join("corpus").join(name));
        std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
        let (program, found) = (target.join(triple).join("release").join(name), found.to_string_lossy());
        let (program, seeds) = (program.to_string_lossy(), seeds.to_string_lossy());
        let artifacts = format!("-artifact_prefix={shown}/{name}-");
        let mut words = vec![program.as_ref()];
        words.extend(FUZZ_BOUNDS);
        words.extend([artifacts.as_str(), "-print_final_stats=1", "-verbosity=0", &found, &seeds]);
        command(root, &words, &[]).map_err(|why| format!("{name}: {why}; the input lies in {shown} and its name begins with {name}-"))?;
    }
    Ok(())
}
