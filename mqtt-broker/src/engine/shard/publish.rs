//! PUBLISH from a client (MQTT 5, 3.3): what may refuse it, then where it goes.

use std::time::Duration;

use mqtt_codec::{Ack, Packet, PacketId, Properties, Publish, QoS, ReasonCode, TopicName};
use mqtt_session::inbound::{Inbound, Qos2};
use mqtt_session::time::Now;

use super::packets::Next;
use super::{Shard, key, place};
use crate::auth::Action;
use crate::engine::envelope::{Message, MessageHead, MessageView};
use crate::engine::event::Event;
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::lobby::connect::{forward, is_forwarded};
use crate::engine::session::{HELD_BYTES_MAX, Held, Session};
use crate::engine::sink::Sink;

/// How far a message is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// To subscribers on all shards.
    Everywhere,
    /// To those here: another shard passed it on.
    Here,
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
        if let Some(reason) = denied {
            let packet = Packet::Publish(*publish);
            sink.tell(Event::PublishDenied {
                client_id: &client_id,
                reason,
                packet: &packet,
            });
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
                let matched = self.publish(now, view, Some(session), sink);
                let reason = if matched {
                    ReasonCode::Success
                } else {
                    ReasonCode::NoMatchingSubscribers
                };
                self.answer(id, Packet::Puback, packet_id, reason, sink);
                Next::Packet
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                self.hold(now, id, session, packet_id, view, sink)
            }
            _ => {
                self.publish(now, view, Some(session), sink);
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
        let mut taken = 0;
        let outcome = held.messages.handle_qos2(packet_id, || {
            taken = view.encoded_len() as u64;
            Message::new(view, scratch)
        });
        held.bytes += taken;
        let full = held.bytes > HELD_BYTES_MAX;
        match outcome {
            Ok(Qos2::New) if full => {
                let detail = "too much is held for PUBRELs that do not come";
                self.refuse(now, id, ReasonCode::QuotaExceeded, &detail, sink);
                Next::Nothing
            }
            Ok(Qos2::New | Qos2::Repeated) => {
                self.answer(id, Packet::Pubrec, packet_id, ReasonCode::Success, sink);
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
        let reason = match message {
            Some(message) => {
                self.release(now, &message, session, sink);
                ReasonCode::Success
            }
            None => ReasonCode::PacketIdentifierNotFound,
        };
        self.answer(id, Packet::Pubcomp, ack.packet_id, reason, sink);
        Next::Packet
    }

    /// A message that was held goes on. It is at rest already, so its receivers share the block.
    fn release<S: Sink>(
        &mut self,
        now: Now,
        message: &Message,
        publisher: SessionId,
        sink: &mut S,
    ) {
        let view = message.view();
        // [MQTT-4.3.3-13] The exchange goes on though the message may be over.
        if view.is_expired(now.unix) && view.head.expires != Some(view.head.published) {
            return;
        }
        if view.head.retain {
            self.commons.retained.set(message);
        }
        let publisher = Some(publisher);
        self.route_message(now, message, &view, publisher, Scope::Everywhere, sink);
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
                self.answer(id, Packet::Puback, packet_id, reason, sink);
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                let state = self.sessions.get(key(session));
                let open = state
                    .and_then(|state| state.inbound.as_ref())
                    .is_some_and(|held| held.messages.contains(packet_id));
                // A repeat of a message that was taken over stays taken over.
                let reason = if open { ReasonCode::Success } else { reason };
                self.answer(id, Packet::Pubrec, packet_id, reason, sink);
            }
            _ => {}
        }
    }

    /// Sends one of the four short answers.
    pub(super) fn answer<S: Sink>(
        &mut self,
        id: ConnectionId,
        kind: fn(Ack<'static>) -> Packet<'static>,
        packet_id: PacketId,
        reason: ReasonCode,
        sink: &mut S,
    ) {
        let version = self.version_of(id);
        let ack = Ack {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        };
        self.send(id, version, &kind(ack), sink);
    }

    /// Keeps a message if it is retained, and brings it to all who want it. Whether anybody did.
    pub(super) fn publish<S: Sink>(
        &mut self,
        now: Now,
        view: &MessageView<'_>,
        publisher: Option<SessionId>,
        sink: &mut S,
    ) -> bool {
        if view.head.retain {
            // Before matching: a subscriber enters the index first and reads the store then, so it
            // cannot miss the message on both ways.
            self.commons
                .retained
                .set(&Message::new(view, &mut self.scratch));
        }
        self.route(now, view, publisher, Scope::Everywhere, sink)
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
