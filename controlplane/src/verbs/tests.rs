use super::*;

#[test]
fn the_table_makes_a_sound_command_line() {
    command().debug_assert();
    for verb in VERBS {
        for example in verb.examples {
            let words = example.split(['|', '>']).next().unwrap_or(example).replace('\'', "");
            let named = words.split_whitespace().nth(1);
            assert_eq!(named, Some(verb.name), "{example}");
        }
    }
}

#[test]
fn a_line_is_read_as_the_command_line_is() {
    let request = parse_line("events --last 3 --follow\n").unwrap();
    assert_eq!(request.verb, "events");
    assert_eq!((request.arguments["last"].as_str(), request.arguments["follow"].as_str()), ("3", "true"));
    assert!(parse_line("evnets").unwrap_err().contains("events"));
    assert!(parse_line("").is_err());
}

#[test]
fn looking_takes_less_than_changing() {
    for verb in VERBS.iter().filter(|verb| matches!(verb.handler, Handler::Daemon(_))) {
        let looks = ["diff", "generations", "status", "health", "events"].contains(&verb.name);
        assert_eq!(verb.role, if looks { Role::Viewer } else { Role::Operator }, "{}", verb.name);
    }
}
