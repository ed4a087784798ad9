//! Version 5.0: a test for each statement that shows on the wire of a broker, a file for each
//! section of the standard.
//!
//! `packets.rs` writes packets by hand, `client.rs` plays a client with them and has the broker
//! that tests share, `message.rs` takes apart what is delivered. In `client_*.rs` the roles are
//! changed: `mqtt-client` is tested, and `stage.rs` plays the server.

mod client;
mod message;
pub(crate) mod packets;

mod acks;
mod alias;
mod auth;
mod client_aliases;
mod client_auth;
mod client_connack;
mod client_errors;
mod client_keep_alive;
mod client_order;
mod client_resuming;
mod connack;
mod connect;
mod connect_properties;
mod disconnect;
mod errors;
mod expiry;
mod flow;
mod headers;
mod keep_alive;
mod overlap;
mod packet_size;
mod properties;
mod publish;
mod qos1;
mod qos2;
mod retained;
mod session;
mod shared;
mod strings;
mod subscribe;
mod topics;
mod traps;
mod unsubscribe;
mod will;
