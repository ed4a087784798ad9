//! Names that were made, changed and removed since their folder was last synced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::pages::Loss;
use crate::rng::Rng;

#[derive(Debug)]
enum Change {
    Made(PathBuf),
    MadeFolder(PathBuf),
    /// The file is kept in the attic.
    Removed {
        path: PathBuf,
        kept: PathBuf,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
}

impl Change {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Made(path) | Self::MadeFolder(path) => path.parent(),
            Self::Removed { path, .. } => path.parent(),
            Self::Renamed { to, .. } => to.parent(),
        }
    }

    fn undo(&self) -> io::Result<()> {
        match self {
            Self::Made(path) => fs::remove_file(path),
            Self::MadeFolder(path) => fs::remove_dir_all(path),
            Self::Removed { path, kept } => fs::hard_link(kept, path),
            Self::Renamed { from, to } => fs::rename(to, from),
        }
    }
}

/// In their order: a journal of a file system loses the last ones, never one from the middle.
#[derive(Debug)]
pub(crate) struct Names {
    attic: PathBuf,
    kept: u64,
    changes: Vec<Change>,
}

impl Names {
    pub(crate) fn new(attic: PathBuf) -> Self {
        Self {
            attic,
            kept: 0,
            changes: Vec::new(),
        }
    }

    pub(crate) fn made(&mut self, path: PathBuf) {
        self.changes.push(Change::Made(path));
    }

    pub(crate) fn made_folder(&mut self, path: PathBuf) {
        self.changes.push(Change::MadeFolder(path));
    }

    /// The file at this path is about to be removed or replaced: gives it a name where it stays.
    pub(crate) fn keep(&mut self, path: &Path) -> io::Result<PathBuf> {
        self.kept += 1;
        // An earlier process may have had our number, and what it kept is of no use any more.
        let own = format!("{}-{}", std::process::id(), self.kept);
        let kept = self.attic.join(own);
        let _ = fs::remove_file(&kept);
        fs::hard_link(path, &kept)?;
        Ok(kept)
    }

    /// It was; see [`Self::keep`].
    pub(crate) fn removed(&mut self, path: PathBuf, kept: PathBuf) {
        self.changes.push(Change::Removed { path, kept });
    }

    pub(crate) fn renamed(&mut self, from: PathBuf, to: PathBuf) {
        self.changes.push(Change::Renamed { from, to });
    }

    /// Everything in this folder stays.
    pub(crate) fn synced(&mut self, folder: &Path) {
        self.changes
            .retain(|change| change.folder() != Some(folder));
    }

    /// Undoes all, none or the last of what is not synced.
    pub(crate) fn lose(&mut self, loss: Loss, rng: &mut Rng) -> io::Result<()> {
        let count = match loss {
            Loss::Nothing => 0,
            Loss::All => self.changes.len(),
            Loss::Half => rng.below(self.changes.len() + 1),
        };
        let last = self.changes.len() - count;
        for change in self.changes.drain(last..).rev() {
            change.undo()?;
        }
        Ok(())
    }
}
