//! Processes that are started for a measurement, and end with it, however it ends.

use crate::machine;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// The first argument of a process that is about to become another.
pub(crate) const LEASH: &str = "__leash";
/// Its fourth argument: in a session of its own and before ordinary work, only in a session of its
/// own, behind ordinary work, or none of these.
const FIRST: &str = "first";
const SESSION: &str = "session";
const LAST: &str = "last";
const ORDINARY: &str = "ordinary";
/// A child that was asked to end is killed after so long.
const GRACE: Duration = Duration::from_secs(3);

/// A process that is ended when this is dropped, and when this program dies.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program at its place; what it says goes into `log`.
    ///
    /// This binary starts, asks the kernel to be ended with its parent, and becomes the program.
    pub(crate) fn start(program: &Path, arguments: &[&OsStr], variables: &[(&str, &str)], place: Place, log: &Path) -> io::Result<Process> {
        let file = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(LEASH).arg(std::process::id().to_string()).arg(place.cpu.map_or("any".to_owned(), |cpu| cpu.to_string()));
        let rank = match place {
            Place { first: true, .. } => FIRST,
            Place { last: true, .. } => LAST,
            Place { .. } => ORDINARY,
        };
        command.arg(rank).arg(program).args(arguments);
        let started = command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        let child = started.map_err(|error| io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display())))?;
        Ok(Process { child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the last lines of its log when it has ended.
    pub(crate) fn still_up(&mut self) -> io::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(8)..].join("\n");
        Err(io::Error::other(format!("{} ended ({status}):\n{tail}", self.log.display())))
    }

    /// Ends it at once and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Only when it has ended by itself already.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Asks it to end, and waits so long before it is killed.
    pub(crate) fn end(&mut self, patience: Duration) {
        machine::signal(self.pid(), rustix::process::Signal::TERM).ok();
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end(GRACE);
        }
    }
}

/// Where a process runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// On this core only.
    pub(crate) cpu: Option<usize>,
    /// Before ordinary work.
    pub(crate) first: bool,
    /// Behind whatever else runs there, unless it comes first.
    pub(crate) last: bool,
}

/// Runs this very command in a session of its own and gives back how it ended; `None` when it leads
/// one already.
///
/// Where the kernel groups processes by session, a place before ordinary work is the session's. A
/// session that was made for the measurement ends with it, by whatever signal; the one that the
/// command was typed in would keep the place, since nothing takes it back when this program is
/// killed. The process that waits here has its child ended by the kernel when it dies.
pub(crate) fn in_own_session() -> io::Result<Option<ExitCode>> {
    if machine::leads_a_session()? {
        return Ok(None);
    }
    let program = std::env::current_exe()?;
    let mut command = Command::new(&program);
    command.arg(LEASH).arg(std::process::id().to_string()).args(["any", SESSION]).arg(&program).args(std::env::args_os().skip(1));
    let status = command.status()?;
    // A signal has no code of its own; as shells say it.
    let code = status.code().or_else(|| Some(128 + status.signal()?)).and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.map_or(ExitCode::FAILURE, ExitCode::from)))
}

/// Becomes the program on a leash; comes back only when that fails.
pub(crate) fn become_leashed(mut arguments: impl Iterator<Item = OsString>) -> io::Error {
    let mut word = || arguments.next().and_then(|text| text.into_string().ok()).unwrap_or_default();
    let (parent, cpu, place) = (word().parse::<i32>().ok(), word().parse::<usize>().ok(), word());
    let Some(program) = arguments.next() else { return io::Error::other("no program was given") };
    let prepared = || -> io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
        // The parent may have died before the kernel was asked.
        if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != parent {
            return Err(io::Error::other("the parent has ended"));
        }
        if let Some(cpu) = cpu {
            machine::pin(cpu)?;
        }
        machine::wake_as_usual()?;
        if [FIRST, SESSION].contains(&place.as_str()) {
            // Niceness of a group is the group's.
            rustix::process::setsid()?;
        }
        if place == LAST {
            rustix::process::setpriority_process(None, 19)?;
        }
        if place == FIRST {
            // It lasts as long as the program.
            std::mem::forget(machine::FirstInLine::take()?);
        }
        Ok(())
    };
    match prepared() {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    }
}

/// A folder for one measurement, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Makes it, in the folder for temporary files.
    pub(crate) fn make(keep: bool) -> io::Result<Folder> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("throwover-bench-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&path)?;
        Ok(Folder { path, keep })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed stays in the folder for temporary files.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

/// A port that nobody has; the kernel will not give it to anyone else soon.
pub(crate) fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Asks once, on a connection of its own, and gives back the status and the body.
pub(crate) fn ask(to: SocketAddr, request: &[u8], patience: Duration) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&to, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    stream.write_all(request)?;
    let mut reader = crate::reader::Reader::new(crate::reader::Side::Answers);
    let (mut status, mut body) = (0, Vec::new());
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            reader.closed().map_err(|broken| io::Error::other(broken.to_string()))?;
            return Ok((status, String::from_utf8_lossy(&body).into_owned()));
        }
        let mut input = &buffer[..count];
        while let Some(piece) = reader.next(&mut input).map_err(|broken| io::Error::other(broken.to_string()))? {
            match piece {
                crate::reader::Piece::Head(head) => {
                    if let crate::reader::Start::Answer { status: found } = head.start {
                        status = found;
                    }
                }
                crate::reader::Piece::Body(bytes) if body.len() < 1 << 20 => body.extend_from_slice(bytes),
                crate::reader::Piece::Body(_) => return Err(io::Error::other("an answer of more than 1 MiB")),
                crate::reader::Piece::End => return Ok((status, String::from_utf8_lossy(&body).into_owned())),
            }
        }
    }
}

/// Asks for a page, and gives back the status and the body.
pub(crate) fn get(to: SocketAddr, path: &str, patience: Duration) -> io::Result<(u16, String)> {
    ask(to, format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n").as_bytes(), patience)
}
