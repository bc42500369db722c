use super::*;
use incidents::{Incident, Kind, Provider};

/// Six hours in which everything happens to somebody, and for a while to two at once.
fn slice() -> Month {
    let provider = |name: &str, first_token_p50_ms| Provider { name: name.to_owned(), first_token_p50_ms, first_token_p90_ms: 2_000 };
    let incident = |provider: &str, from_min: u64, to_min: u64, kind| Incident {
        provider: provider.to_owned(),
        from_s: from_min * 60,
        to_s: to_min * 60,
        kind,
    };
    Month {
        about: vec![],
        days: 1,
        providers: vec![provider("a", 500), provider("b", 700), provider("c", 900)],
        incidents: vec![
            incident("a", 20, 60, Kind::Outage),
            incident("b", 50, 80, Kind::Silent),
            incident("c", 55, 70, Kind::Errors),
            incident("a", 100, 130, Kind::Errors),
            incident("b", 140, 170, Kind::RateLimited),
            incident("a", 180, 210, Kind::Silent),
            incident("c", 230, 260, Kind::Slow),
            incident("b", 270, 300, Kind::Errors),
            incident("c", 310, 330, Kind::Outage),
            incident("a", 320, 340, Kind::RateLimited),
        ],
    }
}

fn course(seed: u64) -> Course {
    Course { rate: 2.0, from_s: 0, to_s: 6 * 3_600, deadline_ms: 30_000, seed }
}

/// Conservation is asserted at the end of every chain that is played.
#[test]
fn a_chain_is_at_least_as_available_as_each_of_its_providers_alone() {
    let month = slice();
    for seed in 0..4 {
        let played = play(&month, &course(seed));
        let (alone, chains) = played.split_at(month.providers.len());
        assert_eq!(chains.iter().map(|tally| tally.chain.len()).collect::<Vec<_>>(), [2, 3]);
        for chain in chains {
            for member in &chain.chain {
                let (one, all) = (&alone[*member], chain);
                assert!(
                    all.availability() >= one.availability(),
                    "seed {seed}: {member} alone {}, with others {}",
                    one.answered,
                    all.answered
                );
            }
            // Where nobody is well, nobody can help; elsewhere little is lost: the breaker of one that errs at
            // times may be open while all others are out.
            assert!(chain.answered * 100 >= chain.possible * 99, "seed {seed}: {} of {}", chain.answered, chain.possible);
            assert!(chain.availability() > alone[0].availability() + 0.1, "seed {seed}: {}", alone[0].availability());
            assert!(chain.attempts >= chain.requests && chain.rescued > 0 && chain.probes > 0, "seed {seed}");
        }
        // Breakers: nobody is asked in vain for as long as the outage lasts.
        let two = &chains[0];
        assert!(two.in_vain * 4 < two.while_down, "seed {seed}: {} of {} were asked in vain", two.in_vain, two.while_down);
        assert!(played.iter().all(|tally| tally.requests == played[0].requests), "seed {seed}: the same requests for everybody");
    }
}

#[test]
fn the_same_seed_is_the_same_month() {
    let month = slice();
    let told = |seed| told::json(&month, &course(seed), &play(&month, &course(seed)));
    assert_eq!(told(3), told(3));
    assert_ne!(told(3), told(4));
}

#[test]
fn a_month_without_incidents_loses_nothing_to_a_chain() {
    let month = Month { incidents: vec![], ..slice() };
    let played = play(&month, &course(1));
    let last = played.last().unwrap();
    assert_eq!(last.answered, last.requests);
    assert_eq!((last.in_vain, last.forced), (0, 0));
}
