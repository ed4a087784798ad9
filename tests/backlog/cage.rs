//! A bound on all memory of the broker, the cache of its files included, where the system gives one: a
//! control group. If the broker needed more, the kernel would end it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mqtt_tests::Program;

/// A control group for a broker.
pub(crate) struct Cage {
    /// How it came about, for people.
    pub(crate) name: &'static str,
    /// Command and arguments that start the broker in it.
    pub(crate) launcher: Vec<OsString>,
    /// The folder of one that was made by hand.
    folder: Option<PathBuf>,
}

impl Cage {
    /// One with so many bytes: made by systemd, else by hand where control groups are of the first
    /// version; none where we may do neither.
    pub(crate) fn of(bytes: u64) -> Option<Self> {
        Self::by_systemd(bytes, &[])
            .or_else(|| Self::by_systemd(bytes, &["--user"]))
            .or_else(|| Self::by_hand(bytes))
    }

    fn by_systemd(bytes: u64, whose: &[&str]) -> Option<Self> {
        let bound = format!("MemoryMax={bytes}");
        let words = [
            "--scope",
            "--quiet",
            "--collect",
            "-p",
            &bound,
            "-p",
            "MemorySwapMax=0",
            "--",
        ];
        let words = [&["systemd-run"], whose, &words[..]].concat();
        let (program, arguments) = words.split_first()?;
        let tried = Command::new(program)
            .args(arguments)
            .arg("true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tried.ok().filter(|status| status.success())?;
        let broker = Program::Broker.path().into_os_string();
        Some(Self {
            name: "systemd-run",
            launcher: words.iter().map(OsString::from).chain([broker]).collect(),
            folder: None,
        })
    }

    fn by_hand(bytes: u64) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.strip_prefix("memory:/")
        })?;
        // Below our own, whose bounds go on to hold.
        let folder = Path::new("/sys/fs/cgroup/memory")
            .join(own)
            .join(format!("mqtt-backlog-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let cage = Self {
            name: "a group by hand",
            launcher: launcher(&folder),
            folder: Some(folder),
        };
        cage.set("memory.limit_in_bytes", bytes)?;
        // Where there is no such file nothing is counted of what was moved out.
        let _ = cage.set("memory.memsw.limit_in_bytes", bytes);
        Some(cage)
    }

    fn set(&self, name: &str, bytes: u64) -> Option<()> {
        let file = self.folder.as_ref()?.join(name);
        fs::write(file, bytes.to_string()).ok()
    }

    /// The most that was ever in it, in bytes, with the cache of files: it is full of that.
    pub(crate) fn most(&self, process_id: u32) -> Option<u64> {
        let file = match &self.folder {
            Some(folder) => folder.join("memory.max_usage_in_bytes"),
            None => {
                let groups = fs::read_to_string(format!("/proc/{process_id}/cgroup")).ok()?;
                let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
                Path::new("/sys/fs/cgroup").join(own).join("memory.peak")
            }
        };
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // Whoever is still in it keeps it.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A shell goes into the group and becomes the broker.
fn launcher(folder: &Path) -> Vec<OsString> {
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", folder.display());
    let shell = ["sh", "-c", &enter, "sh"].map(OsString::from);
    let broker = Program::Broker.path().into_os_string();
    shell.into_iter().chain([broker]).collect()
}
