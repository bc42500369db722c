use super::*;
use crate::verbs::VERBS;
use std::process::{Command, Stdio};

fn completion(shell: &str) -> String {
    completions(&Arguments::from([("shell".to_owned(), shell.to_owned())])).text
}

#[test]
fn every_verb_and_option_is_completed_in_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let text = completion(shell);
        for verb in VERBS {
            assert!(text.contains(verb.name), "{shell} lacks {}", verb.name);
            for argument in verb.arguments.iter().filter(|argument| !argument.positional) {
                assert!(text.contains(argument.name), "{shell} lacks --{}", argument.name);
            }
        }
    }
    assert_eq!(completions(&Arguments::new()).code, code::USAGE);
}

#[test]
fn bash_reads_its_completions_and_completes_a_verb() {
    let script = format!(
        "{}\nCOMP_WORDS=(throwover rel); COMP_CWORD=1; _throwover throwover rel throwover; echo \"${{COMPREPLY[@]}}\"",
        completion("bash")
    );
    let output = Command::new("bash").arg("-c").arg(script).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "reload", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn there_is_a_page_for_each_verb() {
    let folder = std::env::temp_dir().join(format!("throwover-man-{}", std::process::id()));
    let out = folder.to_str().unwrap().to_owned();
    let answer = man(&Arguments::from([("out".to_owned(), out)]));
    assert_eq!((answer.code, answer.data["pages"].as_array().unwrap().len()), (code::OK, VERBS.len() + 1), "{}", answer.text);
    for verb in VERBS {
        let page = fs::read_to_string(folder.join(format!("throwover-{}.1", verb.name))).unwrap();
        assert!(page.contains(".TH throwover-") && page.contains(".SH SYNOPSIS"), "{page}");
        for argument in verb.arguments.iter().filter(|argument| !argument.positional) {
            assert!(page.contains(&argument.name.replace('-', "\\-")), "{} lacks {}", verb.name, argument.name);
        }
    }
    let whole = fs::read_to_string(folder.join("throwover.1")).unwrap();
    assert!(whole.contains("Exit codes"), "{whole}");
    assert_eq!(man(&Arguments::new()).text.lines().nth(2), whole.lines().nth(2));
    fs::remove_dir_all(&folder).unwrap();
    let nowhere = man(&Arguments::from([("out".to_owned(), "/dev/null/man".to_owned())]));
    assert_eq!(nowhere.code, code::FAILED);
}
