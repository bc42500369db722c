//! The metrics page as Prometheus reads it: its format to the letter, and the names that its own
//! linter (`promtool check metrics`) would pass. Where promtool is installed, it is asked as well.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use tests::testkit::{gateway::Gateway, policy::Policy, provider::Provider, tenant::Ask};

/// One family: its kind, and each of its series with its value.
#[derive(Default)]
struct Family {
    help: String,
    kind: String,
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// A name of a metric, or of a label when `:` is none.
fn is_name(text: &str, colon: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(fits)
}

/// `a="b",c="d"`, with `\\`, `\"` and `\n` escaped and nothing else.
fn labels(mut text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap_or_else(|| panic!("no label in {text}"));
        assert!(is_name(name, false) && !name.starts_with("__"), "label {name}");
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters.next().unwrap_or_else(|| panic!("a label has no end: {rest}")) {
                (at, '"') => break at,
                (_, '\\') => value.push(match characters.next() {
                    Some((_, '\\')) => '\\',
                    Some((_, '"')) => '"',
                    Some((_, 'n')) => '\n',
                    other => panic!("an unknown escape: {other:?}"),
                }),
                (_, character) => value.push(character),
            }
        };
        assert!(found.insert(name.to_owned(), value).is_none(), "label {name} stands twice");
        text = &rest[end + 1..];
        if let Some(more) = text.strip_prefix(',') {
            assert!(!more.is_empty());
            text = more;
        } else {
            assert!(text.is_empty(), "{text} after a label");
        }
    }
    found
}

/// The name of the family that a series belongs to.
fn family_of<'a>(families: &BTreeMap<String, Family>, series: &'a str) -> &'a str {
    let whole = |name: &&str| families.get(*name).is_some_and(|family| family.kind == "histogram");
    ["_bucket", "_sum", "_count"].iter().filter_map(|ending| series.strip_suffix(ending)).find(whole).unwrap_or(series)
}

/// Reads a page; panics at the first line that is not as the format says.
fn read(page: &str) -> BTreeMap<String, Family> {
    assert!(page.ends_with('\n'), "the last line has no end");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut last, mut seen) = (String::new(), BTreeSet::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(name, true) && !families.contains_key(name), "help of {name} stands twice");
            families.insert(name.to_owned(), Family { help: help.to_owned(), ..Family::default() });
            last = name.to_owned();
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert_eq!(name, last, "the type follows its help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.get_mut(name).unwrap().kind = kind.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let (name, inner) = match series.split_once('{') {
            Some((name, inner)) => (name, inner.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
            None => (series, ""),
        };
        assert!(is_name(name, true), "{line}");
        let family = family_of(&families, name).to_owned();
        assert_eq!(family, last, "series of one family stand together, after its help: {line}");
        assert!(seen.insert(series.to_owned()), "{series} stands twice");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        families.get_mut(&family).unwrap().series.push((name.to_owned(), labels(inner), value));
    }
    families
}

/// What promtool's linter complains about.
fn lint(name: &str, family: &Family) {
    assert!(!family.help.trim().is_empty() && !family.kind.is_empty(), "{name} lacks its help or type");
    let words: Vec<&str> = name.split('_').collect();
    assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}: `_total` ends counters, and only those");
    assert!(name.chars().all(|c| !c.is_ascii_uppercase()), "{name} is not snake_case");
    for ending in ["_bucket", "_sum", "_count"] {
        assert!(!name.ends_with(ending), "{name}: `{ending}` belongs to histograms");
    }
    for word in ["counter", "gauge", "histogram", "summary"] {
        assert!(!words.contains(&word), "{name} holds its type");
    }
    // Units are written out, and are base units.
    for word in [
        "ns",
        "us",
        "ms",
        "sec",
        "secs",
        "s",
        "b",
        "kb",
        "mb",
        "milliseconds",
        "microseconds",
        "nanoseconds",
        "kilobytes",
        "megabytes",
        "minutes",
        "hours",
    ] {
        assert!(!words.contains(&word), "{name} has the unit {word}");
    }
    for (_, labels, value) in &family.series {
        assert!(family.kind != "counter" || *value >= 0.0, "{name} is {value}");
        assert!(!labels.contains_key(name), "{name} has a label of its own name");
    }
}

