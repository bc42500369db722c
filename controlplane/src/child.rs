//! Processes that end with this one.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The first argument of a process that is about to become another.
pub const LEASH: &str = "__leash";
/// A child that was asked to end is killed after so long.
const GRACE: Duration = Duration::from_secs(5);

/// A child; it ends when this is dropped, and when this process dies.
#[derive(Debug)]
pub struct Leashed {
    /// Its program, for messages.
    pub name: String,
    child: Child,
}

/// A binary that stands beside this one.
///
/// # Errors
/// In words, where it was looked for.
pub fn sibling(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    let hint = "build the whole workspace: `cargo build --release`";
    Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is not there; {hint}", path.display())))
}

impl Leashed {
    /// Starts `program` on a leash: this binary starts, asks the kernel to be ended with its
    /// parent, and becomes the program.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(program: PathBuf, arguments: &[OsString], output: Stdio) -> io::Result<Leashed> {
        let name = program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(LEASH).arg(std::process::id().to_string()).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        // A group of its own: Ctrl-C in the terminal reaches this process, which ends its children in order.
        command.process_group(0);
        Ok(Leashed { name, child: command.spawn()? })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            // It may have ended in between.
            rustix::process::kill_process(pid, signal).ok();
        }
    }

    /// Asks it to end, and waits for it.
    pub fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal(rustix::process::Signal::TERM);
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        self.end();
    }
}

/// Becomes the program on a leash; comes back only when that fails.
pub fn become_leashed(mut arguments: impl Iterator<Item = OsString>) -> io::Error {
    let parent = arguments.next().and_then(|text| text.to_str()?.parse::<i32>().ok());
    let Some(program) = arguments.next() else { return io::Error::new(io::ErrorKind::InvalidInput, "no program was given") };
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)) {
        return error.into();
    }
    // The parent may have died before the kernel was asked.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != parent {
        return io::Error::new(io::ErrorKind::NotFound, "the parent has ended");
    }
    Command::new(program).args(arguments).exec()
}
