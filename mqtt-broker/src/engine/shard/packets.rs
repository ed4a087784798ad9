//! From bytes to packets, and from a packet to the verb that handles it.

use mqtt_codec::{
    Auth, ConnectAnswer, ConnectError, DecodeErrorKind, Decoded, Limits, Packet, ReasonCode,
    Sender, decode, decode_connect, peek_header,
};
use mqtt_session::time::Now;

use super::state::Stage;
use super::{Shard, place};
use crate::engine::event::{Cause, Event};
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::limits::CONNECT_BYTES_MAX;
use crate::engine::lobby::connect::Refusal;
use crate::engine::sink::Sink;
use crate::engine::store_op::Ticket;

/// What to do with the bytes behind a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on.
    Packet,
    /// The connection is closed, or has moved and taken them along.
    Nothing,
}

impl Shard {
    pub(super) fn take_bytes<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        bytes: &[u8],
        sink: &mut S,
    ) {
        let Some(connection) = self.connections.get_mut(place(id)) else {
            return;
        };
        let mut rest = bytes;
        if let Some(mut partial) = connection.partial.take() {
            if matches!(connection.stage, Stage::Online(_)) {
                let limits = self.limits(id);
                complete(&mut partial, &mut rest, &limits);
            } else {
                // What lies behind a CONNECT moves with it.
                partial.extend_from_slice(std::mem::take(&mut rest));
            }
            let used = self.take_packets(now, id, &partial, sink);
            partial.drain(..used.min(partial.len()));
            if !partial.is_empty() {
                if let Some(connection) = self.connections.get_mut(place(id)) {
                    connection.partial = Some(partial);
                }
                return;
            }
        }
        let used = self.take_packets(now, id, rest, sink);
        let left = rest.get(used..).unwrap_or(&[]);
        if !left.is_empty()
            && let Some(connection) = self.connections.get_mut(place(id))
        {
            connection.partial = Some(Box::new(left.to_vec()));
        }
    }

    /// Handles all whole packets at the front of `bytes` and returns how many bytes they were; all of
    /// them if nothing is to be kept.
    fn take_packets<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        bytes: &[u8],
        sink: &mut S,
    ) -> usize {
        let limits = self.limits(id);
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(connection) = self.connections.get_mut(place(id)) else {
                return bytes.len();
            };
            let session = match &mut connection.stage {
                Stage::Online(session) => *session,
                Stage::Asking(admitted) => {
                    admitted.unread.extend_from_slice(rest);
                    return bytes.len();
                }
                Stage::Joining(joining) => {
                    joining.admitted.unread.extend_from_slice(rest);
                    return bytes.len();
                }
                Stage::Lobby => match self.take_connect(now, id, rest, sink) {
                    Some(consumed) => {
                        at += consumed;
                        continue;
                    }
                    None => return at,
                },
            };
            match decode(rest, connection.version, Sender::Client, &limits) {
                Ok(Decoded::Incomplete(_)) => return at,
                Ok(Decoded::Packet { packet, consumed }) => {
                    at += consumed;
                    connection.last_packet = now.instant;
                    if self.handle_packet(now, id, session, &packet, sink) == Next::Nothing {
                        return bytes.len();
                    }
                }
                Err(error) => {
                    let reason = match error.kind() {
                        // A second CONNECT, and one too many whatever it says [MQTT-3.1.0-2]; no
                        // DISCONNECT may say 0x84.
                        DecodeErrorKind::UnsupportedProtocolLevel => ReasonCode::ProtocolError,
                        _ => error.reason_code(),
                    };
                    self.refuse(now, id, reason, &error, sink);
                    return bytes.len();
                }
            }
        }
        at
    }

    /// Handles the first packet; `None` while it is not whole. Where it is refused, or the connection
    /// moves, what lies behind it is dropped or taken along here.
    fn take_connect<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        bytes: &[u8],
        sink: &mut S,
    ) -> Option<usize> {
        let limits = self.limits(id);
        match decode_connect(bytes, &limits) {
            Ok(Decoded::Incomplete(_)) => return None,
            Ok(Decoded::Packet { packet, consumed }) => {
                if !self.connections.get(place(id)).is_some_and(|c| c.internal) {
                    self.tally.packets_received += 1;
                    self.tally.connects_received += 1;
                }
                let behind = bytes.get(consumed..).unwrap_or(&[]);
                self.admit(now, id, &packet, behind, sink);
            }
            Err(error) => self.refuse_connect(now, id, &error, bytes, sink),
        }
        Some(bytes.len())
    }

    fn refuse_connect<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        error: &ConnectError,
        bytes: &[u8],
        sink: &mut S,
    ) {
        if bytes.starts_with(&[0x16, 0x03]) {
            sink.tell(Event::TlsOnPlainListener { connection: id });
        } else {
            sink.tell(Event::ProtocolViolation {
                connection: id,
                client_id: None,
                detail: error,
            });
        }
        match error.answer() {
            ConnectAnswer::Close => {
                let cause = match error.kind() {
                    DecodeErrorKind::PacketTooLarge => Cause::Refused(ReasonCode::PacketTooLarge),
                    _ => Cause::BadConnect,
                };
                self.close(now, id, cause, None, sink);
            }
            ConnectAnswer::ReturnCode(code) => {
                sink.out(id)
                    .append(|out| out.extend_from_slice(&[0x20, 0x02, 0x00, code]));
                self.tally.packets_sent += 1;
                self.close(now, id, Cause::Refused(error.reason_code()), None, sink);
            }
            ConnectAnswer::Reason(reason) => {
                if let Some(connection) = self.connections.get_mut(place(id)) {
                    connection.version = mqtt_codec::Version::V5;
                }
                self.refuse_admission(id, Refusal::Connack(reason), sink);
            }
        }
    }

    fn handle_packet<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        packet: &Packet<'_>,
        sink: &mut S,
    ) -> Next {
        let Some(state) = self.sessions.get(super::key(session)) else {
            return Next::Nothing;
        };
        if !state.internal {
            self.tally.packets_received += 1;
            if self.settings.trace {
                sink.tell(Event::Received {
                    client_id: &state.client_id,
                    packet,
                });
            }
        }
        match packet {
            Packet::Publish(publish) => self.handle_publish(now, id, session, publish, sink),
            Packet::Puback(ack) => self.handle_puback(now, id, session, ack, sink),
            Packet::Pubrec(ack) => self.handle_pubrec(now, id, session, ack, sink),
            Packet::Pubrel(ack) => self.handle_pubrel(now, id, session, ack, sink),
            Packet::Pubcomp(ack) => self.handle_pubcomp(now, id, session, ack, sink),
            Packet::Subscribe(subscribe) => {
                self.handle_subscribe(now, id, session, subscribe, sink)
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.handle_unsubscribe(now, id, session, unsubscribe, sink)
            }
            Packet::Pingreq => {
                let version = self.version_of(id);
                self.send(id, version, &Packet::Pingresp, sink);
                Next::Packet
            }
            Packet::Disconnect(disconnect) => {
                self.handle_disconnect(now, id, session, disconnect, sink)
            }
            Packet::Auth(auth) => self.handle_auth(now, id, auth, sink),
            Packet::Connect(_) => {
                sink.tell(Event::SecondConnect { connection: id });
                self.refuse(
                    now,
                    id,
                    ReasonCode::ProtocolError,
                    &"a second CONNECT",
                    sink,
                );
                Next::Nothing
            }
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                let detail = "a packet that only a server sends";
                self.refuse(now, id, ReasonCode::ProtocolError, &detail, sink);
                Next::Nothing
            }
        }
    }

    /// [MQTT-4.12.0-6] No client names a method here, since none is configured, so AUTH is a protocol
    /// error.
    fn handle_auth<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        _auth: &Auth<'_>,
        sink: &mut S,
    ) -> Next {
        let detail = "AUTH without an authentication method in CONNECT";
        self.refuse(now, id, ReasonCode::ProtocolError, &detail, sink);
        Next::Nothing
    }

    /// Sends an answer whose size the request decides, once `kept` is durable. A client that takes none
    /// so large cannot be answered [MQTT-3.1.2-24]; what is smaller than its CONNACK always fits.
    pub(super) fn send_if_it_fits<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        packet: &Packet<'_>,
        kept: Option<Ticket>,
        sink: &mut S,
    ) -> Next {
        let version = self.version_of(id);
        let online = self
            .sessions
            .get(super::key(session))
            .and_then(|state| state.online.as_ref());
        let most = online.map_or(u32::MAX, |online| online.max_packet_size);
        if packet.encoded_len(version) > most as usize {
            let detail = "a request whose answer is too large for the client";
            self.refuse(now, id, ReasonCode::PacketTooLarge, &detail, sink);
            return Next::Nothing;
        }
        self.send_when(id, packet, kept, sink);
        Next::Packet
    }

    /// Closes a connection whose peer broke the protocol.
    pub(super) fn refuse<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        reason: ReasonCode,
        detail: &dyn std::fmt::Display,
        sink: &mut S,
    ) {
        let session = self
            .session_of(id)
            .and_then(|id| self.sessions.get(super::key(id)));
        let client_id = session.map(|session| &*session.client_id);
        sink.tell(Event::ProtocolViolation {
            connection: id,
            client_id,
            detail,
        });
        self.close(now, id, Cause::Refused(reason), Some(reason), sink);
    }

    pub(super) fn version_of(&self, id: ConnectionId) -> mqtt_codec::Version {
        self.connections
            .get(place(id))
            .map_or(mqtt_codec::Version::V311, |c| c.version)
    }

    fn limits(&self, id: ConnectionId) -> Limits {
        let most = self.settings.max_packet_size.get();
        match self.connections.get(place(id)) {
            Some(connection) if connection.internal => Limits::default(),
            Some(connection) if matches!(connection.stage, Stage::Lobby) => Limits {
                max_packet_size: most.min(CONNECT_BYTES_MAX),
            },
            _ => Limits {
                max_packet_size: most,
            },
        }
    }
}

/// Moves what a cut packet lacks from `rest` to it; all of it goes if the packet stays cut.
fn complete(partial: &mut Vec<u8>, rest: &mut &[u8], limits: &Limits) {
    loop {
        let missing = match peek_header(partial, None, limits) {
            Ok(Decoded::Packet { packet, .. }) => packet.packet_len().saturating_sub(partial.len()),
            Ok(Decoded::Incomplete(_)) => 1,
            // The decoder says what is wrong.
            Err(_) => 0,
        };
        let (moved, left) = rest.split_at(missing.min(rest.len()));
        partial.extend_from_slice(moved);
        *rest = left;
        if moved.is_empty() {
            return;
        }
    }
}
