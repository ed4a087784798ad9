//! What observers hear: typed facts, borrowed for the moment. `observe/log.rs` turns them into text.

use mqtt_codec::{Packet, QoS, ReasonCode, Version};

use super::ids::ConnectionId;

/// Something that happened. The runtime adds the peer's address by the connection's id.
pub enum Event<'a> {
    /// A CONNECT was accepted.
    ClientConnected {
        /// The connection.
        connection: ConnectionId,
        /// The client id in use, made up or not.
        client_id: &'a str,
        /// Protocol version of the connection.
        version: Version,
        /// Clean Start, or Clean Session in 3.x.
        clean_start: bool,
        /// Keep alive as requested, in seconds.
        keep_alive: u16,
        /// User name, if one was sent.
        user_name: Option<&'a str>,
        /// The peer calls itself a bridge.
        bridge: bool,
        /// The will that came with it, if any.
        will: Option<WillFacts<'a>>,
    },
    /// A connection ended, or is about to be ended by the broker.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// Absent when no CONNECT was accepted.
        client_id: Option<&'a str>,
        /// Why.
        cause: Cause,
    },
    /// A peer broke the protocol; `Disconnected` follows.
    ProtocolViolation {
        /// The connection.
        connection: ConnectionId,
        /// Absent when no CONNECT was accepted.
        client_id: Option<&'a str>,
        /// What it did, in one line.
        detail: &'a dyn std::fmt::Display,
    },
    /// A second CONNECT on one connection.
    SecondConnect {
        /// The connection.
        connection: ConnectionId,
    },
    /// The first bytes are a TLS handshake, on a listener without TLS.
    TlsOnPlainListener {
        /// The connection.
        connection: ConnectionId,
    },
    /// A session's time was over.
    SessionExpired {
        /// Whose.
        client_id: &'a str,
    },
    /// The first message since the client connected that was dropped because its queue was full.
    MessagesDropped {
        /// Whose queue.
        client_id: &'a str,
    },
    /// Messages that waited in the store for a client could not be read.
    MessagesDamaged {
        /// For whom.
        client_id: &'a str,
        /// How many.
        messages: u64,
    },
    /// The store takes nothing more, or takes all again.
    StoreFull {
        /// Which.
        full: bool,
    },
    /// A message does not fit into the client's Maximum Packet Size and was dropped for it.
    OutgoingTooLarge {
        /// For whom.
        client_id: &'a str,
        /// Size of the packet that was not sent.
        bytes: usize,
    },
    /// A PUBLISH was refused.
    PublishDenied {
        /// Who sent it.
        client_id: &'a str,
        /// Why.
        reason: ReasonCode,
        /// The packet.
        packet: &'a Packet<'a>,
    },
    /// A subscription was made or replaced.
    Subscribed {
        /// Whose.
        client_id: &'a str,
        /// Granted QoS.
        qos: QoS,
        /// The filter as written.
        filter: &'a str,
    },
    /// A subscription was removed.
    Unsubscribed {
        /// Whose.
        client_id: &'a str,
        /// The filter as written.
        filter: &'a str,
    },
    /// An acknowledgement for a packet id that is not in use.
    UnknownPacketId {
        /// Who sent it.
        client_id: &'a str,
        /// The packet.
        packet: &'a Packet<'a>,
    },
    /// A packet came in. Told only while `Settings::trace` is set.
    Received {
        /// From whom.
        client_id: &'a str,
        /// The packet.
        packet: &'a Packet<'a>,
    },
    /// A packet goes out. Told only while `Settings::trace` is set.
    Sending {
        /// To whom; absent before a client id is known.
        client_id: Option<&'a str>,
        /// The connection.
        connection: ConnectionId,
        /// Its protocol version.
        version: Version,
        /// The packet.
        packet: &'a Packet<'a>,
        /// Payload length of a PUBLISH, as the packet at hand may lack its payload.
        payload_len: usize,
    },
}

/// What a log line says of a will.
#[derive(Clone, Copy, Debug)]
pub struct WillFacts<'a> {
    /// Will topic.
    pub topic: &'a str,
    /// Length of the will payload in bytes.
    pub payload_len: usize,
    /// Will QoS.
    pub qos: QoS,
    /// Will Retain.
    pub retain: bool,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The client sent DISCONNECT.
    Disconnect,
    /// The peer closed the connection without DISCONNECT.
    ClosedByPeer,
    /// Reading or writing failed with this system error number.
    SocketError(i32),
    /// No CONNECT came in time.
    ConnectTimeout,
    /// The first packet was unusable and no answer was due.
    BadConnect,
    /// Silent for one and a half times the keep alive.
    KeepAliveTimeout,
    /// A newer connection with the same client id took the session.
    TakenOver,
    /// The broker closed the connection for this reason.
    Refused(ReasonCode),
    /// Credentials are no longer valid after a reload.
    NoLongerAuthorised,
    /// The broker is stopping.
    ShuttingDown,
}
