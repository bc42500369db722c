//! The gateway and the providers of the matrix: one chain for each cell, and targets that no other cell has, so
//! that breakers and pauses of one are nothing to another. What breaks at a request shares its provider and
//! its connections with everything else that does: what one fault leaves on a connection must harm nobody.

use crate::rows::{ROWS, Row, Way, written};
use mock::Dialect;
use std::collections::BTreeMap;
use tests::testkit::{gateway::Gateway, policy::Policy, provider::Provider};

/// The clients, and so the dialects of the providers, in the order in which chains go around.
pub(crate) const CLIENTS: [&str; 3] = ["chat", "messages", "generate"];
/// Attempts of one exchange.
pub(crate) const ATTEMPTS_MAX: usize = 4;
/// First wait at the same target, at most; and the longest one.
pub(crate) const BACKOFF_MS: [u64; 2] = [200, 400];
/// A whole exchange, where patience does not have to run out; and where it does. Below the time after which a
/// tenant calls it a hang, and long enough that on a busy machine nobody runs out of it who is well.
pub(crate) const DEADLINE_MS: [u64; 2] = [20_000, 24_000];
/// In whose middle tenants hang up: a wait, and an attempt at the first of two targets.
pub(crate) const HANG_UPS: [&str; 2] = ["wait", "held"];
/// For how long a provider asks to be left alone when tenants hang up.
const HANG_UP_PAUSE_MS: u64 = 700;

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Its row's place.
    pub(crate) place: usize,
    pub(crate) row: &'static Row,
    /// Its client's place in [`CLIENTS`].
    pub(crate) client: usize,
    pub(crate) stream: bool,
    /// How many targets stand behind the first; the last of them is well, any other fails like the first.
    pub(crate) fallbacks: usize,
}

impl Cell {
    /// Spends its time waiting, for a pause or for patience to run out.
    pub(crate) fn waits(&self) -> bool {
        self.row.slow || self.row.pause_ms > 0 || !matches!(self.row.way, Way::Request(..))
    }

    /// Names its chain, and its model at every provider.
    pub(crate) fn name(&self) -> String {
        let form = if self.stream { "stream" } else { "json" };
        format!("f{:02}-{}-{form}-{}", self.place, CLIENTS[self.client], self.fallbacks)
    }

    pub(crate) fn client(&self) -> &'static str {
        CLIENTS[self.client]
    }

    /// The providers of its chain, in order.
    pub(crate) fn providers(&self) -> Vec<String> {
        let at = |step: usize| CLIENTS[(self.client + step) % CLIENTS.len()];
        let well = |step: usize| step > 0 && step == self.fallbacks;
        (0..=self.fallbacks)
            .map(|step| if well(step) { format!("well-{}", at(step)) } else { broken(self.place, self.row, at(step)) })
            .collect()
    }

    /// Who is well, if anybody is.
    pub(crate) fn well(&self) -> Option<String> {
        self.providers().pop().filter(|_| self.fallbacks > 0)
    }
}

/// The provider of this dialect that a row breaks.
fn broken(place: usize, row: &Row, dialect: &str) -> String {
    match row.way {
        Way::Request(..) => format!("bad-{dialect}"),
        _ => format!("f{place:02}-{dialect}"),
    }
}

fn rows() -> impl Iterator<Item = (usize, &'static Row)> {
    ROWS.iter().copied().flatten().enumerate()
}

/// All cells in which there is something to break.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (place, row) in rows() {
        for client in 0..CLIENTS.len() {
            for stream in [false, true] {
                let breaks = !matches!((row.way, stream), (Way::Request("", _), false) | (Way::Request(_, ""), true));
                cells.extend((0..3).filter(|_| breaks).map(move |fallbacks| Cell { place, row, client, stream, fallbacks }));
            }
        }
    }
    cells
}

fn dialect(client: &str) -> Dialect {
    match client {
        "chat" => Dialect::Openai,
        "messages" => Dialect::Anthropic,
        _ => Dialect::Gemini,
    }
}

/// The providers that are needed, with the row that each is for, if it is for one.
fn providers() -> BTreeMap<String, (&'static str, Option<&'static Row>)> {
    let mut found = BTreeMap::new();
    for client in CLIENTS {
        found.insert(format!("bad-{client}"), (client, None));
        found.insert(format!("well-{client}"), (client, None));
        for (place, row) in rows().filter(|(_, row)| !matches!(row.way, Way::Request(..))) {
            found.insert(broken(place, row, client), (client, Some(row)));
        }
    }
    found
}

