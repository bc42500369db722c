//! `cargo xtask walk`: how many instructions the data plane spends on one exchange of one language
//! throughout, from its request's first byte to its record, in the simulated world.
//!
//! valgrind counts within the walk's own function and what it calls, so that tenants, providers and
//! the executor of the simulation are not in it; what is the same for every exchange is told from
//! what comes once by counting two numbers of them.

use std::{env, fs, path::Path, process::Command};

/// The scenes of `dataplane/src/sim/walk.rs`.
const SCENES: [(&str, &str); 3] = [
    ("sim::walk::json_exchanges", "JSON, 1 KiB of prompt"),
    ("sim::walk::streams", "a stream, 1 KiB of prompt"),
    ("sim::walk::json_exchanges_in_an_outage", "JSON, the first target out"),
];
/// Exchanges that are played: what the second number costs more is what its further ones cost.
const EXCHANGES: [u64; 2] = [200, 1_200];
/// The walk, as callgrind names it.
const COUNTED: &str = "*accept::converse*";

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("it takes no arguments".to_owned());
    }
    for (scene, title) in SCENES {
        let [few, many] = EXCHANGES.map(|exchanges| count(root, scene, exchanges));
        let per_exchange = many?.saturating_sub(few?) / (EXCHANGES[1] - EXCHANGES[0]);
        println!("{title:<32}{per_exchange:>10} instructions per exchange");
    }
    Ok(())
}

/// Plays so many exchanges and counts.
fn count(root: &Path, scene: &str, exchanges: u64) -> Result<u64, String> {
    let file = env::temp_dir().join(format!("throwover-walk-{}", std::process::id()));
    let runner = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        "--collect-atstart=no".to_owned(),
        format!("--toggle-collect={COUNTED}"),
        format!("--callgrind-out-file={}", file.display()),
    ];
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--release", "--quiet", "-p", "dataplane", "--lib", "--config"])
        .arg(format!("target.'cfg(unix)'.runner = {runner:?}"))
        .args(["--", "--exact", "--test-threads=1", scene])
        .env("THROWOVER_WALK_EXCHANGES", exchanges.to_string())
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let text = fs::read_to_string(&file).unwrap_or_default();
    // It may never have been written.
    fs::remove_file(&file).ok();
    if !output.status.success() {
        return Err(format!("{scene}: is valgrind installed?\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let counted = total(&text).filter(|&total| total > 0);
    counted.ok_or_else(|| format!("{scene}: valgrind counted nothing in {COUNTED}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// The sum of a file of callgrind's.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_sum_is_found() {
        assert_eq!(total("events: Ir\nfn=(1)\n+3 7\ntotals: 123456\n"), Some(123_456));
        assert_eq!(total("summary: 99\n"), Some(99));
        assert_eq!(total("events: Ir\n"), None);
    }
}
