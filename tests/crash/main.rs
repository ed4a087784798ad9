//! What is acknowledged survives: the real broker, killed at any moment and started again.
//!
//! `MQTT_CRASH_ROUNDS` and `MQTT_CRASH_SEED` make the loop longer and repeat its draws; the moments
//! at which the system schedules whom stay its own. `MQTT_CRASH_PLAIN` leaves out of the configuration what only our broker knows, for a
//! run against the original (`MQTT_TESTS_BROKER`).

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
