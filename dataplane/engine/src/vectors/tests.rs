//! Who is asked for vectors of which length, by tables.

use super::*;
use crate::{
    Board, Moment,
    decide::{self, Wants},
    exchange::{Next, Skip, Surrender},
    prepared::tests::{chain, draft, name, prepare, target},
};
use codec::dialect::Needs;
use policy::{Dialect, Draft, ProviderId, Speaks, TargetId};

/// What is known of a model: how long its vectors are, and from what they can be cut.
type Known = (Option<u32>, Option<u32>);

const SMALL: (&str, Known) = ("small", (Some(1536), Some(1536)));
const LARGE: (&str, Known) = ("large", (Some(3072), Some(3072)));
const CUT: (&str, Known) = ("large", (Some(768), Some(3072)));
const FIXED: (&str, Known) = ("fixed", (Some(1024), None));
const OLD: (&str, Known) = ("old", (Some(1536), None));
const UNKNOWN: (&str, Known) = ("mystery", (None, None));

fn policy(models: &[(&str, Known)], mix: bool) -> (Draft, Vec<TargetId>) {
    let providers: Vec<(String, u32)> = (0..models.len()).map(|at| (format!("p{at}"), 0)).collect();
    let providers: Vec<(&str, u32)> = providers.iter().map(|(name, keys)| (name.as_str(), *keys)).collect();
    let mut draft = draft(&providers);
    let mut targets = Vec::new();
    for (at, (model, (dimensions, shortens_from))) in (0..).zip(models) {
        let id = target(&mut draft, at, model);
        let mut known = draft.targets[id].clone();
        (known.understands.dimensions, known.understands.shortens_from) = (*dimensions, *shortens_from);
        draft.targets.insert(id, known);
        targets.push(id);
    }
    let steps: Vec<&[TargetId]> = targets.iter().map(std::slice::from_ref).collect();
    let chain = chain(&mut draft, "c", &steps);
    let mut rules = draft.chains[chain].clone();
    rules.mix_dimensions = mix;
    draft.chains.insert(chain, rules);
    name(&mut draft, "c", chain);
    (draft, targets)
}

fn exchange(prepared: &Prepared, wants: Wants) -> crate::Exchange {
    let now = Moment::START;
    let ask = Ask { tenant: None, model: "c", field: &|_| None, chain: None, deadline_ms: None, stream: false, wants, started: now };
    decide::decide(prepared, &ask, &Board::full(), now).expect("the name is known")
}

fn embeds(vectors: Vectors) -> Wants {
    Wants { known_to: Speaks::CHAT.and(Speaks::GEMINI), vectors, ..Wants::default() }
}

/// What each target of a chain is told; `None` for one that is passed over for its vectors.
fn check(models: &[(&str, Known)], mix: bool, vectors: Vectors, expected: &[Option<Length>]) {
    let (draft, targets) = policy(models, mix);
    let prepared = prepare(draft);
    let exchange = exchange(&prepared, embeds(vectors));
    let found: Vec<Option<Length>> = exchange
        .candidates()
        .iter()
        .zip(&targets)
        .map(|(candidate, target)| match candidate.skip() {
            None => Some(told(&prepared, exchange.chain(), *target, "c", vectors)),
            Some(skip) => {
                assert_eq!(skip, Skip::Dimensions);
                None
            }
        })
        .collect();
    assert_eq!(found, expected, "{models:?} mix {mix} {vectors:?}");
}

#[test]
fn the_first_target_sets_the_length() {
    use Length::{AsAsked, Of};
    let usual = Vectors::Usual;
    check(&[SMALL, LARGE, FIXED, OLD, UNKNOWN], false, usual, &[Some(AsAsked), Some(Of(1536)), None, Some(AsAsked), None]);
    check(&[LARGE, SMALL, LARGE], false, usual, &[Some(AsAsked), None, Some(AsAsked)]);
    check(&[CUT, SMALL, LARGE, FIXED], false, usual, &[Some(Of(768)), Some(Of(768)), Some(Of(768)), None]);
    check(&[FIXED, SMALL], false, usual, &[Some(AsAsked), Some(Of(1024))]);
    // Nobody knows what the first gives: only the same model gives the same.
    check(&[UNKNOWN, SMALL, UNKNOWN], false, usual, &[Some(AsAsked), None, Some(AsAsked)]);
    // Of one model, what is known contradicts what is not.
    check(&[FIXED, ("fixed", (None, None)), ("fixed", (Some(512), None))], false, usual, &[Some(AsAsked), Some(AsAsked), None]);
}

#[test]
fn the_request_sets_the_length() {
    use Length::{AsAsked, Untold};
    let long = Vectors::Long;
    check(&[SMALL, LARGE, FIXED, UNKNOWN], false, long(512), &[Some(AsAsked), Some(AsAsked), None, None]);
    check(&[SMALL, LARGE, FIXED], false, long(1024), &[Some(AsAsked), Some(AsAsked), Some(Untold)]);
    // Its provider is the judge of what the chain's own model can.
    check(&[SMALL, LARGE, SMALL], false, long(2000), &[Some(AsAsked), Some(AsAsked), Some(AsAsked)]);
    check(&[FIXED, SMALL], false, long(64), &[Some(AsAsked), Some(AsAsked)]);
}

