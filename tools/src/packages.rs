//! Every package that a build is made of, as Cargo tells it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

#[cfg(test)]
pub(crate) mod tests;

/// One package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Cargo's name for it, unique.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression; `None` when the package names none.
    pub(crate) license: Option<String>,
    /// Where it comes from; `None` is this repository.
    pub(crate) source: Option<String>,
    /// SHA-256 of its archive, from the lock file.
    pub(crate) checksum: Option<String>,
}

/// The packages, and which is built with which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: BTreeMap<String, Package>,
    /// Without those that only tests need.
    pub(crate) needs: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Everything that these packages of the repository are made of, themselves included.
    pub(crate) fn closure(&self, names: &[&str]) -> BTreeSet<&str> {
        let own = |package: &&Package| package.source.is_none() && names.contains(&package.name.as_str());
        let mut wanted: Vec<&str> = self.packages.values().filter(own).map(|package| package.id.as_str()).collect();
        let mut found = BTreeSet::new();
        while let Some(id) = wanted.pop() {
            if found.insert(id) {
                wanted.extend(self.needs.get(id).into_iter().flatten().map(String::as_str));
            }
        }
        found
    }
}

/// Asks Cargo. The lock file must be up to date, and stays as it is.
pub(crate) fn read(root: &Path) -> Result<Graph, String> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = command.current_dir(root).output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let lock = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    Ok(graph(&metadata, &checksums(&lock)))
}

/// Reads what Cargo told.
fn graph(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Graph {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut graph = Graph::default();
    for node in list(&metadata["resolve"]["nodes"]) {
        let Some(id) = text(&node["id"]) else { continue };
        // Kind `null` is what a package needs to run, `build` to be built, `dev` to be tested.
        let needed = |need: &Value| list(&need["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev");
        let needs = list(&node["deps"]).iter().filter(|need| needed(need)).filter_map(|need| text(&need["pkg"])).collect();
        graph.needs.insert(id, needs);
    }
    for package in list(&metadata["packages"]) {
        let (Some(id), Some(name), Some(version)) = (text(&package["id"]), text(&package["name"]), text(&package["version"])) else {
            continue;
        };
        // What no node names is for another platform.
        if graph.needs.contains_key(&id) {
            let checksum = checksums.get(&(name.clone(), version.clone())).cloned();
            let (license, source) = (text(&package["license"]), text(&package["source"]));
            graph.packages.insert(id.clone(), Package { id, name, version, license, source, checksum });
        }
    }
    graph
}

/// Checksums by name and version. Cargo writes the lock file one `key = "value"` to a line.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    let value = |block: &str, key: &str| -> Option<String> {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        line.strip_suffix('"').map(str::to_owned)
    };
    for block in lock.split("[[package]]").skip(1) {
        if let (Some(name), Some(version), Some(checksum)) = (value(block, "name"), value(block, "version"), value(block, "checksum")) {
            found.insert((name, version), checksum);
        }
    }
    found
}
