//! `cargo xtask`: what is done to the repository as a whole.
//!
//! Each verb is a row of one table; `cargo xtask` without a verb prints it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod ci;
mod deb;
mod faults;
mod matrix;
mod packages;
mod readme;
mod sbom;
mod supply;
mod tidy;
mod walk;

/// One verb.
struct Verb {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&Path, &[String]) -> Result<(), String>,
}

const VERBS: &[Verb] = &[
    Verb { name: "ci", arguments: "[--list | STEP…]", help: "run every check there is, or only the named steps", run: ci::run },
    Verb { name: "tidy", arguments: "", help: "check the rules of the repository that compilers do not know", run: tidy::run },
    Verb { name: "supply", arguments: "", help: "check licences, bans and sources of every package", run: supply::run },
    Verb { name: "sbom", arguments: "[FILE]", help: "write what the binaries are made of, as CycloneDX JSON", run: sbom::run },
    Verb { name: "deb", arguments: "", help: "build the Debian package from the release binaries", run: deb::run },
    Verb {
        name: "matrix",
        arguments: "[--check]",
        help: "write the README's table of dialects from the last run of `ci sdk`",
        run: matrix::run,
    },
    Verb {
        name: "faults",
        arguments: "[--check]",
        help: "run the fault matrix and write the README's table of it, or compare with the last run",
        run: faults::run,
    },
    Verb { name: "walk", arguments: "", help: "count the instructions of one exchange, with valgrind", run: walk::run },
    Verb { name: "certs", arguments: "DIR", help: "write a private CA and a certificate for localhost", run: certs },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", help());
        return ExitCode::SUCCESS;
    };
    if name == "--help" || name == "help" {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        eprintln!("xtask: no verb `{name}`\n\n{}", help());
        return ExitCode::from(2);
    };
    match (verb.run)(&root(), rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut out = String::from("cargo xtask VERB\n\n");
    for verb in VERBS {
        let call = format!("{} {}", verb.name, verb.arguments);
        out.push_str(&format!("  {call:<24}{}\n", verb.help));
    }
    out
}

/// The top of the repository.
fn root() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR"));
    tools.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn certs(_root: &Path, arguments: &[String]) -> Result<(), String> {
    let [dir] = arguments else {
        return Err("say where: cargo xtask certs DIR".to_owned());
    };
    mock::certs::write_folder(Path::new(dir)).map_err(|error| error.to_string())?;
    println!("{dir}/ca.pem, {dir}/leaf.pem, {dir}/leaf-key.pem");
    Ok(())
}
