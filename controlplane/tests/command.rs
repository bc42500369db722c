//! The command as operators and scripts use it.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::House;

#[test]
fn exit_codes() {
    let house = House::new();
    let config = house.config();
    let config = config.to_str().unwrap();
    let code = |verb: &str, arguments: &[&str]| house.command(verb, arguments).output().unwrap().status.code();
    assert_eq!(code("check", &[config]), Some(0));
    assert_eq!(code("check", &[config, "--strict"]), Some(0));
    assert_eq!(code("check", &["/no/such/file"]), Some(3));
    assert_eq!(code("no-such-verb", &[]), Some(2));
    assert_eq!(code("check", &[config, "--format", "xml"]), Some(2));
    let run = house.folder.join("nobody-here");
    assert_eq!(code("status", &["--run", run.to_str().unwrap()]), Some(4));
    house.write("x: 1\n");
    assert_eq!(code("check", &[config]), Some(3));
    let state = house.folder.join("state");
    let places = ["--config", config, "--run", run.to_str().unwrap(), "--state", state.to_str().unwrap()];
    assert_eq!(code("daemon", &places), Some(3), "with neither a sound policy nor a journal there is nothing to serve");
}

#[test]
fn what_is_converted_passes_check_and_what_is_not_is_said() {
    let house = House::new();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/convert");
    for (from, name, keys) in [
        (
            "litellm",
            "litellm.yaml",
            &["AZURE_API_KEY_EU", "OPENAI_API_KEY", "GROQ_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_AT_10_0_0_7_8000_API_KEY"][..],
        ),
        (
            "portkey",
            "portkey-fallback.json",
            &["OPENAI_API_KEY", "OPENAI_BACKUP_API_KEY", "GROQ_PROD_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY"],
        ),
        ("bifrost", "bifrost.json", &["OPENAI_API_KEY", "OPENAI_API_KEY_2", "GROQ_API_KEY", "ANTHROPIC_API_KEY"]),
    ] {
        let file = format!("{samples}/{name}");
        let output = house.command("convert", &["--from", from, &file]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stderr).contains("not converted: "), "{from}");
        house.write(&String::from_utf8(output.stdout).unwrap());
        let mut check = house.command("check", &[house.config().to_str().unwrap()]);
        let checked = check.envs(keys.iter().map(|key| (key, "secret-that-is-long-enough"))).output().unwrap();
        assert_eq!(checked.status.code(), Some(0), "{from}: {}", String::from_utf8_lossy(&checked.stdout));
        let strict = house.command("convert", &["--from", from, &file, "--strict"]).output().unwrap();
        assert_eq!(strict.status.code(), Some(1), "{from}");
    }
    assert_eq!(house.command("convert", &["--from", "litellm", "/no/such/file"]).output().unwrap().status.code(), Some(1));
    assert_eq!(house.command("convert", &["--from", "nginx", "x"]).output().unwrap().status.code(), Some(2));
}

/// A key that a service manager passes, with the modes that it gives such files.
#[test]
fn keys_come_from_the_service_manager() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    house.write(&support::POLICY.replace("${TEST_PROVIDER_KEY}", "${credential:key_local}"));
    let folder = house.folder.join("credentials");
    std::fs::create_dir(&folder).unwrap();
    let check = |credentials: Option<&std::path::Path>| {
        let mut command = house.command("check", &[house.config().to_str().unwrap(), "--strict"]);
        command.env_remove("CREDENTIALS_DIRECTORY").envs(credentials.map(|folder| ("CREDENTIALS_DIRECTORY", folder)));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = check(None);
    assert!(code == Some(3) && said.contains("LoadCredential="), "{said}");
    let (code, said) = check(Some(&folder));
    assert!(code == Some(3) && said.contains("key_local cannot be read"), "{said}");
    let key = folder.join("key_local");
    std::fs::write(&key, "sk-of-the-manager\n").unwrap();
    for mode in [0o400, 0o440] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let (code, said) = check(Some(&folder));
        assert!(code == Some(0) && !said.contains("sk-of"), "{said}");
    }
}

