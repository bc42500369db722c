//! Every verb, in one table: name, arguments, role, help, handler.
//!
//! The command line, its help, the operator socket and its rights all come from here.

mod answers;
mod here;
mod pages;

pub use answers::answer;
pub(crate) use here::{plan_of, policy_file};

use crate::{
    control::Control,
    socket::{Answer, Asked, Request, Role},
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeMap;

/// One verb.
#[derive(Debug)]
pub struct Verb {
    /// What is written.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// What it takes.
    pub arguments: &'static [Argument],
    /// Who may ask the daemon for it; verbs that run here need no right but the file's.
    pub role: Role,
    /// Two ways to use it.
    pub examples: [&'static str; 2],
    /// What is done.
    pub handler: Handler,
}

/// One argument of a verb.
#[derive(Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What its value is; empty for a switch.
    pub value: &'static str,
    /// Written without its name.
    pub positional: bool,
    /// What it is for.
    pub help: &'static str,
}

/// Where a verb is done.
#[derive(Debug)]
pub enum Handler {
    /// In this process.
    Here(fn(&Arguments) -> Answer),
    /// In the daemon, with everything that it owns.
    Daemon(fn(&mut Control, Asked)),
}

/// Arguments by name.
pub type Arguments = BTreeMap<String, String>;

const CONFIG: Argument = option("config", "FILE", "The policy: a file, or a folder of .yaml files");
const RUN: Argument = option("run", "DIR", "Folder of the sockets");
const STATE: Argument = option("state", "DIR", "Folder of the generations");
const FORMAT: Argument = option("format", "table|json", "How to answer");
const FILE: Argument = Argument { name: "file", value: "FILE", positional: true, help: "The policy: a file, or a folder of .yaml files" };
const FILE_OF_ANOTHER: Argument = Argument { name: "file", value: "FILE", positional: true, help: "Its configuration: YAML or JSON" };
const TARGET: Argument =
    Argument { name: "target", value: "TARGET", positional: true, help: "`provider/model`, as `throwover status` shows it" };
const WHY: Argument = option("why", "TEXT", "Written into the journal");

const fn option(name: &'static str, value: &'static str, help: &'static str) -> Argument {
    Argument { name, value, positional: false, help }
}

const fn switch(name: &'static str, help: &'static str) -> Argument {
    Argument { name, value: "", positional: false, help }
}

/// The table.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "up",
        about: "Start daemon and data plane in the foreground; --demo brings providers, load and faults",
        arguments: &[
            CONFIG,
            RUN,
            STATE,
            switch("demo", "Rehearse an outage with mock providers"),
            switch("once", "End after the demonstration, with exit code 0 when no client saw an error"),
        ],
        role: Role::Operator,
        examples: ["throwover up --config throwover.yaml", "throwover up --demo --once"],
        handler: Handler::Here(here::up),
    },
    Verb {
        name: "daemon",
        about: "Run the control plane's daemon; this is what systemd starts",
        arguments: &[CONFIG, RUN, STATE],
        role: Role::Operator,
        examples: [
            "throwover daemon --config /etc/throwover/throwover.yaml",
            "throwover daemon --config conf.d --run /tmp/run --state /tmp/state",
        ],
        handler: Handler::Here(here::daemon),
    },
    Verb {
        name: "init",
        about: "Write a first policy for the keys that are in the environment: their names, never their values",
        arguments: &[
            Argument { name: "file", value: "FILE", positional: true, help: "Where to; throwover.yaml when it is left out" },
            FORMAT,
        ],
        role: Role::Operator,
        examples: ["throwover init", "throwover init /etc/throwover/throwover.yaml"],
        handler: Handler::Here(crate::init::init),
    },
    Verb {
        name: "check",
        about: "Read a policy and say everything that is wrong with it",
        arguments: &[FILE, CONFIG, FORMAT, switch("strict", "Warnings refuse as well")],
        role: Role::Viewer,
        examples: ["throwover check throwover.yaml", "throwover check conf.d --strict --format json"],
        handler: Handler::Here(here::check),
    },
    Verb {
        name: "convert",
        about: "Print another gateway's configuration as a policy of this one",
        arguments: &[
            FILE_OF_ANOTHER,
            option("from", "litellm|portkey|bifrost", "Whose configuration it is"),
            FORMAT,
            switch("strict", "Fail when something could not be converted"),
        ],
        role: Role::Viewer,
        examples: [
            "throwover convert --from litellm config.yaml > throwover.yaml",
            "throwover convert --from bifrost config.json --strict",
        ],
        handler: Handler::Here(crate::convert::convert),
    },
    Verb {
        name: "schema",
        about: "Print the JSON Schema of policies, for editors",
        arguments: &[],
        role: Role::Viewer,
        examples: ["throwover schema > throwover.schema.json", "throwover schema | jq '.properties | keys'"],
        handler: Handler::Here(here::schema),
    },
    Verb {
        name: "doctor",
        about: "Look at this machine: kernel, io_uring, limits, names, trust",
        arguments: &[CONFIG, RUN, STATE, FORMAT],
        role: Role::Viewer,
        examples: ["throwover doctor", "throwover doctor --config throwover.yaml --format json"],
        handler: Handler::Here(here::doctor),
    },
    Verb {
        name: "models",
        about: "Show what is known of every model that a policy asks: windows, prices, what it can be told",
        arguments: &[FILE, CONFIG, FORMAT, switch("all", "Those of the catalogue instead")],
        role: Role::Viewer,
        examples: ["throwover models throwover.yaml", "throwover models --all --format json"],
        handler: Handler::Here(crate::models::models),
    },
    Verb {
        name: "catalog",
        about: "Say which of a policy's models retire, are not listed, or have changed their prices",
        arguments: &[
            Argument { name: "action", value: "check", positional: true, help: "What is to be done with it" },
            FILE,
            CONFIG,
            FORMAT,
            option("against", "CATALOGUE", "A models.json of before: prices that have changed since are told"),
        ],
        role: Role::Viewer,
        examples: ["throwover catalog check throwover.yaml", "throwover catalog check throwover.yaml --against old-models.json"],
        handler: Handler::Here(crate::upkeep::catalog),
    },
    Verb {
        name: "explain",
        about: "Say what would happen to a request, and why not something else",
        arguments: &[
            Argument { name: "model", value: "NAME", positional: true, help: "What stands in the request's `model`" },
            CONFIG,
            RUN,
            FORMAT,
            option("tenant", "NAME", "Who asks"),
            option("chain", "NAME", "What stands in x-throwover-chain"),
            option("header", "NAME=VALUE,…", "Fields of the request that routes may look at"),
            switch("stream", "The answer is to be a stream"),
            option("needs", "NEED,…", "What the request needs of a model: image, tools, json_schema …"),
            option("tokens", "COUNT", "Tokens of its prompt, at least"),
            switch("embeddings", "It asks for embeddings, of the length that is usual"),
            option("dimensions", "COUNT", "It asks for embeddings of so many numbers"),
            option("dialect", "openai|responses|anthropic|gemini", "How it is written; openai when it is left out"),
            option(
                "failure",
                "FAILURE:WHO,…",
                "Play it while these fail: `429:openai,timeout:anthropic/claude-haiku-4-5,503;retry_after=7:groq`",
            ),
        ],
        role: Role::Viewer,
        examples: [
            "throwover explain support-chat --tenant acme --header x-tier=gold --needs image,tools",
            "throwover explain premium-reasoning --failure 429:openai,timeout:anthropic",
        ],
        handler: Handler::Here(crate::explain::explain),
    },
    Verb {
        name: "diff",
        about: "Say what a reload would change",
        arguments: &[RUN, FORMAT],
        role: Role::Viewer,
        examples: ["throwover diff", "throwover diff --format json"],
        handler: Handler::Daemon(answers::diff),
    },
    Verb {
        name: "reload",
        about: "Read the policy again and publish it",
        arguments: &[RUN, FORMAT, WHY, option("confirm-within", "DURATION", "Go back by itself unless `confirm` follows in time")],
        role: Role::Operator,
        examples: ["throwover reload --why 'raise weight'", "throwover reload --confirm-within 60s"],
        handler: Handler::Daemon(answers::reload),
    },
    Verb {
        name: "confirm",
        about: "Keep what `reload --confirm-within` has published",
        arguments: &[RUN, FORMAT],
        role: Role::Operator,
        examples: ["throwover confirm", "throwover confirm --format json"],
        handler: Handler::Daemon(answers::confirm),
    },
    Verb {
        name: "rollback",
        about: "Publish an earlier generation again, with today's secrets",
        arguments: &[
            Argument { name: "generation", value: "NUMBER", positional: true, help: "Which; the one before when it is left out" },
            RUN,
            FORMAT,
            WHY,
        ],
        role: Role::Operator,
        examples: ["throwover rollback", "throwover rollback 41 --why 'worse than before'"],
        handler: Handler::Daemon(answers::rollback),
    },
    Verb {
        name: "generations",
        about: "List the generations of the journal",
        arguments: &[RUN, FORMAT],
        role: Role::Viewer,
        examples: ["throwover generations", "throwover generations --format json"],
        handler: Handler::Daemon(answers::generations),
    },
    Verb {
        name: "status",
        about: "Show data planes, targets with their breakers and repairs, keys in trouble, pools and counters",
        arguments: &[RUN, FORMAT],
        role: Role::Viewer,
        examples: ["throwover status", "throwover status --format json | jq .planes[0].stats.ready"],
        handler: Handler::Daemon(answers::status),
    },
    Verb {
        name: "health",
        about: "Show what is looked at apart from requests: how it stands, since when, why, and what it cost today",
        arguments: &[RUN, FORMAT],
        role: Role::Viewer,
        examples: ["throwover health", "throwover health --format json | jq '.checks[] | select(.reason)'"],
        handler: Handler::Daemon(answers::health),
    },
    Verb {
        name: "top",
        about: "Show rates, errors, targets and latencies on one screen, once a second",
        arguments: &[RUN, switch("once", "Print one frame, without escapes")],
        role: Role::Viewer,
        examples: ["throwover top", "throwover top --once | head"],
        handler: Handler::Here(crate::top::top),
    },
    Verb {
        name: "events",
        about: "Show what happened: fallbacks, breakers, keys that were taken out, publishes",
        arguments: &[RUN, FORMAT, option("last", "COUNT", "How many; 20 when it is left out"), switch("follow", "Wait for more")],
        role: Role::Viewer,
        examples: ["throwover events --last 100", "throwover events --follow --format json"],
        handler: Handler::Daemon(answers::events),
    },
    Verb {
        name: "disable",
        about: "Set a target aside: nobody is sent there, and it comes back by itself",
        arguments: &[
            TARGET,
            RUN,
            FORMAT,
            WHY,
            option("for", "DURATION", "How long, up to 30d; 1h when it is left out"),
            switch("force", "Also when a chain is left with nobody"),
        ],
        role: Role::Operator,
        examples: [
            "throwover disable openai/gpt-4o --for 1h --why 'maintenance'",
            "throwover disable groq/llama-3.3-70b-versatile --for 30m --force",
        ],
        handler: Handler::Daemon(answers::disable),
    },
    Verb {
        name: "enable",
        about: "Bring a target back before its time aside is over",
        arguments: &[TARGET, RUN, FORMAT],
        role: Role::Operator,
        examples: ["throwover enable openai/gpt-4o", "throwover enable openai/gpt-4o --format json"],
        handler: Handler::Daemon(answers::enable),
    },
    Verb {
        name: "chaos",
        about: "Make attempts fail on purpose, for a while, and say what users noticed of it",
        arguments: &[
            Argument { name: "action", value: "begin|end|report", positional: true, help: "What is to be done" },
            option("targets", "NAME,…", "Targets, providers or patterns: `openai/gpt-4o,groq/*`"),
            option(
                "faults",
                "FAULT,…",
                "429, 429;retry_after=7, 529, 5xx, connect, slow:3s, stall, bad_json, cut, expired_key, model_gone, price:2.5",
            ),
            option("percent", "NUMBER", "Share of the attempts; 20 when it is left out"),
            option("for", "DURATION", "How long, up to 24h; 60s when it is left out"),
            option("start-in", "DURATION", "When it begins, up to 24h from now; at once when it is left out"),
            RUN,
            FORMAT,
        ],
        role: Role::Operator,
        examples: [
            "throwover chaos begin --targets openai --faults 429,stall --percent 30 --for 2m",
            "throwover chaos report --format json",
        ],
        handler: Handler::Daemon(answers::chaos),
    },
    Verb {
        name: "drain",
        about: "Tell the data planes to finish what is in flight and end",
        arguments: &[RUN, FORMAT, option("grace", "DURATION", "Time for what is in flight; the policy's `drain` when it is left out")],
        role: Role::Operator,
        examples: ["throwover drain", "throwover drain --grace 30s"],
        handler: Handler::Daemon(answers::drain),
    },
    Verb {
        name: "completions",
        about: "Print what a shell needs to complete this command",
        arguments: &[Argument { name: "shell", value: "bash|zsh|fish", positional: true, help: "Which shell" }],
        role: Role::Viewer,
        examples: ["throwover completions bash > /etc/bash_completion.d/throwover", "throwover completions zsh > ~/.zfunc/_throwover"],
        handler: Handler::Here(pages::completions),
    },
    Verb {
        name: "man",
        about: "Print the manual page, or write one for each verb",
        arguments: &[option("out", "DIR", "Write throwover.1 and a page for each verb there"), FORMAT],
        role: Role::Viewer,
        examples: ["throwover man | man -l -", "throwover man --out /usr/local/share/man/man1"],
        handler: Handler::Here(pages::man),
    },
];

