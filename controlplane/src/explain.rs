//! What would happen to a request, and why not something else.
//!
//! It runs the gateway's own `decide` over the policy as it would be compiled, so that it cannot
//! tell another story than the gateway. Breakers and pauses are the live ones when a daemon answers.
//! With `--failure` the gateway's own exchange is played to its end as well.

mod budget;
mod failure;
mod rehearsal;
mod resorts;

use crate::{
    aside::Asides,
    compile, complaint, places,
    reference::Surroundings,
    socket::{self, Answer, Request, code},
    verbs::{self, Arguments},
};
use codec::dialect::Needs;
use engine::{
    Board, Moment, Prepared,
    decide::{self, Ask, Wants},
    exchange::{Exchange, Next, Skip, Surrender},
    prepared::Way,
    vectors::{self, Vectors},
};
use failure::Failures;
use policy::{ClassSet, Snapshot, Speaks, TargetId, TenantId};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Explains one request.
pub fn explain(arguments: &Arguments) -> Answer {
    let path = places::config(arguments);
    let (live, asides, budgets) = live(arguments);
    let prepared = match prepare(&path, &asides, &Surroundings::real()) {
        Ok(prepared) => prepared,
        Err(answer) => return answer,
    };
    let mut answer = decision(&prepared, arguments, &live);
    budget::tell(&prepared, arguments, &budgets, &mut answer);
    answer
}

fn prepare(path: &std::path::Path, asides: &Asides, from: &Surroundings) -> Result<Prepared, Answer> {
    let mut plan = verbs::plan_of(path, from)?;
    asides.apply(&mut plan);
    let ours = |flaw: policy::Flaw| Answer::refused(code::FAILED, format!("this is a mistake of ours: {flaw}\n"));
    let compiled = compile::compile(&plan, &compile::Previous::default(), 1).map_err(ours)?;
    Ok(Prepared::build(Snapshot::try_new(compiled.draft).map_err(ours)?))
}

/// State of each target as the first data plane tells it, what is set aside, and what tenants have spent;
/// empty when no daemon answers.
fn live(arguments: &Arguments) -> (HashMap<String, String>, Asides, Value) {
    let request = Request { verb: "status".to_owned(), ..Request::default() };
    let Ok((answer, _)) = socket::ask(&places::run(arguments), &request) else { return Default::default() };
    let asides = serde_json::from_value(answer.data["aside"].clone()).unwrap_or_default();
    let targets = answer.data["planes"][0]["stats"]["targets"].as_array().cloned().unwrap_or_default();
    let state = |target: &Value| {
        let mut state = format!("breaker {}", target["breaker"].as_str().unwrap_or("unknown"));
        if let Some(ms @ 1..) = target["paused_ms"].as_u64() {
            state.push_str(&format!(", paused for {}", crate::time::words(ms)));
        }
        if let Some(reason) = target["degraded"].as_str().filter(|reason| !reason.is_empty()) {
            state.push_str(&format!(", asked last: {reason}"));
        }
        Some((target["name"].as_str()?.to_owned(), state))
    };
    (targets.iter().filter_map(state).collect(), asides, answer.data["budgets"].clone())
}