/// Buckets grow, the last is all, and the count agrees.
fn histogram(name: &str, family: &Family) {
    let of = |ending: &str| {
        let whole = format!("{name}{ending}");
        family.series.iter().filter(move |(series, ..)| *series == whole).collect::<Vec<_>>()
    };
    let buckets: Vec<(f64, f64)> = of("_bucket").iter().map(|(_, labels, value)| (labels["le"].parse().unwrap(), *value)).collect();
    assert!(buckets.len() > 1 && buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{name}: {buckets:?}");
    let (bound, all) = buckets.last().unwrap();
    assert_eq!(*bound, f64::INFINITY, "{name} has no +Inf");
    let count: Vec<f64> = of("_count").iter().map(|(.., value)| *value).collect();
    let sum: Vec<f64> = of("_sum").iter().map(|(.., value)| *value).collect();
    assert_eq!(count, [*all], "{name}");
    assert!(sum.len() == 1 && sum[0] >= 0.0 && (sum[0] > 0.0) == (*all > 0.0), "{name}: the sum is {sum:?} of {all}");
}

/// Asks promtool: the one that `PROMTOOL` names must be there, as it is in `cargo xtask ci`; otherwise
/// one that is installed, and where none is, that is said.
fn promtool(page: &str) {
    let named = std::env::var_os("PROMTOOL");
    let program = named.clone().unwrap_or_else(|| "promtool".into());
    let started =
        Command::new(&program).args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            assert!(named.is_none(), "{program:?} cannot be started: {error}; `cargo xtask ci promtool` fetches it");
            eprintln!("NOT TESTED with promtool: it is not installed; `cargo xtask ci promtool` fetches it, and PROMTOOL names it");
            return;
        }
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_page_is_what_prometheus_reads() {
    let provider = Provider::new();
    provider.fault("primary", "503");
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), "auth: none")
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("c", &[("primary", "m"), ("backup", "m"), ("backup", "a \\\"quoted\\\\ name")], "");
    let gateway = Gateway::start(&policy);
    let mut tenant = gateway.tenant();
    for ask in [Ask::chat("c"), Ask::stream("c")] {
        let answer = tenant.ask(&ask);
        assert_eq!(answer.head.status, 200);
        gateway.record(answer.head.field("x-request-id").unwrap());
    }
    let (status, page) = gateway.page("/metrics").unwrap();
    assert_eq!(status, 200);
    let families = read(&page);
    for (name, family) in &families {
        assert!(name.starts_with("throwover_"), "{name}");
        lint(name, family);
        if family.kind == "histogram" {
            histogram(name, family);
        }
    }
    let sum = |name: &str| families[name].series.iter().map(|(.., value)| value).sum::<f64>();
    assert_eq!((sum("throwover_requests_total"), sum("throwover_streams_total"), sum("throwover_fallbacks_total")), (2.0, 1.0, 2.0));
    let targets: Vec<&String> = families["throwover_target_attempts_total"].series.iter().map(|(_, labels, _)| &labels["target"]).collect();
    assert!(targets.iter().any(|target| *target == "backup/a \"quoted\\ name"), "{targets:?}");
    promtool(&page);
}

#[test]
#[should_panic(expected = "stands twice")]
fn a_series_that_stands_twice_is_found() {
    read("# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"1\"} 2\n");
}

#[test]
#[should_panic(expected = "has the unit ms")]
fn an_abbreviated_unit_is_found() {
    let families = read("# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n");
    lint("a_ms", &families["a_ms"]);
}
