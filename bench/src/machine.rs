//! What is asked of the machine: cores, limits, and what a process has used.

use rustix::{
    process::{Pid, Resource, Rlimit},
    thread::CpuSet,
};
use std::{collections::BTreeMap, fs, io, process::Command};

/// Lets this thread, and what it starts, run on one core only; gives back where it ran before.
pub(crate) fn pin(cpu: usize) -> io::Result<CpuSet> {
    let before = rustix::thread::sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::other(format!("there is no processor {cpu}")));
    }
    one.set(cpu);
    rustix::thread::sched_setaffinity(None, &one)?;
    Ok(before)
}

/// Lets this thread run on these cores.
pub(crate) fn unpin(cpus: &CpuSet) -> io::Result<()> {
    Ok(rustix::thread::sched_setaffinity(None, cpus)?)
}

/// Puts every thread of a process before all ordinary ones (SCHED_FIFO), so that other work on
/// the machine cannot take the core away in the middle of a measurement.
pub(crate) fn first_in_line(pid: u32) -> io::Result<()> {
    let status = Command::new("chrt").args(["--fifo", "--all-tasks", "--pid", "1", &pid.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("chrt could not change process {pid}: it needs CAP_SYS_NICE"))) }
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
    /// By thread: on a core, and ready but waiting for one.
    threads: BTreeMap<u32, (u64, u64)>,
}

/// What was used between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used {
    /// On a core, all threads.
    pub(crate) run_ns: u64,
    /// The busiest thread, on a core.
    pub(crate) busiest_run_ns: u64,
    /// The busiest thread, kept from its core by others.
    pub(crate) busiest_wait_ns: u64,
}

/// Reads the use of these processes.
pub(crate) fn usage(pids: &[u32]) -> io::Result<Usage> {
    let mut usage = Usage::default();
    for pid in pids {
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let entry = entry?;
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread may end between the two looks.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            usage.threads.insert(thread, schedstat(&text).ok_or_else(|| io::Error::other("the kernel has no schedstat"))?);
        }
    }
    Ok(usage)
}

impl Usage {
    /// What was used from `before` until this.
    pub(crate) fn since(&self, before: &Usage) -> Used {
        let mut used = Used::default();
        for (thread, (run, wait)) in &self.threads {
            let (run_before, wait_before) = before.threads.get(thread).copied().unwrap_or_default();
            let (run, wait) = (run - run_before, wait - wait_before);
            used.run_ns += run;
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
    use super::{Usage, Used, parent, schedstat};

    #[test]
    fn use_is_the_difference_and_knows_the_busiest() {
        assert_eq!(schedstat("100 20 3\n"), Some((100, 20)));
        assert_eq!(schedstat(""), None);
        let before = Usage { threads: [(1, (100, 5)), (2, (10, 0))].into() };
        let after = Usage { threads: [(1, (150, 9)), (2, (310, 7)), (3, (4, 0))].into() };
        assert_eq!(after.since(&before), Used { run_ns: 354, busiest_run_ns: 300, busiest_wait_ns: 7 });
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a"), None);
    }
}