/// The verb of this name.
pub fn find(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// The command line, from the table.
pub fn command() -> Command {
    let mut command = Command::new("throwover")
        .about("Throwover: an LLM gateway that fails over without the user noticing")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help("Exit codes: 0 ok, 1 failed, 2 usage, 3 policy invalid, 4 daemon not reached, 5 timed out, 6 refused.");
    for verb in VERBS {
        let examples = format!("Examples:\n  {}\n  {}", verb.examples[0], verb.examples[1]);
        let mut sub = Command::new(verb.name).about(verb.about).after_help(examples);
        for argument in verb.arguments {
            let mut arg = Arg::new(argument.name).help(argument.help);
            if !argument.positional {
                arg = arg.long(argument.name);
            }
            arg = if argument.value.is_empty() { arg.action(ArgAction::SetTrue) } else { arg.value_name(argument.value) };
            // Words stand in lower case, and what is to be filled in in capitals.
            if argument.value.starts_with(|c: char| c.is_ascii_lowercase()) {
                let words = clap::builder::PossibleValuesParser::new(argument.value.split('|'));
                arg = arg.value_parser(words).hide_possible_values(true);
            }
            if argument.name == "format" {
                arg = arg.default_value("table");
            }
            sub = sub.arg(arg);
        }
        command = command.subcommand(sub);
    }
    command
}

/// Arguments as text, switches as `true`.
pub fn arguments(verb: &Verb, matches: &ArgMatches) -> Arguments {
    let mut found = Arguments::new();
    for argument in verb.arguments {
        if argument.value.is_empty() {
            if matches.get_flag(argument.name) {
                found.insert(argument.name.to_owned(), "true".to_owned());
            }
        } else if let Some(value) = matches.get_one::<String>(argument.name) {
            found.insert(argument.name.to_owned(), value.clone());
        }
    }
    found
}

/// Reads a line of the operator socket as the command line would.
///
/// # Errors
/// In words, what is wrong with it.
pub fn parse_line(line: &str) -> Result<Request, String> {
    let words = std::iter::once("throwover").chain(line.split_whitespace());
    let matches = command().disable_help_flag(false).try_get_matches_from(words).map_err(|error| error.to_string())?;
    let (name, matches) = matches.subcommand().ok_or("a verb is wanted")?;
    let verb = find(name).ok_or("a verb is wanted")?;
    Ok(Request { verb: name.to_owned(), arguments: arguments(verb, matches) })
}

/// Does what the command line says; returns the exit code.
pub fn run() -> u8 {
    let matches = command().get_matches();
    let Some((verb, matches)) = matches.subcommand().and_then(|(name, matches)| Some((find(name)?, matches))) else {
        return crate::socket::code::USAGE;
    };
    let arguments = arguments(verb, matches);
    let answer = match verb.handler {
        Handler::Here(handler) => handler(&arguments),
        Handler::Daemon(_) => here::ask(verb, &arguments),
    };
    here::print(&arguments, &answer);
    answer.code
}

#[cfg(test)]
mod tests;