/// The gateway's decision, in words.
pub(crate) fn decision(prepared: &Prepared, arguments: &Arguments, live: &HashMap<String, String>) -> Answer {
    let argument = |name: &str| arguments.get(name).map(String::as_str);
    let tenant = match tenant(prepared, argument("tenant")) {
        Ok(tenant) => tenant,
        Err(text) => return Answer::refused(code::USAGE, text),
    };
    let fields: Vec<(String, &str)> = argument("header")
        .into_iter()
        .flat_map(|text| text.split(','))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_bytes());
    let wants = match wants(arguments) {
        Ok(wants) => wants,
        Err(text) => return Answer::refused(code::USAGE, text),
    };
    let ask = Ask {
        tenant,
        model: argument("model").unwrap_or_default(),
        field: &field,
        chain: argument("chain"),
        deadline_ms: None,
        stream: arguments.contains_key("stream"),
        wants,
        started: Moment::START,
    };
    let failures = match argument("failure").map(|text| Failures::read(text, prepared)).transpose() {
        Ok(failures) => failures,
        Err(text) => return Answer::refused(code::USAGE, text),
    };
    let board = Board::full();
    match decide::decide(prepared, &ask, &board, Moment::START) {
        Ok(mut exchange) => {
            let mut answer = told(prepared, &exchange, &ask, live);
            match failures {
                Some(failures) => {
                    let course = rehearsal::play(prepared, &board, exchange, ask.model, &failures);
                    answer.text.push_str(&course.text());
                    answer.data["rehearsal"] = course.json();
                }
                None => nobody(prepared, &mut exchange, &board, &mut answer),
            }
            answer
        }
        Err(refusal) => {
            let text = format!("refused with status {} ({}): {}\n", refusal.status(), refusal.code(), refusal.message().as_str());
            let data = json!({"status": refusal.status(), "code": refusal.code(), "message": refusal.message().as_str()});
            Answer { code: code::OK, text, data }
        }
    }
}

/// What the request wants of a model, as it was described.
fn wants(arguments: &Arguments) -> Result<Wants, String> {
    let mut wants = Wants::default();
    let words = arguments.get("needs").into_iter().flat_map(|text| text.split(',')).map(str::trim);
    for word in words.filter(|word| !word.is_empty()) {
        let need = Needs::named(word).ok_or_else(|| {
            let mend = match complaint::nearest(word, Needs::EVERY.words()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("they are {}", complaint::list(Needs::EVERY.words())),
            };
            format!("there is no need `{word}`; {mend}\n")
        })?;
        wants.needs.add(need);
    }
    if arguments.contains_key("stream") {
        wants.needs.add(Needs::STREAM);
    }
    if let Some(text) = arguments.get("tokens") {
        wants.tokens = text.parse().map_err(|_| format!("`--tokens {text}` is no number of tokens\n"))?;
    }
    wants.vectors = match arguments.get("dimensions") {
        Some(text) => Vectors::Long(text.parse().map_err(|_| format!("`--dimensions {text}` is no number of numbers\n"))?),
        None if arguments.contains_key("embeddings") => Vectors::Usual,
        None => Vectors::None,
    };
    wants.spoken = match arguments.get("dialect").map_or("openai", String::as_str) {
        "openai" => Speaks::CHAT,
        "responses" => Speaks::RESPONSES,
        "anthropic" => Speaks::ANTHROPIC,
        "gemini" => Speaks::GEMINI,
        other => return Err(format!("`--dialect {other}` is not known: openai, responses, anthropic or gemini\n")),
    };
    if wants.vectors != Vectors::None {
        wants.known_to = Speaks::CHAT.and(Speaks::GEMINI);
        if !wants.spoken.any(wants.known_to) {
            return Err("embeddings are asked for in the dialects of openai and gemini: --dialect gemini\n".to_owned());
        }
    }
    Ok(wants)
}

/// The tenant by name; who says nothing in a policy with tenants is told so.
fn tenant(prepared: &Prepared, name: Option<&str>) -> Result<Option<TenantId>, String> {
    let names: Vec<&str> = prepared.tenants.iter().map(|(_, tenant)| tenant.name.as_str()).collect();
    match name {
        Some(name) => match prepared.tenants.iter().find(|(_, tenant)| tenant.name == name) {
            Some((id, _)) => Ok(Some(id)),
            None if names.is_empty() => Err("the policy declares no tenants\n".to_owned()),
            None => Err(format!("there is no tenant `{name}`; it may be {}\n", complaint::list(names))),
        },
        None if names.is_empty() => Ok(None),
        None => Err(format!("say who asks: --tenant {}\n", complaint::list(names))),
    }
}

