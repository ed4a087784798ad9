//! What the suites share: the real programs, started, watched and stopped.
//!
//! It builds the programs once, starts each broker on a port and in a folder of its own, runs
//! tools with a deadline and keeps what they say, and speaks raw bytes to a port. It knows no
//! rule of MQTT: what is right stands in the suites. [`statements`] reads the table of those that the
//! standards number.
//!
//! No helper sleeps to wait for something: each waits for the thing itself, and gives up after
//! [`PATIENCE`] with a message that holds everything the programs have said so far.
//!
//! ```no_run
//! use mqtt_tests::{Broker, Tool};
//!
//! let broker = Broker::start("allow_anonymous true");
//! let listener = Tool::subscribe(&broker).args(["-t", "greetings", "-C", "1"]).start_subscribed();
//! Tool::publish(&broker).args(["-t", "greetings", "-m", "hello"]).run().succeeded();
//! assert_eq!(listener.finish().succeeded().text(), "hello\n");
//! broker.wait_for_log("New client connected from");
//! assert_eq!(broker.terminate(), Some(0));
//! ```

mod broker;
mod capture;
mod deadline;
mod folder;
mod packets;
mod peers;
mod programs;
pub mod statements;
mod tool;
mod wire;

#[path = "../simulation/mod.rs"]
pub mod simulation;

pub use broker::{Broker, Setup};
pub use capture::Capture;
pub use deadline::{Deadline, PATIENCE, wait_until};
pub use folder::listing;
pub use nix::sys::signal::Signal;
pub use packets::{Level, connect, ping, publish, subscribe};
pub use peers::{DebianTool, paho_python, peer_program, skip};
pub use programs::{Program, disk_library};
pub use tool::{Outcome, Running, Tool};
pub use wire::{Packet, Wire, bytes_of_hex, hex_of_bytes};
