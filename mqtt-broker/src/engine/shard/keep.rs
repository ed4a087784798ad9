//! What a store has to keep, and what waits until it does. Nothing here is done unless
//! `Settings::durable`; a session is durable if it outlives its connection.
//!
//! Promises stand in one line: an answer never overtakes an earlier one of its connection
//! [MQTT-4.6.0-2], and a shard's tickets become durable in their order anyway.

use std::collections::VecDeque;

use mqtt_codec::{Ack, Packet, PacketId, Properties, ReasonCode};
use mqtt_session::time::Now;
use smallvec::smallvec;

use super::deliver::is_own;
use super::{Shard, key, place};
use crate::engine::commons::numbers::Numbers;
use crate::engine::envelope::Message;
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::sink::Sink;
use crate::engine::store_op::{
    MessageNo, Origin, PartOp, PublishOp, Receipt, Receivers, Retain, Row, Rows, SessionNo,
    StoreOp, Ticket, Urgency,
};

/// What is to be kept of the message that is being brought to its receivers.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Nothing is: there is no store, or it is one of the broker's own messages.
    off: bool,
    /// The publish of another shard to which a part is owed.
    owed_to: Option<MessageNo>,
    number: Option<MessageNo>,
    receivers: Receivers,
    /// Further copies for sessions that stand there already.
    copies: Vec<(MessageNo, Receipt)>,
    awaits: u32,
    /// QoS 2 deliveries that leave once the message is kept.
    sends: Vec<(ConnectionId, PacketId)>,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
