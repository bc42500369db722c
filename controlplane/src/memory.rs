//! What is in memory stays there: policies are read with the keys that they refer to.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Keeps the memory of this process from disks and from other processes: no core dumps, and no
/// debuggers but root's.
///
/// # Errors
/// The kernel's.
pub fn seal() -> rustix::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Holds for what ignores the first, and for children.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_for_nobody() {
        seal().unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Core);
        assert_eq!((current, maximum), (Some(0), Some(0)));
    }
}
