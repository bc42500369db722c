//! `throwover`: the operator's commands, and the control plane's daemon.

use controlplane::{child, verbs};

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == child::LEASH) {
        eprintln!("throwover: {}", child::become_leashed(arguments));
        return 1.into();
    }
    verbs::run().into()
}
