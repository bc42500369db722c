//! What tenants have spent, as data planes tell it: kept over restarts of either, and told on.
//!
//! Each data plane tells what it has spent itself in a period, under a number that it drew when it
//! began; that only grows. The sum over all numbers is what was spent, so that nothing is counted
//! twice while one process takes another's place, and nothing is forgotten that was told, whichever
//! of the two ends. `STATE/budgets.json` holds it, and is written at most once a second.

use crate::{keep, legible, time};
use policy::{
    Draft, Money, Tenant,
    budget::{Day, Per},
    wire::{Elsewhere, Spending},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant, UNIX_EPOCH},
};

/// Between two writes.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Data planes whose parts of one tenant's spending are told apart; those that have ended beyond that
/// are kept as one.
const PARTS_MAX: usize = 16;
/// Stands for several that have ended: no process draws it but by a chance of one in 2^64.
const ENDED: u64 = 0;

/// What one data plane has spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    /// The first day of the period.
    start: Day,
    spent: Money,
    /// What its requests in flight may still cost. Gone with it.
    #[serde(skip)]
    reserved: Money,
}

/// What every tenant with a budget has spent.
#[derive(Debug)]
pub struct Budgets {
    path: PathBuf,
    /// By tenant, and by the number of the data plane.
    parts: BTreeMap<String, BTreeMap<u64, Part>>,
    /// It differs from the file, which was last written then.
    unwritten: bool,
    written: Option<Instant>,
    complained: bool,
}

/// How one tenant's budget stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Stand {
    /// Whose.
    pub tenant: String,
    /// What it may spend.
    pub limit: Money,
    /// In how long.
    pub per: Per,
    /// What it has spent.
    pub spent: Money,
    /// What its requests in flight may still cost.
    pub reserved: Money,
    /// What must have been spent for its requests to take another chain.
    pub threshold: Money,
    /// That chain.
    pub then: Option<String>,
    /// When the period ends, in milliseconds since 1970.
    pub end_ms: u64,
}

impl Stand {
    /// In one word: `open`, `warned` or `reduced` beyond the threshold, `exhausted`.
    pub fn word(&self) -> &'static str {
        match () {
            () if self.spent >= self.limit => "exhausted",
            () if self.spent < self.threshold => "open",
            () if self.then.is_some() => "reduced",
            () => "warned",
        }
    }

    fn line(&self) -> String {
        let share = if self.limit.0 == 0 { 0.0 } else { 100.0 * self.spent.usd() / self.limit.usd() };
        let until = time::stamp(UNIX_EPOCH + Duration::from_millis(self.end_ms));
        let mut line = format!(
            "budget    {}  {} of {} a {} spent ({share:.1} %), {} reserved, until {until}",
            legible::line(&self.tenant),
            self.spent.words(),
            self.limit.words(),
            self.per.word(),
            self.reserved.words()
        );
        match (self.word(), &self.then) {
            ("reduced", Some(chain)) => write!(line, "; requests take `{}`", legible::line(chain)),
            ("exhausted", _) => write!(line, "; requests are refused"),
            _ => Ok(()),
        }
        .expect("a String grows");
        line
    }

    fn json(&self) -> Value {
        json!({
            "tenant": self.tenant, "state": self.word(), "spent_usd": self.spent.usd(), "reserved_usd": self.reserved.usd(),
            "limit_usd": self.limit.usd(), "per": self.per.word(), "threshold_usd": self.threshold.usd(), "then": self.then,
            "end_ms": self.end_ms,
        })
    }
}

/// The first day of the period that counts for a tenant now; `None` without a budget.
fn start(tenant: &Tenant, unix_ms: u64) -> Option<Day> {
    Some(tenant.budget?.per.period(unix_ms).start)
}

impl Budgets {
    /// What an earlier daemon has kept.
    pub fn open(state: &Path) -> Budgets {
        let path = state.join("budgets.json");
        let parts = keep::read(&path).map(Option::unwrap_or_default).unwrap_or_else(|error| {
            eprintln!("throwover: what tenants have spent may be forgotten: {error}");
            BTreeMap::new()
        });
        Budgets { path, parts, unwritten: false, written: None, complained: false }
    }

    /// Takes in what a data plane has spent. `present` are the numbers of those that are connected.
    pub fn hear(&mut self, run: u64, list: &[Spending], present: &BTreeSet<u64>) {
        for told in list {
            let parts = self.parts.entry(told.tenant.clone()).or_default();
            let part = parts.entry(run).or_default();
            // Within a period it grows: what is less was overtaken on its way.
            let spent = if part.start == told.start { part.spent.max(told.spent) } else { told.spent };
            self.unwritten |= (part.start, part.spent) != (told.start, spent);
            *part = Part { start: told.start, spent, reserved: told.reserved };
            if parts.len() > PARTS_MAX {
                fold(parts, run, present);
            }
        }
    }

