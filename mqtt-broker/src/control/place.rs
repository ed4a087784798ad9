//! On which file system a store would lie, and whether that can keep it.

use std::io;
use std::path::Path;

/// What a file system is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// As far as is known it keeps what was synced.
    Sound,
    /// Locks and shared memory do not work as SQLite needs them; its name.
    Network(&'static str),
    /// What is in it ends with the machine; its name.
    Memory(&'static str),
}

/// Numbers of file systems as `statfs` gives them (Linux, `statfs(2)`).
#[cfg(target_os = "linux")]
const KNOWN: &[(u32, Place)] = &[
    (0x6969, Place::Network("NFS")),
    (0x517b, Place::Network("SMB")),
    (0xff53_4d42, Place::Network("SMB")),
    (0xfe53_4d42, Place::Network("SMB")),
    (0x0102_1997, Place::Network("9p")),
    (0x5346_414f, Place::Network("AFS")),
    (0x00c3_6400, Place::Network("Ceph")),
    (0x0102_1994, Place::Memory("tmpfs")),
    (0x8584_58f6, Place::Memory("ramfs")),
];

/// Looks at the file system of a folder.
///
/// # Errors
/// What the system says.
#[cfg(target_os = "linux")]
pub(super) fn place_of(folder: &Path) -> io::Result<Place> {
    let found = nix::sys::statfs::statfs(folder)?.filesystem_type();
    // Its type has a sign on some machines, and 32 or 64 bits; the numbers have 32.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "only the lower bits count"
    )]
    let found = found.0 as u32;
    Ok(sort(|known| known == found))
}

/// Where the system does not say it in numbers: nothing is known.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub(super) fn place_of(_folder: &Path) -> io::Result<Place> {
    Ok(Place::Sound)
}

#[cfg(target_os = "linux")]
fn sort(is_it: impl Fn(u32) -> bool) -> Place {
    let known = KNOWN.iter().find(|(number, _)| is_it(*number));
    known.map_or(Place::Sound, |(_, place)| *place)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_and_memory_are_known_by_their_numbers() {
        for (number, place) in [
            (0x6969, Place::Network("NFS")),
            (0xff53_4d42, Place::Network("SMB")),
            (0x0102_1994, Place::Memory("tmpfs")),
            (0xef53, Place::Sound),
            (0x5846_5342, Place::Sound),
        ] {
            assert_eq!(sort(|known| known == number), place, "{number:x}");
        }
        assert_eq!(
            place_of(Path::new("/proc")).unwrap(),
            Place::Sound,
            "a file system that the table does not have"
        );
    }
}
