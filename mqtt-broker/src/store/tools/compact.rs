//! A store without the room that nothing stands in.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::store::recovery::fresh::open;
use crate::store::recovery::{MakeError, beside, forget_run, remove, sync_folder_of};

/// The new file, while it is being made.
const NEW: &str = "-compacting";

/// Writes the store anew and puts the new file in its place. The lock has to be held. Bytes before and
/// after.
///
/// # Errors
/// It cannot be read or written, or there is no room for a second file; the old one is left as it was.
pub fn compact(file: &Path) -> Result<(u64, u64), MakeError> {
    let new = beside(file, NEW);
    remove(&new)?;
    let connection = open(file)?;
    forget_run(&connection)?;
    // So that the file is all there is.
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_row(checkpoint, [], |_| Ok(()))?;
    let before = fs::metadata(file)?.len();
    // SQLite writes into an empty file, and would make it as the umask says.
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new);
    made?;
    let name = new.to_string_lossy();
    let copied = connection.execute("VACUUM INTO ?1", [&*name]);
    if copied.is_err() {
        // The reason counts; what is left of it is removed the next time.
        let _ = remove(&new);
    }
    copied?;
    drop(connection);
    File::open(&new)?.sync_all()?;
    for suffix in ["-wal", "-shm"] {
        remove(&beside(file, suffix))?;
    }
    fs::rename(&new, file)?;
    sync_folder_of(file)?;
    Ok((before, fs::metadata(file)?.len()))
}
