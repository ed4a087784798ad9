//! From root to somebody with fewer rights. Before the first thread: on Linux each thread has rights
//! of its own.

use std::ffi::{CString, NulError};

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, getegid, geteuid, initgroups, setgid, setgroups, setuid};

use crate::observe::{Level, Log, NAME};

/// The user that is taken unless `user` names another.
const DEFAULT_USER: &str = "mosquitto";
/// The user taken where that one does not exist.
const LAST_RESORT: &str = "nobody";

/// Privileges cannot be dropped as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivilegesError {
    /// `PUID` or `PGID` is not a number from 0 on.
    #[error("Error: {variable} not a valid ID '{text}'")]
    InvalidId {
        /// Name of the variable.
        variable: &'static str,
        /// What stands in it.
        text: String,
    },
    /// No such user.
    #[error("Error: Unable to drop privileges to '{user}' because this user does not exist.")]
    UnknownUser {
        /// As in `user`.
        user: String,
    },
    /// A name that the system cannot even look up.
    #[error("Error: Unable to drop privileges to a user with a zero byte in its name.")]
    InvalidName(#[from] NulError),
    /// The system refuses.
    #[error("Error setting {what} whilst dropping privileges: {}.", error.desc())]
    System {
        /// `groups`, `gid`, `uid`, or `user` when the user cannot be looked up.
        what: &'static str,
        /// Why.
        error: Errno,
    },
}

impl PrivilegesError {
    /// The exit code for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::System { .. } => 14,
            _ => 3,
        }
    }
}

/// Drops privileges if this is root: to `PUID` and `PGID` if set, else to the option `user`. Nothing
/// is dropped for `user root`, and in a snap.
///
/// # Errors
/// The ids are not numbers, the user does not exist, the system refuses.
pub fn drop_privileges(user: &str, log: &Log) -> Result<(), PrivilegesError> {
    let variable = |name| std::env::var(name).ok();
    let ids = (
        id("PUID", variable("PUID").as_deref())?,
        id("PGID", variable("PGID").as_deref())?,
    );
    if !geteuid().is_root() || variable("SNAP_NAME").as_deref() == Some("mosquitto") {
        return Ok(());
    }
    match ids {
        (None, None) => become_user(user, log)?,
        (user, group) => become_ids(user.unwrap_or(0), group.unwrap_or(0))?,
    }
    if geteuid().is_root() || getegid().as_raw() == 0 {
        let text = format_args!("Warning: {NAME} should not be run as root/administrator.");
        log.tell(Level::Warning, text);
    }
    Ok(())
}

/// Who this process runs as: `user: <name>`, or `user id: <number>` where there is no name.
#[must_use]
pub fn user_words() -> String {
    let user = geteuid();
    match User::from_uid(user) {
        Ok(Some(known)) => format!("user: {}", known.name),
        _ => format!("user id: {user}"),
    }
}

/// The id in a variable, if it is set.
fn id(variable: &'static str, text: Option<&str>) -> Result<Option<u32>, PrivilegesError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(PrivilegesError::InvalidId {
            variable,
            text: text.to_owned(),
        }),
    }
}

/// 0 leaves the user or the group as it is.
fn become_ids(user: u32, group: u32) -> Result<(), PrivilegesError> {
    let failed = |what| move |error| PrivilegesError::System { what, error };
    if group != 0 {
        setgroups(&[Gid::from_raw(group)]).map_err(failed("groups"))?;
        setgid(Gid::from_raw(group)).map_err(failed("gid"))?;
    }
    if user != 0 {
        setuid(Uid::from_raw(user)).map_err(failed("uid"))?;
    }
    Ok(())
}

fn become_user(name: &str, log: &Log) -> Result<(), PrivilegesError> {
    if name == "root" {
        return Ok(());
    }
    let failed = |what| move |error| PrivilegesError::System { what, error };
    let unknown = |user: &str| PrivilegesError::UnknownUser {
        user: user.to_owned(),
    };
    let user = match User::from_name(name).map_err(failed("user"))? {
        Some(user) => user,
        None if name == DEFAULT_USER => {
            log.tell(
                Level::Warning,
                format_args!(
                    "Warning: Unable to drop privileges to '{name}' because this user does not \
                     exist. Trying '{LAST_RESORT}' instead."
                ),
            );
            User::from_name(LAST_RESORT)
                .map_err(failed("user"))?
                .ok_or_else(|| unknown(LAST_RESORT))?
        }
        None => return Err(unknown(name)),
    };
    initgroups(&CString::new(user.name)?, user.gid).map_err(failed("groups"))?;
    setgid(user.gid).map_err(failed("gid"))?;
    setuid(user.uid).map_err(failed("uid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_whole_numbers_or_nothing() {
        assert_eq!(id("PUID", None).unwrap(), None);
        assert_eq!(id("PUID", Some("0")).unwrap(), Some(0));
        assert_eq!(id("PUID", Some("1883")).unwrap(), Some(1883));
        for wrong in ["", "-1", "mosquitto", "1883x", "4294967296"] {
            let error = id("PGID", Some(wrong)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Error: PGID not a valid ID '{wrong}'")
            );
            assert_eq!(error.exit_code(), 3);
        }
    }

    #[test]
    fn failures_say_what_and_have_their_exit_codes() {
        let unknown = PrivilegesError::UnknownUser {
            user: "carl".into(),
        };
        assert_eq!(
            (unknown.to_string().as_str(), unknown.exit_code()),
            (
                "Error: Unable to drop privileges to 'carl' because this user does not exist.",
                3
            )
        );
        let refused = PrivilegesError::System {
            what: "uid",
            error: Errno::EPERM,
        };
        assert_eq!(
            (refused.to_string().as_str(), refused.exit_code()),
            (
                "Error setting uid whilst dropping privileges: Operation not permitted.",
                14
            )
        );
    }
}