fn told(prepared: &Prepared, exchange: &Exchange, ask: &Ask<'_>, live: &HashMap<String, String>) -> Answer {
    let model = ask.model;
    let chain = &prepared.chains[exchange.chain()];
    let way = match exchange.way() {
        Way::Asked => "the request names it in its head".to_owned(),
        Way::Route(id) => format!("route `{}` takes the request", prepared.routes[id.0 as usize].name),
        Way::Budget => "its tenant's budget is used so far".to_owned(),
        Way::Aside => "it is asked for another request".to_owned(),
        Way::Name => format!("it answers to the name `{model}`"),
    };
    let mut text = format!("chain     {}: {way}\n", chain.name);
    let mut rows = Vec::new();
    for (step, position) in chain.steps.iter().zip(1..) {
        for member in &step.members {
            let skipped = skipped(prepared, exchange, member.target, ask.wants.vectors);
            let target = &prepared.targets[member.target];
            let asked = prepared.model_for(member.target, model).unwrap_or("none");
            let provider = &prepared.providers[target.provider];
            let share = if step.members.len() > 1 { format!("  {:?} weight {}", step.balance, member.weight) } else { String::new() };
            let state = match (&skipped, live.get(&target.name)) {
                (Some(why), _) => format!("never asked: {why}"),
                (None, Some(state)) => state.clone(),
                (None, None) => "can be asked".to_owned(),
            };
            text.push_str(&format!("{position:>6}    {}  asks {} for `{asked}`{share}  [{state}]\n", target.name, provider.name));
            rows.push(json!({"step": position, "target": target.name, "model": asked, "weight": member.weight,
                "skipped": skipped, "state": state, "context_window": target.context_window}));
        }
    }
    let patience = &chain.patience;
    let first_ms = chain.triggers.latency_ms.unwrap_or(patience.first_token_ms).min(patience.first_token_ms);
    text.push_str(&format!(
        "attempts  {} at most, within {}; first token of a stream within {}\n",
        exchange.attempts_max(),
        crate::time::words(patience.deadline_ms),
        crate::time::words(first_ms)
    ));
    let standby = standby(prepared, exchange);
    if !standby.is_empty() {
        let share = f64::from(chain.standby_permille) / 10.0;
        text.push_str(&format!("standby   {share}% of requests are tried first at {}\n", standby.join(" or ")));
    }
    let breaker = &chain.breaker;
    if breaker.slow_ms > 0 {
        let (share, slow) = (f64::from(breaker.slow_permille) / 10.0, crate::time::words(breaker.slow_ms));
        text.push_str(&format!("breaker   opens also when {share}% of answers take longer than {slow}\n"));
    }
    if let Some(hedge) = chain.hedge {
        text.push_str(&format!("hedge     {}\n", hedge_words(hedge)));
    }
    let ending: Vec<&str> =
        policy::Class::ALL.iter().filter(|class| chain.triggers.disabled.contains(**class)).map(|class| class.word()).collect();
    if !ending.is_empty() {
        text.push_str(&format!("ends at   {} instead of moving on\n", ending.join(", ")));
    }
    if let Some(affinity) = chain.affinity {
        let then = if affinity.stays { "stay with the target that answered them" } else { "begin with the first target" };
        text.push_str(&format!("sessions  told by `{}` {then}\n", affinity.by.word()));
    }
    let follows = follows(&chain.triggers);
    if !follows.is_empty() {
        text.push_str(&format!("follows   {}\n", follows.join("; ")));
    }
    if let Some(compact) = chain.compact {
        let by = compact.summary.map(|by| format!(", and `{}` sums up what is left out", prepared.chains[by].name));
        let (keep, by) = (compact.keep_turns, by.unwrap_or_default());
        text.push_str(&format!("compacts  a prompt that nobody can read whole; its last {keep} turns stay{by}\n"));
    }
    let resorts = resorts::of(chain);
    if !resorts.is_empty() {
        text.push_str(&format!(
            "at last   {}
",
            resorts.join("; else ")
        ));
    }
    let data = json!({"chain": chain.name, "way": way, "at_last": resorts, "compact_keeps": chain.compact.map(|compact| compact.keep_turns),
        "summary_by": chain.compact.and_then(|compact| compact.summary).map(|by| &prepared.chains[by].name), "targets": rows, "attempts_max": exchange.attempts_max(),
        "deadline_ms": patience.deadline_ms, "first_token_ms": first_ms, "slow_ms": breaker.slow_ms,
        "ends_at": ending, "follows": follows, "standby_permille": chain.standby_permille, "standby": standby});
    Answer::new(text, data)
}

