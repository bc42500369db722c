//! Making a ring with the best flags that this kernel takes.

use io_uring::IoUring;
use std::io;
use std::thread;
use std::time::Duration;

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

/// Further tries when the kernel has no memory, and the pause before the first of them; each next
/// pause is twice as long, 255 ms in all.
const TRIES_MAX: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(1);

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

/// What `make` makes, asked again when the kernel has no memory. Where the page cache fills the memory
/// a ring fails by chance (36 of 111,000 there, Linux 6.18; none while memory was free), as though the
/// kernel did not wait for pages to be freed, and the next try mostly succeeds.
pub(super) fn patiently<T>(mut make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES_MAX {
        match make() {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => thread::sleep(pause),
            other => return other,
        }
        pause *= 2;
    }
    make()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;

    /// Asks for a number while the kernel answers with these errors, then succeeds. What came of
    /// it, and how often was asked.
    fn after(errors: impl IntoIterator<Item = i32>) -> (Result<u8, Option<i32>>, u32) {
        let (mut errors, mut asked) = (errors.into_iter(), 0);
        let made = patiently(|| {
            asked += 1;
            errors.next().map_or(Ok(7), |errno| Err(io::Error::from_raw_os_error(errno)))
        });
        (made.map_err(|error| error.raw_os_error()), asked)
    }

    #[test]
    fn memory_that_is_short_for_a_moment_is_asked_for_again() {
        assert_eq!(after([]), (Ok(7), 1));
        assert_eq!(after([libc::ENOMEM, libc::ENOMEM]), (Ok(7), 3));
        assert_eq!(after(iter::repeat(libc::ENOMEM)), (Err(Some(libc::ENOMEM)), TRIES_MAX + 1));
    }

    #[test]
    fn what_time_does_not_mend_is_not_asked_for_again() {
        assert_eq!(after([libc::EPERM]), (Err(Some(libc::EPERM)), 1));
        assert_eq!(after([libc::ENOMEM, libc::EMFILE]), (Err(Some(libc::EMFILE)), 2));
    }
}