    /// What a data plane reserves is free once it is gone.
    pub fn gone(&mut self, run: u64) {
        for part in self.parts.values_mut().filter_map(|parts| parts.get_mut(&run)) {
            part.reserved = Money::NONE;
        }
    }

    /// What all data planes but this one have spent, of tenants that have a budget: of all of them, or of those
    /// that are named.
    pub fn elsewhere(&self, run: u64, draft: &Draft, unix_ms: u64, names: Option<&[Spending]>) -> Vec<Elsewhere> {
        let is_meant = |name: &str| names.is_none_or(|list| list.iter().any(|told| told.tenant == name));
        let tenants = draft.tenants.iter().filter(|(_, tenant)| is_meant(&tenant.name));
        let told = tenants.filter_map(|(_, tenant)| {
            let start = start(tenant, unix_ms)?;
            let parts = self.parts.get(&tenant.name)?;
            let own = parts.get(&run).filter(|part| part.start == start).map_or(Money::NONE, |part| part.spent);
            let (spent, _) = self.sum(&tenant.name, start, |other| other != run).unwrap_or_default();
            Some(Elsewhere { tenant: tenant.name.clone(), start, spent, own })
        });
        told.collect()
    }

    /// What was spent and is reserved in the period that begins on `start`, by those that `counts`; `None` when none
    /// of them said anything.
    fn sum(&self, tenant: &str, start: Day, counts: impl Fn(u64) -> bool) -> Option<(Money, Money)> {
        let parts = self.parts.get(tenant)?.iter().filter(|(run, part)| counts(**run) && part.start >= start);
        parts.fold(None, |sum, (_, part)| {
            let (spent, reserved) = sum.unwrap_or_default();
            Some((spent + part.spent, reserved + part.reserved))
        })
    }

    /// How every budget stands.
    pub fn stands(&self, draft: &Draft, unix_ms: u64) -> Vec<Stand> {
        let stand = |tenant: &Tenant| {
            let budget = tenant.budget?;
            let period = budget.per.period(unix_ms);
            let (spent, reserved) = self.sum(&tenant.name, period.start, |_| true).unwrap_or_default();
            Some(Stand {
                tenant: tenant.name.clone(),
                limit: budget.limit,
                per: budget.per,
                spent,
                reserved,
                threshold: budget.threshold(),
                then: budget.then.map(|chain| draft.chains[chain].name.clone()),
                end_ms: period.end_ms(),
            })
        };
        draft.tenants.iter().filter_map(|(_, tenant)| stand(tenant)).collect()
    }

    /// Writes down what is new, when it is time to, or `at_once`.
    pub fn keep(&mut self, draft: &Draft, now: Instant, unix_ms: u64, at_once: bool) {
        let is_due = self.written.is_none_or(|written| now.saturating_duration_since(written) >= WRITE_EVERY);
        if !self.unwritten || !is_due && !at_once {
            return;
        }
        self.forget_what_is_over(draft, unix_ms);
        self.written = Some(now);
        match self.write() {
            Ok(()) => (self.unwritten, self.complained) = (false, false),
            Err(error) if !self.complained => {
                self.complained = true;
                eprintln!("throwover: what tenants have spent could not be written down: {error}");
            }
            Err(_) => {}
        }
    }

    fn write(&self) -> io::Result<()> {
        keep::write(&self.path, &serde_json::to_vec(&self.parts).map_err(io::Error::other)?)
    }

    /// Of a tenant that the policy does not know at the moment, this month is kept.
    fn forget_what_is_over(&mut self, draft: &Draft, unix_ms: u64) {
        let starts: BTreeMap<&str, Day> =
            draft.tenants.iter().filter_map(|(_, tenant)| Some((tenant.name.as_str(), start(tenant, unix_ms)?))).collect();
        let month = Per::Month.period(unix_ms).start;
        for (tenant, parts) in &mut self.parts {
            let start = starts.get(tenant.as_str()).copied().unwrap_or(month);
            parts.retain(|_, part| part.start >= start);
        }
        self.parts.retain(|_, parts| !parts.is_empty());
    }
}

/// Makes one of the parts of those that have ended: none of them will be told again.
fn fold(parts: &mut BTreeMap<u64, Part>, run: u64, present: &BTreeSet<u64>) {
    let newest = parts[&run].start;
    let ended: Vec<u64> = parts.keys().copied().filter(|other| *other != run && !present.contains(other)).collect();
    let spent = ended.iter().filter_map(|other| parts.remove(other)).filter(|part| part.start >= newest).map(|part| part.spent).sum();
    parts.insert(ENDED, Part { start: newest, spent, reserved: Money::NONE });
}

/// What `status` shows of budgets.
pub fn told(stands: &[Stand]) -> (String, Value) {
    let text = stands.iter().map(|stand| stand.line() + "\n").collect();
    (text, stands.iter().map(Stand::json).collect())
}

#[cfg(test)]
mod tests;
