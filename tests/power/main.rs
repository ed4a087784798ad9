//! What is acknowledged survives the loss of power and a disk that fails: the real broker on a disk
//! that a test commands (`disk/`, put under it with `LD_PRELOAD`).
//!
//! `MQTT_POWER_CUTS` and `MQTT_POWER_SEED` make the loop longer and repeat its draws.

#[path = "../crash/actor.rs"]
mod actor;
mod answers;
mod bite;
#[path = "../crash/changer.rs"]
mod changer;
#[path = "../crash/check.rs"]
mod check;
mod clock;
mod cut_loop;
mod dark;
mod faults;
mod five;
mod fresh;
mod full;
mod health;
mod lone;
#[path = "../crash/publisher.rs"]
mod publisher;
mod renewal;
#[path = "../crash/reuse.rs"]
mod reuse;
#[path = "../crash/rng.rs"]
mod rng;
mod silence;
#[path = "../crash/storm.rs"]
mod storm;
#[path = "../crash/subscriber.rs"]
mod subscriber;
#[path = "../crash/watcher.rs"]
mod watcher;
#[path = "../crash/world.rs"]
mod world;
