//! `cargo xtask supply`: licences, bans and sources of every package, by the lists of `.deny.toml`.
//!
//! cargo-deny knows more, advisories above all, and takes long to build: where it is installed, it
//! is run as well, by the same file.

use std::path::Path;
use std::process::Command;

use crate::packages::{self, Package};

mod licence;
mod rules;
#[cfg(test)]
mod tests;

use rules::Rules;

/// Where the lists are.
const FILE: &str = ".deny.toml";
/// Every folder with a lock file of its own: the workspace, and the fuzz targets outside it.
const LOCKED: [&str; 2] = ["", "tests/fuzz"];

/// Checks every package of the lock files, which must be up to date.
pub(crate) fn run(root: &Path, _arguments: &[String]) -> Result<(), String> {
    let text = std::fs::read_to_string(root.join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    let rules = Rules::read(&text).map_err(|why| format!("{FILE}: {why}"))?;
    for folder in LOCKED {
        let graph = packages::read(&root.join(folder))?;
        let findings: Vec<String> = graph.packages.values().flat_map(|package| judge(package, &rules)).collect();
        for finding in &findings {
            println!("{finding}");
        }
        if !findings.is_empty() {
            return Err(format!("{} of {} packages may not be here", findings.len(), graph.packages.len()));
        }
        println!(
            "{}: {} packages; licences, bans and sources are as {FILE} says",
            Path::new(folder).join("Cargo.lock").display(),
            graph.packages.len()
        );
    }
    let installed = Command::new("cargo-deny").arg("--version").output().is_ok_and(|output| output.status.success());
    if !installed {
        println!("advisories are not looked at: `cargo install cargo-deny --locked` brings what does");
        return Ok(());
    }
    let status = Command::new("cargo-deny").args(["--config", FILE, "check"]).current_dir(root).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo-deny ended with {status}")),
        Err(error) => Err(format!("cannot run cargo-deny: {error}")),
    }
}

/// Everything that speaks against a package.
fn judge(package: &Package, rules: &Rules) -> Vec<String> {
    let Package { name, version, .. } = package;
    let mut findings = Vec::new();
    for ban in rules.bans.iter().filter(|ban| ban.name == *name) {
        if ban.below.as_ref().is_none_or(|below| rules::below(version, below)) {
            findings.push(format!("{name} {version} is banned: {}", ban.reason));
        }
    }
    // What is ours has our licence.
    let Some(source) = &package.source else { return findings };
    if !rules.registries.iter().any(|registry| source.strip_prefix("registry+") == Some(registry)) {
        findings.push(format!("{name} {version} comes from {source}"));
    }
    let allowed = |word: &str| rules.licences.iter().any(|known| known == word) || rules.excepted(name, word);
    match &package.license {
        None => findings.push(format!("{name} {version} names no licence")),
        Some(expression) => match licence::allows(expression, &allowed) {
            Ok(true) => {}
            Ok(false) => findings.push(format!("{name} {version} is under {expression}")),
            Err(why) => findings.push(format!("{name} {version}: `{expression}` is no licence: {why}")),
        },
    }
    findings
}
