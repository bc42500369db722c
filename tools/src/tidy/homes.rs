//! Words that may stand in one place only.
//!
//! Exchanging a package then touches one file, and the clock and the runtime stay behind one door.

use super::{File, Finding, has_word};

/// A word, where the rule holds, and where the word is at home.
struct Home {
    /// The words.
    words: &'static [&'static str],
    /// The rule holds for paths that begin so.
    within: &'static str,
    /// The words may stand in paths that begin so; each with the reason.
    homes: &'static [(&'static str, &'static str)],
}

const HOMES: &[Home] = &[
    Home {
        words: &["glommio", "io_uring"],
        within: "",
        homes: &[
            ("dataplane/src/io/", "the seam"),
            ("controlplane/src/doctor", "tells the operator of it"),
            ("dataplane/src/confine/tests", "asks the kernel whether a ring is a way out"),
        ],
    },
    Home {
        words: &["std::time::Instant", "SystemTime"],
        within: "dataplane/",
        homes: &[
            ("dataplane/src/io/", "the seam"),
            ("dataplane/tests/", "drives the process from outside"),
            ("dataplane/examples/", "measures"),
            ("dataplane/codec/examples/", "measures"),
            ("dataplane/engine/examples/", "measures"),
        ],
    },
    Home {
        words: &["Instant::now", "Wall::now"],
        within: "dataplane/",
        homes: &[
            ("dataplane/src/io/", "the seam"),
            ("dataplane/src/main.rs", "starts the process before there is a shard"),
            ("dataplane/src/recorder", "its own thread, off the hot cores"),
            ("dataplane/src/admin", "its own thread, that no shard waits for"),
            ("dataplane/src/link", "its own thread, talks to the control plane"),
            ("dataplane/src/stats", "asked by those two"),
            ("dataplane/src/handover", "its own thread, off the hot cores"),
            ("dataplane/src/earlier/keeper", "its own thread, off the hot cores"),
            ("dataplane/src/sim/", "tells how many seeds a second it plays"),
            ("dataplane/tests/", "drives the process from outside"),
            ("dataplane/examples/", "measures"),
            ("dataplane/codec/examples/", "measures"),
            ("dataplane/engine/examples/", "measures"),
        ],
    },
    Home { words: &["ArcSwap", "arc_swap"], within: "dataplane/", homes: &[("dataplane/src/current", "holds the snapshot")] },
    Home { words: &["rustls"], within: "dataplane/", homes: &[("dataplane/src/tls", "the TLS door")] },
    Home { words: &["httparse"], within: "dataplane/", homes: &[("dataplane/codec/src/head", "reads heads")] },
    Home { words: &["u8x16"], within: "dataplane/", homes: &[("dataplane/codec/src/json/plain", "looks through strings")] },
    Home { words: &["simd_json"], within: "dataplane/", homes: &[("dataplane/codec/src/json", "reads JSON")] },
    Home {
        words: &["unsafe"],
        within: "",
        homes: &[
            ("dataplane/src/io/", "buffers that the kernel writes into"),
            ("dataplane/tests/allocations", "an allocator that counts"),
            ("tests/src/bin/caged", "loads a seccomp filter"),
            ("dataplane/src/confine", "system calls that no package here knows"),
            ("dataplane/src/service", "descriptors that a service manager passed"),
        ],
    },
];

pub(super) fn check(files: &[File], findings: &mut Vec<Finding>) {
    for file in files.iter().filter(|file| file.is_rust()) {
        for home in HOMES.iter().filter(|home| file.path.starts_with(home.within)) {
            let at_home = home.homes.iter().any(|(path, _)| at(&file.path, path));
            if !at_home {
                strangers(file, home, findings);
            }
        }
    }
}

/// `head` is `head.rs` and everything in `head/`, and not `header.rs`.
fn at(path: &str, home: &str) -> bool {
    let rest = path.strip_prefix(home);
    rest.is_some_and(|rest| home.ends_with('/') || rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

fn strangers(file: &File, home: &Home, findings: &mut Vec<Finding>) {
    for (index, line) in file.code.lines().enumerate() {
        if let Some(word) = home.words.iter().find(|word| has_word(line, word)) {
            let homes: Vec<String> = home.homes.iter().map(|(path, why)| format!("{path} ({why})")).collect();
            let message = format!(
                "`{word}` may stand only in {}; go through it, or add a home with its reason to tools/src/tidy/homes.rs",
                homes.join(", ")
            );
            findings.push(Finding::failure(&file.path, index + 1, message));
        }
    }
}
