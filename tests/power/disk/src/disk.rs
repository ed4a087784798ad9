//! The disk: what is watched, what happens in which call, and the end.

use std::cell::Cell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::names::Names;
use crate::orders::{Failure, Kind, Orders};
use crate::pages::{Loss, Pages};
use crate::real::{self, Answer};
use crate::rng::Rng;
use crate::room::Room;

/// Descriptors that can be watched; a store's are among the first.
const DESCRIPTORS: usize = 4096;
/// How often a sync that waits looks whether it may go on.
const HOLD: Duration = Duration::from_millis(1);

/// Which descriptors are watched: most calls are about sockets, and need no lock to know it.
static WATCHED: [AtomicBool; DESCRIPTORS] = [const { AtomicBool::new(false) }; DESCRIPTORS];
static DISK: OnceLock<Option<Mutex<Disk>>> = OnceLock::new();

thread_local! {
    /// This thread is inside the disk: its calls are our own.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Device and inode.
type FileKey = (u64, u64);

/// What a descriptor stands for.
#[derive(Debug, Clone)]
enum Open {
    File(FileKey),
    Folder(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Disk {
    orders: Orders,
    rng: Rng,
    /// In an order, so that a seed repeats what is drawn.
    files: BTreeMap<FileKey, Pages>,
    open: HashMap<RawFd, Open>,
    names: Names,
    room: Option<Room>,
    trace: Option<File>,
    /// Calls that count for the cut, and those that count for the failure.
    calls: u64,
    failing: u64,
}

/// What becomes of a call.
enum Fate {
    Done,
    Fails(Failure),
    Cut,
}

pub(crate) fn is_watched(fd: RawFd) -> bool {
    let slot = usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd));
    slot.is_some_and(|slot| slot.load(Ordering::SeqCst)) && !INSIDE.get()
}

fn watch(fd: RawFd, watched: bool) {
    if let Some(slot) = usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd)) {
        slot.store(watched, Ordering::SeqCst);
    } else {
        assert!(!watched, "descriptor {fd} is too high to be watched");
    }
}

/// Calls `body` with the disk, unless there is none or the call is the disk's own.
pub(crate) fn with<T>(body: impl FnOnce(&mut Disk) -> T) -> Option<T> {
    if INSIDE.replace(true) {
        return None;
    }
    let disk =
        DISK.get_or_init(|| Orders::from_environment().map(|orders| Mutex::new(Disk::new(orders))));
    let result = disk
        .as_ref()
        .map(|disk| body(&mut disk.lock().unwrap_or_else(PoisonError::into_inner)));
    INSIDE.set(false);
    result
}

/// Waits as long as syncs are to wait.
pub(crate) fn hold() {
    let hold = with(|disk| disk.orders.hold.clone()).flatten();
    let Some(hold) = hold else { return };
    let mut waited = false;
    INSIDE.set(true);
    while hold.exists() {
        if !std::mem::replace(&mut waited, true) {
            // For whoever wants to know that one waits.
            let _ = fs::write(hold.with_extension("waits"), "");
        }
        thread::sleep(HOLD);
    }
    INSIDE.set(false);
}

/// Our own bookkeeping must not fail: without it nothing that is tested would mean anything.
fn sure<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("the disk of the test cannot go on: {error}");
        std::process::abort()
    })
}

impl Disk {
    fn new(orders: Orders) -> Self {
        let open = |path: &PathBuf| sure(OpenOptions::new().create(true).append(true).open(path));
        Self {
            rng: Rng::new(orders.seed),
            names: Names::new(orders.attic.clone()),
            room: orders
                .room
                .clone()
                .map(|says| Room::new(orders.folder.clone(), says)),
            trace: orders.trace.as_ref().map(open),
            orders,
            files: BTreeMap::new(),
            open: HashMap::new(),
            calls: 0,
            failing: 0,
        }
    }

    /// Whether this path is watched.
    pub(crate) fn watches(&self, path: &Path) -> bool {
        path.starts_with(&self.orders.folder) && !path.to_string_lossy().ends_with("-shm")
    }

    /// The next call that changes something.
    fn fate(&mut self, kind: Kind, name: &str) -> Fate {
        if let Some(from) = &self.orders.from {
            if !from.exists() {
                return Fate::Done;
            }
            self.orders.from = None;
        }
        if let Some(cut) = &self.orders.cut
            && format!("{} {name}", kind.name()).ends_with(&cut.name)
        {
            self.calls += 1;
            if self.calls == cut.number {
                self.note(kind, name, "cut");
                return Fate::Cut;
            }
        }
        if let Some(fail) = &self.orders.fail
            && fail.kind == kind
            && name.ends_with(&fail.name)
        {
            self.failing += 1;
            if self.failing == fail.number || (fail.lasting && self.failing > fail.number) {
                return Fate::Fails(fail.how);
            }
        }
        Fate::Done
    }

