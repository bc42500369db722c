//! Completions for shells and pages for `man`, from the table of verbs.

use super::{Arguments, command};
use crate::socket::{Answer, code};
use serde_json::json;
use std::{fs, io, path::Path};

pub(super) fn completions(arguments: &Arguments) -> Answer {
    use clap_complete::Shell;
    let shell = match arguments.get("shell").map(String::as_str) {
        Some("bash") => Shell::Bash,
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => return Answer::refused(code::USAGE, "for which shell: bash, zsh or fish?\n".to_owned()),
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "throwover", &mut text);
    text_of(text)
}

pub(super) fn man(arguments: &Arguments) -> Answer {
    let Some(folder) = arguments.get("out") else {
        let mut text = Vec::new();
        return match clap_mangen::Man::new(command()).render(&mut text) {
            Ok(()) => text_of(text),
            Err(error) => Answer::refused(code::FAILED, format!("{error}\n")),
        };
    };
    match written(Path::new(folder)) {
        Ok(names) => {
            let text = format!("{} pages in {folder}\n", names.len());
            Answer::new(text, json!({"folder": folder, "pages": names}))
        }
        Err(error) => Answer::refused(code::FAILED, format!("{folder}: {error}\n")),
    }
}

fn text_of(text: Vec<u8>) -> Answer {
    let text = String::from_utf8(text).expect("both packages write text, and the table holds nothing else");
    Answer { code: code::OK, data: json!({"text": text}), text }
}

/// Writes `throwover.1`, and `throwover-VERB.1` for each verb.
fn written(folder: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    let whole = command().disable_help_subcommand(true);
    let version = env!("CARGO_PKG_VERSION");
    let verbs: Vec<clap::Command> = whole
        .get_subcommands()
        .map(|verb| {
            let (name, called) = (format!("throwover-{}", verb.get_name()), format!("throwover {}", verb.get_name()));
            verb.clone().display_name(name).bin_name(called).version(version)
        })
        .collect();
    let mut names = Vec::new();
    for page in std::iter::once(whole).chain(verbs) {
        let name = format!("{}.1", page.get_display_name().unwrap_or(page.get_name()));
        let mut text = Vec::new();
        clap_mangen::Man::new(page).render(&mut text)?;
        fs::write(folder.join(&name), text)?;
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
