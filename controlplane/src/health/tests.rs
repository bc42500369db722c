use super::*;
use crate::{load, reference::Surroundings, validate};
use std::sync::mpsc::{Receiver, sync_channel};

/// What a policy compiles to; `generation` also tells it from another.
fn compiled(policy: &str, generation: u64) -> (Draft, Secrets) {
    let loaded = load::text("p.yaml", policy);
    let checked = validate::validate(&loaded, &Surroundings::real());
    assert!(!checked.complaints.refuse(), "{}", checked.complaints.render(&loaded.sources));
    let compiled = crate::compile::compile(&checked.plan, &crate::compile::Previous::default(), generation).unwrap();
    (compiled.draft, compiled.secrets)
}

const POLICY: &str = r#"
providers:
  one:
    endpoint: http://127.0.0.1:1/v1
    health: {every: 2s, timeout: 500ms}
    canaries:
      - {model: m, prompt: "6*7?", expect: {text: "42"}, every: 1s, daily_count: 3, failures: 1, successes: 1}
  two: {endpoint: "http://127.0.0.1:2/v1"}
fallback:
  chains:
    - name: c
      models: [{provider: one, model: m}, {provider: one, model: n}, {provider: two, model: m}]
"#;

struct Stage {
    health: Health,
    to: SyncSender<Message>,
    /// Keeps those who go and look from ending; what they find at ports that nobody listens on is not heard.
    _from: Receiver<Message>,
    now: Instant,
    wall_ms: u64,
    news: Vec<News>,
}

impl Stage {
    fn new() -> Stage {
        let (to, from) = sync_channel(1_000);
        let mut stage =
            Stage { health: Health::default(), to, _from: from, now: Instant::now(), wall_ms: 20_000 * 86_400_000, news: Vec::new() };
        stage.follow(POLICY, 1);
        stage
    }

    fn follow(&mut self, policy: &str, generation: u64) {
        let (draft, secrets) = compiled(policy, generation);
        self.health.follow(&draft, Some(&secrets), self.now);
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.wall_ms += ms;
    }

    /// Waits for a check to be sent out, and has it come back with this.
    fn finds(&mut self, name: &str, finding: Finding) {
        for _ in 0..1_000 {
            if let Some((ticket, _)) = self.health.seats[name].out {
                let found = Found { name: name.to_owned(), ticket, finding };
                self.news.extend(self.health.hear(found, self.now, self.wall_ms));
                return;
            }
            self.pass(100);
            let news = self.health.turn(&self.to, self.now, self.wall_ms);
            self.news.extend(news);
        }
        panic!("{name} is never looked at");
    }

    fn marks(&mut self) -> Vec<(String, &'static str, u64)> {
        self.health.marks(self.now).into_iter().map(|mark| (mark.target, mark.reason.word(), mark.for_ms)).collect()
    }
}

fn bad(how: Degradation) -> Finding {
    Finding::bad(how, "said")
}

fn mark(target: &str, reason: &'static str, for_ms: u64) -> (String, &'static str, u64) {
    (target.to_owned(), reason, for_ms)
}

#[test]
fn a_provider_is_marked_by_so_many_and_told_again_until_it_is_well() {
    let mut stage = Stage::new();
    assert_eq!(stage.marks(), []);
    stage.finds("one health", bad(Degradation::HttpError));
    assert_eq!(stage.marks(), [], "once is an accident");
    stage.finds("one health", bad(Degradation::HttpError));
    let both = ["one/*", "one/m", "one/n"].map(|target| mark(target, "http_error", MARK_MS));
    assert_eq!(stage.marks(), both, "all of its targets, and no others");
    assert_eq!(stage.marks(), [], "told once");
    stage.finds("one health", bad(Degradation::HttpError));
    stage.pass(REPEAT.as_millis() as u64);
    stage.finds("one health", bad(Degradation::HttpError));
    assert_eq!(stage.marks(), both, "and again before it lapses");
    stage.health.tell_again();
    assert_eq!(stage.marks(), both, "and to who has just joined");
    stage.finds("one health", Finding::good("ok"));
    stage.finds("one health", Finding::good("ok"));
    assert_eq!(stage.marks(), ["one/*", "one/m", "one/n"].map(|target| mark(target, "http_error", 0)));
    stage.pass(REPEAT.as_millis() as u64);
    assert_eq!(stage.marks(), [], "there is nothing left to be told");
    let kinds: Vec<&str> = stage.news.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["degraded", "restored"]);
}

#[test]
fn a_canary_marks_its_own_target_and_what_says_nothing_changes_nothing() {
    let mut stage = Stage::new();
    stage.finds("one/m canary", Finding::void("429"));
    assert_eq!(stage.marks(), []);
    stage.finds("one/m canary", bad(Degradation::WrongAnswer));
    assert_eq!(stage.marks(), [mark("one/m", "wrong_answer", MARK_MS)]);
    let (kind, details) = stage.news.last().unwrap();
    assert_eq!(*kind, "degraded");
    assert!(details.contains(&("target".to_owned(), "one/m".to_owned())), "{details:?}");
    // Two reasons: that which has stood the longest is told.
    stage.finds("one health", bad(Degradation::HttpError));
    stage.finds("one health", bad(Degradation::HttpError));
    let [any, n] = ["one/*", "one/n"].map(|target| mark(target, "http_error", MARK_MS));
    assert_eq!(stage.marks(), [any.clone(), mark("one/m", "wrong_answer", MARK_MS), n.clone()]);
    stage.finds("one/m canary", Finding::good("right"));
    assert_eq!(stage.marks(), [any, mark("one/m", "http_error", MARK_MS), n]);
}