/// Breaks what is to be broken.
fn break_all(zoo: &Provider, providers: &BTreeMap<String, (&'static str, Option<&'static Row>)>) {
    for (name, (_, row)) in providers {
        match row.map(|row| row.way) {
            Some(Way::Connection(fault) | Way::Secure(fault)) => zoo.fault(name, fault),
            Some(Way::Certificate(kind)) => zoo.certificate(name, kind),
            Some(Way::Request(..) | Way::NoTls | Way::NoName) | None => {}
        }
    }
    for client in CLIENTS {
        let mut faults = vec![
            format!("429;retry_after_ms={HANG_UP_PAUSE_MS};model=wait-*"),
            format!("429;retry_after_ms={HANG_UP_PAUSE_MS};model=sentinel-*"),
            "stall-before-head;model=held-*".to_owned(),
        ];
        for (place, row) in rows() {
            let Way::Request(json, stream) = row.way else { continue };
            for (form, list) in [("json", json), ("stream", stream)] {
                let parts = list.split(',').filter(|part| !part.is_empty());
                faults.extend(parts.map(|part| format!("{};model=f{place:02}-*;match={form}", written(part, client))));
            }
        }
        zoo.fault(&format!("bad-{client}"), &faults.join(","));
    }
}

/// Where a provider is reached, and how.
fn endpoint(zoo: &Provider, name: &str, client: &str, row: Option<&Row>) -> (String, String) {
    let (path, members) = match client {
        "chat" => ("/v1", "auth: none, speaks: [chat]"),
        "messages" => ("", "auth: none, dialect: anthropic"),
        _ => ("/v1beta", "auth: none, dialect: gemini"),
    };
    let ca = format!("{members}, ca: \"{}\"", zoo.ca().display());
    match row.map(|row| row.way) {
        Some(Way::Secure(_) | Way::Certificate(_)) => (format!("https://localhost:{}{path}", zoo.tls(name).port()), ca),
        Some(Way::NoTls) => (format!("https://localhost:{}{path}", zoo.plain(name).port()), ca),
        Some(Way::NoName) => (format!("https://nowhere.invalid{path}"), ca),
        _ => (format!("http://{}{path}", zoo.plain(name)), members.to_owned()),
    }
}

fn policy(zoo: &Provider, providers: &BTreeMap<String, (&'static str, Option<&'static Row>)>) -> Policy {
    let retry = format!("retry: {{max_attempts: {ATTEMPTS_MAX}, base: {}ms, cap: {}ms}}", BACKOFF_MS[0], BACKOFF_MS[1]);
    let breaker = "breaker: {consecutive: 1000, min_requests: 1000}";
    // No comments: behind a head that is out, an error has no status.
    let mut policy = Policy::new().defaults(&format!("{breaker}, {retry}, keepalive_after: 60s, connect: 4s"));
    for (name, (client, row)) in providers {
        let (url, members) = endpoint(zoo, name, client, *row);
        policy = policy.endpoint(name, &url, &members);
    }
    for cell in cells() {
        let (name, providers) = (cell.name(), cell.providers());
        let targets: Vec<(&str, &str)> = providers.iter().map(|provider| (provider.as_str(), name.as_str())).collect();
        let patience = match cell.row.slow {
            true => format!("ttft: 4s, idle: 4s, deadline: {}ms", DEADLINE_MS[1]),
            false => format!("deadline: {}ms", DEADLINE_MS[0]),
        };
        policy = policy.chain(&name, &targets, &patience);
    }
    for client in CLIENTS {
        let (bad, well) = (format!("bad-{client}"), format!("well-{client}"));
        for form in ["json", "stream"] {
            for (what, next) in [("wait", None), ("sentinel", None), ("held", Some(well.as_str()))] {
                let name = format!("{what}-{client}-{form}");
                let targets: Vec<(&str, &str)> = [bad.as_str()].into_iter().chain(next).map(|provider| (provider, name.as_str())).collect();
                policy = policy.chain(&name, &targets, &format!("deadline: {}ms", DEADLINE_MS[0]));
            }
        }
    }
    policy
}

/// Everything, started.
pub(crate) fn open() -> (Provider, Gateway) {
    let providers = providers();
    let speaking: Vec<(&str, Dialect)> = providers.iter().map(|(name, (client, _))| (name.as_str(), dialect(client))).collect();
    let zoo = Provider::speaking(&speaking);
    break_all(&zoo, &providers);
    let gateway = Gateway::start(&policy(&zoo, &providers));
    (zoo, gateway)
}
