//! Instructions of a verb: this program runs itself under valgrind and is counted in one function.

use std::{env, fs, io, process::Command};

/// Calls before counting, and calls that are counted.
pub(super) const CALLS: usize = 200;
/// Where counting begins and ends, as callgrind names it.
const COUNTED: &str = "*cost::callgrind::counted*";

/// The function in which instructions are counted.
#[inline(never)]
pub(super) fn counted(call: &mut dyn FnMut(usize), times: usize) {
    for number in 0..times {
        call(number);
    }
}

/// Instructions of one call; `None` where valgrind is not installed.
pub(super) fn instructions(verb: &str) -> io::Result<Option<f64>> {
    let file = env::temp_dir().join(format!("throwover-bench-callgrind-{}", std::process::id()));
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--collect-atstart=no", &format!("--toggle-collect={COUNTED}")]);
    command.arg(format!("--callgrind-out-file={}", file.display())).arg(env::current_exe()?);
    command.args(["cost", "--calls", &CALLS.to_string(), "--count", verb]);
    let output = match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    let text = fs::read_to_string(&file).unwrap_or_default();
    // It may never have been written.
    fs::remove_file(&file).ok();
    let said = || io::Error::other(format!("valgrind counted nothing for {verb}:\n{}", String::from_utf8_lossy(&output.stderr)));
    let total = total(&text).filter(|&total| total > 0 && output.status.success()).ok_or_else(said)?;
    Ok(Some(total as f64 / CALLS as f64))
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
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1)\n+3 7\ntotals: 123456\n"), Some(123_456));
        assert_eq!(total("summary: 99\n"), Some(99));
        assert_eq!(total("events: Ir\n"), None);
        assert_eq!(total("totals: x"), None);
    }
}
