use super::*;

#[test]
fn prices_in_dollars() {
    for (millionths, expected) in
        [(2_000_000, "2.00"), (75_000, "0.075"), (0, "0.00"), (11_500, "0.0115"), (1, "0.000001"), (12_340_000, "12.34")]
    {
        assert_eq!(dollars(millionths), expected);
    }
}

#[test]
fn the_whole_catalogue_with_what_it_lacks() {
    let arguments = Arguments::from([("all".to_owned(), "true".to_owned())]);
    let answer = models(&arguments);
    let line = |model: &str| answer.text.lines().find(|line| line.split_whitespace().nth(1) == Some(model)).unwrap().to_owned();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let heads = words(answer.text.lines().next().unwrap());
    let entry = |model: &str, head: &str| words(&line(model))[heads.iter().position(|known| known == head).unwrap()].clone();
    assert_eq!((entry("gpt-4.1", "CONTEXT"), entry("gpt-4.1", "OUT")), ("1047576".to_owned(), "8.00".to_owned()));
    assert_eq!(
        (entry("gpt-4.1", "IMAGE"), entry("gpt-4.1", "AUDIO"), entry("gpt-4.1", "THINKS")),
        ("yes".to_owned(), "no".to_owned(), "no".to_owned())
    );
    assert_eq!(entry("claude-sonnet-4-5", "THINKS"), "budget");
    assert_eq!((entry("text-embedding-3-small", "VECTORS"), entry("gpt-4.1", "VECTORS")), ("..1536".to_owned(), "-".to_owned()));
    assert_eq!(entry("claude-sonnet-4-5", "RETIRES"), "2026-11-30");
    assert!(entry("claude-opus-5", "LACKS").contains("sampling"));
    // What a provider lacks stands at each of its models.
    assert!(entry("llama-3.1-8b-instant", "LACKS").split(',').any(|word| word == "n"));
    assert_eq!(answer.data.as_array().unwrap().len() + 1, answer.text.lines().count());
}

#[test]
fn of_a_policy_what_it_asks_and_what_it_says_itself() {
    let folder = std::env::temp_dir().join(format!("throwover-models-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("p.yaml");
    let text = "providers: {own: {endpoint: \"http://127.0.0.1:9/v1\"}}
fallback: {chains: [{name: c, models: [{provider: own, model: m, context_window: 8192, lacks: [image]}, {provider: own, model: n}]}]}";
    std::fs::write(&file, text).unwrap();
    let arguments = Arguments::from([("file".to_owned(), file.to_str().unwrap().to_owned())]);
    let answer = models(&arguments);
    let rows = answer.data.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{}", answer.text);
    assert_eq!((&rows[0]["context_window"], &rows[0]["lacks"]), (&8192.into(), &json!(["image"])));
    assert_eq!((&rows[1]["listed"], &rows[1]["context_window"]), (&false.into(), &Value::Null));
    let second = answer.text.lines().nth(2).unwrap();
    assert!(second.contains('?') && !second.contains("yes"), "nobody knows what is not listed: {second}");
    std::fs::write(&file, "x: 1").unwrap();
    assert_eq!(models(&arguments).code, crate::socket::code::INVALID);
    std::fs::remove_dir_all(&folder).unwrap();
}
