//! What one generation changes against another, in lines that a person reads.

use codec::dialect::{Needs, Quirks};
use policy::{Draft, Speaks, Table, id::Id};
use std::collections::BTreeMap;

/// Most lines; the rest is counted.
const LINES_MAX: usize = 200;

/// `+` for what is new, `-` for what is gone, `~` for what differs.
pub fn changes(before: &Draft, after: &Draft) -> Vec<String> {
    let mut lines = Vec::new();
    gateway(before, after, &mut lines);
    let (old, new) = (Names(before), Names(after));
    tables("tenant", entries(&before.tenants, |t| t.name.clone(), tenant), entries(&after.tenants, |t| t.name.clone(), tenant), &mut lines);
    tables("provider", old.providers(), new.providers(), &mut lines);
    tables("target", old.targets(), new.targets(), &mut lines);
    tables("chain", old.chains(), new.chains(), &mut lines);
    let routes = |draft: &Draft, names: &Names<'_>| -> Vec<String> { draft.routes.iter().map(|route| names.route(route)).collect() };
    let (one, two) = (routes(before, &old), routes(after, &new));
    if one != two {
        lines.push(format!("~ routes: {} before, {} now, or in another order", one.len(), two.len()));
    }
    tables("name", old.names(), new.names(), &mut lines);
    if lines.len() > LINES_MAX {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// What cannot be changed while a data plane runs.
pub fn needs_restart(before: &Draft, after: &Draft) -> Vec<&'static str> {
    let (one, two) = (&before.gateway, &after.gateway);
    let checks = [
        ("gateway.listen", one.listen != two.listen),
        ("gateway.admin", one.admin != two.admin),
        ("gateway.shards", one.shards != two.shards),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn gateway(before: &Draft, after: &Draft, lines: &mut Vec<String>) {
    let members = |gateway: &policy::Gateway| -> BTreeMap<String, String> {
        let value = serde_json::to_value(gateway).expect("the gateway's settings are plain values");
        value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.to_string())).collect()
    };
    let (old, new) = (members(&before.gateway), members(&after.gateway));
    for (name, value) in &new {
        if let Some(was) = old.get(name).filter(|was| *was != value) {
            lines.push(format!("~ gateway.{name}  {was} -> {value}"));
        }
    }
}

fn key(key: &policy::Key) -> String {
    let limits = match (key.requests_per_minute, key.tokens_per_minute) {
        (0, 0) => String::new(),
        (requests, tokens) => format!(" at {requests} requests and {tokens} tokens a minute"),
    };
    format!("{:?}x{}{limits}", key.id, key.weight)
}

fn tables(noun: &str, old: BTreeMap<String, String>, new: BTreeMap<String, String>, lines: &mut Vec<String>) {
    for (name, was) in &old {
        match new.get(name) {
            None => lines.push(format!("- {noun} {name}")),
            Some(is) if is != was => lines.push(format!("~ {noun} {name}  {was} -> {is}")),
            Some(_) => {}
        }
    }
    lines.extend(new.keys().filter(|name| !old.contains_key(*name)).map(|name| format!("+ {noun} {name}")));
}

fn entries<I: Id, T>(table: &Table<I, T>, name: impl Fn(&T) -> String, show: impl Fn(&T) -> String) -> BTreeMap<String, String> {
    table.iter().map(|(_, entry)| (name(entry), show(entry))).collect()
}

fn tenant(tenant: &policy::Tenant) -> String {
    let models: Vec<String> = tenant.models.iter().map(ToString::to_string).collect();
    // Digests are compared and not shown.
    let keys: Vec<u8> = tenant.digests.iter().flatten().copied().collect();
    let budget = tenant.budget.map_or(String::new(), |budget| {
        let then = if budget.then.is_some() { ", then another chain" } else { "" };
        format!(", budget {} a {} (at {}‰{then})", budget.limit.words(), budget.per.word(), budget.at_permille)
    });
    format!("{} keys ({}), models [{}]{budget}", tenant.digests.len(), &blake3::hash(&keys).to_hex()[..8], models.join(", "))
}

/// What a provider understands without translation.
fn spoken(speaks: Speaks) -> String {
    let words = [(Speaks::CHAT, "chat"), (Speaks::RESPONSES, "responses"), (Speaks::ANTHROPIC, "anthropic"), (Speaks::GEMINI, "gemini")];
    let words: Vec<&str> = words.into_iter().filter(|(one, _)| speaks.any(*one)).map(|(_, word)| word).collect();
    words.join(", ")
}

fn quirks(bits: u32) -> String {
    let quirks = Quirks::from_bits(bits);
    let words: Vec<&str> = Quirks::ALL.iter().filter(|(one, _)| quirks.has(*one)).map(|(_, word)| *word).collect();
    if words.is_empty() { String::new() } else { format!(" quirks [{}]", words.join(", ")) }
}

/// What is said differently; texts are compared by their digests, since they may be long.
fn worded(wording: &policy::Wording) -> String {
    let digest = |text: &String| blake3::hash(text.as_bytes()).to_hex()[..8].to_owned();
    let mut parts: Vec<String> = Vec::new();
    parts.extend(wording.prefix.as_ref().map(|text| format!("prefix {}", digest(text))));
    parts.extend(wording.suffix.as_ref().map(|text| format!("suffix {}", digest(text))));
    parts.extend(wording.set.as_ref().map(|members| match members.len() {
        0..=200 => format!("params {{{members}}}"),
        _ => format!("params {}", digest(members)),
    }));
    format!(" ({})", parts.join(", "))
}

/// What is looked at; questions and rules are compared by their digests, since they may be long.
fn checked(checks: &[policy::Check]) -> String {
    let parts: Vec<String> = checks
        .iter()
        .map(|check| {
            let kind = match &check.what {
                policy::health::What::Endpoint { path } => format!("GET {path}"),
                policy::health::What::Metrics { path, rules, .. } => format!("{} rules about {path}", rules.len()),
                policy::health::What::Canary(canary) => format!("canary of {}", canary.model),
            };
            format!("{kind} ({})", &blake3::hash(format!("{check:?}").as_bytes()).to_hex()[..8])
        })
        .collect();
    if parts.is_empty() { String::new() } else { format!(" looks at [{}]", parts.join(", ")) }
}

/// Ids in words.
struct Names<'a>(&'a Draft);

