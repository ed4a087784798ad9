//! The state of a client: what lasts over connections, and the connection of the moment.

use std::collections::VecDeque;
use std::time::Duration;

use mqtt_codec::{
    Decoded, Disconnect, FixedHeader, Limits, Packet, Properties, PropertyPlace, ReasonCode,
    Sender, Version, decode, peek_header,
};

use crate::id_queue::IdQueue;
use crate::inbound::Inbound;
use crate::keep_alive::{Due, Pinger};
use crate::outbound::Outbound;
use crate::time::Instant;
use crate::topic_alias::InboundAliases;

use super::acknowledging::Owed;
use super::aliases::Aliases;
use super::connected::Connected;
use super::error::{Failure, RequestError};
use super::event::{Event, Outcome, PublishId, Taken};
use super::output::Output;
use super::publication::{Kept, Waiting};
use super::requests::Request;
use super::settings::{Direction, Settings};

/// A client's session and its present connection, if any. See [the module](super) for its use.
pub struct ClientSession {
    pub(super) settings: Settings,
    /// The one to connect with: given, or assigned by the server.
    pub(super) client_id: String,
    /// Whether some server has accepted us before.
    pub(super) was_connected: bool,
    pub(super) last_publish: u64,
    pub(super) outbound: Outbound<Kept>,
    /// Which messages those are that wait for PUBCOMP.
    pub(super) releasing: IdQueue<PublishId>,
    pub(super) waiting: Waiting,
    pub(super) inbound: Inbound<()>,
    pub(super) outcomes: VecDeque<Outcome>,
    pub(super) output: Output,

    // Of the present connection:
    pub(super) phase: Phase,
    pub(super) connected: Option<Connected>,
    /// When CONNACK came, until what an earlier connection left behind is taken up.
    pub(super) takes_up_at: Option<Instant>,
    pub(super) pinger: Pinger,
    pub(super) inbound_aliases: InboundAliases,
    pub(super) aliases: Aliases,
    pub(super) owed: Owed,
    pub(super) requests: IdQueue<Request>,
    /// QoS 0 messages and the position behind each.
    pub(super) unwritten: VecDeque<(u64, PublishId)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Closed,
    AwaitsConnack {
        deadline: Option<Instant>,
        /// What CONNECT said.
        clean_start: bool,
    },
    Connected,
}

