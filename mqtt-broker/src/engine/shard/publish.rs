//! PUBLISH from a client (MQTT 5, 3.3): what may refuse it, then where it goes.

use std::time::Duration;

use mqtt_codec::{Ack, Packet, PacketId, Properties, Publish, QoS, ReasonCode, TopicName};
use mqtt_session::inbound::{Inbound, Qos2};
use mqtt_session::time::Now;

use super::packets::Next;
use super::{Shard, key, place};
use crate::auth::Action;
use crate::engine::envelope::{Message, MessageHead, MessageView};
use crate::engine::event::{Cause, Event};
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::lobby::connect::{forward, is_forwarded};
use crate::engine::session::{HELD_BYTES_MAX, Held, Session};
use crate::engine::sink::Sink;
use crate::engine::store_op::{MessageNo, Origin, Retain, StoreOp, Ticket, Urgency};

/// How far a message is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// To subscribers on all shards.
    Everywhere,
    /// To those here: another shard passed it on.
    Here {
        /// See [`crate::engine::letter::Block::owed_to`].
        owed_to: Option<MessageNo>,
    },
}

impl Shard {
    pub(super) fn handle_publish<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        publish: &Publish<'_>,
        sink: &mut S,
    ) -> Next {
        if !self
            .sessions
            .get(key(session))
            .is_some_and(|state| state.internal)
        {
            self.tally.publishes_received += 1;
            self.tally.publish_bytes_received += publish.payload.len() as u64;
        }
        let alias = publish.properties.topic_alias();
        if let (Some(topic), None) = (publish.topic, alias) {
            return self.take_publish(now, id, session, publish, topic, sink);
        }
        let aliases = self
            .connections
            .get_mut(place(id))
            .and_then(|c| c.aliases.take());
        let mut aliases = aliases.unwrap_or_else(|| Box::new(super::no_aliases()));
        let next = match aliases.resolve(publish.topic, alias) {
            Ok(topic) => self.take_publish(now, id, session, publish, topic, sink),
            Err(error) => {
                self.refuse(now, id, error.reason_code(), &error, sink);
                Next::Nothing
            }
        };
        if let Some(connection) = self.connections.get_mut(place(id)) {
            connection.aliases = Some(aliases);
        }
        next
    }

    /// The topic is known; now all that may refuse the message or the connection.
    fn take_publish<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        publish: &Publish<'_>,
        topic: TopicName<'_>,
        sink: &mut S,
    ) -> Next {
        let no_room = self.store_is_full && self.has_no_room_for(session, publish, topic);
        let Some(publisher) = self.sessions.get(key(session)) else {
            return Next::Nothing;
        };
        if let Some((reason, detail)) = self.forbidden(publisher, publish, topic) {
            self.refuse(now, id, reason, &detail, sink);
            return Next::Nothing;
        }
        let client_id = publisher.client_id.clone();
        let user_name = publisher.user_name.as_deref();
        let too_large = |most: u32| publish.payload.len() > most as usize;
        let denied = if publisher.internal {
            None
        } else if self.settings.message_size_limit.is_some_and(too_large) {
            // An administrative limit; 0x95 is no code of PUBACK and PUBREC.
            Some(ReasonCode::QuotaExceeded)
        } else if !self
            .settings
            .policy
            .may(&client_id, user_name, Action::Write, topic.as_str())
        {
            Some(ReasonCode::NotAuthorized)
        } else {
            None
        };
        let no_room = no_room && denied.is_none();
        if let Some(reason) = denied.or_else(|| no_room.then_some(ReasonCode::QuotaExceeded)) {
            let packet = Packet::Publish(*publish);
            sink.tell(Event::PublishDenied {
                client_id: &client_id,
                reason,
                packet: &packet,
            });
            if no_room && !self.version_of(id).is_v5() {
                // An answer would be a promise; without one the client sends it again.
                self.close(now, id, Cause::Refused(reason), None, sink);
                return Next::Nothing;
            }
            self.answer_denied(id, session, publish, reason, sink);
            return Next::Packet;
        }
        let mut forwarded = std::mem::take(&mut self.forwarded);
        let seconds = publish.properties.message_expiry_interval();
        let view = MessageView {
            head: MessageHead {
                qos: publish.qos,
                retain: publish.retain,
                published: now.unix,
                expires: seconds
                    .map(|s| now.unix.saturating_add(Duration::from_secs(u64::from(s)))),
            },
            publisher: &client_id,
            topic,
            properties: strip(publish.properties, &mut forwarded),
            payload: publish.payload,
        };
        let next = self.accept(now, id, session, publish.packet_id, &view, sink);
        self.forwarded = forwarded;
        next
    }

    /// Faults that end the connection.
    fn forbidden(
        &self,
        publisher: &Session,
        publish: &Publish<'_>,
        topic: TopicName<'_>,
    ) -> Option<(ReasonCode, &'static str)> {
        if publisher.internal {
            return None;
        }
        let rules = self.settings.listeners.get(usize::from(publisher.listener));
        if rules.is_some_and(|rules| publish.qos > rules.max_qos) {
            return Some((ReasonCode::QosNotSupported, "PUBLISH above the maximum QoS"));
        }
        if publish.retain && !self.settings.retain_available {
            return Some((ReasonCode::RetainNotSupported, "RETAIN is not available"));
        }
        let slashes = topic.as_str().bytes().filter(|byte| *byte == b'/').count();
        (slashes > self.settings.topic_slashes_max)
            .then_some((ReasonCode::TopicNameInvalid, "a topic with too many levels"))
    }

    /// The message is ours now: it goes to its receivers, or is held until PUBREL, and is answered.
    fn accept<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        packet_id: Option<PacketId>,
        view: &MessageView<'_>,
        sink: &mut S,
    ) -> Next {
        match (view.head.qos, packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                let (matched, kept) = self.publish(now, view, Some(session), Origin::Fresh, sink);
                let reason = if matched {
                    ReasonCode::Success
                } else {
                    ReasonCode::NoMatchingSubscribers
                };
                self.answer_when(id, Packet::Puback, packet_id, reason, kept, sink);
                Next::Packet
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                self.hold(now, id, session, packet_id, view, sink)
            }
            _ => {
                self.publish(now, view, Some(session), Origin::Fresh, sink);
                Next::Packet
            }
        }
    }

    /// QoS 2 waits for its PUBREL: until then the same packet id is the same message.
    fn hold<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        packet_id: PacketId,
        view: &MessageView<'_>,
        sink: &mut S,
    ) -> Next {
        let most = self.receive_maximum(self.version_of(id), self.is_internal(id));
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return Next::Nothing;
        };
        let held = state.inbound.get_or_insert_with(|| {
            Box::new(Held {
                messages: Inbound::new(most),
                bytes: 0,
            })
        });
        let scratch = &mut self.scratch;
        let durable = state.durable;
        let mut taken = None;
        let outcome = held.messages.handle_qos2(packet_id, || {
            let message = Message::new(view, scratch);
            taken = Some(message.clone());
            message
        });
        held.bytes += taken.as_ref().map_or(0, |taken| taken.bytes().len() as u64);
        let full = held.bytes > HELD_BYTES_MAX;
        if full
            && outcome == Ok(Qos2::New)
            && let Some(refused) = held.messages.refuse(packet_id)
        {
            // A repeat on the next connection must not be taken for one of a message that is held.
            held.bytes -= refused.bytes().len() as u64;
        }
        match outcome {
            Ok(Qos2::New) if full => {
                let detail = "too much is held for PUBRELs that do not come";
                self.refuse(now, id, ReasonCode::QuotaExceeded, &detail, sink);
                Next::Nothing
            }
            Ok(Qos2::New | Qos2::Repeated) => {
                let hold = taken.zip(durable).map(|(message, session)| StoreOp::Hold {
                    session,
                    packet_id,
                    message,
                });
                let kept = hold.map(|hold| sink.persist(hold, Urgency::Awaited));
                let reason = ReasonCode::Success;
                self.answer_when(id, Packet::Pubrec, packet_id, reason, kept, sink);
                Next::Packet
            }
            Err(error) => {
                self.refuse(now, id, ReasonCode::ReceiveMaximumExceeded, &error, sink);
                Next::Nothing
            }
        }
    }

    /// PUBREL from the client: the message that was held goes to its receivers.
    pub(super) fn handle_pubrel<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        ack: &Ack<'_>,
        sink: &mut S,
    ) -> Next {
        let held = self
            .sessions
            .get_mut(key(session))
            .and_then(|s| s.inbound.as_mut());
        let message = held.and_then(|held| {
            let message = held.messages.handle_pubrel(ack.packet_id)?;
            held.bytes = held.bytes.saturating_sub(message.bytes().len() as u64);
            Some(message)
        });
        let (reason, kept) = match message {
            Some(message) => {
                let kept = self.release(now, &message, session, ack.packet_id, sink);
                (ReasonCode::Success, kept)
            }
            None => (ReasonCode::PacketIdentifierNotFound, None),
        };
        self.answer_when(id, Packet::Pubcomp, ack.packet_id, reason, kept, sink);
        Next::Packet
    }

    /// A message that was held goes on. It is at rest already, so its receivers share the block.
    fn release<S: Sink>(
        &mut self,
        now: Now,
        message: &Message,
        publisher: SessionId,
        packet_id: PacketId,
        sink: &mut S,
    ) -> Option<Ticket> {
        let view = message.view();
        let origin = self
            .durable_no(publisher)
            .map_or(Origin::Fresh, |session| Origin::Released {
                session,
                packet_id,
            });
        // [MQTT-4.3.3-13] The exchange goes on though the message may be over.
        if view.has_run_out(now.unix) {
            return self.keep_nothing_but(origin, sink);
        }
        let retain = view.head.retain.then(|| self.retain(message.clone()));
        let publisher = Some(publisher);
        self.route(
            now,
            &view,
            Some(message),
            publisher,
            Scope::Everywhere,
            sink,
        );
        self.keep(origin, retain, Urgency::Awaited, sink)
    }

    /// Makes a message the retained one of its topic. Before matching: a subscriber enters the index
    /// first and reads the store then, so it cannot miss the message on both ways.
    fn retain(&mut self, message: Message) -> Retain {
        let version = self.commons.retained.set(&message);
        Retain { version, message }
    }

    /// A refusal that leaves the connection open. 3.x has no word for it: the message is acknowledged
    /// and dropped.
    fn answer_denied<S: Sink>(
        &mut self,
        id: ConnectionId,
        session: SessionId,
        publish: &Publish<'_>,
        reason: ReasonCode,
        sink: &mut S,
    ) {
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                self.answer_when(id, Packet::Puback, packet_id, reason, None, sink);
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                let state = self.sessions.get(key(session));
                let open = state
                    .and_then(|state| state.inbound.as_ref())
                    .is_some_and(|held| held.messages.contains(packet_id));
                // A repeat of a message that was taken over stays taken over.
                let reason = if open { ReasonCode::Success } else { reason };
                self.answer_when(id, Packet::Pubrec, packet_id, reason, None, sink);
            }
            _ => {}
        }
    }

    /// Keeps a message if it is retained, and brings it to all who want it. Whether anybody did, and
    /// what its answer has to wait for.
    pub(super) fn publish<S: Sink>(
        &mut self,
        now: Now,
        view: &MessageView<'_>,
        publisher: Option<SessionId>,
        origin: Origin,
        sink: &mut S,
    ) -> (bool, Option<Ticket>) {
        let message = view
            .head
            .retain
            .then(|| Message::new(view, &mut self.scratch));
        let retain = message.as_ref().map(|message| self.retain(message.clone()));
        let everywhere = Scope::Everywhere;
        let matched = self.route(now, view, message.as_ref(), publisher, everywhere, sink);
        let urgency = match view.head.qos {
            QoS::AtMostOnce => Urgency::Lazy,
            _ => Urgency::Awaited,
        };
        (matched, self.keep(origin, retain, urgency, sink))
    }
}

/// The properties that go on with the message: the block as it is, or `forwarded` without the rest.
fn strip<'a>(
    properties: Properties<'a>,
    forwarded: &'a mut mqtt_codec::PropertiesBuf,
) -> Properties<'a> {
    if properties.is_empty() || properties.iter().all(|property| is_forwarded(&property)) {
        return properties;
    }
    forwarded.clear();
    forward(properties, forwarded);
    forwarded.as_properties()
}