impl Names<'_> {
    fn providers(&self) -> BTreeMap<String, String> {
        let show = |provider: &policy::Provider| {
            let origin = self.0.origins.get(provider.origin);
            let place = origin.map_or(String::new(), |o| {
                let trust = o.tls.and_then(|id| self.0.tls_profiles.get(id)).map_or("http".to_owned(), |profile| match &profile.roots {
                    policy::Roots::System => "https".to_owned(),
                    policy::Roots::SystemAnd(pem) => format!("https (system and {})", &blake3::hash(pem).to_hex()[..8]),
                    policy::Roots::Only(pem) => format!("https (only {})", &blake3::hash(pem).to_hex()[..8]),
                });
                format!(
                    "{trust}://{}:{} as {} warm {} max {} proxy {:?}",
                    o.host, o.port, o.server_name, o.warm, o.connections_max, o.proxy
                )
            });
            let keys: Vec<String> = provider.keys.iter().map(key).collect();
            format!(
                "{place}{} {} ({}){} {:?} keys [{}] in_flight {} retries {}‰ and {}/s concurrency {:?} headers {:?} regions {:?}{}",
                provider.base_path,
                provider.dialect.word(),
                spoken(provider.speaks),
                quirks(provider.quirks),
                provider.auth,
                keys.join(" "),
                provider.in_flight_max,
                provider.retries.share_permille,
                provider.retries.per_second,
                provider.concurrency,
                provider.headers,
                provider.regions,
                checked(&provider.checks)
            )
        };
        entries(&self.0.providers, |provider| provider.name.clone(), show)
    }

    fn targets(&self) -> BTreeMap<String, String> {
        let show = |target: &policy::Target| match &target.disabled {
            Some(reason) => format!("disabled: {reason}"),
            None => {
                let understands = &target.understands;
                format!(
                    "{:?} reasoning {} window {:?} price {:?} output {:?} thinking {:?}{}{} lacks [{}]",
                    target.model,
                    target.reasoning,
                    target.context_window,
                    target.price,
                    understands.output_max,
                    understands.thinking,
                    if understands.sampling_fixed { " sampling fixed" } else { "" },
                    understands.dimensions.map_or(String::new(), |length| format!(" dimensions {length}")),
                    Needs::from_bits(understands.lacks)
                )
            }
        };
        entries(&self.0.targets, |target| target.name.clone(), show)
    }

    fn chains(&self) -> BTreeMap<String, String> {
        let show = |chain: &policy::Chain| {
            let steps: Vec<String> = chain.steps.iter().map(|step| self.step(step)).collect();
            let preset = policy::Chain { name: String::new(), steps: Vec::new(), ..chain.clone() };
            format!("{} ({})", steps.join(" > "), &blake3::hash(format!("{preset:?}").as_bytes()).to_hex()[..8])
        };
        entries(&self.0.chains, |chain| chain.name.clone(), show)
    }

    fn step(&self, step: &policy::Step) -> String {
        let members: Vec<String> = step
            .members
            .iter()
            .map(|member| {
                let name = self.0.targets.get(member.target).map_or("?", |target| target.name.as_str());
                let weight = if member.weight == 1 { String::new() } else { format!(" x{}", member.weight) };
                let wording = member.wording.and_then(|at| self.0.wordings.get(at as usize)).map_or(String::new(), worded);
                format!("{name}{weight}{wording}")
            })
            .collect();
        let after: Vec<&str> = policy::Class::ALL.iter().filter(|class| step.after.contains(**class)).map(|class| class.word()).collect();
        let after = if after.is_empty() { String::new() } else { format!(" after {}", after.join(" or ")) };
        let members = if members.len() == 1 { members.concat() } else { format!("{:?}({})", step.balance, members.join(" | ")) };
        members + &after
    }

    fn route(&self, route: &policy::Route) -> String {
        let tenant = route.when.tenant.and_then(|id| self.0.tenants.get(id)).map(|tenant| tenant.name.as_str());
        let chain = self.0.chains.get(route.chain).map(|chain| chain.name.as_str());
        format!("{} {:?} {tenant:?} {:?} -> {chain:?}", route.name, route.when.model, route.when.headers)
    }

    fn names(&self) -> BTreeMap<String, String> {
        let chain = |name: &policy::chain::Name| self.0.chains.get(name.chain).map_or("?", |chain| chain.name.as_str());
        self.0
            .names
            .iter()
            .map(|name| (name.name.clone(), format!("{}{}", chain(name), if name.listed { "" } else { ", unlisted" })))
            .collect()
    }
}

#[cfg(test)]
mod tests;
