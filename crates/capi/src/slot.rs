//! Memory of C in which something of ours stands once it was opened.
//!
//! ```text
//! magic ^ address · busy · what stands there          zeros, a copy or other memory is not open
//! ```
//!
//! Invariant: a reference into a slot exists only between setting and clearing its `busy` mark, so
//! there is never a second one, not even when a callback calls back.

use crate::Status;
use crate::pointer::{answer, check};
use crate::status::told;
use core::mem::MaybeUninit;

/// A type that C sees as words, and what stands in it.
pub(crate) trait Memory: Sized {
    /// What stands there.
    type Inner;
    /// Tells kinds of memory apart.
    const MAGIC: usize;
    /// It fits, and is aligned.
    const FITS: () = {
        assert!(size_of::<Slot<Self::Inner>>() <= size_of::<Self>());
        assert!(align_of::<Slot<Self::Inner>>() <= align_of::<Self>());
    };
}

#[repr(C)]
struct Slot<T> {
    magic: usize,
    busy: usize,
    inner: MaybeUninit<T>,
}

/// Does something with what stands in open memory. Calls from within its callbacks are refused
/// meanwhile.
///
/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn with<M: Memory>(
    memory: *mut M,
    call: impl FnOnce(&mut M::Inner) -> Result<(), Status>,
) -> Status {
    // SAFETY: the caller's promise is handed on.
    told(unsafe { check_open(memory) }.and_then(|slot| {
        // SAFETY: an open slot; the mark is the library's own.
        let busy = unsafe { &raw mut (*slot).busy };
        // SAFETY: as above.
        unsafe { busy.write(1) };
        // SAFETY: `open` wrote it there before it set the number, and the mark just set keeps a
        // second reference from being made.
        let done = call(unsafe { (*slot).inner.assume_init_mut() });
        // SAFETY: as above; the reference is gone.
        unsafe { busy.write(0) };
        done
    }))
}

/// Opens memory with what `make` makes. Calls from within callbacks are refused meanwhile.
///
/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn open<M: Memory>(
    memory: *mut M,
    make: impl FnOnce() -> Result<M::Inner, Status>,
) -> Result<(), Status> {
    let () = M::FITS;
    check(memory)?;
    let slot = memory.cast::<Slot<M::Inner>>();
    // SAFETY: the caller's promise: so much memory, zeroed or opened before.
    let magic = unsafe { &raw mut (*slot).magic };
    // SAFETY: as above.
    let busy = unsafe { &raw mut (*slot).busy };
    let open = M::MAGIC ^ slot.addr();
    // SAFETY: as above.
    if unsafe { magic.read() } == open {
        return Err(Status::AlreadyOpen);
    }
    // SAFETY: as above. While it is made, the slot is open and busy.
    unsafe { busy.write(1) };
    // SAFETY: as above.
    unsafe { magic.write(open) };
    let done = match make() {
        Ok(inner) => {
            // SAFETY: as above; no reference to what was there exists.
            unsafe { (&raw mut (*slot).inner).write(MaybeUninit::new(inner)) };
            Ok(())
        }
        Err(status) => {
            // SAFETY: as above.
            unsafe { magic.write(0) };
            Err(status)
        }
    };
    // SAFETY: as above.
    unsafe { busy.write(0) };
    done
}

/// Opens memory without a look at what is in it, which may be anything.
///
/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn put<M: Memory>(memory: *mut M, inner: M::Inner) -> Result<(), Status> {
    let () = M::FITS;
    let slot = memory.cast::<Slot<M::Inner>>();
    let fresh = Slot { magic: M::MAGIC ^ slot.addr(), busy: 0, inner: MaybeUninit::new(inner) };
    check(memory)?;
    // SAFETY: the caller's promise: so much memory that may be written.
    unsafe { answer(slot, fresh) }
}

/// Closes open memory.
///
/// # Safety
/// The contract in the crate's head.
pub(crate) unsafe fn close<M: Memory>(memory: *mut M) -> Result<(), Status> {
    // SAFETY: the caller's promise is handed on.
    let slot = unsafe { check_open(memory) }?;
    // SAFETY: checked just now; nobody else uses it.
    unsafe { (&raw mut (*slot).magic).write(0) };
    Ok(())
}

/// The slot behind a pointer, if it is open and nobody is in it.
unsafe fn check_open<M: Memory>(memory: *mut M) -> Result<*mut Slot<M::Inner>, Status> {
    check(memory)?;
    let slot = memory.cast::<Slot<M::Inner>>();
    // SAFETY: the crate's contract: zeroed or opened, so that both words may be read.
    let magic = unsafe { (&raw const (*slot).magic).read() };
    if magic != M::MAGIC ^ slot.addr() {
        return Err(Status::NotOpen);
    }
    // SAFETY: as above.
    let busy = unsafe { (&raw const (*slot).busy).read() };
    if busy == 0 { Ok(slot) } else { Err(Status::Busy) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_tells_how_much_memory_there_must_be() {
        let documentation = include_str!("../../../docs/c-api.md");
        let sizes = [
            ("agent", size_of::<crate::Agent>()),
            ("outbox", size_of::<crate::Outbox>()),
            ("hash", size_of::<crate::Hash>()),
        ];
        for (name, size) in sizes {
            assert!(
                documentation.contains(&std::format!("| `firmlog_{name}` | {size} |")),
                "{name}"
            );
        }
    }
}
