//! What is acknowledged survives: the real broker, killed at any moment and started again.
//!
//! `MQTT_CRASH_ROUNDS` and `MQTT_CRASH_SEED` make the loop longer and repeat its draws; the moments
//! at which the system schedules whom stay its own. `MQTT_CRASH_PLAIN` is for a run against the original (`MQTT_TESTS_BROKER`):
//! its value stands in the configuration instead of what only our broker knows, such as `autosave_interval 1`, and
//! what is lost is counted and does not fail the test.

mod actor;
mod changer;
mod check;
mod files;
mod kill_loop;
mod modes;
mod publisher;
mod reuse;
mod rng;
mod storm;
mod subscriber;
mod watcher;
mod wills;
mod world;
