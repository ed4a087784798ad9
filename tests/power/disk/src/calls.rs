//! The calls that programs make, defined once more in front of the C library's.
//!
//! Each asks the disk if what it is about is watched, and is passed on as it is otherwise.
#![expect(
    unsafe_code,
    reason = "functions with the names and pointers of the C library cannot be told from it otherwise"
)]
#![expect(
    unreachable_pub,
    reason = "the dynamic linker reaches them by their names"
)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use libc::{AT_FDCWD, iovec, mode_t, off64_t, size_t, ssize_t};

use crate::disk::{self, Disk};
use crate::real::{self, Answer};

/// As the C library answers.
fn to_c(answer: Answer) -> i64 {
    answer.unwrap_or_else(|number| {
        real::set_errno(number);
        -1
    })
}

fn to_int(answer: Answer) -> c_int {
    c_int::try_from(to_c(answer)).unwrap_or(-1)
}

fn to_size(answer: Answer) -> ssize_t {
    ssize_t::try_from(to_c(answer)).unwrap_or(-1)
}

/// The whole path that a call means, as far as its folder exists.
fn resolved(folder: c_int, path: &CStr) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path.to_bytes()));
    let whole = if path.is_absolute() {
        path.to_owned()
    } else if folder == AT_FDCWD {
        std::env::current_dir().ok()?.join(path)
    } else {
        fs::read_link(format!("/proc/self/fd/{folder}"))
            .ok()?
            .join(path)
    };
    match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => Some(fs::canonicalize(parent).ok()?.join(name)),
        _ => Some(whole),
    }
}

/// What the disk says of a call about a path, or what `pass` does where the path is not watched.
unsafe fn about_path(
    folder: c_int,
    path: *const c_char,
    watched: impl FnOnce(&mut Disk, &Path) -> Answer,
    pass: impl Fn() -> Answer,
) -> Answer {
    // SAFETY: the caller's pointer is a path as the C library wants it.
    let text = unsafe { CStr::from_ptr(path) };
    let said = disk::with(|disk| {
        let path = resolved(folder, text)?;
        disk.watches(&path).then(|| watched(disk, &path))
    });
    said.flatten().unwrap_or_else(pass)
}

unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's pointer is a path as the C library wants it.
    let text = unsafe { CStr::from_ptr(path) };
    let real = |flags| real::openat(folder, text, flags, mode);
    // SAFETY: as above.
    to_int(unsafe {
        about_path(
            folder,
            path,
            |disk, path| disk.open(path, flags, real),
            || real(flags),
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: passed on. The mode of a call without one is not looked at.
    unsafe { open_at(AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: passed on.
    unsafe { open_at(AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { open_at(folder, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { open_at(folder, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
    // SAFETY: passed on.
    unsafe { open_at(AT_FDCWD, path, flags, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    if disk::is_watched(fd) {
        disk::with(|disk| disk.close(fd));
    }
    // SAFETY: a number.
    to_int(unsafe { real::pass(libc::SYS_close, [number(fd), 0, 0, 0, 0]) })
}

/// An argument of a system call.
fn number(value: c_int) -> usize {
    // Negative descriptors are refused by the kernel, whatever they become here.
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A write of these bytes to a descriptor that may be watched.
fn write_bytes(fd: c_int, bytes: &[u8], offset: Option<off64_t>) -> Answer {
    let pass = || match offset {
        Some(offset) => real::pwrite(fd, bytes, offset),
        None => real::write(fd, bytes),
    };
    if !disk::is_watched(fd) {
        return pass();
    }
    disk::with(|disk| disk.write(fd, bytes, offset)).unwrap_or_else(pass)
}

unsafe fn bytes_of<'a>(bytes: *const c_void, length: size_t) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(bytes.cast(), length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: what the caller promises the C library.
    to_size(write_bytes(fd, unsafe { bytes_of(bytes, length) }, None))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(
    fd: c_int,
    bytes: *const c_void,
    length: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: what the caller promises the C library.
    to_size(write_bytes(
        fd,
        unsafe { bytes_of(bytes, length) },
        Some(offset),
    ))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(
    fd: c_int,
    bytes: *const c_void,
    length: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: passed on.
    unsafe { pwrite(fd, bytes, length, offset) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if disk::is_watched(fd) {
        // SAFETY: what the caller promises the C library.
        return to_size(write_bytes(
            fd,
            &unsafe { real::gathered(parts, count) },
            None,
        ));
    }
    let arguments = [number(fd), parts.addr(), number(count), 0, 0];
    // SAFETY: the caller's own arguments.
    to_size(unsafe { real::pass(libc::SYS_writev, arguments) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: what the caller promises the C library.
    let bytes = unsafe { real::gathered(parts, count) };
    to_size(write_bytes(fd, &bytes, Some(offset)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwritev64(
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: passed on.
    unsafe { pwritev(fd, parts, count, offset) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(fd: c_int, length: off64_t) -> c_int {
    let pass = || real::ftruncate(fd, length);
    if !disk::is_watched(fd) {
        return to_int(pass());
    }
    to_int(disk::with(|disk| disk.truncate(fd, length)).unwrap_or_else(pass))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: off64_t) -> c_int {
    // SAFETY: passed on.
    unsafe { ftruncate(fd, length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    let pass = || real::fsync(fd);
    if !disk::is_watched(fd) {
        return to_int(pass());
    }
    disk::hold();
    to_int(disk::with(|disk| disk.sync(fd)).unwrap_or_else(pass))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: passed on. What it leaves out, times, is nothing that is lost here.
    unsafe { fsync(fd) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    let arguments = [folder as usize, path.addr(), number(flags), 0, 0];
    // SAFETY: the caller's own arguments.
    let pass = || unsafe { real::pass(libc::SYS_unlinkat, arguments) };
    if flags != 0 {
        return to_int(pass());
    }
    // SAFETY: what the caller promises the C library.
    to_int(unsafe { about_path(folder, path, |disk, path| disk.remove(path, pass), pass) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: passed on.
    unsafe { unlinkat(AT_FDCWD, path, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
) -> c_int {
    let arguments = [
        from_folder as usize,
        from.addr(),
        to_folder as usize,
        to.addr(),
        0,
    ];
    // SAFETY: the caller's own arguments.
    let pass = || unsafe { real::pass(libc::SYS_renameat2, arguments) };
    // SAFETY: what the caller promises the C library.
    let text = unsafe { CStr::from_ptr(from) };
    let watched = |disk: &mut Disk, to: &Path| match resolved(from_folder, text) {
        Some(from) => disk.rename(&from, to, pass),
        None => pass(),
    };
    // SAFETY: what the caller promises the C library.
    to_int(unsafe { about_path(to_folder, to, watched, pass) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: passed on.
    unsafe { renameat(AT_FDCWD, from, AT_FDCWD, to) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let arguments = [AT_FDCWD as usize, path.addr(), mode as usize, 0, 0];
    // SAFETY: the caller's own arguments.
    let pass = || unsafe { real::pass(libc::SYS_mkdirat, arguments) };
    // SAFETY: what the caller promises the C library.
    to_int(unsafe {
        about_path(
            AT_FDCWD,
            path,
            |disk, path| disk.make_folder(path, pass),
            pass,
        )
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let arguments = [
        from_folder as usize,
        from.addr(),
        to_folder as usize,
        to.addr(),
        number(flags),
    ];
    // SAFETY: the caller's own arguments.
    let pass = || unsafe { real::pass(libc::SYS_linkat, arguments) };
    // SAFETY: what the caller promises the C library.
    to_int(unsafe { about_path(to_folder, to, |disk, to| disk.link(to, pass), pass) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: passed on.
    unsafe { linkat(AT_FDCWD, from, AT_FDCWD, to, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate(fd: c_int, offset: off64_t, length: off64_t) -> c_int {
    let arguments = [offset, length].map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let arguments = [number(fd), 0, arguments[0], arguments[1], 0];
    // SAFETY: numbers.
    let pass = || unsafe { real::pass(libc::SYS_fallocate, arguments) };
    let end = u64::try_from(offset + length).unwrap_or(0);
    let answer = match disk::is_watched(fd) {
        true => disk::with(|disk| disk.allocate(fd, end, pass)).unwrap_or_else(pass),
        false => pass(),
    };
    // The number of the error is what it returns.
    answer.err().unwrap_or(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate64(fd: c_int, offset: off64_t, length: off64_t) -> c_int {
    // SAFETY: passed on.
    unsafe { posix_fallocate(fd, offset, length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn statvfs(path: *const c_char, answer: *mut libc::statvfs) -> c_int {
    // SAFETY: what the caller promises the C library.
    let told = unsafe { real::statvfs(path, answer) };
    // SAFETY: as above.
    let (text, answer) = unsafe { (CStr::from_ptr(path), &mut *answer) };
    disk::with(|disk| {
        let path = resolved(AT_FDCWD, text)?;
        disk.watches(&path).then(|| disk.describe(answer))?
    });
    told
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn statvfs64(path: *const c_char, answer: *mut libc::statvfs) -> c_int {
    // SAFETY: passed on; both are the same where offsets have 64 bits.
    unsafe { statvfs(path, answer) }
}

/// Copies within the kernel would go past us: who gets this answer reads and writes instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    _from: c_int,
    _from_offset: *mut off64_t,
    _to: c_int,
    _to_offset: *mut off64_t,
    _length: size_t,
    _flags: u32,
) -> ssize_t {
    to_size(Err(libc::ENOSYS))
}

/// As [`copy_file_range`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(
    _to: c_int,
    _from: c_int,
    _offset: *mut off64_t,
    _length: size_t,
) -> ssize_t {
    to_size(Err(libc::ENOSYS))
}