#[test]
fn what_init_writes_passes_check() {
    let house = House::new();
    let file = house.folder.join("first.yaml");
    let run = |verb: &str, key: bool| {
        let mut command = house.command(verb, &[file.to_str().unwrap()]);
        if key {
            command.env("OPENAI_API_KEY", "sk-this-is-never-written");
        }
        command.output().unwrap()
    };
    assert_eq!(run("init", true).status.code(), Some(0));
    assert_eq!(run("init", true).status.code(), Some(6), "nothing is overwritten");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("sk-this"));
    assert_eq!(run("check", true).status.code(), Some(0));
    assert_eq!(run("check", false).status.code(), Some(3), "it asks whom the key was for");
}

#[test]
fn the_smallest_file_by_the_command() {
    let house = House::new();
    house.write(include_str!("../examples/smallest.yaml"));
    let config = house.config();
    let with = house.command("check", &[config.to_str().unwrap()]).env("OPENAI_API_KEY", "sk-x").output().unwrap();
    assert_eq!(with.status.code(), Some(0), "{}", String::from_utf8_lossy(&with.stdout));
    let without = house.command("check", &[config.to_str().unwrap()]).output().unwrap();
    assert_eq!(without.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&without.stdout).contains("OPENAI_API_KEY is not set"));
}

#[test]
fn what_a_policy_asks_and_what_time_has_done_to_it() {
    let house = House::new();
    house.write(include_str!("../examples/smallest.yaml"));
    let config = house.config();
    let config = config.to_str().unwrap();
    let run = |verb: &str, arguments: &[&str]| house.command(verb, arguments).env("OPENAI_API_KEY", "sk-x").output().unwrap();
    let listed = run("models", &[config, "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().iter().filter(|row| row["provider"] == "openai").count(), 2);
    assert_eq!(run("models", &["--all"]).status.code(), Some(0));
    assert_eq!(run("models", &["/no/such/file"]).status.code(), Some(3));
    // It names models that are no longer served.
    let checked = run("catalog", &["check", config]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.code() == Some(1) && said.contains("replaced  openai/gpt-4-turbo"), "{said}");
    let built_in = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/models.json");
    let compared = run("catalog", &["check", config, "--against", built_in]);
    assert!(!String::from_utf8_lossy(&compared.stdout).contains("price "), "nothing has changed since today");
    assert_eq!(run("catalog", &["check", config, "--against", config]).status.code(), Some(1));
    assert_eq!(run("catalog", &[]).status.code(), Some(2));
    assert_eq!(run("catalog", &["mend", config]).status.code(), Some(2));
    house.write(support::POLICY);
    let quiet = house.command("catalog", &["check", config]).output().unwrap();
    assert_eq!(quiet.status.code(), Some(0), "{}", String::from_utf8_lossy(&quiet.stdout));
}

#[test]
fn json_for_programs() {
    let house = House::new();
    house.write("gatway: {}\n");
    let output = house.command("check", &[house.config().to_str().unwrap(), "--format", "json"]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = &answer["complaints"][0];
    assert_eq!((&first["line"], &first["column"], &first["severity"]), (&1.into(), &1.into(), &"error".into()));
    assert_eq!(first["mend"], "did you mean `gateway`?");
    let schema: serde_json::Value = serde_json::from_slice(&house.command("schema", &[]).output().unwrap().stdout).unwrap();
    assert_eq!(schema["properties"]["routes"]["items"]["required"][0], "chain");
}

#[test]
fn every_example_compiles() {
    let house = House::new();
    let mut count = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = file.unwrap().path();
        let mut command = house.command("check", &[path.to_str().unwrap()]);
        for variable in [
            "OPENAI_API_KEY",
            "OPENAI_SECOND_KEY",
            "AZURE_EU_KEY",
            "AZURE_US_KEY",
            "ACME_TENANT_KEY",
            "GEMINI_API_KEY",
            "GROQ_API_KEY",
            "MISTRAL_API_KEY",
        ] {
            command.env(variable, "secret-that-is-long-enough");
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}\n{}", path.display(), String::from_utf8_lossy(&output.stdout));
        count += 1;
    }
    assert!(count >= 5, "there are {count} examples");
}

#[test]
fn every_verb_has_help_with_examples() {
    let house = House::new();
    for verb in controlplane::verbs::VERBS {
        let output = house.command(verb.name, &["--help"]).output().unwrap();
        let help = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        assert!(verb.examples.iter().all(|example| help.contains(example)), "{help}");
    }
}
