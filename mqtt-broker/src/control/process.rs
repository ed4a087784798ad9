//! What a process is to its system: its umask, its terminal, the word to the service manager.

use std::io;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};

/// `UMASK_SET` is not a file mode.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UmaskError {
    /// Something else than octal digits.
    #[error("Error: UMASK_SET environment variable not a valid octal number.")]
    NotOctal,
    /// Over 0777.
    #[error("Error: UMASK_SET environment variable out of range.")]
    OutOfRange,
}

/// Takes the umask from the variable `UMASK_SET`, if it is set.
///
/// # Errors
/// It is not an octal number up to 0777.
pub fn set_umask() -> Result<(), UmaskError> {
    if let Ok(text) = std::env::var("UMASK_SET") {
        umask(parse_umask(&text)?);
    }
    Ok(())
}

fn parse_umask(text: &str) -> Result<Mode, UmaskError> {
    let bits = u32::from_str_radix(text, 8).map_err(|_| UmaskError::NotOctal)?;
    if bits > 0o777 {
        return Err(UmaskError::OutOfRange);
    }
    Ok(Mode::from_bits_truncate(bits as nix::libc::mode_t))
}

/// Goes into the background: the caller's process ends, its child goes on in a session of its own
/// with nothing on its standard streams. The folder stays, so relative paths mean what they meant.
/// Before the first thread: only the caller's thread lives on.
///
/// # Errors
/// What the system says.
#[cfg(not(target_vendor = "apple"))]
pub fn daemonise() -> io::Result<()> {
    Ok(nix::unistd::daemon(true, false)?)
}

/// The same where the system offers no such call.
///
/// # Errors
/// Always.
#[cfg(target_vendor = "apple")]
pub fn daemonise() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Tells systemd, if it started this process and waits for it, that clients may come.
///
/// # Errors
/// The manager's socket does not take it.
pub fn tell_ready() -> io::Result<()> {
    sd_notify::notify(&[sd_notify::NotifyState::Ready])
}

/// The dog of systemd that bites a service which says nothing for too long (`WatchdogSec=`).
#[derive(Debug)]
pub struct Watchdog {
    /// Absent if there is no dog.
    interval: Option<tokio::time::Interval>,
}

impl Watchdog {
    /// Finds out whether there is one. Within a tokio runtime.
    #[must_use]
    pub fn wound_up() -> Self {
        Self::of(sd_notify::watchdog_enabled())
    }

    fn of(patience: Option<Duration>) -> Self {
        // A period of zero would be none.
        let half = patience.map(|patience| (patience / 2).max(Duration::from_millis(1)));
        Self {
            interval: half.map(tokio::time::interval),
        }
    }

    /// Waits until it has to hear from us: twice as often as it asks for. Cancel safe.
    pub async fn due(&mut self) {
        match &mut self.interval {
            Some(interval) => drop(interval.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Tells it that the broker is alive.
    ///
    /// # Errors
    /// The manager's socket does not take it.
    pub fn calm(&self) -> io::Result<()> {
        sd_notify::notify(&[sd_notify::NotifyState::Watchdog])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_is_octal_and_within_range() {
        assert_eq!(parse_umask("027"), Ok(Mode::S_IWGRP | Mode::S_IRWXO));
        assert_eq!(parse_umask("0"), Ok(Mode::empty()));
        assert_eq!(parse_umask("777").map(|mode| mode.bits()), Ok(0o777));
        assert_eq!(parse_umask("1000"), Err(UmaskError::OutOfRange));
        for wrong in ["", "8", "-1", "0o7", "rwx"] {
            assert_eq!(parse_umask(wrong), Err(UmaskError::NotOctal), "{wrong}");
        }
    }

    #[test]
    fn a_watchdog_hears_twice_as_often_as_it_asks_for_and_none_asks_for_nothing() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().build().unwrap();
        runtime.block_on(async {
            let mut dog = Watchdog::of(Some(Duration::from_millis(20)));
            assert_eq!(
                dog.interval.as_ref().unwrap().period(),
                Duration::from_millis(10)
            );
            dog.due().await;
            dog.due().await;
            let mut none = Watchdog::of(None);
            let waited = tokio::time::timeout(Duration::from_millis(1), none.due()).await;
            assert!(waited.is_err());
        });
    }
}
