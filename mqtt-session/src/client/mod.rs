//! The client's end of MQTT as one state machine: bytes, calls and time in; bytes and events out.
//!
//! [`ClientSession`] holds what a client must remember, over all its connections: open deliveries,
//! messages that wait, ids of QoS 2 messages that came in. Its owner opens connections and moves
//! bytes:
//!
//! 1. [`handle_opened`](ClientSession::handle_opened) when a connection stands: CONNECT is in the output.
//! 2. Write [`output`](ClientSession::output), and say how much went out with
//!    [`handle_written`](ClientSession::handle_written).
//! 3. Give what comes in to [`handle_bytes`](ClientSession::handle_bytes), packet by packet.
//! 4. Call [`handle_tick`](ClientSession::handle_tick) at [`next_deadline`](ClientSession::next_deadline).
//! 5. Ask [`next_outcome`](ClientSession::next_outcome) after each of these.
//! 6. [`handle_closed`](ClientSession::handle_closed) when the connection is gone; from here back to 1.
//!
//! ```
//! use mqtt_codec::{QoS, Version};
//! use mqtt_session::client::{ClientSession, Event, Publication, Settings, Taken};
//! use mqtt_session::time::Instant;
//!
//! let now = Instant::from_millis(0);
//! let mut session = ClientSession::new(Settings::new(Version::V311));
//! session.handle_opened(now)?;
//! session.handle_written(now, session.output().len()); // CONNECT
//! let taken = session.handle_bytes(now, b"\x20\x02\x00\x00").unwrap();
//! assert_eq!(taken, Taken::Packet { consumed: 4, event: Some(Event::Connected) });
//! let id = session.publish(now, &Publication::new("a/b", "hi").qos(QoS::AtLeastOnce))?;
//! assert_eq!(session.output(), b"\x32\x09\x00\x03a/b\x00\x01hi");
//! let taken = session.handle_bytes(now, b"\x40\x02\x00\x01").unwrap();
//! assert!(matches!(taken, Taken::Packet { event: Some(Event::Published { id: done, .. }), .. } if done == id));
//! # Ok::<(), mqtt_session::client::RequestError>(())
//! ```

mod acknowledging;
mod aliases;
mod authenticating;
mod connected;
mod error;
mod event;
mod opening;
mod output;
mod publication;
mod publishing;
mod receiving;
mod requests;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use connected::Connected;
pub use error::{Failure, Refusal, RequestError};
pub use event::{Event, Outcome, PublishId, Taken};
pub use publication::Publication;
pub use session::ClientSession;
pub use settings::{Acknowledge, Direction, Settings, Trace, Will};
