//! `throwover`: the operator's commands, and the control plane's daemon.

use controlplane::{child, memory, verbs};

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == child::LEASH) {
        eprintln!("throwover: {}", child::become_leashed(arguments));
        return 1.into();
    }
    if let Err(errno) = memory::seal() {
        eprintln!("throwover: the memory of this process cannot be kept to itself: {errno}");
        return 1.into();
    }
    verbs::run().into()
}
