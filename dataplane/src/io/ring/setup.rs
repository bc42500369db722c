//! Making a ring with the best flags that this kernel takes.

use io_uring::IoUring;
use std::io;

/// How a ring runs the kernel's share of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the shard's own enters, without interrupts: the cheapest.
    Deferred,
    /// Cooperatively, at the shard's next system call.
    Cooperative,
    /// With an interrupt whenever something completes.
    Interrupting,
}

const MODES: [Mode; 3] = [Mode::Deferred, Mode::Cooperative, Mode::Interrupting];

/// Builds a ring in the best mode. It must be entered by this thread only.
pub(super) fn build(submissions: u32, completions: u32) -> io::Result<IoUring> {
    build_with(submissions, completions).map(|(uring, _)| uring)
}

pub(super) fn build_with(submissions: u32, completions: u32) -> io::Result<(IoUring, Mode)> {
    let mut last = io::Error::from_raw_os_error(libc::EINVAL);
    for mode in MODES {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(completions).setup_clamp().setup_submit_all();
        match mode {
            Mode::Deferred => {
                builder.setup_single_issuer().setup_defer_taskrun();
            }
            Mode::Cooperative => {
                builder.setup_coop_taskrun();
            }
            Mode::Interrupting => {}
        }
        match builder.build(submissions) {
            Ok(uring) => {
                // Saves the lookup of the descriptor in every enter; older kernels refuse.
                uring.submitter().register_ring_fd().ok();
                return Ok((uring, mode));
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
