//! Memory that the kernel may write into: mapped, page-aligned, never moved.

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ptr::{self, NonNull};
use std::{io, slice};

/// A private anonymous mapping. Zeroed; pages cost memory only once they were touched.
#[derive(Debug)]
pub(super) struct Region {
    base: NonNull<u8>,
    size: usize,
}

impl Region {
    pub(super) fn new(size: usize) -> io::Result<Region> {
        let flags = MapFlags::PRIVATE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice overlaps nothing.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, flags)? };
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::other("mmap gave the null page"))?;
        Ok(Region { base, size })
    }

    pub(super) fn address(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// # Safety
    ///
    /// Nobody, the kernel included, may write to these bytes while the slice lives.
    pub(super) unsafe fn bytes(&self, start: usize, len: usize) -> &[u8] {
        debug_assert!(start <= self.size && len <= self.size - start);
        // SAFETY: the range lies within the mapping (asserted above, and by construction of every
        // chunk), the mapping is initialised by being zeroed, and the caller excludes writers.
        unsafe { slice::from_raw_parts(self.base.as_ptr().add(start), len) }
    }

    /// # Safety
    ///
    /// Nobody, the kernel included, may read or write these bytes while the slice lives.
    #[expect(clippy::mut_from_ref, reason = "exclusion is per range and is the caller's duty")]
    pub(super) unsafe fn bytes_mut(&self, start: usize, len: usize) -> &mut [u8] {
        debug_assert!(start <= self.size && len <= self.size - start);
        // SAFETY: as in `bytes`, and the caller excludes readers as well.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr().add(start), len) }
    }

    /// Makes any access from user space an error of AddressSanitizer's, where it is on.
    #[cfg(throwover_asan)]
    pub(super) fn poison(&self, start: usize, len: usize) {
        // SAFETY: the range lies within the mapping; poisoning changes no byte of it.
        unsafe { __asan_poison_memory_region(self.base.as_ptr().add(start), len) }
    }

    /// Takes it back.
    #[cfg(throwover_asan)]
    pub(super) fn unpoison(&self, start: usize, len: usize) {
        // SAFETY: as in `poison`.
        unsafe { __asan_unpoison_memory_region(self.base.as_ptr().add(start), len) }
    }

    /// Nothing without AddressSanitizer.
    #[cfg(not(throwover_asan))]
    pub(super) fn poison(&self, _start: usize, _len: usize) {}

    /// Nothing without AddressSanitizer.
    #[cfg(not(throwover_asan))]
    pub(super) fn unpoison(&self, _start: usize, _len: usize) {}
}

#[cfg(throwover_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(start: *const u8, len: usize);
    fn __asan_unpoison_memory_region(start: *const u8, len: usize);
}

impl Drop for Region {
    fn drop(&mut self) {
        self.unpoison(0, self.size);
        // SAFETY: base and size are those of the mapping; every slice borrows this region, and the
        // ring gives its regions up only when no operation of the kernel is left.
        unsafe { munmap(self.base.as_ptr().cast(), self.size) }.expect("unmapping a mapping of our own cannot fail");
    }
}
