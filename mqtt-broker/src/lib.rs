//! An MQTT broker for versions 3.1, 3.1.1 and 5.0, on every core: a drop-in for Mosquitto.
//!
//! Most people want the program `mqtt-broker`. This library is the same broker for programs that
//! carry one inside. It serves MQTT and nothing else: no other protocol, no storage of a program's
//! own, and what it knows of a configuration is what the configuration files of Mosquitto say.
//!
//! ```no_run
//! use mqtt_broker::broker::Broker;
//! use mqtt_broker::config::{Config, Disk, Origin};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let origin = Origin { files: vec!["broker.conf".into()], ..Origin::default() };
//! let config = Config::load(origin, &Disk)?.config;
//! let broker = Broker::builder(config).shards(2).start()?; // with threads of its own
//! let (client, _messages) = broker.link("dashboard").await?; // an MQTT client, inside
//! # drop(client);
//! broker.stop().await?; // says goodbye and joins the threads
//! # Ok(())
//! # }
//! ```
//!
//! Read `engine/sink.rs` and `engine/shard/mod.rs` first (what the broker decides), then
//! `runtime/turn.rs` (how that meets sockets), then `broker.rs` (how it is put together).

pub mod args;
pub mod auth;
pub mod broker;
pub mod config;
pub mod control;
pub mod engine;
pub mod observe;
pub mod program;
pub mod runtime;
pub mod store;
