//! What a tenant's budget makes of a request.

use crate::{socket::Answer, verbs::Arguments};
use engine::Prepared;
use serde_json::{Value, json};

/// Says what follows from the budget of the tenant that asks: by what the daemon knows to be spent, where one
/// answers, else by the policy's word alone.
pub(super) fn tell(prepared: &Prepared, arguments: &Arguments, known: &Value, answer: &mut Answer) {
    let Some(name) = arguments.get("tenant") else { return };
    let Some((_, tenant)) = prepared.tenants.iter().find(|(_, tenant)| tenant.name == *name) else { return };
    let Some(budget) = tenant.budget else { return };
    let then = budget.then.map(|chain| prepared.chains[chain].name.as_str());
    let (limit, per, threshold) = (budget.limit.words(), budget.per.word(), budget.threshold().words());
    let stand = known.as_array().and_then(|list| list.iter().find(|stand| stand["tenant"] == name.as_str()));
    let spent = stand.and_then(|stand| stand["spent_usd"].as_f64()).map(policy::Money::of_usd);
    let follows = match (spent, then) {
        (Some(spent), _) if spent >= budget.limit => "the request is refused with status 402 (budget_exhausted)".to_owned(),
        (Some(spent), Some(chain)) if spent >= budget.threshold() => format!("the request takes `{chain}` instead"),
        (_, Some(chain)) => format!("from {threshold} on requests take `{chain}`, and none is left at {limit}"),
        (_, None) => format!("at {limit} requests are refused"),
    };
    let told = spent.map_or("unknown here".to_owned(), policy::Money::words);
    answer.text.push_str(&format!("budget    {told} of {limit} a {per} spent: {follows}\n"));
    answer.data["budget"] = json!({"spent_usd": spent.map(policy::Money::usd), "limit_usd": budget.limit.usd(), "per": per,
        "threshold_usd": budget.threshold().usd(), "then": then, "follows": follows});
}

#[cfg(test)]
mod tests;
