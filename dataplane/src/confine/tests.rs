use super::*;
use std::{
    fs,
    io::{ErrorKind, Write},
    net::{TcpListener, TcpStream},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process::Command,
};

struct House(PathBuf);

impl House {
    fn new(name: &str) -> House {
        let folder = std::env::temp_dir().join(format!("throwover-cage-{}-{name}", std::process::id()));
        for part in ["run", "state", "log", "outside"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        fs::write(folder.join("outside/secret"), "secret").unwrap();
        House(folder)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn rules(&self) -> Rules {
        Rules::of(&self.at("run"), &self.at("state")).and_log(self.at("log/access.jsonl").to_str().unwrap())
    }

    /// Does it on a thread in the cage; rules hold for that thread alone. Where the kernel has no
    /// Landlock that is said, and that nothing has changed is all that can be tested.
    fn inside(&self, act: impl FnOnce(u32) + Send) {
        rustix::thread::set_no_new_privs(true).unwrap();
        let rules = self.rules();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| match rules.enforce() {
                Ok(version) => {
                    println!("Landlock {version} is in force");
                    act(version);
                }
                Err(absent) => {
                    eprintln!("NOT TESTED, as {absent}");
                    assert_eq!(fs::read(self.at("outside/secret")).unwrap(), b"secret", "the thread is as it was");
                }
            });
            thread.join().unwrap();
        });
    }
}

impl Drop for House {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[track_caller]
fn refused<T: fmt::Debug>(result: std::io::Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn what_it_needs_works_and_nothing_else() {
    let house = House::new("files");
    house.inside(|_| {
        // Each thread of this process that is not in the cage sees what it always saw.
        refused(fs::read(house.at("outside/secret")));
        refused(fs::write(house.at("outside/new"), ""));
        refused(fs::read_dir(house.at("outside")));
        refused(fs::rename(house.at("state"), house.at("outside/state")));
        refused(fs::create_dir(house.at("state/folder")));
        refused(std::os::unix::fs::symlink("/", house.at("state/link")));
        refused(UnixListener::bind(house.at("state/socket")));
        refused(fs::read("/proc/1/cmdline"));
        refused(Command::new("/bin/true").status());

        fs::write(house.at("state/new"), "kept").unwrap();
        fs::rename(house.at("state/new"), house.at("state/last")).unwrap();
        assert_eq!(fs::read_dir(house.at("state")).unwrap().count(), 1);
        fs::remove_file(house.at("state/last")).unwrap();
        let path = house.at("run/handover.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let mut log = fs::OpenOptions::new().create(true).append(true).open(house.at("log/access.jsonl")).unwrap();
        log.write_all(b"{}\n").unwrap();
        assert_eq!(fs::read(house.at("log/access.jsonl")).unwrap(), b"{}\n");
        assert!(!fs::read("/etc/passwd").unwrap().is_empty(), "the name service reads there");
    });
    // This thread never was in it.
    assert_eq!(fs::read(house.at("outside/secret")).unwrap(), b"secret");
}

#[test]
fn ports_signals_and_abstract_sockets() {
    let house = House::new("reach");
    let name = SocketAddr::from_abstract_name(format!("throwover-cage-{}", std::process::id())).unwrap();
    let _outside = UnixListener::bind_addr(&name).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    house.inside(|version| {
        // Policies name any port.
        TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        if version >= 4 {
            refused(TcpListener::bind("127.0.0.1:0"));
        }
        if version >= 6 {
            refused(UnixStream::connect_addr(&name));
            assert_eq!(rustix::process::kill_process(pid, rustix::process::Signal::KILL), Err(rustix::io::Errno::PERM));
        }
    });
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Opens a file for reading by way of a ring, as a shard would.
fn open_by_ring(ring: &mut io_uring::IoUring, path: &Path) -> i32 {
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let entry = io_uring::opcode::OpenAt::new(io_uring::types::Fd(libc::AT_FDCWD), path.as_ptr()).flags(libc::O_RDONLY).build();
    // SAFETY: the path lives until the completion is there, which is waited for below.
    unsafe { ring.submission().push(&entry).unwrap() };
    ring.submit_and_wait(1).unwrap();
    let answer = ring.completion().next().unwrap().result();
    if answer >= 0 {
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        drop(unsafe { OwnedFd::from_raw_fd(answer) });
    }
    answer
}

/// A seccomp filter never sees what a ring does; Landlock does.
#[test]
fn a_ring_is_no_way_out() {
    let house = House::new("ring");
    let secret = house.at("outside/secret");
    let made_outside = io_uring::IoUring::new(8);
    let Ok(mut ring) = made_outside else {
        eprintln!("NOT TESTED, as no ring can be made here");
        return;
    };
    assert!(open_by_ring(&mut ring, &secret) >= 0, "the test can fail");
    house.inside(|_| {
        let mut ring = io_uring::IoUring::new(8).unwrap();
        assert_eq!(open_by_ring(&mut ring, &secret), -libc::EACCES);
        fs::write(house.at("state/kept"), "").unwrap();
        assert!(open_by_ring(&mut ring, &house.at("state/kept")) >= 0);
    });
}

#[test]
fn a_log_that_is_a_device_gives_no_folder_away() {
    let rules = |log: &str| Rules::of(Path::new("/nowhere"), Path::new("/nowhere")).and_log(log).0;
    let of = |log: &str| rules(log).into_iter().filter(|(_, rights)| *rights == LOG).map(|(path, _)| path).collect::<Vec<_>>();
    assert_eq!(of("/dev/null"), [Path::new("/dev/null")]);
    assert_eq!(of("/nowhere/access.jsonl"), [Path::new("/nowhere")]);
    assert_eq!(of("access.jsonl"), [Path::new(".")]);
    assert!(of("").is_empty() && of("off").is_empty());
}

#[test]
fn what_the_kernel_does_not_know_is_not_asked_for() {
    let handled =
        |version: u32| KNOWN.iter().rfind(|(since, _)| *since <= version).map(|(_, known)| (known.files, known.ports, known.scoped));
    assert_eq!(handled(0), None);
    assert_eq!(handled(1), Some((0x1fff, 0, 0)));
    assert_eq!(handled(2), Some((0x3fff, 0, 0)));
    assert_eq!(handled(3), Some((0x7fff, 0, 0)));
    assert_eq!(handled(4), Some((0x7fff, 1, 0)));
    assert_eq!(handled(5), Some((0xffff, 1, 0)));
    assert_eq!(handled(7), Some((0xffff, 1, 3)));
}

#[test]
fn memory_is_for_nobody() {
    seal().unwrap();
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Core);
    assert_eq!((current, maximum), (Some(0), Some(0)));
    assert!(rustix::thread::no_new_privs().unwrap());
}
