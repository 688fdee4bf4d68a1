//! Pointers of C, checked for null and alignment before anything looks through them.
//!
//! Every function here is safe to call only under the contract in the crate's head: what is not
//! null points to as much memory as it says.

use crate::Status;
use core::ffi::c_char;
use core::slice;

/// Longest name, bytes without its end.
const NAME_MAX: usize = 255;

/// What C lends us to read.
///
/// # Safety
/// The contract in the crate's head; `'a` ends with the call.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T) -> Result<&'a T, Status> {
    check(pointer)?;
    // SAFETY: not null and aligned; the caller promises that it points to a `T`.
    Ok(unsafe { &*pointer })
}

/// The same where C may leave it out.
///
/// # Safety
/// As [`borrow`].
pub(crate) unsafe fn borrow_if_any<'a, T>(pointer: *const T) -> Result<Option<&'a T>, Status> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise is handed on.
    unsafe { borrow(pointer) }.map(Some)
}

/// Where C wants an answer. Written, never read: it may be uninitialised.
///
/// # Safety
/// As [`borrow`], for writing.
pub(crate) unsafe fn answer<T>(pointer: *mut T, value: T) -> Result<(), Status> {
    check(pointer)?;
    // SAFETY: not null and aligned; the caller promises that a `T` may be written there.
    unsafe { pointer.write(value) };
    Ok(())
}

/// The same where C may not want to know.
///
/// # Safety
/// As [`answer`].
pub(crate) unsafe fn answer_if_asked<T>(pointer: *mut T, value: T) -> Result<(), Status> {
    if pointer.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise is handed on.
    unsafe { answer(pointer, value) }
}

/// So many values of C's; null stands for none if there are none.
///
/// # Safety
/// As [`borrow`], for `len` values.
pub(crate) unsafe fn list<'a, T>(pointer: *const T, len: usize) -> Result<&'a [T], Status> {
    if len == 0 {
        return Ok(&[]);
    }
    check(pointer)?;
    check_len::<T>(len)?;
    // SAFETY: not null, aligned, no longer than an object may be; the caller promises that so many
    // values stand there and that nobody changes them during the call.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// A buffer of C's that we may write to, and that was initialised.
///
/// # Safety
/// As [`list`], for writing.
pub(crate) unsafe fn buffer<'a>(pointer: *mut u8, len: usize) -> Result<&'a mut [u8], Status> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(pointer)?;
    check_len::<u8>(len)?;
    // Rust's slices are of values, C's fresh buffers are not: this makes them so.
    // SAFETY: the caller promises that so many bytes may be written there.
    unsafe { pointer.write_bytes(0, len) };
    // SAFETY: as above, and every byte has a value now.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, len) })
}

/// A buffer of C's whose contents are to be changed.
///
/// # Safety
/// As [`list`], for reading and writing.
pub(crate) unsafe fn filled<'a>(pointer: *mut u8, len: usize) -> Result<&'a mut [u8], Status> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(pointer)?;
    check_len::<u8>(len)?;
    // SAFETY: the caller promises that so many initialised bytes are his to lend.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, len) })
}

/// A name that C keeps for as long as the context is open.
///
/// # Safety
/// A string that ends in a zero byte and outlives the context.
pub(crate) unsafe fn name(pointer: *const c_char) -> Result<&'static str, Status> {
    check(pointer)?;
    // Not by `CStr`, which asks libc for `strlen`, and does not stop at the longest name.
    let mut len = 0_usize;
    // SAFETY: the caller promises a string that ends in a zero byte; nothing behind it is read.
    while unsafe { pointer.add(len).read() } != 0 {
        len = len.saturating_add(1);
        if len > NAME_MAX {
            return Err(Status::Name);
        }
    }
    // SAFETY: so many bytes were read just now, and the caller promises that they stay.
    let bytes = unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) };
    let text = core::str::from_utf8(bytes).map_err(|_| Status::Name)?;
    let sound = !text.is_empty() && !text.chars().any(char::is_control);
    if sound { Ok(text) } else { Err(Status::Name) }
}

pub(crate) fn check<T>(pointer: *const T) -> Result<(), Status> {
    if pointer.is_null() {
        return Err(Status::NullPointer);
    }
    if pointer.is_aligned() { Ok(()) } else { Err(Status::Alignment) }
}

fn check_len<T>(len: usize) -> Result<(), Status> {
    let bytes = len.checked_mul(size_of::<T>());
    match bytes {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Status::Range),
    }
}
