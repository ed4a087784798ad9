//! The rules that both ends of an MQTT connection obey, without I/O and without a clock.
//!
//! A broker and a client keep the same books: which deliveries are open, which QoS 2 ids were seen,
//! what topic aliases stand for, when silence lasts too long. They are kept here once. Nothing in
//! this crate opens a socket, reads a clock, spawns a task or draws randomness but from a seed it
//! was given; time comes in as an argument.
//!
//! ```
//! use std::num::NonZeroU16;
//! use mqtt_codec::QoS;
//! use mqtt_session::outbound::{Outbound, Resend};
//!
//! let mut outbound = Outbound::new(NonZeroU16::new(20).unwrap());
//! let packet_id = outbound.start(QoS::AtLeastOnce, "21 degrees");
//! outbound.handle_connected(NonZeroU16::new(10).unwrap()); // the connection broke and was resumed
//! let qos = QoS::AtLeastOnce;
//! assert_eq!(outbound.next_resend(), Some(Resend::Publish { packet_id, qos, message: &"21 degrees" }));
//! assert_eq!(outbound.handle_puback(packet_id), Ok("21 degrees"));
//! ```

pub mod backoff;
pub mod client;
mod id_queue;
pub mod inbound;
pub mod keep_alive;
pub mod outbound;
pub mod time;
pub mod topic_alias;
