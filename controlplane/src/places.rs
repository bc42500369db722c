//! Where things are when nobody says where.

use crate::verbs::Arguments;
use std::path::PathBuf;

/// The policy.
pub fn config(arguments: &Arguments) -> PathBuf {
    arguments.get("config").map_or_else(|| PathBuf::from("/etc/throwover/throwover.yaml"), PathBuf::from)
}

/// The folder of the sockets: systemd's, `/run/throwover` of root, else the session's.
pub fn run(arguments: &Arguments) -> PathBuf {
    let given = arguments.get("run").map(PathBuf::from).or_else(|| variable("RUNTIME_DIRECTORY"));
    given.unwrap_or_else(|| match variable("XDG_RUNTIME_DIR") {
        Some(folder) if !root() => folder.join("throwover"),
        _ if root() => PathBuf::from("/run/throwover"),
        _ => home().join(".local/state/throwover/run"),
    })
}

/// The folder of the generations: systemd's, `/var/lib/throwover` of root, else one at home.
pub fn state(arguments: &Arguments) -> PathBuf {
    let given = arguments.get("state").map(PathBuf::from).or_else(|| variable("STATE_DIRECTORY"));
    given.unwrap_or_else(|| if root() { PathBuf::from("/var/lib/throwover") } else { home().join(".local/state/throwover") })
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn home() -> PathBuf {
    variable("HOME").unwrap_or_else(|| PathBuf::from("."))
}

/// systemd may give several folders, with colons between them; the first is ours.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(PathBuf::from(value.split(':').next().unwrap_or(&value)))
}
