//! Where figures come from: the machine, its kernel, the commit, what was run and how it was set up.

use crate::machine;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io,
    path::Path,
    process::Command,
};

/// The machine, in figures.
pub(crate) fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let info = read("/proc/cpuinfo");
    let field = |name: &str| {
        let found = info.lines().find_map(|line| line.strip_prefix(name));
        found.map_or("", |rest| rest.trim_start_matches([' ', '\t', ':'])).to_owned()
    };
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    json!({
        "described": machine::described(),
        "processor": field("model name"),
        "processors": info.lines().filter(|line| line.starts_with("processor")).count(),
        "hypervisor": info.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor")),
        "memory_kib": memory.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "governor": if governor.is_empty() { Value::Null } else { json!(governor) },
        "load_average": read("/proc/loadavg"),
    })
}

/// The commit that this program, or else the folder that it is called in, belongs to.
pub(crate) fn commit() -> Value {
    let here = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned));
    let asked = [here, std::env::current_dir().ok()].into_iter().flatten().find_map(|folder| {
        let output = Command::new("git").current_dir(folder).args(["describe", "--always", "--dirty", "--abbrev=12"]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    });
    asked.map_or(Value::Null, Value::String)
}

/// Digest of a file, in hexadecimal.
pub(crate) fn file_digest(path: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(hexadecimal(&digest.finalize()))
}

/// Digest of a configuration: the same for two runs that differ only in their folder and ports.
pub(crate) fn config_digest(text: &str, folder: &Path) -> String {
    let text = text.replace(&*folder.to_string_lossy(), "FOLDER");
    let mut same = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = ["127.0.0.1:", "localhost:"].iter().filter_map(|host| Some(rest.find(host)? + host.len())).min() {
        same.push_str(&rest[..at]);
        same.push_str("PORT");
        rest = rest[at..].trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    same.push_str(rest);
    hexadecimal(&Sha256::digest(same))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::config_digest;
    use std::path::Path;

    #[test]
    fn a_digest_is_of_what_matters() {
        let digest = |text: &str, folder: &str| config_digest(text, Path::new(folder));
        let one = digest("listen 127.0.0.1:4711; to https://localhost:99/v1; log /tmp/a/x.log; shards: 1", "/tmp/a");
        assert_eq!(one, digest("listen 127.0.0.1:80; to https://localhost:12345/v1; log /tmp/b/x.log; shards: 1", "/tmp/b"));
        assert_ne!(one, digest("listen 127.0.0.1:80; to https://localhost:12345/v1; log /tmp/b/x.log; shards: 2", "/tmp/b"));
        assert_eq!(one.len(), 64);
    }
}