#[test]
fn a_chain_may_mix() {
    use Length::{AsAsked, Of, Untold};
    check(
        &[SMALL, LARGE, FIXED, UNKNOWN, CUT],
        true,
        Vectors::Usual,
        &[Some(AsAsked), Some(AsAsked), Some(AsAsked), Some(AsAsked), Some(Of(768))],
    );
    check(&[SMALL, FIXED, UNKNOWN], true, Vectors::Long(512), &[Some(AsAsked), Some(Untold), Some(AsAsked)]);
}

#[test]
fn chats_have_no_length() {
    let (draft, targets) = policy(&[SMALL, FIXED], false);
    let prepared = prepare(draft);
    let exchange = exchange(&prepared, Wants::default());
    assert!(exchange.candidates().iter().all(|candidate| candidate.skip().is_none()));
    assert_eq!(told(&prepared, exchange.chain(), targets[1], "c", Vectors::None), Length::AsAsked);
}

#[test]
fn when_no_vector_would_fit_the_tenant_hears_it() {
    let (mut draft, targets) = policy(&[SMALL, FIXED], false);
    let mut first = draft.targets[targets[0]].clone();
    first.disabled = Some("no key".into());
    draft.targets.insert(targets[0], first);
    let prepared = prepare(draft);
    let board = Board::full();
    let mut exchange = exchange(&prepared, embeds(Vectors::Usual));
    let Next::Surrender(Surrender::Own(own)) = exchange.next(&prepared, &board, Moment::START, &mut || 0) else { panic!("nothing fits") };
    assert_eq!((own.status, own.code), (400, "unsupported_by_targets"));
    assert!(own.message.as_str().ends_with("p0/small disabled; p1/fixed dimensions"), "{}", own.message.as_str());
    exchange.abandoned(&board, &prepared, Moment::START);
}

#[test]
fn a_dialect_that_has_nothing_of_the_kind_is_passed_over() {
    let (mut draft, _) = policy(&[SMALL, SMALL, SMALL, SMALL], false);
    for (id, dialect) in [(1, Dialect::Anthropic), (2, Dialect::Gemini)] {
        let mut provider = draft.providers[ProviderId(id)].clone();
        (provider.dialect, provider.speaks) = (dialect, dialect.speaks());
        draft.providers.insert(ProviderId(id), provider);
    }
    let mut items = draft.providers[ProviderId(3)].clone();
    items.speaks = Speaks::RESPONSES;
    draft.providers.insert(ProviderId(3), items);
    let skips = |draft: &Draft, wants: Wants| -> Vec<Option<Skip>> {
        exchange(&prepare(draft.clone()), wants).candidates().iter().map(|candidate| candidate.skip()).collect()
    };
    let unable = Some(Skip::Unable);
    assert_eq!(skips(&draft, embeds(Vectors::Usual)), [None, unable, None, unable]);
    let tokens = Wants { needs: Needs::TOKEN_IDS, ..embeds(Vectors::Usual) };
    assert_eq!(skips(&draft, tokens), [None, unable, Some(Skip::Lacks(Needs::TOKEN_IDS)), unable]);
    let own = Wants { needs: Needs::OWN, ..embeds(Vectors::Usual) };
    assert_eq!(skips(&draft, own), [None, unable, Some(Skip::Lacks(Needs::OWN)), unable]);
    // What only its own dialect has is left out where the chain says so, and no dialect learns a thing by it.
    let id = policy::ChainId(0);
    let mut rules = draft.chains[id].clone();
    rules.drop_params = true;
    draft.chains.insert(id, rules);
    assert_eq!(skips(&draft, own), [None, unable, None, unable]);
    assert_eq!(skips(&draft, Wants { known_to: Speaks::CHAT, ..own }), [None, unable, unable, unable]);
}

#[test]
fn who_would_answer_may_be_unable() {
    let table = [
        ([Dialect::OpenAi, Dialect::Anthropic], false),
        ([Dialect::Anthropic, Dialect::OpenAi], true),
        ([Dialect::OpenAi, Dialect::OpenAi], false),
    ];
    for (dialects, able) in table {
        let (mut draft, targets) = policy(&[UNKNOWN, UNKNOWN], false);
        for (id, dialect) in (0..).zip(dialects) {
            let mut provider = draft.providers[ProviderId(id)].clone();
            (provider.dialect, provider.speaks) = (dialect, dialect.speaks());
            draft.providers.insert(ProviderId(id), provider);
        }
        let wants = Wants { spoken: Speaks::ANTHROPIC, known_to: Speaks::ANTHROPIC.and(Speaks::GEMINI), ..Wants::default() };
        let board = Board::full();
        let now = Moment::START;
        let decided = |draft: &Draft| {
            let prepared = prepare(draft.clone());
            exchange(&prepared, wants).first_is_able(&prepared, &board, now)
        };
        assert_eq!(decided(&draft), able, "{dialects:?}");
        // Who is never asked would not answer either.
        let mut first = draft.targets[targets[0]].clone();
        first.disabled = Some("set aside".into());
        draft.targets.insert(targets[0], first);
        assert_eq!(decided(&draft), dialects[1] == Dialect::Anthropic, "{dialects:?} without the first");
    }
}
