//! The calls themselves, past our own definitions of them.
#![expect(unsafe_code, reason = "system calls by their numbers")]

use std::ffi::CStr;

use libc::{c_char, c_int, c_long, mode_t, off64_t, size_t};

/// The answer of a call: its value, or the error number.
pub(crate) type Answer = Result<i64, i32>;

fn answer(value: c_long) -> Answer {
    if value < 0 { Err(errno()) } else { Ok(value) }
}

pub(crate) fn errno() -> i32 {
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

pub(crate) fn set_errno(number: i32) {
    // SAFETY: the location is the calling thread's own and always valid.
    unsafe { *libc::__errno_location() = number }
}

pub(crate) fn openat(folder: c_int, path: &CStr, flags: c_int, mode: mode_t) -> Answer {
    // SAFETY: the path ends with a zero and outlives the call.
    answer(unsafe { libc::syscall(libc::SYS_openat, folder, path.as_ptr(), flags, mode) })
}

pub(crate) fn write(fd: c_int, bytes: &[u8]) -> Answer {
    // SAFETY: the kernel reads no more than the slice holds.
    answer(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) })
}

pub(crate) fn pwrite(fd: c_int, bytes: &[u8], offset: off64_t) -> Answer {
    // SAFETY: as for `write`.
    answer(unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes.as_ptr(), bytes.len(), offset) })
}

/// A call whose arguments are numbers, or pointers that the caller vouches for.
///
/// # Safety
/// The arguments have to be what this call takes.
pub(crate) unsafe fn pass(number: c_long, arguments: [usize; 5]) -> Answer {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the caller's promise.
    answer(unsafe { libc::syscall(number, a, b, c, d, e) })
}

/// Where the next write without an offset goes.
pub(crate) fn position(fd: c_int) -> Option<i64> {
    // SAFETY: two numbers in, one out.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    let (offset, whence) = if flags & libc::O_APPEND == 0 {
        (0, libc::SEEK_CUR)
    } else {
        (0, libc::SEEK_END)
    };
    // SAFETY: as above.
    let position = unsafe { libc::lseek64(fd, offset, whence) };
    (position >= 0).then_some(position)
}

/// The C library's own, which has no system call of the same form.
///
/// # Safety
/// As the C library's.
pub(crate) unsafe fn statvfs(path: *const c_char, answer: *mut libc::statvfs) -> c_int {
    type Statvfs = unsafe extern "C" fn(*const c_char, *mut libc::statvfs) -> c_int;
    // SAFETY: a name that ends with a zero; what is found has this form, or nothing is.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, c"statvfs64".as_ptr()) };
    if found.is_null() {
        set_errno(libc::ENOSYS);
        return -1;
    }
    // SAFETY: as above.
    let found = unsafe { std::mem::transmute::<*mut libc::c_void, Statvfs>(found) };
    // SAFETY: the caller's promise.
    unsafe { found(path, answer) }
}

pub(crate) fn fsync(fd: c_int) -> Answer {
    // SAFETY: a number.
    answer(unsafe { libc::syscall(libc::SYS_fsync, fd) })
}

pub(crate) fn ftruncate(fd: c_int, length: off64_t) -> Answer {
    // SAFETY: two numbers.
    answer(unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) })
}

/// Ends the process as a power cut does: nothing is flushed, nothing is run.
pub(crate) fn die() -> ! {
    // SAFETY: two numbers; the signal cannot be held off.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        std::thread::park();
    }
}

/// The parts of a vectored write, one behind the other.
///
/// # Safety
/// `parts` has to point to `count` valid parts.
pub(crate) unsafe fn gathered(parts: *const libc::iovec, count: c_int) -> Vec<u8> {
    let count = size_t::try_from(count).unwrap_or(0);
    // SAFETY: the caller's promise.
    let parts = unsafe { std::slice::from_raw_parts(parts, count) };
    let mut bytes = Vec::new();
    for part in parts.iter().filter(|part| part.iov_len > 0) {
        // SAFETY: the caller's promise.
        bytes.extend_from_slice(unsafe {
            std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len)
        });
    }
    bytes
}
