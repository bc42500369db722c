use serde_json::json;

use super::*;

#[test]
fn rows_stand_in_the_order_of_the_enum() {
    for row in KINDS {
        assert_eq!(row.kind.row().name, row.name);
    }
}

#[test]
fn both_forms_mean_the_same() {
    let check = |short: &str, object: Value| {
        let parsed = Fault::parse(short).unwrap();
        assert_eq!(parsed, Fault::try_from(object).unwrap(), "{short}");
        let written = Value::from(parsed.clone());
        assert_eq!(Fault::try_from(written).unwrap(), parsed, "{short}");
    };
    check("503", json!({"kind": "status", "status": 503}));
    check("503", json!(503));
    check("latency;ms=5;spread=lognormal", json!({"kind": "latency", "ms": 5, "spread": "lognormal"}));
    check(
        "reset; events=2; probability=0.5; count=3; match=stream; model=gpt-4*",
        json!({"kind": "reset", "events": "2", "probability": 0.5, "count": 3, "match": "stream", "model": "gpt-4*"}),
    );
    check("cut;for_ms=10;after_ms=5", json!({"kind": "cut", "for_ms": 10, "after_ms": 5}));
}

#[test]
fn mistakes_are_named() {
    let check = |written: &str, expected: &str| {
        let said = Fault::parse(written).unwrap_err().to_string();
        assert!(said.contains(expected), "{written}: {said}");
    };
    check("rset", "did you mean `reset`");
    check("", "no fault kind");
    check("latency;sec=1", "it takes ms, spread, p99_ms");
    check("latency;ms", "name=value");
    check("latency;ms=-1", "whole number");
    check("latency;ms=99999999999999", "whole number");
    check("latency;spread=normal", "fixed, uniform");
    check("503;probability=1.5", "from 0 to 1");
    check("503;match=sse", "any, stream or json");
    assert!(Fault::try_from(json!([])).is_err());
    assert!(Fault::try_from(json!({})).is_err());
}

#[test]
fn faults_concern_what_they_say() {
    let check = |written: &str, stream: bool, model: &str, expected: bool| {
        assert_eq!(Fault::parse(written).unwrap().matches(stream, model), expected, "{written}");
    };
    check("503", true, "m", true);
    check("503;match=stream", false, "m", false);
    check("503;match=json", false, "m", true);
    check("503;model=gpt-4o", false, "gpt-4o-mini", false);
    check("503;model=gpt-4o*", false, "gpt-4o-mini", true);
}

/// The README carries the table between two markers; `throwover-mock faults --markdown` makes it.
#[test]
fn the_readme_shows_the_table() {
    let readme = include_str!("../../README.md");
    let start = readme.find("<!-- faults -->\n").unwrap() + "<!-- faults -->\n".len();
    let end = readme.find("<!-- /faults -->").unwrap();
    assert!(
        readme[start..end] == markdown(),
        "tools/mock/README.md is behind the table of kinds; \
         paste the output of `throwover-mock faults --markdown` between the markers"
    );
}

#[test]
fn the_listing_names_every_parameter() {
    let listing = listing();
    for row in KINDS {
        assert!(listing.contains(row.help));
        assert!(row.parameters.iter().all(|parameter| listing.contains(parameter.help)));
    }
}

#[test]
fn the_faults_of_the_readme_are_faults() {
    let readme = include_str!("../../README.md");
    let orders = readme.lines().filter_map(|line| line.strip_prefix("throwover-mock fault "));
    let written: Vec<&str> = orders
        .map(|order| {
            let fault = order.split_once(' ').unwrap().1;
            match fault.strip_prefix('\'') {
                Some(quoted) => quoted.split('\'').next().unwrap(),
                None => fault.split(' ').next().unwrap(),
            }
        })
        .collect();
    assert!(written.len() >= 6, "{written:?}");
    for fault in written {
        Fault::parse(fault).unwrap();
    }
}
