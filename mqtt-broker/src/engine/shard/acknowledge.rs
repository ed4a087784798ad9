//! The client's answers to what it was sent (MQTT 5, 3.4 to 3.7).

use mqtt_codec::{Ack, Packet, PacketId, ReasonCode};
use mqtt_session::outbound::{AckError, Pubrec};
use mqtt_session::time::Now;

use super::packets::Next;
use super::{Shard, key};
use crate::engine::event::Event;
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::session::flow::Delivery;
use crate::engine::sink::Sink;
use crate::engine::store_op::{StoreOp, Ticket, Urgency};

impl Shard {
    pub(super) fn handle_puback<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        ack: &Ack<'_>,
        sink: &mut S,
    ) -> Next {
        let outcome = self.outbound(session, ack, |outbound, id, _| outbound.handle_puback(id));
        match outcome {
            Ok(delivery) => {
                self.settle(session, &delivery);
                self.let_go(session, delivery.number, sink);
                self.pump(now, session, sink);
                Next::Packet
            }
            Err(error) => self.stray(now, id, session, &Packet::Puback(*ack), error, sink),
        }
    }

    pub(super) fn handle_pubrec<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        ack: &Ack<'_>,
        sink: &mut S,
    ) -> Next {
        let outcome = self.outbound(session, ack, |outbound, id, reason| {
            outbound.handle_pubrec(id, reason)
        });
        match outcome {
            Ok(Pubrec::Release(delivery)) => {
                self.settle(session, &delivery);
                let kept = self.keep_released(session, &delivery, ack.packet_id, sink);
                let reason = ReasonCode::Success;
                self.answer_when(id, Packet::Pubrel, ack.packet_id, reason, kept, sink);
                Next::Packet
            }
            Ok(Pubrec::Repeated) => {
                let reason = ReasonCode::Success;
                self.answer_when(id, Packet::Pubrel, ack.packet_id, reason, None, sink);
                Next::Packet
            }
            Ok(Pubrec::Refused(delivery)) => {
                self.settle(session, &delivery);
                self.let_go(session, delivery.number, sink);
                self.pump(now, session, sink);
                Next::Packet
            }
            Err(error) => {
                if error == AckError::Unknown && !ack.reason.is_error() {
                    // So that the client can finish what we know nothing of.
                    let reason = ReasonCode::PacketIdentifierNotFound;
                    self.answer_when(id, Packet::Pubrel, ack.packet_id, reason, None, sink);
                }
                self.stray(now, id, session, &Packet::Pubrec(*ack), error, sink)
            }
        }
    }

    pub(super) fn handle_pubcomp<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        ack: &Ack<'_>,
        sink: &mut S,
    ) -> Next {
        match self.outbound(session, ack, |outbound, id, _| outbound.handle_pubcomp(id)) {
            Ok(()) => {
                let packet_id = ack.packet_id;
                let completed = |session| StoreOp::Completed { session, packet_id };
                self.keep_for(session, completed, Urgency::Lazy, sink);
                self.pump(now, session, sink);
                Next::Packet
            }
            Err(error) => self.stray(now, id, session, &Packet::Pubcomp(*ack), error, sink),
        }
    }

    /// Lets the session's outbound window take an answer.
    fn outbound<T>(
        &mut self,
        session: SessionId,
        ack: &Ack<'_>,
        take: impl FnOnce(
            &mut mqtt_session::outbound::Outbound<Delivery>,
            PacketId,
            ReasonCode,
        ) -> Result<T, AckError>,
    ) -> Result<T, AckError> {
        let flow = self
            .sessions
            .get_mut(key(session))
            .and_then(|state| state.flow.as_mut());
        let flow = flow.ok_or(AckError::Unknown)?;
        take(&mut flow.outbound, ack.packet_id, ack.reason)
    }

    /// The client took a message over: from now on only PUBREL may be sent again.
    fn keep_released<S: Sink>(
        &mut self,
        session: SessionId,
        delivery: &Delivery,
        packet_id: PacketId,
        sink: &mut S,
    ) -> Option<Ticket> {
        let number = delivery.number?;
        let released = |session| StoreOp::Released {
            session,
            number,
            packet_id,
        };
        self.keep_for(session, released, Urgency::Awaited, sink)
    }

    /// A message in flight is over.
    fn settle(&mut self, session: SessionId, delivery: &Delivery) {
        if let Some(flow) = self
            .sessions
            .get_mut(key(session))
            .and_then(|s| s.flow.as_mut())
        {
            flow.settle(delivery);
        }
        self.count_settled(1, delivery.message.payload_len());
    }

    /// An answer that fits nothing: one to an unknown id is told of and ignored, one of the wrong kind
    /// is a protocol error.
    fn stray<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        packet: &Packet<'_>,
        error: AckError,
        sink: &mut S,
    ) -> Next {
        if error != AckError::Unknown {
            self.refuse(now, id, ReasonCode::ProtocolError, &error, sink);
            return Next::Nothing;
        }
        if let Some(state) = self.sessions.get(key(session)) {
            sink.tell(Event::UnknownPacketId {
                client_id: &state.client_id,
                packet,
            });
        }
        Next::Packet
    }
}
