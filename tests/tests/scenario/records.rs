//! What was decided can be told afterwards: fields of answers, records, counters; and never a word
//! of a prompt, never a key.

use serde_json::Value;
use std::collections::BTreeMap;
use tests::testkit::{gateway::Gateway, policy::Policy, provider::Provider, story::Story, tenant::Ask};

const KEY: &str = "sk-acme-0123456789abcdef";
const OPERATORS: &str = "sk-of-the-operator-1234";
const PROMPT: &str = "the-secret-of-the-prompt";

fn gateway(provider: &Provider) -> Gateway {
    let policy = Policy::new()
        .provider("primary", provider.plain("primary"), &format!("keys: [\"{OPERATORS}\"]"))
        .provider("backup", provider.plain("backup"), "auth: none")
        .chain("c", &[("primary", "m"), ("backup", "m")], "")
        .section(&format!("tenants: [{{name: acme, keys: [{{key: \"{KEY}\"}}]}}]"));
    Gateway::start(&policy)
}

fn prompt() -> Ask {
    let body = serde_json::json!({"model": "c", "messages": [{"role": "user", "content": PROMPT}], "user": PROMPT});
    Ask::post("/v1/chat/completions", &body).key(KEY)
}

#[test]
fn a_record_tells_what_was_decided_and_nothing_of_what_was_said() {
    let provider = Provider::new();
    provider.fault("primary", "503");
    let gateway = gateway(&provider);
    let story = Story::of("moved on", gateway.tenant().ask(&prompt()), &provider, "m");
    story.answered_by("backup");
    let field = |name| story.answer.head.field(name).unwrap_or_else(|| panic!("no {name}\n{story}"));
    let record = gateway.record(field("x-request-id"));
    for (member, value) in [("outcome", "answered"), ("chain", "c"), ("tenant", "acme"), ("model", "c"), ("surface", "/chat/completions")] {
        assert_eq!(record[member], value, "{member} of {record}");
    }
    assert_eq!(record["status"], 200);
    let attempts = record["attempts"].as_array().unwrap();
    assert_eq!(attempts.len().to_string(), field("x-throwover-attempts"), "{record}");
    let first = &attempts[0];
    assert_eq!((&first["target"], &first["end"], &first["status"]), (&"primary/m".into(), &"overloaded".into(), &503.into()), "{record}");
    assert!(first["detail"].is_string(), "{record}");
    let last = attempts.last().unwrap();
    assert_eq!((&last["target"], &last["end"]), (&"backup/m".into(), &"answered".into()), "{record}");
    assert!(record["tokens_in"].as_u64().unwrap() > 0 && record["tokens_out"].as_u64().unwrap() > 0, "{record}");
    assert_eq!(record["bytes_out"].as_u64().unwrap(), story.answer.body.len() as u64);
    assert_eq!(field("x-throwover-generation"), record["generation"].to_string());
    assert!(field("x-throwover-overhead-us").parse::<u64>().is_ok());
    assert_eq!(field("x-throwover-model"), "m");
}

#[test]
fn no_prompt_and_no_key_is_written_anywhere() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    let mut tenant = gateway.tenant();
    let faults = ["", "503", "401", "400", "garbage", "error-in-200", "truncated-json", "stall-before-head;ms=50"];
    for fault in faults {
        provider.fault("primary", fault);
        let answer = tenant.ask(&prompt());
        gateway.record(answer.head.field("x-request-id").unwrap());
    }
    // Keys that are nearly right are somebody's, too.
    tenant.ask(&Ask::chat("c").key("sk-somebody-elses-key"));
    tenant.ask(&Ask::raw("/v1/chat/completions", format!("{{\"{PROMPT}\"").as_bytes()).key(KEY));
    let status = gateway.ask("status", &[]);
    let places = [
        ("the access log", gateway.access_log()),
        ("the data plane's errors", gateway.plane_said()),
        ("the daemon's errors", gateway.daemon_said()),
        ("metrics", gateway.page("/metrics").unwrap().1),
        ("status", format!("{}{}", status.text, status.data)),
        ("events", gateway.ask("events", &[("last", "1000")]).data.to_string()),
        ("generations", gateway.ask("generations", &[]).data.to_string()),
    ];
    for (place, text) in &places {
        for secret in [PROMPT, KEY, OPERATORS, "sk-somebody-elses-key"] {
            assert!(!text.contains(secret), "{place} holds {secret}: {text}");
        }
    }
    for line in gateway.access_log().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok_and(|record| record["request"].is_string()), "{line}");
    }
    // Keys rest on the disk in one kind of file, that only we may read.
    let mut kept = Vec::new();
    for folder in ["state", "run", "state/generations"] {
        let Ok(entries) = std::fs::read_dir(gateway.folder.join(folder)) else { continue };
        for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            if bytes.windows(OPERATORS.len()).any(|part| part == OPERATORS.as_bytes()) {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
                kept.push(entry.file_name());
            }
        }
    }
    assert!(kept.len() <= 1, "keys lie in several files: {kept:?}");
}

