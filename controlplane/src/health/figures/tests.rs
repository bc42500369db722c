use super::*;

const PAGE: &str = concat!(
    "# HELP vllm:num_requests_waiting Number of requests waiting.\n",
    "# TYPE vllm:num_requests_waiting gauge\n",
    "vllm:num_requests_waiting{engine=\"0\",model_name=\"m} 900\\\" x\"} 30.0\n",
    "vllm:num_requests_waiting{engine=\"1\",model_name=\"m\"} 25 1700000000123\n",
    "vllm:kv_cache_usage_perc{engine=\"0\"} 0.5\n",
    "vllm:kv_cache_usage_perc{engine=\"1\"} 9.6e-1\n",
    "plain\t7\r\n",
    "  indented 8\n",
    "nothing NaN\n",
    "endless +Inf\n",
    "below_zero -3\n",
    "broken{label=\"never ends 1\n",
    "no_value\n",
    "# EOF\n",
);

fn rule(metric: &str, of: Gather, bound: Bound) -> Rule {
    Rule { metric: metric.to_owned(), of, bound }
}

fn check(metric: &str, of: Gather, bound: Bound, expected: Result<Option<&str>, Unread>) {
    let found = broken(PAGE.as_bytes(), &[rule(metric, of, bound)]).map(|found| found.map(|Broken(text)| text));
    assert_eq!(found, expected.map(|text| text.map(str::to_owned)), "{metric} {of:?} {bound:?}");
}

#[test]
fn series_of_one_name_are_gathered() {
    let waiting = "vllm:num_requests_waiting";
    check(waiting, Gather::Sum, Bound::Above(50_000_000), Ok(Some("vllm:num_requests_waiting is 55, above 50")));
    check(waiting, Gather::Sum, Bound::Above(55_000_000), Ok(None));
    check(waiting, Gather::Max, Bound::Above(50_000_000), Ok(None));
    check(waiting, Gather::Min, Bound::Below(26_000_000), Ok(Some("vllm:num_requests_waiting is 25, below 26")));
    let cache = "vllm:kv_cache_usage_perc";
    check(cache, Gather::Max, Bound::Above(950_000), Ok(Some("vllm:kv_cache_usage_perc is 0.96, above 0.95")));
}

#[test]
fn lines_are_read_as_they_come() {
    check("plain", Gather::Max, Bound::Above(6_500_000), Ok(Some("plain is 7, above 6.5")));
    check("indented", Gather::Max, Bound::Below(0), Ok(None));
    check("endless", Gather::Max, Bound::Above(1), Ok(Some("endless is inf, above 0.000001")));
    check("below_zero", Gather::Min, Bound::Below(0), Ok(Some("below_zero is -3, below 0")));
}

#[test]
fn what_is_not_there_breaks_nothing_unless_all_is_missing() {
    for missing in ["nothing", "broken", "no_value", "vllm:num", "#", "# EOF"] {
        check(missing, Gather::Max, Bound::Above(0), Err(Unread::NoFigure));
    }
    let rules = [rule("missing", Gather::Max, Bound::Above(0)), rule("plain", Gather::Max, Bound::Above(1_000_000))];
    assert_eq!(broken(PAGE.as_bytes(), &rules), Ok(Some(Broken("plain is 7, above 1".to_owned()))));
    assert_eq!(broken(b"", &rules), Err(Unread::NoFigure));
    assert_eq!(broken(b"plain \xff 7\n", &rules), Err(Unread::NoText));
}

#[test]
fn every_cut_of_a_page_is_read_or_refused() {
    let rules = [rule("vllm:num_requests_waiting", Gather::Sum, Bound::Above(50_000_000))];
    for cut in 0..PAGE.len() {
        // The second series makes it too many, and no part of its line does before.
        let line = PAGE.find("} 25").unwrap() + 4;
        match broken(&PAGE.as_bytes()[..cut], &rules) {
            Ok(found) => assert_eq!(found.is_some(), cut >= line, "cut at {cut}"),
            Err(unread) => assert_eq!(unread, Unread::NoFigure, "cut at {cut}"),
        }
    }
}