#[test]
fn nobody_stays_marked_by_a_check_that_says_nothing_any_more() {
    let mut stage = Stage::new();
    stage.finds("one/m canary", bad(Degradation::WrongAnswer));
    assert_eq!(stage.marks().len(), 1);
    // 1 s and 10 s of patience, three times.
    stage.pass(33_000);
    assert_eq!(stage.marks().len(), 1);
    stage.pass(1);
    assert_eq!(stage.marks(), [mark("one/m", "wrong_answer", 0)]);
}

#[test]
fn a_canary_rests_when_its_day_is_spent() {
    let mut stage = Stage::new();
    (0..3).for_each(|_| stage.finds("one/m canary", Finding::good("right")));
    let asked = stage.health.seats["one/m canary"].looks;
    assert_eq!(asked, 3);
    for _ in 0..100 {
        stage.pass(1_000);
        let news = stage.health.turn(&stage.to, stage.now, stage.wall_ms);
        stage.news.extend(news);
    }
    assert_eq!(stage.health.seats["one/m canary"].looks, 3);
    let rests = stage.news.iter().filter(|(kind, _)| *kind == "canary_rests").count();
    assert_eq!(rests, 1, "told once: {:?}", stage.news);
    assert!(stage.health.text(stage.wall_ms).contains("rests until tomorrow"));
    stage.pass(86_400_000);
    stage.finds("one/m canary", Finding::good("right"));
}

#[test]
fn nobody_goes_anywhere_unless_a_policy_wants_it() {
    let mut stage = Stage::new();
    stage.follow("providers:\n  one: {endpoint: \"http://127.0.0.1:1/v1\"}\nmodels:\n  m: {deployments: [{provider: one, model: m}]}\n", 2);
    for _ in 0..100 {
        stage.pass(1_000);
        let news = stage.health.turn(&stage.to, stage.now, stage.wall_ms);
        stage.news.extend(news);
    }
    assert!(stage.health.crew.is_none() && stage.news.is_empty() && stage.marks().is_empty(), "{:?}", stage.news);
    assert!(stage.health.text(stage.wall_ms).starts_with("nothing is looked at"));
}

#[test]
fn an_exporter_beside_us_needs_no_proxy() {
    let policy = |exporter: &str| {
        format!(
            "gateway: {{egress: {{proxy: \"http://proxy:3128\"}}}}\nproviders:\n  one: {{endpoint: \"http://10.0.0.7/v1\", metrics: {{preset: \
             dcgm, endpoint: \"{exporter}\"}}}}\nmodels:\n  m: {{deployments: [{{provider: one, model: m}}]}}\n"
        )
    };
    for (exporter, proxied) in [("http://127.0.0.1:9400", false), ("http://localhost:9400", false), ("http://10.0.0.7:9400", true)] {
        let mut stage = Stage::new();
        stage.follow(&policy(exporter), 2);
        let dial = &stage.health.seats["one metrics"].watched.dial;
        assert_eq!(dial.proxy.is_some(), proxied, "{exporter} {dial:?}");
    }
}

#[test]
fn a_reload_goes_on_with_what_is_as_it_was() {
    let mut stage = Stage::new();
    stage.finds("one/m canary", bad(Degradation::WrongAnswer));
    stage.finds("one health", bad(Degradation::HttpError));
    stage.finds("one health", bad(Degradation::HttpError));
    assert_eq!(stage.marks().len(), 3);
    // Another question: what was known of the canary is worth nothing any more.
    stage.follow(&POLICY.replace("6*7?", "7*6?"), 2);
    let unwell = |stage: &Stage, name: &str| stage.health.seats[name].hysteresis.is_unwell();
    assert_eq!((unwell(&stage, "one health"), unwell(&stage, "one/m canary")), (true, false));
    assert_eq!(stage.marks(), ["one/*", "one/m", "one/n"].map(|target| mark(target, "http_error", MARK_MS)));
    // What was sent out before has nothing to say of it.
    let stray = Found { name: "one/m canary".to_owned(), ticket: u64::MAX, finding: bad(Degradation::Exception) };
    assert_eq!(stage.health.hear(stray, stage.now, stage.wall_ms), None);
    stage.follow(&POLICY.replace("health: {every: 2s, timeout: 500ms}", ""), 3);
    assert!(!stage.health.seats.contains_key("one health"));
    assert_eq!(stage.marks(), ["one/*", "one/m", "one/n"].map(|target| mark(target, "http_error", 0)));
}

#[test]
fn who_began_together_does_not_fire_together() {
    let mut providers = String::new();
    for number in 0..100 {
        providers.push_str(&format!("  p{number}: {{endpoint: \"http://127.0.0.1:1/v1\", health: {{every: 5s}}}}\n"));
    }
    let policy = format!("providers:\n{providers}models:\n  m: {{deployments: [{{provider: p0, model: m}}]}}\n");
    let mut stage = Stage::new();
    stage.follow(&policy, 2);
    let mut dues: Vec<u128> = stage.health.seats.values().map(|seat| (seat.due - stage.now).as_millis()).collect();
    dues.sort_unstable();
    assert!(dues.iter().all(|due| *due < u128::from(SPREAD_MS_MAX)));
    let most_in_half_a_second = dues.iter().map(|from| dues.iter().filter(|due| (*from..from + 500).contains(*due)).count()).max();
    assert!(most_in_half_a_second < Some(30), "{dues:?}");
}