/// What is of one class is told apart, and so is why a breaker opened; a fallback says so, and what came of it.
#[test]
fn an_outage_is_told_with_its_reasons() {
    let provider = Provider::new();
    let targets = |model: &'static str| [("primary", model), ("backup", model)];
    let hurried = "triggers: [{type: latency, threshold_ms: 50}], breaker: {consecutive: 1000, min_requests: 1000}";
    let opens = "breaker: {consecutive: 1, cooldown: 60s}, retry: {max_attempts: 2}";
    let policy = Policy::over(&provider).chain("hurried", &targets("hurried"), hurried).chain("opens", &targets("opens"), opens);
    provider.fault("primary", "stall-before-head;model=hurried,404;code=model_deprecated;model=opens");
    let gateway = Gateway::start(&policy);
    let ask = |ask: &Ask| {
        let answer = gateway.tenant().ask(ask);
        (gateway.record(answer.head.field("x-request-id").unwrap()), answer)
    };
    let event = |wanted: &dyn Fn(&Value) -> bool| {
        tests::testkit::until("it is told", || {
            let told = gateway.ask("events", &[("last", "1000")]).data;
            told.as_array().unwrap().iter().find(|event| wanted(&event["details"])).cloned()
        })
    };
    let (record, answer) = ask(&Ask::stream("hurried"));
    assert_eq!(answer.head.field("x-throwover-fallback-reason"), Some("timeout"));
    assert_eq!((&record["attempts"][0]["end"], &record["attempts"][0]["detail"]), (&"timeout".into(), &"latency".into()), "{record:#}");
    assert_eq!(record["finish"], "stop", "{record:#}");
    let told = event(&|details| details["chain"] == "hurried");
    for (name, value) in [("trigger", "timeout"), ("detail", "latency"), ("outcome", "answered"), ("from", "primary/hurried")] {
        assert_eq!(told["details"][name], value, "{told:#}");
    }

    let (record, _) = ask(&Ask::chat("opens"));
    assert_eq!(record["attempts"][0]["detail"], "model_retired", "{record:#}");
    let told = event(&|details| details["detail"] == "model_retired");
    assert_eq!((&told["kind"], &told["details"]["trigger"]), (&"fallback".into(), &"model_gone".into()), "{told:#}");
    // It is left alone, and the next request is told why nobody asked it.
    let (_, answer) = ask(&Ask::chat("opens"));
    assert_eq!(answer.head.field("x-throwover-fallback-reason"), Some("paused"));
    let told = event(&|details| details["trigger"] == "paused");
    assert_eq!((&told["details"]["from"], &told["details"]["to"]), (&"primary/opens".into(), &"backup/opens".into()), "{told:#}");
    provider.fault("backup", "500;model=opens");
    let (_, answer) = ask(&Ask::chat("opens"));
    assert_ne!(answer.head.status, 200);
    let told = event(&|details| details["outcome"] == "error");
    assert_eq!(told["details"]["to"], "backup/opens", "{told:#}");
    let told = event(&|details| details["target"] == "backup/opens" && details["to"] == "open");
    assert_eq!(told["details"]["cause"], "consecutive", "{told:#}");
    let status = gateway.ask("status", &[]);
    let out = tests::testkit::until("its pause is seen", || {
        let out = gateway.ask("status", &[]).data["repairs"]["primary/opens"]["out"].clone();
        (out["begun"] == 1).then_some(out)
    });
    assert_eq!(out["out_on"], 1, "{out}");
    assert!(status.text.contains("BACK IN"), "{}", status.text);
    let page = gateway.page("/metrics").unwrap().1;
    assert!(page.contains("throwover_further_attempts_left{kind=\"retries\",of=\"primary\"} "), "{page}");
}

/// The metrics page in Prometheus' text format: types, help, labels, and histograms that add up.
#[test]
fn metrics_are_what_prometheus_reads() {
    let provider = Provider::new();
    let gateway = gateway(&provider);
    for _ in 0..3 {
        gateway.tenant().ask(&prompt());
    }
    provider.fault("primary", "503");
    gateway.tenant().ask(&prompt());
    let (status, page) = gateway.page("/metrics").unwrap();
    assert_eq!(status, 200);
    let mut kinds = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} has two types");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("this is no sample: {line:?}"));
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("this is no number: {line:?}"));
            let name = series.split('{').next().unwrap();
            assert!(name.starts_with("throwover_") && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line:?}");
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end).filter(|name| kinds.contains_key(*name)));
            assert!(kinds.contains_key(family.unwrap_or(name)), "{name} has no type");
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} stands twice");
        }
    }
    for (name, _) in kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        let buckets: Vec<f64> = page
            .lines()
            .filter(|line| line.starts_with(&format!("{name}_bucket")))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert!(buckets.windows(2).all(|pair| pair[0] <= pair[1]), "{name} goes down");
        assert_eq!(buckets.last(), samples.get(&format!("{name}_count")), "{name}");
    }
    for (name, least) in [("throwover_answered_total", 4.0), ("throwover_fallbacks_total", 1.0), ("throwover_attempts_failed_total", 1.0)] {
        assert!(gateway.meter(name) >= least, "{name} is {}", gateway.meter(name));
    }
    assert_eq!(samples["throwover_attempt_failures_total{class=\"overloaded\"}"], gateway.meter("throwover_attempts_failed_total"));
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/nothing", 404)] {
        assert_eq!(gateway.page(path).unwrap().0, status, "{path}");
    }
}

/// What a death has torn is no part of the next record.
#[test]
fn a_torn_record_spoils_no_other() {
    let provider = Provider::new();
    let mut gateway = Gateway::start(&Policy::over(&provider).chain("c", &[("primary", "m"), ("backup", "m")], ""));
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    gateway.record(answer.head.field("x-request-id").unwrap());
    gateway.kill_plane();
    let mut log = gateway.access_log();
    log.truncate(log.len() - 20);
    std::fs::write(gateway.access_log_path(), &log).unwrap();
    gateway.start_plane();
    gateway.find();
    gateway.await_ready();
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    gateway.record(answer.head.field("x-request-id").unwrap());
    let after = gateway.access_log();
    let unread: Vec<&str> = after.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).collect();
    assert_eq!(unread, [log.lines().last().unwrap()], "the torn record stands for itself");
}
