//! What a shard knows of a connection.

use std::time::Duration;

use mqtt_codec::Version;
use mqtt_session::time::{Instant, Now};
use mqtt_session::topic_alias::InboundAliases;

use super::Peer;
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::lobby::Admitted;
use crate::engine::store_op::Ticket;

/// A connection, from accept to close. What most lack is boxed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    /// When the last whole packet came in, or the connection.
    pub(super) last_packet: Instant,
    /// Silence after which the peer counts as gone, in milliseconds; 0 is never.
    pub(super) silence_max: u32,
    /// Ticket of the last answer that had to wait for one.
    pub(super) waits: Ticket,
    /// Deadline of the timer that counts; others that go off are stale.
    pub(super) armed: Instant,
    pub(super) listener: u16,
    pub(super) version: Version,
    pub(super) internal: bool,
    /// Not read from, because it does not take the answers.
    pub(super) paused: bool,
    /// The begin of a packet whose end has not come yet.
    #[expect(
        clippy::box_collection,
        reason = "one word, since nearly all connections lack it"
    )]
    pub(super) partial: Option<Box<Vec<u8>>>,
    /// Topic aliases of the client.
    pub(super) aliases: Option<Box<InboundAliases>>,
}

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// No CONNECT yet.
    Lobby,
    /// CONNECT is there, and somebody is asked about it; nothing is read meanwhile.
    Asking(Box<Admitted>),
    /// It is to serve a session, which has to be kept first; nothing is read meanwhile.
    Joining(Box<Joining>),
    /// It serves a session.
    Online(SessionId),
}

/// A client that was let in and waits for its session to be kept.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) session: SessionId,
    /// The session was there before.
    pub(super) resumed: bool,
    pub(super) admitted: Box<Admitted>,
}

/// Who is woken by the wheel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// Look at the CONNECT time-out or the keep alive.
    Connection(ConnectionId),
    /// Look at the will delay and the expiry.
    Session(SessionId),
    /// Ask again about the password of a client that is connected.
    Password(ConnectionId),
}

impl Connection {
    pub(super) fn new(now: Now, peer: Peer) -> Self {
        Self {
            stage: Stage::Lobby,
            last_packet: now.instant,
            silence_max: 0,
            waits: Ticket::default(),
            armed: Instant::from_millis(u64::MAX),
            listener: peer.listener,
            version: Version::V311,
            internal: peer.internal,
            paused: false,
            partial: None,
            aliases: None,
        }
    }

    /// When the peer counts as gone if nothing more comes.
    pub(super) fn silent_until(&self) -> Option<Instant> {
        let most = u64::from(self.silence_max);
        (most > 0).then(|| self.last_packet.saturating_add(Duration::from_millis(most)))
    }
}