impl ClientSession {
    /// A session without a connection.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            client_id: settings.client_id.clone(),
            was_connected: false,
            last_publish: 0,
            outbound: Outbound::new(settings.max_inflight),
            releasing: IdQueue::new(),
            waiting: Waiting::default(),
            inbound: Inbound::new(settings.receive_maximum()),
            outcomes: VecDeque::new(),
            output: Output::new(settings.version, settings.trace.clone()),
            phase: Phase::Closed,
            connected: None,
            takes_up_at: None,
            pinger: Pinger::new(0, Instant::default()),
            inbound_aliases: InboundAliases::new(0),
            aliases: Aliases::default(),
            owed: Owed::default(),
            requests: IdQueue::new(),
            unwritten: VecDeque::new(),
            settings,
        }
    }

    /// The protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.settings.version
    }

    /// The client id: given, or assigned by the server once it has accepted us.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The terms of the present connection, from CONNACK to its end.
    #[must_use]
    pub fn connected(&self) -> Option<&Connected> {
        self.connected.as_ref()
    }

    /// Bytes to be written to the server.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// So many bytes of the output were written.
    pub fn handle_written(&mut self, now: Instant, count: usize) {
        self.output.advance(count);
        let written = self.output.written();
        while let Some((end, id)) = self.unwritten.front().copied()
            && end <= written
        {
            self.unwritten.pop_front();
            self.outcomes.push_back(Outcome {
                id,
                packet_id: None,
                result: Ok(()),
            });
        }
        self.fill(now);
    }

    /// The end of a message that no packet told; ask until there is none.
    pub fn next_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// The header of the packet at the front of the bytes, for an owner that frames packets itself.
    ///
    /// # Errors
    /// [`Failure`]: as [`Self::handle_bytes`].
    pub fn peek(&mut self, now: Instant, bytes: &[u8]) -> Result<Decoded<FixedHeader>, Failure> {
        peek_header(bytes, Some(self.settings.version), &self.limits())
            .map_err(|error| self.fail(now, error.into()))
    }

    /// Takes the packet at the front of the bytes, if it is whole.
    ///
    /// # Errors
    /// [`Failure`]: the connection has ended. What is left in the output says so to the server;
    /// write it, close, and call [`Self::handle_closed`].
    pub fn handle_bytes<'a>(
        &'a mut self,
        now: Instant,
        bytes: &'a [u8],
    ) -> Result<Taken<'a>, Failure> {
        if let Some(refusal) = self.refusal_of_another_version(bytes) {
            return Err(self.fail(now, refusal));
        }
        match decode(bytes, self.settings.version, Sender::Server, &self.limits()) {
            Ok(Decoded::Incomplete(more)) => Ok(Taken::Incomplete(more)),
            Ok(Decoded::Packet { packet, consumed }) => {
                self.output.trace(Direction::Received, &packet);
                self.pinger.handle_received(now);
                let event = self.handle_packet(now, packet)?;
                Ok(Taken::Packet { consumed, event })
            }
            Err(error) => Err(self.fail(now, error.into())),
        }
    }

    fn handle_packet<'a>(
        &'a mut self,
        now: Instant,
        packet: Packet<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        match (self.phase, packet) {
            (Phase::AwaitsConnack { clean_start, .. }, Packet::Connack(connack)) => {
                self.handle_connack(now, &connack, clean_start)
            }
            (Phase::AwaitsConnack { .. } | Phase::Connected, Packet::Auth(auth)) => {
                self.handle_auth(now, &auth)
            }
            (Phase::Closed, _) => {
                Err(self.fail(now, Failure::protocol("a packet on no connection")))
            }
            (Phase::AwaitsConnack { .. }, _) => {
                Err(self.fail(now, Failure::protocol("the first packet is not a CONNACK")))
            }
            (Phase::Connected, Packet::Publish(publish)) => self.handle_publish(now, publish),
            (Phase::Connected, Packet::Puback(ack)) => self.handle_puback(now, ack),
            (Phase::Connected, Packet::Pubrec(ack)) => self.handle_pubrec(now, ack),
            (Phase::Connected, Packet::Pubrel(ack)) => Ok(self.handle_pubrel(now, ack.packet_id)),
            (Phase::Connected, Packet::Pubcomp(ack)) => self.handle_pubcomp(now, ack),
            (Phase::Connected, Packet::Suback(suback)) => self.handle_suback(now, suback),
            (Phase::Connected, Packet::Unsuback(unsuback)) => self.handle_unsuback(now, unsuback),
            (Phase::Connected, Packet::Pingresp) => {
                self.pinger.handle_pingresp();
                Ok(None)
            }
            (Phase::Connected, Packet::Disconnect(disconnect)) => {
                Err(self.handle_disconnect(&disconnect))
            }
            (Phase::Connected, _) => Err(self.fail(
                now,
                Failure::protocol("a packet that only a client sends, or CONNACK again"),
            )),
        }
    }

    /// The owner did not read for a while: the server's silence meanwhile proves nothing.
    pub fn handle_reading_resumed(&mut self, now: Instant) {
        self.pinger.handle_reading_resumed(now);
    }

    /// Pings, or finds that the server is silent for too long. The first call after
    /// [`Event::Connected`] also takes up what earlier connections left behind: what the program
    /// subscribes to before that is in force when its own messages arrive.
    ///
    /// # Errors
    /// [`Failure::NoConnack`], [`Failure::KeepAliveExceeded`]: the connection has ended.
    pub fn handle_tick(&mut self, now: Instant) -> Result<(), Failure> {
        match self.phase {
            Phase::Closed => Ok(()),
            Phase::AwaitsConnack { deadline, .. } => match deadline {
                Some(deadline) if now >= deadline => Err(self.fail(now, Failure::NoConnack)),
                _ => Ok(()),
            },
            Phase::Connected => {
                if self.takes_up_at.take().is_some() {
                    self.fill(now);
                }
                match self.pinger.handle_tick(now) {
                    Due::Nothing => {}
                    Due::Ping => self.send(now, &Packet::Pingreq),
                    Due::Overdue => return Err(self.fail(now, Failure::KeepAliveExceeded)),
                }
                Ok(())
            }
        }
    }

    /// When to call [`Self::handle_tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closed => None,
            Phase::AwaitsConnack { deadline, .. } => deadline,
            Phase::Connected => self.takes_up_at.or_else(|| self.pinger.next_deadline()),
        }
    }

    /// Says DISCONNECT: the last packet of this connection. In 3.x `reason` and `properties` are
    /// left out, and properties are too where the packet would be too large for the server.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`] without CONNACK: just close. With
    /// [`RequestError::PropertiesInvalid`] or [`RequestError::SessionExpiryInvalid`] nothing was said.
    pub fn disconnect(
        &mut self,
        now: Instant,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), RequestError> {
        let connected = self.connected.as_ref().ok_or(RequestError::NotConnected)?;
        let limit = connected.maximum_packet_size as usize;
        let properties = self.v5_only(properties, PropertyPlace::Disconnect)?;
        let prolongs = properties
            .session_expiry_interval()
            .is_some_and(|secs| secs > 0);
        if prolongs && !self.settings.outlives_connection() {
            return Err(RequestError::SessionExpiryInvalid);
        }
        let mut disconnect = Disconnect { reason, properties };
        if disconnect.encoded_len(self.settings.version) > limit {
            disconnect.properties = Properties::EMPTY;
        }
        self.send(now, &Packet::Disconnect(disconnect));
        self.phase = Phase::Closed;
        self.connected = None;
        Ok(())
    }

    /// The connection is gone, however it ended. The session stays.
    pub fn handle_closed(&mut self) {
        self.phase = Phase::Closed;
        self.connected = None;
        self.output.reset();
        self.requests = IdQueue::new();
        self.forget_owed();
        let lost = self.unwritten.drain(..).map(|(_, id)| Outcome {
            id,
            packet_id: None,
            result: Err(RequestError::NotConnected),
        });
        self.outcomes.extend(lost);
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_packet_size: self.settings.packet_size_limit(),
        }
    }

    /// Encodes a packet; it counts as sent.
    pub(super) fn send(&mut self, now: Instant, packet: &Packet<'_>) {
        self.output.send(packet);
        self.pinger.handle_sent(now);
    }

    /// Ends the connection. A server that broke the protocol is told so where that is allowed: in
    /// 5.0, after CONNACK.
    pub(super) fn fail(&mut self, now: Instant, failure: Failure) -> Failure {
        if let Failure::Protocol { reason, .. } = &failure
            && self.phase == Phase::Connected
            && self.settings.version.is_v5()
        {
            self.send(now, &Packet::Disconnect(Disconnect::new(*reason)));
        }
        self.phase = Phase::Closed;
        self.connected = None;
        failure
    }
}

/// The time until which CONNACK must be there.
pub(super) fn connack_deadline(settings: &Settings, now: Instant) -> Option<Instant> {
    let keep_alive = Duration::from_secs(settings.keep_alive.into());
    let patience = settings
        .connack_timeout
        .or_else(|| (!keep_alive.is_zero()).then_some(keep_alive))?;
    now.checked_add(patience)
}
