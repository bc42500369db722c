//! What is asked of the machine: cores, limits, and what a process has used.

use rustix::{
    process::{Pid, Resource, Rlimit},
    thread::CpuSet,
};
use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroU64,
    thread,
    time::{Duration, Instant},
};

/// Lets this thread, and what it starts, run on one core only.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::other(format!("there is no processor {cpu}")));
    }
    let mut one = CpuSet::new();
    one.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &one)?)
}

/// Has this thread woken when a wait ends; the kernel may otherwise be 50 us late, to wake several at once.
pub(crate) fn wake_in_time() -> io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?)
}

/// Has this process woken as others are: processes inherit the slack of the thread that starts them.
pub(crate) fn wake_as_usual() -> io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(USUAL_SLACK_NS))?)
}

/// The kernel's own timer slack.
const USUAL_SLACK_NS: u64 = 50_000;

/// Whether this process leads its session, so that the session ends with it.
pub(crate) fn leads_a_session() -> io::Result<bool> {
    Ok(rustix::process::getsid(None)? == rustix::process::getpid())
}

/// Puts this process, and its session where those are groups, before ordinary ones until it ends or
/// this is dropped. Only for one that leads its session: another one's keeps the place when this
/// process is killed.
///
/// Niceness, not SCHED_FIFO: there a shard that is never idle keeps the recorder beside it from
/// running at all, and a recorder before it spins on a queue whose writer cannot go on.
#[derive(Debug)]
pub(crate) struct FirstInLine {
    grouped: bool,
}

/// The nicest place there is.
const FIRST: i32 = -20;
/// Where the kernel groups processes by session, niceness counts within a group only; this is the
/// group's own.
const GROUP: &str = "/proc/self/autogroup";

impl FirstInLine {
    pub(crate) fn take() -> io::Result<FirstInLine> {
        if !leads_a_session()? {
            return Err(io::Error::other("a session that others use takes no place before other work"));
        }
        let refused =
            |error: io::Error| io::Error::new(error.kind(), format!("no place before other work ({error}): it needs CAP_SYS_NICE"));
        rustix::process::setpriority_process(None, FIRST).map_err(|error| refused(error.into()))?;
        let grouped = fs::metadata(GROUP).is_ok();
        if grouped {
            fs::write(GROUP, FIRST.to_string()).map_err(refused)?;
        }
        Ok(FirstInLine { grouped })
    }
}

impl Drop for FirstInLine {
    fn drop(&mut self) {
        let back = rustix::process::setpriority_process(None, 0).map_err(io::Error::from);
        let back = back.and_then(|()| if self.grouped { fs::write(GROUP, "0") } else { Ok(()) });
        if let Err(error) = back {
            eprintln!("throwover-bench: this session keeps its place before others: {error}");
        }
    }
}

/// Raises the limit of open files, as far as it goes; says how many are allowed.
pub(crate) fn raise_files(wanted: u64) -> u64 {
    let now = rustix::process::getrlimit(Resource::Nofile);
    let maximum = now.maximum.map_or(wanted, |maximum| maximum.max(wanted));
    // Root may raise both; others as far as the hard limit goes.
    for maximum in [Some(maximum), now.maximum] {
        let current = Some(wanted.min(maximum.unwrap_or(wanted)));
        if rustix::process::setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok() {
            break;
        }
    }
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// What the threads of a process have used so far, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    /// By thread: its name, its time on a core, and its time ready but waiting for one.
    threads: BTreeMap<u32, (String, u64, u64)>,
}

/// What was used between two moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Used {
    /// On a core, by the threads' names.
    pub(crate) by_name: BTreeMap<String, u64>,
    /// On a core, all threads.
    pub(crate) run_ns: u64,
    /// The busiest thread, on a core.
    pub(crate) busiest_run_ns: u64,
    /// The busiest thread, kept from its core by others.
    pub(crate) busiest_wait_ns: u64,
}

impl Used {
    /// Of threads that share one core: their time on it, and the busiest one's time kept from it by
    /// anything but the others of them.
    pub(crate) fn of_one_core(&self) -> (u64, u64) {
        (self.run_ns, self.busiest_wait_ns.saturating_sub(self.run_ns - self.busiest_run_ns))
    }
}

/// Reads the use of these processes.
pub(crate) fn usage(pids: &[u32]) -> io::Result<Usage> {
    let mut usage = Usage::default();
    for pid in pids {
        let threads = match fs::read_dir(format!("/proc/{pid}/task")) {
            // One that has ended answers nothing any more, which is told where answers are counted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            threads => threads?,
        };
        for entry in threads {
            let entry = entry?;
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread may end between the two looks.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim_end().to_owned();
            let (run, wait) = schedstat(&text).ok_or_else(|| io::Error::other("the kernel has no schedstat"))?;
            usage.threads.insert(thread, (name, run, wait));
        }
    }
    Ok(usage)
}

impl Usage {
    /// What was used from `before` until this.
    pub(crate) fn since(&self, before: &Usage) -> Used {
        let mut used = Used::default();
        for (thread, (name, run, wait)) in &self.threads {
            let (run_before, wait_before) = before.threads.get(thread).map_or((0, 0), |(_, run, wait)| (*run, *wait));
            let (run, wait) = (run - run_before, wait - wait_before);
            used.run_ns += run;
            *used.by_name.entry(name.clone()).or_default() += run;
            if run > used.busiest_run_ns {
                (used.busiest_run_ns, used.busiest_wait_ns) = (run, wait);
            }
        }
        used
    }
}

fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// How long the host has kept its processor from this one, all in all, by `/proc/stat`; 0 where it does not say. In
/// steps of a hundredth of a second.
pub(crate) fn stolen(cpu: usize) -> io::Result<Duration> {
    Ok(steal(&fs::read_to_string("/proc/stat")?, cpu))
}

/// Waits until the host leaves these processors to this machine for half a second, or for `most` in all; how long
/// it waited. A host that has given much takes it back for some minutes, and what is measured then says little.
pub(crate) fn wait_for(cpus: &[usize], most: Duration) -> io::Result<Duration> {
    let begun = Instant::now();
    while !most.is_zero() {
        let before = cpus.iter().map(|cpu| stolen(*cpu)).collect::<io::Result<Vec<_>>>()?;
        // Only who is busy notices.
        let busy: Vec<_> = cpus.iter().map(|&cpu| thread::spawn(move || pin(cpu).map(|()| spin(LOOK)))).collect();
        for thread in busy {
            thread.join().map_err(|_| io::Error::other("a thread has panicked"))??;
        }
        let mut taken = Duration::ZERO;
        for (cpu, before) in cpus.iter().zip(before) {
            taken += stolen(*cpu)?.saturating_sub(before);
        }
        let waited = begun.elapsed();
        if taken <= TAKEN_MAX || waited >= most {
            return Ok(waited);
        }
        thread::sleep(REST.min(most - waited));
    }
    Ok(Duration::ZERO)
}

/// How long is looked at …
const LOOK: Duration = Duration::from_millis(500);
/// … what the host may have taken meanwhile, which is told in steps of this …
const TAKEN_MAX: Duration = Duration::from_millis(10);
/// … and when it took more, the time until another look.
const REST: Duration = Duration::from_secs(5);

fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// The eighth number of a processor's line (proc_stat(5)), in hundredths of a second.
fn steal(stat: &str, cpu: usize) -> Duration {
    let mut lines = stat.lines().map(str::split_ascii_whitespace);
    let line = lines.find_map(|mut words| (words.next()? == format!("cpu{cpu}")).then_some(words));
    let ticks: u64 = line.and_then(|mut words| words.nth(7)).and_then(|word| word.parse().ok()).unwrap_or(0);
    Duration::from_millis(10 * ticks)
}

/// A process and its children.
pub(crate) fn family(pid: u32) -> io::Result<Vec<u32>> {
    let mut family = vec![pid];
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(other) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if parent(&stat) == Some(pid) {
            family.push(other);
        }
    }
    Ok(family)
}

/// The parent, from a line of /proc/PID/stat; the name before it may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Memory of these processes that is in RAM, in bytes.
pub(crate) fn resident(pids: &[u32]) -> io::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or_else(|| io::Error::other("no VmRSS"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
        sum += kib * 1024;
    }
    Ok(sum)
}

/// Open descriptors of a process.
pub(crate) fn files(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Sends a signal to a process that we have started.
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no such process"))?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// One line about the machine, for the head of a report.
pub(crate) fn described() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    format!("{cores} x {model}, Linux {}, load average {}", kernel.trim(), load.split(' ').next().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_has_is_told_by_processor() {
        let stat = "cpu  1 2 3 4 5 6 7 99 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\ncpu1 1 2 3 4 5 6 7 12 9 0\nintr 5\n";
        assert_eq!([0, 1, 2].map(|cpu| steal(stat, cpu)), [80, 120, 0].map(Duration::from_millis));
    }

    #[test]
    fn use_is_the_difference_and_knows_the_busiest() {
        assert_eq!(schedstat("100 20 3\n"), Some((100, 20)));
        assert_eq!(schedstat(""), None);
        let usage = |threads: &[(u32, &str, u64, u64)]| Usage {
            threads: threads.iter().map(|&(thread, name, run, wait)| (thread, (name.to_owned(), run, wait))).collect(),
        };
        let before = usage(&[(1, "a", 100, 5), (2, "b", 10, 0)]);
        let after = usage(&[(1, "a", 150, 9), (2, "b", 310, 7), (3, "a", 4, 0)]);
        let by_name = [("a".to_owned(), 54), ("b".to_owned(), 300)].into();
        assert_eq!(after.since(&before), Used { by_name, run_ns: 354, busiest_run_ns: 300, busiest_wait_ns: 7 });
        let used = |wait: u64| Used { run_ns: 90, busiest_run_ns: 60, busiest_wait_ns: wait, ..Used::default() };
        assert_eq!((used(40).of_one_core(), used(20).of_one_core()), ((90, 10), (90, 0)));
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a"), None);
    }

    #[test]
    fn nobody_waits_longer_than_asked() {
        let begun = Instant::now();
        let waited = wait_for(&[0], Duration::ZERO).expect("there is nothing to wait for");
        assert_eq!((waited, begun.elapsed() < LOOK), (Duration::ZERO, true));
        // One look, however much the host has taken meanwhile.
        assert!(wait_for(&[0], LOOK).expect("there is a processor 0") >= LOOK);
        assert!(wait_for(&[100_000], LOOK).is_err(), "there is no such processor");
    }
}
