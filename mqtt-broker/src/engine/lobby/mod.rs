//! Before a session: the first packet, and who is let in. Any shard does this for any connection; the
//! session's home is known only afterwards.

pub mod connect;

use std::num::NonZeroU16;
use std::sync::Arc;

use mqtt_codec::Version;

use super::session::Credentials;
use super::session::SessionExpiry;
use super::session::will::Will;

/// A client that was let in: all of its CONNECT that outlives the packet.
#[derive(Debug)]
pub struct Admitted {
    /// Client identifier.
    pub client_id: Arc<str>,
    /// The identifier was made up here, or replaced, and is told to the client.
    pub assigned: bool,
    /// Protocol version.
    pub version: Version,
    /// The peer calls itself a bridge (bit 7 of the protocol level).
    pub bridge: bool,
    /// Clean Start; Clean Session in 3.x.
    pub clean_start: bool,
    /// Keep alive as requested, in seconds.
    pub keep_alive: u16,
    /// Keep alive in force if it is another (MQTT 5, 3.2.2.3.14).
    pub server_keep_alive: Option<u16>,
    /// User name.
    pub user_name: Option<Box<str>>,
    /// What it was let in with.
    pub credentials: Option<Box<Credentials>>,
    /// Will.
    pub will: Option<Box<Will>>,
    /// Session expiry in force.
    pub expiry: SessionExpiry,
    /// The expiry in force is not what was asked for.
    pub expiry_capped: bool,
    /// Receive Maximum of the client, if it said one.
    pub receive_maximum: Option<NonZeroU16>,
    /// Largest packet the client takes.
    pub max_packet_size: u32,
    /// Topic aliases the client takes.
    pub topic_alias_maximum: u16,
    /// The listener it came through.
    pub listener: u16,
    /// One of the broker's own connections.
    pub internal: bool,
    /// What was read behind the CONNECT.
    pub unread: Vec<u8>,
}
