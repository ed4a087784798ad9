//! A disk that loses power or fails on purpose, put between a program and the system with `LD_PRELOAD`.
//!
//! It watches the files below one folder. What was written since a file's last sync can be lost: each
//! page that is touched remembers what it held before, each file its length, each folder the names
//! that were made, changed and removed. When the power is cut all, none or a random part of that goes
//! back, and the process ends at once. Syncs and writes can also be made to fail, and to wait.
//!
//! `-shm` files are left alone: SQLite makes them anew at each start.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `MQTT_DISK_FOLDER` | the folder; without it nothing is watched |
//! | `MQTT_DISK_ATTIC` | a folder beside it on the same file system, for what was removed |
//! | `MQTT_DISK_SEED` | of what is drawn |
//! | `MQTT_DISK_CUT` | `N`: the power is cut in the N-th call that changes something; `N END`: of those whose kind and file name (`sync x.db-wal`) end so |
//! | `MQTT_DISK_FAIL` | `sync N EIO`, `write N ENOSPC`, `write N EDQUOT`, `write N EIO`, `write N short`; `N+`: that one and all after it; a last word: of files whose name ends so |
//! | `MQTT_DISK_FROM` | a file: calls count for the two above once it is there |
//! | `MQTT_DISK_HOLD` | while this file is there, syncs wait |
//! | `MQTT_DISK_ROOM` | a file that holds the size of the disk in bytes; what does not fit is refused with ENOSPC |
//! | `MQTT_DISK_QUOTA` | that room is the user's share of a larger disk: EDQUOT instead, and the disk says nothing of it |
//! | `MQTT_DISK_LIES` | syncs succeed and do nothing |
//! | `MQTT_DISK_CLOCK` | seconds that the calendar is ahead of the system's, or behind it if they are negative |
//! | `MQTT_DISK_TRACE` | a file that gets a line for each call: kind, file name, outcome |

mod calls;
mod clock;
mod disk;
mod names;
mod orders;
mod pages;
mod real;
#[path = "../../../crash/rng.rs"]
#[expect(
    dead_code,
    reason = "the draws of the crash tests, of which a disk needs the half"
)]
mod rng;
mod room;
