//! What binaries need of other packages, from the symbols that they ask for.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use super::said;

/// Libraries, the package of each, and the beginning of its versions of symbols.
const LIBRARIES: &[(&str, &str, &str)] = &[
    ("libc.so.6", "libc6", "GLIBC_"),
    ("libm.so.6", "libc6", "GLIBC_"),
    ("libdl.so.2", "libc6", "GLIBC_"),
    ("libpthread.so.0", "libc6", "GLIBC_"),
    ("librt.so.1", "libc6", "GLIBC_"),
    ("ld-linux-x86-64.so.2", "libc6", "GLIBC_"),
    ("ld-linux-aarch64.so.1", "libc6", "GLIBC_"),
    ("libgcc_s.so.1", "libgcc-s1", "GCC_"),
];

/// The `Depends` of these binaries.
pub(super) fn of(binaries: &[PathBuf]) -> Result<String, String> {
    let mut text = String::new();
    for binary in binaries {
        let found = said(Command::new("readelf").args(["--dynamic", "--version-info", "--wide"]).arg(binary).env("LC_ALL", "C"))?;
        text.push_str(&String::from_utf8_lossy(&found));
    }
    from(&text)
}

/// The same, from what readelf prints.
pub(super) fn from(text: &str) -> Result<String, String> {
    let needed = text.lines().filter(|line| line.contains("(NEEDED)")).filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0));
    let mut packages = BTreeSet::new();
    for library in needed {
        let known = LIBRARIES.iter().find(|(name, ..)| *name == library);
        let (_, package, prefix) = known.ok_or(format!("no package is known for {library}; add it to tools/src/deb/needs.rs"))?;
        packages.insert((*package, *prefix));
    }
    if packages.is_empty() {
        return Err("readelf names no library".to_owned());
    }
    let with_version = packages.into_iter().map(|(package, prefix)| match newest(text, prefix) {
        Some(version) => format!("{package} (>= {version})"),
        None => package.to_owned(),
    });
    Ok(with_version.collect::<Vec<_>>().join(", "))
}

/// The newest version of symbols that begins so.
fn newest(text: &str, prefix: &str) -> Option<String> {
    let versions = text.split_whitespace().filter_map(|word| word.strip_prefix(prefix));
    let numbers = |version: &str| version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>().ok();
    let newest = versions.filter_map(numbers).max()?;
    Some(newest.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}
