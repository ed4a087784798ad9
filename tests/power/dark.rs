//! The disk that a test commands, as tests see it.

use std::ffi::OsString;
use std::fs;

use mqtt_tests::{Broker, Setup, disk_library, wait_until};

/// Where the store lies that the disk watches, in a broker's folder.
pub(crate) const WATCHED: &str = "disk";

/// What is ordered of a disk, as variables of the broker's environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Vec<(String, OsString)>);

impl Disk {
    /// One that does what disks do, and draws what it draws from this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let library = disk_library().into_os_string();
        Self(vec![
            ("LD_PRELOAD".to_owned(), library),
            (
                "MQTT_DISK_FOLDER".to_owned(),
                format!("{{folder}}/{WATCHED}").into(),
            ),
            ("MQTT_DISK_ATTIC".to_owned(), "{folder}/attic".into()),
        ])
        .with("MQTT_DISK_SEED", seed.to_string())
    }

    fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The power is cut in the `number`-th of those calls that end like this in the trace.
    pub(crate) fn cut(self, number: u64, end: &str) -> Self {
        let order = format!("{number} {end}");
        self.with("MQTT_DISK_CUT", order.trim_end())
    }

    /// Calls count for cuts and failures from [`count_from_now`] on.
    pub(crate) fn counting_later(self) -> Self {
        self.with("MQTT_DISK_FROM", "{folder}/from")
    }

    /// It notes each call.
    pub(crate) fn traced(self) -> Self {
        self.with("MQTT_DISK_TRACE", "{folder}/trace")
    }

    /// A call fails: `sync 3 EIO`, `write 5 ENOSPC`, `write 5+ short`.
    pub(crate) fn failing(self, order: &str) -> Self {
        self.with("MQTT_DISK_FAIL", order)
    }

    /// Syncs wait between [`hold`] and [`release`].
    pub(crate) fn holding(self) -> Self {
        self.with("MQTT_DISK_HOLD", "{folder}/hold")
    }

    /// It has so much room as [`give_room`] says.
    pub(crate) fn with_room(self) -> Self {
        self.with("MQTT_DISK_ROOM", "{folder}/room")
    }

    /// So many seconds are added to what the system says of the calendar.
    pub(crate) fn with_clock(self, ahead: i64) -> Self {
        self.with("MQTT_DISK_CLOCK", ahead.to_string())
    }

    /// That room is the user's share of a larger disk.
    pub(crate) fn with_quota(self) -> Self {
        self.with("MQTT_DISK_QUOTA", "1")
    }

    /// Syncs do nothing.
    pub(crate) fn lying(self) -> Self {
        self.with("MQTT_DISK_LIES", "1")
    }

    /// The variables for a broker that runs on it.
    pub(crate) fn variables(self) -> Vec<(String, OsString)> {
        self.0
    }
}

/// See [`Disk::counting_later`].
pub(crate) fn count_from_now(broker: &Broker) {
    fs::write(broker.path("from"), "").expect("a temporary file takes text");
}

/// From now on the disk has so many bytes.
pub(crate) fn give_room(broker: &Broker, bytes: u64) {
    // In one step: the disk may read it meanwhile.
    let (new, path) = (broker.path("room.new"), broker.path("room"));
    fs::write(&new, bytes.to_string()).expect("a temporary file takes text");
    fs::rename(new, path).expect("a temporary file can be renamed");
}

/// From now on syncs wait.
pub(crate) fn hold(broker: &Broker) {
    fs::write(broker.path("hold"), "").expect("a temporary file takes text");
}

/// Returns once a sync waits.
pub(crate) fn wait_until_held(broker: &Broker) {
    let waits = broker.path("hold.waits");
    wait_until("a sync waits", || waits.exists().then_some(()));
}

/// Lets syncs go on.
pub(crate) fn release(broker: &Broker) {
    for file in ["hold.waits", "hold"] {
        // Nobody may have waited.
        let _ = fs::remove_file(broker.path(file));
    }
}

/// A broker that does not run yet but has a port and a folder with a place for a disk.
pub(crate) fn ended_broker() -> Broker {
    let plain = "listener {port} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\n";
    let mut broker = Setup::new().config(plain).start();
    for folder in [WATCHED, "attic"] {
        fs::create_dir(broker.path(folder)).expect("a folder for temporary files");
    }
    broker.kill();
    broker
}

/// What the disk has noted since the last time.
pub(crate) fn take_trace(broker: &Broker) -> Vec<String> {
    let path = broker.path("trace");
    let text = fs::read_to_string(&path).unwrap_or_default();
    // The disk has it open and appends to it.
    fs::write(path, "").expect("a temporary file can be emptied");
    text.lines().map(ToOwned::to_owned).collect()
}
