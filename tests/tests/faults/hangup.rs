//! A tenant hangs up in the middle of an exchange: nothing is begun for it any more.

use crate::stage::HANG_UPS;
use mock::journal::{Entry, Outcome};
use tests::testkit::{gateway::Gateway, provider::Provider, speech, tenant::Tenant, until};

/// Attempts that were begun for tenants of this client that had hung up: while the gateway waited to ask again, and
/// while a provider kept it waiting that has a fallback.
pub(crate) fn attempts_after(zoo: &Provider, gateway: &Gateway, client: &str) -> u64 {
    let entries = |model: &str| -> Vec<Entry> { zoo.log().into_iter().filter(|entry| entry.model == model).collect() };
    let mut after = 0;
    for form in ["json", "stream"] {
        let name = |what: &str| format!("{what}-{client}-{form}");
        for what in HANG_UPS {
            let model = name(what);
            let mut tenant = Tenant::connect(gateway.address);
            tenant.send(&speech::ask(client, &model, "hi", form == "stream").bytes());
            until("the first attempt is where it is to be", || {
                let first = entries(&model).into_iter().next()?;
                (what == "held" || first.outcome == Outcome::Complete).then_some(())
            });
            drop(tenant);
        }
        // Waits as long as the others would have, and then asks again: what they did not begin by then they never do.
        let sentinel = Tenant::connect(gateway.address).ask(&speech::ask(client, &name("sentinel"), "hi", form == "stream"));
        assert_eq!(sentinel.head.status, 429, "{}", sentinel.text());
        assert!(entries(&name("sentinel")).len() > 1, "the sentinel did not wait");
        for what in HANG_UPS {
            let model = name(what);
            until("the hang-up is written down", || {
                let log = gateway.access_log();
                log.lines().any(|line| line.contains(&model) && line.contains("\"outcome\":\"hung_up\"")).then_some(())
            });
            after += entries(&model).len() as u64 - 1;
        }
    }
    after
}
