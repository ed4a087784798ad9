//! Statements of MQTT 3.1 and 3.1.1, a file a section of the standard.
//!
//! `packet_bytes.rs` writes packets by hand, `hand_client.rs` plays a client with them, `brokers.rs`
//! has the broker that tests share.

mod brokers;
mod hand_client;
mod packet_bytes;

mod bridge_level;
mod client_resending;
mod client_side;
mod connack;
mod connect;
mod credentials;
mod delivery;
mod disconnect;
mod fixed_header;
mod keep_alive;
mod mixed_versions;
mod mqtt31;
mod order;
mod packet_ids;
mod ping;
mod protocol_errors;
mod publish;
mod qos1;
mod qos2;
mod retained;
mod session_state;
mod shared;
mod shared_promises;
mod strings;
mod suback;
mod subscribe;
mod topics;
mod transport;
mod traps;
mod traps_of_bytes;
mod unsubscribe;
mod wills;
