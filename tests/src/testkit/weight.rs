//! What a process weighs: its memory and its processor time, as the kernel counts them.

use std::fs;

/// A process that is weighed.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// Its id.
    pub pid: u32,
}

impl Weight {
    /// Memory that it has now, in bytes.
    pub fn resident_bytes(self) -> u64 {
        self.status("VmRSS:")
    }

    /// Memory of its own that it has now, in bytes: without the pages of its program, which come in as the
    /// program's parts are first used, and which no work of one kind can be charged with.
    pub fn own_bytes(self) -> u64 {
        self.status("RssAnon:")
    }

    /// The most memory that it had since it started, in bytes.
    pub fn peak_bytes(self) -> u64 {
        self.status("VmHWM:")
    }

    /// Processor time that it has used, in clock ticks of a hundredth of a second.
    pub fn processor_ticks(self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("the process runs");
        let (_, fields) = text.rsplit_once(") ").expect("the name stands in parentheses");
        // User and system time are the fields 14 and 15, and the state behind the name is field 3.
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks are a number")).sum()
    }

    fn status(self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the process runs");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel counts it");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes << 10
    }
}
