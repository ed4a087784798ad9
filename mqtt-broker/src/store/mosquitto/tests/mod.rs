//! Files of every format become stores of ours, and damaged ones an error without anything else.

mod files;
mod make;
mod plugin;
mod scenes;

use mqtt_session::time::UnixTime;

/// When imports happen here.
pub(super) const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);
/// When the sessions of the files end.
pub(super) const ENDS: i64 = 1_800_001_000;