/// What the chain has follow a class in the place of what its row says.
fn follows(triggers: &policy::Triggers) -> Vec<String> {
    let policy::Triggers { retry, next, next_key, next_model, template, .. } = triggers;
    let sets = [(retry, "retry"), (next, "next"), (next_key, "next_key"), (next_model, "next_model"), (template, "template")];
    let word = |(set, action): (&policy::ClassSet, &str)| {
        let classes: Vec<&str> = policy::Class::ALL.iter().filter(|class| set.contains(**class)).map(|class| class.word()).collect();
        (!classes.is_empty()).then(|| format!("{action} after {}", classes.join(", ")))
    };
    sets.into_iter().filter_map(word).collect()
}

/// When a second attempt is made, and how often.
fn hedge_words(hedge: policy::Hedge) -> String {
    let when = match hedge.after {
        policy::Slowness::Ms(ms) => format!("after {}", crate::time::words(ms)),
        policy::Slowness::Permille(share) => format!("when {}% of such answers were quicker", f64::from(share) / 10.0),
    };
    format!("the next target is asked beside a slow first one {when}, for {}% of requests at most", f64::from(hedge.share_permille) / 10.0)
}

/// The targets that a share of the requests is tried first at, as far as they are well.
fn standby<'p>(prepared: &'p Prepared, exchange: &Exchange) -> Vec<&'p str> {
    let chain = &prepared.chains[exchange.chain()];
    let able = |target: TargetId| exchange.candidates().iter().any(|one| one.target == target && one.skip().is_none());
    let mut steps = chain.steps.iter().skip_while(|step| !step.members.iter().any(|member| able(member.target)));
    if chain.standby_permille == 0 || steps.next().is_none() {
        return Vec::new();
    }
    let members = steps.filter(|step| step.after == ClassSet::EMPTY).flat_map(|step| &step.members);
    members.filter(|member| able(member.target)).map(|member| prepared.targets[member.target].name.as_str()).collect()
}

/// What the gateway answers when no target of the chain is fit for the request.
fn nobody(prepared: &Prepared, exchange: &mut Exchange, board: &Board, answer: &mut Answer) {
    if !exchange.candidates().iter().all(|candidate| candidate.skip().is_some_and(Skip::is_final)) {
        return;
    }
    if let Next::Surrender(Surrender::Own(own)) = exchange.next(prepared, board, Moment::START, &mut || 0) {
        let message = own.message.as_str();
        answer.text.push_str(&format!("answer    {} ({}): {message}\n", own.status, own.code));
        answer.data["answer"] = json!({"status": own.status, "code": own.code, "message": message});
    }
}

/// Why the gateway would not ask a target, from its own decision.
fn skipped(prepared: &Prepared, exchange: &Exchange, target: TargetId, vectors: Vectors) -> Option<String> {
    let candidate = exchange.candidates().iter().find(|candidate| candidate.target == target)?;
    let skip = candidate.skip()?;
    Some(match (&skip, &prepared.targets[target].disabled) {
        (Skip::Disabled, Some(reason)) => reason.clone(),
        (Skip::Lacks(needs), _) => format!("lacks {needs}"),
        (Skip::TooLarge, _) if prepared.chains[exchange.chain()].compact.is_some() => {
            "too_large, but for what is left of the prompt when no larger one can be asked".to_owned()
        }
        (Skip::Reserved, _) => "asked only after a failure that it is there for".to_owned(),
        (Skip::TooDear, _) => "costs more than `max_price` allows".to_owned(),
        (Skip::Unable, _) => "its dialect has no answer to requests of this kind".to_owned(),
        (Skip::Dimensions, _) => {
            let numbers = |known: Option<u32>| known.map_or("of an unknown length".to_owned(), |length| format!("of {length} numbers"));
            let own = prepared.targets[target].understands.dimensions;
            let wanted = vectors::wanted(prepared, exchange.chain(), vectors);
            format!("its vectors are {}, and those that are wanted {}", numbers(own), numbers(wanted))
        }
        _ => skip.word().to_owned(),
    })
}

#[cfg(test)]
mod tests;
