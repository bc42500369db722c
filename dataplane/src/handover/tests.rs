use super::*;
use std::{net::TcpListener, sync::atomic::AtomicU32, sync::atomic::Ordering::Relaxed};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("throwover-handover-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn sockets(count: usize) -> Vec<OwnedFd> {
    let one = TcpListener::bind("127.0.0.1:0").unwrap();
    (0..count).map(|_| one.try_clone().unwrap().into()).collect()
}

fn process() -> Arc<Process> {
    Arc::new(Process::new(Instant::now()))
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let by = Instant::now().plus_millis(20_000);
    while !holds() {
        assert!(Instant::now() < by, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_socket_goes_over_and_the_old_process_drains_only_then() {
    let folder = Folder::new();
    for count in [1, PER_MESSAGE, 2 * PER_MESSAGE + 3] {
        let old = process();
        offer(old.clone(), &folder.0, sockets(count)).unwrap();
        let taken = take(&folder.0, Duration::ZERO).unwrap();
        assert_eq!(taken.sockets.len(), count);
        assert!(!old.draining(), "the new process has not said that it serves");
        let addresses: Vec<_> = taken.sockets.iter().map(|socket| rustix::net::getsockname(socket).unwrap()).collect();
        assert!(addresses.windows(2).all(|pair| pair[0] == pair[1]));
        taken.serve().unwrap();
        wait_for("the old process drains", || old.draining());
        assert!(old.handed_over());
    }
}

#[test]
fn a_new_process_that_fails_changes_nothing() {
    let folder = Folder::new();
    let old = process();
    offer(old.clone(), &folder.0, sockets(3)).unwrap();
    for _ in 0..3 {
        drop(take(&folder.0, Duration::ZERO).unwrap());
    }
    let taken = take(&folder.0, Duration::ZERO).unwrap();
    assert!(!old.draining() && !old.handed_over());
    taken.serve().unwrap();
    wait_for("the old process drains", || old.draining());
}

#[test]
fn a_folder_has_one_that_offers_and_what_a_dead_one_left_is_no_hindrance() {
    let folder = Folder::new();
    assert!(take(&folder.0, Duration::ZERO).is_err());
    drop(UnixListener::bind(path(&folder.0)).unwrap());
    assert!(take(&folder.0, Duration::ZERO).is_err());
    let (first, second) = (process(), process());
    offer(first.clone(), &folder.0, sockets(1)).unwrap();
    offer(second.clone(), &folder.0, sockets(2)).unwrap();
    let taken = take(&folder.0, Duration::ZERO).unwrap();
    assert_eq!(taken.sockets.len(), 1, "the first is who is asked");
    let mode = std::fs::metadata(path(&folder.0)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    taken.serve().unwrap();
    wait_for("the first drains", || first.draining());
    assert!(!second.draining());
}
