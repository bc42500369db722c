//! What tenants have spent, told to the control plane and learned from it.
//!
//! Each data plane tells what was spent by itself alone, under a number of its own; the control plane
//! keeps that and says what all others have spent. So a process that begins anew goes on where the one
//! before it ended, and two that serve at once count nothing twice.

use crate::process::Process;
use engine::budget::Standing;
use policy::{
    Money, Period, Snapshot, TenantId,
    budget::{Day, Per},
    limits,
    wire::{Elsewhere, Event, Spending},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What was told and heard on one connection.
#[derive(Default)]
pub struct Spent {
    told: HashMap<TenantId, (Day, Standing)>,
    /// What others have spent, by tenant; about as many as a policy may have.
    elsewhere: BTreeMap<String, Elsewhere>,
}

impl Spent {
    /// What has changed since it was last told.
    pub fn news(&mut self, process: &Process, unix_ms: u64) -> Vec<Spending> {
        let Some(policy) = process.current.load() else { return Vec::new() };
        let mut news = Vec::new();
        for (id, name, per) in budgets(&policy) {
            let period: Period = per.period(unix_ms);
            let now = (period.start, process.board.tenant(id).purse.standing(&period));
            let known = self.told.insert(id, now);
            let nothing = now.1.spent == Money::NONE && now.1.reserved == Money::NONE;
            if known.map_or(nothing, |known| known == now) {
                continue;
            }
            let (start, Standing { spent, reserved, .. }) = now;
            news.push(Spending { tenant: name.to_owned(), start, spent, reserved });
        }
        news
    }

    /// Learns what others have spent. The first word of a connection is an event, when it says something.
    pub fn learn(&mut self, process: &Process, list: Vec<Elsewhere>, at_us: u64) {
        let first = self.elsewhere.is_empty() && !list.is_empty();
        for told in list {
            self.elsewhere.insert(told.tenant.clone(), told);
        }
        if self.elsewhere.len() > limits::TENANTS_MAX
            && let Some(policy) = process.current.load()
        {
            let names: HashSet<&str> = budgets(&policy).map(|(_, name, _)| name).collect();
            self.elsewhere.retain(|name, _| names.contains(name.as_str()));
        }
        self.apply(process);
        if first {
            let sum: Money = self.elsewhere.values().map(|told| told.spent).sum();
            let details = vec![
                ("what".to_owned(), "remembered".to_owned()),
                ("tenants".to_owned(), self.elsewhere.len().to_string()),
                ("spent_usd".to_owned(), sum.to_string()),
            ];
            // A full queue lets the oldest event go; the newest is the one worth having.
            process.tell(Event { at_us, kind: "budget".to_owned(), details });
        }
    }

    /// Says what is known to the tenants of the newest policy.
    pub fn apply(&self, process: &Process) {
        let Some(policy) = process.current.load() else { return };
        for (id, name, _) in budgets(&policy) {
            if let Some(told) = self.elsewhere.get(name) {
                let purse = &process.board.tenant(id).purse;
                purse.learn(told.start, told.spent);
                purse.recover(told.start, told.own);
            }
        }
    }
}

/// The tenants that have a budget.
fn budgets(policy: &Snapshot) -> impl Iterator<Item = (TenantId, &str, Per)> {
    policy.tenants.iter().filter_map(|(id, tenant)| Some((id, tenant.name.as_str(), tenant.budget?.per)))
}

/// True when somebody's money is counted.
pub fn is_counted(process: &Process) -> bool {
    process.current.load().is_some_and(|policy| budgets(&policy).next().is_some())
}
