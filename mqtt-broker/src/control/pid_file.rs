//! The file that says which process the broker is.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::observe::{Level, Log, describe};

/// A pid file that was written. Dropping it removes the file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    log: Log,
}

impl PidFile {
    /// Writes the number of this process, without a line feed.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(path: PathBuf, log: Log) -> io::Result<Self> {
        fs::write(&path, std::process::id().to_string())?;
        Ok(Self { path, log })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            let (path, error) = (self.path.display(), describe(&error));
            let text = format_args!("Warning: Unable to remove pid file {path}: {error}.");
            self.log.tell(Level::Warning, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Clock;

    #[test]
    fn the_file_holds_the_pid_until_the_broker_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let log = Log::new(Clock::start());
        let file = PidFile::write(path.clone(), log.clone()).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            std::process::id().to_string()
        );
        drop(file);
        assert!(!path.exists());
        assert!(PidFile::write(folder.path().join("no/pid"), log).is_err());
    }
}
