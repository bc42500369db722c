use super::*;
use crate::{load, validate};

fn compiled(text: &str, previous: &Previous, generation: u64) -> Compiled {
    let loaded = load::text("p.yaml", text);
    let checked = validate::validate(&loaded, &validate::tests::surroundings());
    assert!(!checked.complaints.refuse(), "{}", checked.complaints.render(&loaded.sources));
    compile(&checked.plan, previous, generation).unwrap()
}

fn previous(compiled: Compiled) -> Previous {
    Previous { draft: compiled.draft, keys: compiled.keys }
}

fn id_of(draft: &Draft, target: &str) -> Option<usize> {
    draft.targets.iter().find(|(_, entry)| entry.name == target).map(|(id, _)| id.index())
}

const TWO: &str = "providers:
  a: {endpoint: \"https://a.test/v1\", keys: [\"${A_KEY}\", \"${B_KEY}\"]}
  b: {endpoint: \"https://b.test/v1\", keys: [\"${C_KEY}\"]}
fallback: {chains: [{name: c, models: [{provider: a, model: m}, {provider: b, model: m}]}]}
";

#[test]
fn the_same_policy_has_the_same_ids_and_the_same_image() {
    let one = compiled(TWO, &Previous::default(), 7);
    let two = compiled(TWO, &previous(one.clone()), 7);
    assert_eq!(policy::image::seal(&one.draft), policy::image::seal(&two.draft));
    assert_eq!(one.secrets, two.secrets);
}

#[test]
fn ids_stay_when_others_come_go_and_change_places() {
    let one = compiled(TWO, &Previous::default(), 1);
    let (kept, key) = (id_of(&one.draft, "b/m").unwrap(), one.keys.0["b ${C_KEY}"]);
    let without = "providers:
  b: {endpoint: \"https://b.test/v1\", keys: [\"${D_KEY}\", \"${C_KEY}\"]}
  aa: {endpoint: \"https://aa.test/v1\"}
fallback: {chains: [{name: c, models: [{provider: b, model: m}, {provider: aa, model: m}]}]}
";
    let two = compiled(without, &previous(one.clone()), 2);
    assert_eq!(id_of(&two.draft, "b/m"), Some(kept));
    assert_eq!(two.keys.0["b ${C_KEY}"], key);
    assert_eq!(two.secrets.key(KeyId::new(key)).unwrap().reveal(), b"secret of C_KEY");
    let gone = id_of(&one.draft, "a/m").unwrap();
    assert_ne!(id_of(&two.draft, "aa/m"), Some(gone), "what a removed target left behind is not inherited at once");
    let three = compiled(&without.replace("aa", "third"), &previous(two), 3);
    assert_eq!(id_of(&three.draft, "b/m"), Some(kept));
    assert!(id_of(&three.draft, "third/m").unwrap() <= gone.max(kept) + 2, "ids that rested are used again");
}

#[test]
fn providers_at_one_origin_share_its_pool() {
    let text = "providers:
  one: {endpoint: \"https://x.test/a\", connections: {warm: 2}}
  two: {endpoint: \"https://x.test/b\", connections: {warm: 5}}
  three: {endpoint: \"https://x.test/b\", ca: /ca.pem}
fallback: {chains: [{name: c, models: [{provider: one, model: m}, {provider: two, model: m}, {provider: three, model: m}]}]}
";
    let draft = compiled(text, &Previous::default(), 1).draft;
    assert_eq!(draft.origins.count(), 2, "other authorities make another origin");
    assert!(draft.origins.iter().any(|(_, origin)| origin.warm == 5));
}

#[test]
fn ids_are_used_up_to_the_bound() {
    let names: Vec<String> = (0..4).map(|number| format!("n{number}")).collect();
    let known: HashMap<String, u32> = [("gone".to_owned(), 0), ("n1".to_owned(), 1)].into();
    let ids = assign(known, 2, &names, 4);
    let mut all: Vec<u32> = ids.values().copied().collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3], "a resting id is taken when there is no other");
    assert_eq!(ids["n1"], 1);
}

#[test]
fn what_is_said_differently_is_kept_once() {
    let text = "fallback:
  chains:
    - {name: a, models: [{provider: openai, model: m, prefix: one}, {provider: openai, model: n, params: {seed: 1}}]}
    - {name: b, models: [{provider: openai, model: m, params: {seed: 1}}, {provider: openai, model: n}], drop_params: true}
";
    let draft = compiled(text, &Previous::default(), 1).draft;
    assert_eq!(draft.wordings.len(), 2);
    let chain = |name: &str| draft.chains.iter().find(|(_, chain)| chain.name == name).unwrap().1.clone();
    let said = |name: &str| -> Vec<Option<policy::Wording>> {
        let members = chain(name).steps.into_iter().flat_map(|step| step.members);
        members.map(|member| member.wording.map(|at| draft.wordings[at as usize].clone())).collect()
    };
    let seed = Some(policy::Wording { set: Some("\"seed\":1".to_owned()), ..Default::default() });
    assert_eq!(said("a"), [Some(policy::Wording { prefix: Some("one".to_owned()), ..Default::default() }), seed.clone()]);
    assert_eq!(said("b"), [seed, None]);
    assert!(chain("b").drop_params && !chain("a").drop_params);
}

#[test]
fn ten_thousand_routes() {
    let mut text = "providers: {v: {endpoint: \"http://127.0.0.1:8000/v1\"}}\nfallback:\n  chains:\n".to_owned();
    for chain in 0..1_000 {
        text.push_str(&format!(
            "    - {{name: chain-{chain}, models: [{{provider: v, model: m{chain}}}, {{provider: v, model: last}}]}}\n"
        ));
    }
    text.push_str("routes:\n");
    for route in 0..10_000 {
        text.push_str(&format!("  - {{when: {{model: \"team-{route}-*\", header: {{x-tier: gold}}}}, chain: chain-{}}}\n", route % 1_000));
    }
    let draft = compiled(&text, &Previous::default(), 1).draft;
    assert_eq!((draft.routes.len(), draft.chains.count()), (10_000, 2_002));
    assert!(policy::image::open(&policy::image::seal(&draft)).is_ok());
}