pub(super) type AckKind = fn(Ack<'static>) -> Packet<'static>;

/// What waits for a ticket.
#[derive(Debug)]
pub(super) enum Promise {
    /// One of the short answers.
    Answer {
        connection: ConnectionId,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
    },
    /// SUBACK or UNSUBACK, encoded.
    Bytes {
        connection: ConnectionId,
        bytes: Box<[u8]>,
    },
    /// CONNACK, and all that follows it.
    Greet(ConnectionId),
    /// A QoS 2 PUBLISH.
    Send {
        connection: ConnectionId,
        packet_id: PacketId,
    },
}

/// What was promised, in order.
#[derive(Debug, Default)]
pub(super) struct Promises {
    line: VecDeque<(Ticket, Promise)>,
    durable: Ticket,
    /// The last time that a session ended because its client began anew.
    ended: Ticket,
}

impl Keeping {
    /// For a message that nothing is kept of yet. Who reads a letter about it owes a part.
    pub(super) fn begin(&mut self, off: bool, owed_to: Option<MessageNo>) {
        self.off = off;
        self.owed_to = owed_to;
        self.number = None;
        self.receivers.clear();
        self.copies.clear();
        self.awaits = 0;
        self.sends.clear();
    }

    /// Whether something can be kept of it.
    pub(super) fn is_on(&self) -> bool {
        !self.off
    }

    /// The message's number on this shard.
    pub(super) fn number(&mut self, numbers: &Numbers) -> MessageNo {
        *self.number.get_or_insert_with(|| numbers.message())
    }

    /// The number under which a session gets the message, whose last one is given: each copy has its
    /// own.
    pub(super) fn number_for(
        &mut self,
        last_kept: &mut Option<MessageNo>,
        numbers: &Numbers,
    ) -> MessageNo {
        let number = self.number(numbers);
        if last_kept.replace(number) == Some(number) {
            numbers.message()
        } else {
            number
        }
    }

    /// A durable session gets the message under a number that [`Self::number_for`] gave.
    pub(super) fn add(&mut self, number: MessageNo, receipt: Receipt) {
        if self.number == Some(number) {
            self.receivers.push(receipt);
        } else {
            self.copies.push((number, receipt));
        }
    }

    /// A delivery that is not sent before the message is kept.
    pub(super) fn send_later(&mut self, connection: ConnectionId, packet_id: PacketId) {
        self.sends.push((connection, packet_id));
    }

    /// One more letter about the message is written, whose reader owes a part to this.
    pub(super) fn owed(&mut self, numbers: &Numbers) -> MessageNo {
        self.awaits += 1;
        match self.owed_to {
            Some(of) => of,
            None => self.number(numbers),
        }
    }

    fn take_rows(&mut self, message: Option<Message>) -> Rows {
        let (Some(number), Some(message)) = (self.number, message) else {
            return Rows::new();
        };
        let receivers = std::mem::take(&mut self.receivers);
        let first = (!receivers.is_empty()).then_some((number, receivers));
        let copies = self.copies.drain(..);
        let copies = copies.map(|(number, receipt)| (number, smallvec![receipt]));
        let row = |(number, receivers)| Row {
            number,
            message: message.clone(),
            receivers,
        };
        first.into_iter().chain(copies).map(row).collect()
    }
}

/// Whether it clears the retained message of a topic that is not the broker's own: that needs no room.
fn clears(message: &Message) -> bool {
    let view = message.view();
    view.payload.is_empty() && !is_own(view.topic)
}

impl Shard {
    /// Keeps what is to be kept of the message that was just routed. The ticket is for the answer to
    /// its publisher; there is none if nothing durable is involved.
    pub(super) fn keep<S: Sink>(
        &mut self,
        origin: Origin,
        retain: Option<Retain>,
        urgency: Urgency,
        sink: &mut S,
    ) -> Option<Ticket> {
        if !self.settings.durable {
            return None;
        }
        // Of the broker's own messages nothing is kept, but what they end is.
        let is_on = self.frames.keeping.is_on();
        let retain = retain.filter(|retain| is_on || clears(&retain.message));
        let message = self.frames.at_rest();
        let keeping = &mut self.frames.keeping;
        let rows = keeping.take_rows(message);
        let awaits = keeping.awaits;
        let ticket = if let Some(of) = keeping.owed_to {
            let part = PartOp { of, rows, awaits };
            sink.persist(StoreOp::Part(Box::new(part)), Urgency::Awaited)
        } else if !rows.is_empty() || retain.is_some() || awaits > 0 || origin != Origin::Fresh {
            let number = keeping.number(&self.commons.numbers);
            let publish = PublishOp {
                number,
                rows,
                retain,
                awaits,
                origin,
            };
            let urgency = if keeping.sends.is_empty() {
                urgency
            } else {
                Urgency::Awaited
            };
            sink.persist(StoreOp::Publish(Box::new(publish)), urgency)
        } else {
            return None;
        };
        for (connection, packet_id) in std::mem::take(&mut keeping.sends) {
            let send = Promise::Send {
                connection,
                packet_id,
            };
            self.promises.line.push_back((ticket, send));
        }
        Some(ticket)
    }

    /// As [`Self::keep`], for a message that goes to nobody.
    pub(super) fn keep_nothing_but<S: Sink>(
        &mut self,
        origin: Origin,
        sink: &mut S,
    ) -> Option<Ticket> {
        let off = !self.settings.durable;
        self.frames.keeping.begin(off, None);
        self.keep(origin, None, Urgency::Awaited, sink)
    }

    /// A session is done with a message that may be kept.
    pub(super) fn let_go<S: Sink>(
        &mut self,
        session: SessionId,
        number: Option<MessageNo>,
        sink: &mut S,
    ) {
        if let (Some(number), Some(session)) = (number, self.durable_no(session)) {
            sink.persist(StoreOp::Acked { session, number }, Urgency::Lazy);
        }
    }

    /// Under which number a session is kept.
    pub(super) fn durable_no(&self, session: SessionId) -> Option<SessionNo> {
        self.sessions.get(key(session))?.durable
    }

    /// Keeps something of a session if that is durable; the ticket is for an answer, if one waits.
    pub(super) fn keep_for<S: Sink>(
        &mut self,
        session: SessionId,
        op: impl FnOnce(SessionNo) -> StoreOp,
        urgency: Urgency,
        sink: &mut S,
    ) -> Option<Ticket> {
        let session = self.durable_no(session)?;
        Some(sink.persist(op(session), urgency))
    }

    /// Everything up to this ticket is durable: what was promised for it is done.
    pub(super) fn keep_promises<S: Sink>(&mut self, now: Now, upto: Ticket, sink: &mut S) {
        self.promises.durable = self.promises.durable.max(upto);
        while let Some((ticket, _)) = self.promises.line.front()
            && *ticket <= self.promises.durable
            && let Some((_, promise)) = self.promises.line.pop_front()
        {
            match promise {
                Promise::Answer {
                    connection,
                    kind,
                    packet_id,
                    reason,
                } => self.answer_now(connection, kind, packet_id, reason, sink),
                Promise::Bytes { connection, bytes } => {
                    self.append(connection, |out| out.extend_from_slice(&bytes), sink);
                }
                Promise::Greet(connection) => self.greet(now, connection, sink),
                Promise::Send {
                    connection,
                    packet_id,
                } => self.send_kept(now, connection, packet_id, sink),
            }
        }
    }

    /// Whether something for this connection has to wait: for its ticket, or for what was promised to
    /// the connection before. Notes it for what comes after.
    fn has_to_wait(&mut self, connection: ConnectionId, ticket: Option<Ticket>) -> Option<Ticket> {
        let state = self.connections.get_mut(place(connection))?;
        let wanted = state.waits.max(ticket.unwrap_or_default());
        if wanted <= self.promises.durable {
            return None;
        }
        // It stands behind all that was promised to others, and what comes after it behind it: with
        // an earlier ticket than theirs it could be overtaken by an answer that finds that durable.
        let last = self.promises.line.back().map(|(ticket, _)| *ticket);
        state.waits = wanted.max(last.unwrap_or_default());
        Some(state.waits)
    }

    /// A session ended because its client began anew: no later CONNACK may say so before it is true,
    /// even if this connection is gone by then.
    pub(super) fn note_ended(&mut self, ticket: Ticket) {
        self.promises.ended = ticket;
    }

    /// What a CONNACK waits for that has nothing to keep itself.
    pub(super) fn not_yet_ended(&self) -> Option<Ticket> {
        let Promises { ended, durable, .. } = self.promises;
        (ended > durable).then_some(ended)
    }

    /// Does something when its ticket is durable.
    pub(super) fn promise(&mut self, ticket: Ticket, promise: Promise) {
        self.promises.line.push_back((ticket, promise));
    }

    /// Sends one of the four short answers, when what it says is true.
    pub(super) fn answer_when<S: Sink>(
        &mut self,
        connection: ConnectionId,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
        ticket: Option<Ticket>,
        sink: &mut S,
    ) {
        match self.has_to_wait(connection, ticket) {
            None => self.answer_now(connection, kind, packet_id, reason, sink),
            Some(ticket) => {
                let answer = Promise::Answer {
                    connection,
                    kind,
                    packet_id,
                    reason,
                };
                self.promise(ticket, answer);
            }
        }
    }

    fn answer_now<S: Sink>(
        &mut self,
        connection: ConnectionId,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
        sink: &mut S,
    ) {
        let Some(state) = self.connections.get(place(connection)) else {
            return;
        };
        let version = state.version;
        let ack = Ack {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        };
        self.send(connection, version, &kind(ack), sink);
    }

    /// Sends an answer to a request about subscriptions, when what it says is true.
    pub(super) fn send_when<S: Sink>(
        &mut self,
        connection: ConnectionId,
        packet: &Packet<'_>,
        ticket: Option<Ticket>,
        sink: &mut S,
    ) {
        let version = self.version_of(connection);
        let Some(ticket) = self.has_to_wait(connection, ticket) else {
            return self.send(connection, version, packet, sink);
        };
        self.trace(connection, version, packet, sink);
        let mut bytes = Vec::with_capacity(packet.encoded_len(version));
        packet.encode(version, &mut bytes);
        let bytes = bytes.into_boxed_slice();
        self.promise(ticket, Promise::Bytes { connection, bytes });
    }

    /// A QoS 2 PUBLISH may leave, if it is still this connection's.
    fn send_kept<S: Sink>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        packet_id: PacketId,
        sink: &mut S,
    ) {
        let Some(session) = self.session_of(connection) else {
            return;
        };
        let state = self.sessions.get_mut(key(session));
        if let Some(flow) = state.and_then(|state| state.flow.as_mut()) {
            flow.kept.push_back(packet_id);
            self.pump(now, session, sink);
        }
    }
}
