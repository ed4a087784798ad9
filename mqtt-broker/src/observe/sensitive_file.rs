//! Files that hold secrets: passwords, logs. They are not reached through a symbolic link, are
//! made for the owner alone, and draw a warning when others may read them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group, Uid, User};

/// Whoever sets this variable, to anything, lets sensitive files be symbolic links, as container
/// platforms make them.
pub const ALLOW_SYMLINKS: &str = "MOSQUITTO_UNSAFE_ALLOW_SYMLINKS";

/// Whether the user of this process allows that.
#[must_use]
pub fn symlinks_are_allowed() -> bool {
    std::env::var_os(ALLOW_SYMLINKS).is_some()
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It must exist.
    Read,
    /// It is made if it does not exist, readable for its owner alone.
    Append,
}

/// An open file and what is to be said about it.
#[derive(Debug)]
pub struct SensitiveFile {
    /// The file.
    pub file: File,
    /// Complaints about owner and permissions, one line each, for the log.
    pub warnings: Vec<String>,
}

/// Opens a sensitive file.
///
/// # Errors
/// What the system says; `ELOOP` for a symbolic link unless `allow_symlinks`; `InvalidInput` with
/// the text `<path> is not a file.` for a directory, device or pipe.
pub fn open(path: &Path, access: Access, allow_symlinks: bool) -> io::Result<SensitiveFile> {
    // Without O_NONBLOCK the open of a pipe would wait for its other end. It does nothing to a file.
    let mut flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    if !allow_symlinks {
        flags |= OFlag::O_NOFOLLOW;
    }
    let mut options = OpenOptions::new();
    match access {
        Access::Read => options.read(true),
        Access::Append => options.append(true).create(true).mode(0o600),
    };
    let file = options.custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let text = format!("{} is not a file.", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let found = Found {
        mode: metadata.mode(),
        owner: metadata.uid(),
        group: metadata.gid(),
    };
    let warnings = found.complaints(path, Uid::current(), Gid::current());
    Ok(SensitiveFile { file, warnings })
}

/// What matters about a file that was opened.
struct Found {
    mode: u32,
    owner: u32,
    group: u32,
}

impl Found {
    fn complaints(&self, path: &Path, user: Uid, group: Gid) -> Vec<String> {
        let mut complaints = Vec::new();
        let path = path.display();
        let refuse = "Future versions will refuse to load this file.";
        if self.mode & 0o007 != 0 {
            complaints.push(format!(
                "Warning: File {path} has world readable permissions. {refuse}"
            ));
            complaints.push(format!("To fix this, use `chmod 0700 {path}`."));
        }
        if self.owner != user.as_raw() {
            let user = user_name(user);
            complaints.push(format!(
                "Warning: File {path} owner is not {user}. {refuse} \
                 To fix this, use `chown {user} {path}`."
            ));
        }
        if self.group != group.as_raw() {
            let group = group_name(group);
            complaints.push(format!(
                "Warning: File {path} group is not {group}. {refuse}"
            ));
        }
        complaints
    }
}

/// The name, or the number where there is none.
fn user_name(user: Uid) -> String {
    match User::from_uid(user) {
        Ok(Some(known)) => known.name,
        _ => user.to_string(),
    }
}

fn group_name(group: Gid) -> String {
    match Group::from_gid(group) {
        Ok(Some(known)) => known.name,
        _ => group.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn files_that_others_may_read_are_opened_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        fs::write(&path, "a:b\n").unwrap();
        for (mode, lines) in [(0o600, 0), (0o640, 0), (0o644, 2), (0o601, 2)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let opened = open(&path, Access::Read, false).unwrap();
            assert_eq!(opened.warnings.len(), lines, "{mode:o}");
        }
        let shown = path.display();
        let warnings = open(&path, Access::Read, false).unwrap().warnings;
        let expected = [
            format!(
                "Warning: File {shown} has world readable permissions. \
                 Future versions will refuse to load this file."
            ),
            format!("To fix this, use `chmod 0700 {shown}`."),
        ];
        assert_eq!(warnings, expected);
    }

    #[test]
    fn a_foreign_owner_or_group_is_named() {
        let found = Found {
            mode: 0o100_600,
            owner: 4_000_001,
            group: 4_000_002,
        };
        let path = Path::new("/x");
        let complaints = found.complaints(path, Uid::from_raw(4_000_003), Gid::from_raw(4_000_004));
        assert!(complaints[0].starts_with("Warning: File /x owner is not 4000003. "));
        assert!(complaints[1].starts_with("Warning: File /x group is not 4000004. "));
        let own = found.complaints(path, Uid::from_raw(4_000_001), Gid::from_raw(4_000_002));
        assert_eq!(own, [""; 0]);
    }

    #[test]
    fn a_symbolic_link_is_refused_unless_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let link = folder.path().join("link");
        fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        let refused = open(&link, Access::Read, false).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(nix::libc::ELOOP));
        assert!(open(&link, Access::Append, false).is_err());
        assert!(open(&link, Access::Read, true).is_ok());
    }

    #[test]
    fn what_is_no_file_is_refused_and_what_is_missing_is_made_for_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let refused = open(folder.path(), Access::Read, false).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("{} is not a file.", folder.path().display())
        );
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open(&pipe, Access::Read, false).is_err());
        let log = folder.path().join("log");
        assert!(open(&log, Access::Read, false).is_err());
        let opened = open(&log, Access::Append, false).unwrap();
        assert_eq!(opened.file.metadata().unwrap().mode() & 0o777, 0o600);
    }
}
