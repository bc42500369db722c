//! The service manager: sockets that it opened, and what it wants to hear (`sd_listen_fds(3)`,
//! `sd_notify(3)`). Without one, nothing of this does anything.

use std::{
    os::{
        fd::{BorrowedFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

/// The first descriptor that a service manager passes.
const FIRST: RawFd = 3;
/// More than these are a mistake.
const PASSED_MAX: RawFd = 1_024;

/// Who to tell, if anybody.
pub struct Service {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Service {
    /// Looks into the environment.
    ///
    /// # Errors
    /// It names somebody who cannot be reached.
    pub fn find() -> Result<Service, String> {
        let socket = match std::env::var("NOTIFY_SOCKET") {
            Ok(name) if !name.is_empty() => {
                Some(connect(&name).map_err(|error| format!("NOTIFY_SOCKET {name} cannot be reached: {error}"))?)
            }
            _ => None,
        };
        let ours = std::env::var("WATCHDOG_PID").ok().is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok()).filter(|&micros| ours && micros > 0);
        Ok(Service { socket, watchdog: watchdog.map(Duration::from_micros) })
    }

    /// The time within which it wants a sign of life, if it does.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Traffic may come, to this process.
    pub fn ready(&self, generation: u64) {
        self.say(&format!("READY=1\nMAINPID={}\nSTATUS=serving generation {generation}", std::process::id()));
    }

    /// What is in flight is finished, and then the process ends.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=draining");
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, words: &str) {
        if let Some(socket) = &self.socket {
            // Who does not listen loses a notice; traffic is not to wait for that.
            socket.send(words.as_bytes()).ok();
        }
    }
}

fn connect(name: &str) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The sockets that were passed to this process, if any were.
///
/// # Errors
/// The environment promises what is not there.
pub fn sockets() -> Result<Vec<OwnedFd>, String> {
    let variable = |name: &str| std::env::var(name).ok();
    if variable("LISTEN_PID").is_none_or(|pid| pid != std::process::id().to_string()) {
        return Ok(Vec::new());
    }
    let count = variable("LISTEN_FDS").and_then(|text| text.parse::<RawFd>().ok()).unwrap_or(0);
    if !(0..=PASSED_MAX).contains(&count) {
        return Err(format!("LISTEN_FDS is {count}"));
    }
    let passed = (FIRST..FIRST + count).map(|number| {
        // SAFETY: the protocol says that these descriptors are open and this process's; one that is
        // not is refused by the kernel when it is duplicated, and nothing else is done with it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let owned = rustix::io::fcntl_dupfd_cloexec(borrowed, FIRST + PASSED_MAX.min(count));
        owned.map_err(|errno| format!("descriptor {number} of LISTEN_FDS={count}: {errno}"))
    });
    passed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let name = format!("throwover-service-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let service = Service { socket: Some(connect(&format!("@{name}")).unwrap()), watchdog: None };
        let hear = || {
            let mut bytes = [0; 256];
            let count = listener.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        };
        service.ready(7);
        assert_eq!(hear(), format!("READY=1\nMAINPID={}\nSTATUS=serving generation 7", std::process::id()));
        service.alive();
        assert_eq!(hear(), "WATCHDOG=1");
        service.stopping();
        assert_eq!(hear(), "STOPPING=1\nSTATUS=draining");
        // Nobody there: nothing happens.
        Service { socket: None, watchdog: None }.ready(1);
    }
}