    fn note(&mut self, kind: Kind, name: &str, outcome: &str) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{} {name} {outcome}\n", kind.name());
            sure(trace.write_all(line.as_bytes()));
        }
    }

    fn note_answer(&mut self, kind: Kind, name: &str, answer: &Answer) {
        match answer {
            Ok(_) => self.note(kind, name, "ok"),
            Err(number) => self.note(kind, name, &format!("errno {number}")),
        }
    }

    /// The power is cut: what is not synced is lost, or not, and the process ends.
    fn cut(&mut self) -> ! {
        for file in self.files.values_mut() {
            let loss = Loss::draw(&mut self.rng);
            sure(file.lose(loss, &mut self.rng));
        }
        let loss = Loss::draw(&mut self.rng);
        sure(self.names.lose(loss, &mut self.rng));
        real::die()
    }

    /// A change of names: it happens, or the power is cut before or after it.
    fn name_changes(
        &mut self,
        path: &Path,
        change: impl FnOnce() -> Answer,
        note: impl FnOnce(&mut Names),
    ) -> Answer {
        let name = short(path);
        let cut = matches!(self.fate(Kind::Name, &name), Fate::Cut);
        if cut && self.rng.below(2) == 0 {
            self.cut();
        }
        let answer = change();
        if answer.is_ok() {
            note(&mut self.names);
        }
        self.note_answer(Kind::Name, &name, &answer);
        if cut {
            self.cut();
        }
        answer
    }

    /// Opens a file or folder that is watched. `open` takes the flags.
    pub(crate) fn open(&mut self, path: &Path, flags: i32, open: impl Fn(i32) -> Answer) -> Answer {
        let is_new = flags & libc::O_CREAT != 0 && !path.exists();
        let answer = if is_new {
            self.name_changes(path, || open(flags), |names| names.made(path.to_owned()))
        } else {
            open(flags & !libc::O_TRUNC)
        };
        let fd = RawFd::try_from(answer?).map_err(|_| libc::EMFILE)?;
        let metadata = sure(fs::metadata(format!("/proc/self/fd/{fd}")));
        let opened = if metadata.is_dir() {
            Open::Folder(path.to_owned())
        } else {
            let key = (metadata.dev(), metadata.ino());
            if let Entry::Vacant(vacant) = self.files.entry(key) {
                // This path leads to the file whatever becomes of its name.
                let path_of_fd = format!("/proc/self/fd/{fd}");
                let own = OpenOptions::new().read(true).write(true).open(path_of_fd);
                let Ok(own) = own else {
                    // Of a file that we may not write ourselves nothing can be lost.
                    return Ok(i64::from(fd));
                };
                let pages = sure(Pages::new(own, short(path)));
                vacant.insert(pages);
            }
            Open::File(key)
        };
        self.open.insert(fd, opened);
        watch(fd, true);
        if flags & libc::O_TRUNC != 0 && !is_new {
            self.truncate(fd, 0)?;
        }
        Ok(i64::from(fd))
    }

    pub(crate) fn close(&mut self, fd: RawFd) {
        self.open.remove(&fd);
        watch(fd, false);
    }

    fn file(&mut self, fd: RawFd) -> Option<(FileKey, String)> {
        let Some(Open::File(key)) = self.open.get(&fd) else {
            return None;
        };
        let file = self.files.get(key)?;
        Some((*key, file.name.clone()))
    }

    fn pages(&mut self, key: FileKey) -> Option<&mut Pages> {
        self.files.get_mut(&key)
    }

    /// Writes at an offset, or where the descriptor stands.
    pub(crate) fn write(&mut self, fd: RawFd, mut bytes: &[u8], offset: Option<i64>) -> Answer {
        let Some((key, name)) = self.file(fd) else {
            return real::write(fd, bytes);
        };
        let fate = self.fate(Kind::Write, &name);
        let half = |bytes: &'_ [u8]| bytes.len().div_ceil(2);
        match fate {
            Fate::Fails(Failure::Errno(number)) => {
                self.note_answer(Kind::Write, &name, &Err(number));
                return Err(number);
            }
            Fate::Fails(Failure::Short) => bytes = bytes.get(..half(bytes)).unwrap_or(bytes),
            // The power fails while it writes.
            Fate::Cut => {
                let length = self.rng.below(bytes.len() + 1);
                bytes = bytes.get(..length).unwrap_or(bytes);
            }
            Fate::Done => {}
        }
        let at = offset.or_else(|| real::position(fd)).unwrap_or(0);
        let at = u64::try_from(at).unwrap_or(0);
        if let Err(refusal) = self.has_room_for(key, at + bytes.len() as u64) {
            self.note_answer(Kind::Write, &name, &Err(refusal));
            return Err(refusal);
        }
        if let Some(file) = self.pages(key) {
            sure(file.touch(at, bytes.len() as u64));
        }
        let answer = match offset {
            Some(offset) => real::pwrite(fd, bytes, offset),
            None => real::write(fd, bytes),
        };
        if matches!(fate, Fate::Cut) {
            self.cut();
        }
        self.note_answer(Kind::Write, &name, &answer);
        answer
    }

    /// Whether a file may become as long as this.
    fn has_room_for(&mut self, key: FileKey, length: u64) -> Result<(), i32> {
        let free = self.room.as_ref().map_or(u64::MAX, Room::free);
        let end = self.pages(key).map_or(0, |file| sure(file.end()));
        match (length.saturating_sub(end) <= free, self.orders.quota) {
            (true, _) => Ok(()),
            (false, true) => Err(libc::EDQUOT),
            (false, false) => Err(libc::ENOSPC),
        }
    }

    /// Reserves room for a file.
    pub(crate) fn allocate(
        &mut self,
        fd: RawFd,
        length: u64,
        allocate: impl Fn() -> Answer,
    ) -> Answer {
        let Some((key, name)) = self.file(fd) else {
            return allocate();
        };
        let answer = self.has_room_for(key, length).and_then(|()| allocate());
        self.note_answer(Kind::Truncate, &name, &answer);
        answer
    }

    /// What a program is told of the disk; nothing where it is the system's own.
    pub(crate) fn describe(&self, answer: &mut libc::statvfs) -> Option<()> {
        let room = self.room.as_ref().filter(|_| !self.orders.quota);
        room.map(|room| room.describe(answer))
    }

    pub(crate) fn truncate(&mut self, fd: RawFd, length: i64) -> Answer {
        let Some((key, name)) = self.file(fd) else {
            return real::ftruncate(fd, length);
        };
        let cut = matches!(self.fate(Kind::Truncate, &name), Fate::Cut);
        if cut && self.rng.below(2) == 0 {
            self.cut();
        }
        if let (Some(file), Ok(length)) = (self.pages(key), u64::try_from(length)) {
            sure(file.cut_off(length));
        }
        let answer = real::ftruncate(fd, length);
        if cut {
            self.cut();
        }
        self.note_answer(Kind::Truncate, &name, &answer);
        answer
    }

    pub(crate) fn sync(&mut self, fd: RawFd) -> Answer {
        let (name, what) = match self.open.get(&fd).cloned() {
            Some(Open::Folder(path)) => (short(&path), Open::Folder(path)),
            Some(Open::File(key)) => {
                let name = self.file(fd).map_or_else(String::new, |(_, name)| name);
                (name, Open::File(key))
            }
            None => return real::fsync(fd),
        };
        let fate = self.fate(Kind::Sync, &name);
        if matches!(fate, Fate::Cut) && self.rng.below(2) == 0 {
            self.cut();
        }
        if let Fate::Fails(Failure::Errno(number)) = fate {
            // The kernel forgets the pages that it could not write: what the disk has comes back.
            let loss = Loss::draw(&mut self.rng);
            if let Open::File(key) = what
                && let Some(file) = self.files.get_mut(&key)
            {
                sure(file.lose(loss, &mut self.rng));
            }
            self.note_answer(Kind::Sync, &name, &Err(number));
            return Err(number);
        }
        if self.orders.lies {
            self.note(Kind::Sync, &name, "lie");
            return Ok(0);
        }
        let answer = real::fsync(fd);
        if answer.is_ok() {
            match what {
                Open::Folder(path) => self.names.synced(&path),
                Open::File(key) => {
                    if let Some(file) = self.pages(key) {
                        sure(file.synced());
                    }
                }
            }
        }
        if matches!(fate, Fate::Cut) {
            self.cut();
        }
        self.note_answer(Kind::Sync, &name, &answer);
        answer
    }

    pub(crate) fn remove(&mut self, path: &Path, remove: impl FnOnce() -> Answer) -> Answer {
        if !path.exists() {
            return remove();
        }
        let kept = sure(self.names.keep(path));
        self.name_changes(path, remove, |names| names.removed(path.to_owned(), kept))
    }

    pub(crate) fn rename(
        &mut self,
        from: &Path,
        to: &Path,
        rename: impl FnOnce() -> Answer,
    ) -> Answer {
        let replaced = to.exists().then(|| sure(self.names.keep(to)));
        self.name_changes(to, rename, |names| {
            if let Some(kept) = replaced {
                names.removed(to.to_owned(), kept);
            }
            names.renamed(from.to_owned(), to.to_owned());
        })
    }

    pub(crate) fn make_folder(&mut self, path: &Path, make: impl FnOnce() -> Answer) -> Answer {
        self.name_changes(path, make, |names| names.made_folder(path.to_owned()))
    }

    pub(crate) fn link(&mut self, to: &Path, link: impl FnOnce() -> Answer) -> Answer {
        self.name_changes(to, link, |names| names.made(to.to_owned()))
    }
}

/// The last word of a path.
fn short(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
