//! A message to its receivers: matched once, encoded once for each form, copied to each out queue.

use std::ops::Range;
use std::sync::Arc;

use mqtt_codec::{PacketId, PropertiesBuf, Property, Publish, QoS, TopicName, Version};
use mqtt_session::time::{Now, UnixTime};
use mqtt_session::topic_alias::Alias;

use super::Shard;
use super::publish::Scope;
use crate::engine::envelope::{Message, MessageView};
use crate::engine::event::Event;
use crate::engine::ids::SessionId;
use crate::engine::letter::Letter;
use crate::engine::out_queue::SHARED_PAYLOAD_MIN;
use crate::engine::routing::local::{Extra, Own, Terms};
use crate::engine::session::flow::{Delivery, Flow};
use crate::engine::session::{Online, Session};
use crate::engine::sink::Sink;

/// What became of a message for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Sent, or waiting.
    Taken,
    /// Dropped as the rules of its queue say.
    Dropped,
    /// The client takes no packet so large.
    TooLarge,
}

/// The packets of one message, as far as they were needed, and the message at rest.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// By 5.0 or not, QoS, RETAIN.
    known: [Option<Frame>; 12],
    message: Option<Message>,
    properties: PropertiesBuf,
}

/// A packet without its payload if that is shared.
#[derive(Clone, Debug)]
struct Frame {
    bytes: Range<usize>,
    packet_id_at: Option<usize>,
}

/// One PUBLISH on its way out.
#[derive(Clone, Copy, Debug)]
struct Outgoing<'a> {
    qos: QoS,
    retain: bool,
    dup: bool,
    packet_id: Option<PacketId>,
    extra: Option<&'a Extra>,
}

impl Frames {
    fn clear(&mut self) {
        self.bytes.clear();
        self.known = Default::default();
        self.message = None;
    }

    /// The message as a block that can wait and be shared; made once.
    pub(super) fn message(&mut self, view: &MessageView<'_>, scratch: &mut Vec<u8>) -> Message {
        self.message
            .get_or_insert_with(|| Message::new(view, scratch))
            .clone()
    }

    /// The packet for one form of the message; encoded once.
    fn frame(
        &mut self,
        version: Version,
        outgoing: &Outgoing<'_>,
        view: &MessageView<'_>,
        now: UnixTime,
    ) -> Frame {
        let form = usize::from(version.is_v5()) * 6
            + usize::from(outgoing.qos.as_u8()) * 2
            + usize::from(outgoing.retain);
        if let Some(Some(frame)) = self.known.get(form) {
            return frame.clone();
        }
        self.properties.clear();
        if version.is_v5() {
            common_properties(view, now, &mut self.properties);
        }
        let start = self.bytes.len();
        // Any id holds the place: the real one is patched in for each receiver.
        let packet_id = (outgoing.qos > QoS::AtMostOnce).then_some(PacketId::MIN);
        let publish = Publish {
            dup: false,
            qos: outgoing.qos,
            retain: outgoing.retain,
            topic: Some(view.topic),
            packet_id,
            properties: self.properties.as_properties(),
            payload: view.payload,
        };
        let packet_id_at = publish.encode_head(version, view.payload.len(), &mut self.bytes);
        if view.payload.len() < SHARED_PAYLOAD_MIN {
            self.bytes.extend_from_slice(view.payload);
        }
        let frame = Frame {
            bytes: start..self.bytes.len(),
            packet_id_at,
        };
        if let Some(slot) = self.known.get_mut(form) {
            *slot = Some(frame.clone());
        }
        frame
    }
}

impl Shard {
    /// Brings a message to all who want it. Whether anybody did, here or on another shard.
    pub(super) fn route<S: Sink>(
        &mut self,
        now: Now,
        view: &MessageView<'_>,
        publisher: Option<SessionId>,
        scope: Scope,
        sink: &mut S,
    ) -> bool {
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        self.route_frames(now, view, frames, publisher, scope, sink)
    }

    /// As [`Self::route`], for a message that is at rest already.
    pub(super) fn route_message<S: Sink>(
        &mut self,
        now: Now,
        message: &Message,
        view: &MessageView<'_>,
        publisher: Option<SessionId>,
        scope: Scope,
        sink: &mut S,
    ) -> bool {
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        frames.message = Some(message.clone());
        self.route_frames(now, view, frames, publisher, scope, sink)
    }

    fn route_frames<S: Sink>(
        &mut self,
        now: Now,
        view: &MessageView<'_>,
        mut frames: Frames,
        publisher: Option<SessionId>,
        scope: Scope,
        sink: &mut S,
    ) -> bool {
        let found = self.lookup(view.topic);
        for target in &found.targets {
            let own = publisher.is_some_and(|publisher| publisher.index == target.session);
            let terms = match &target.own {
                Own::Excluded if own => continue,
                Own::Other(terms) if own => terms,
                _ => &target.terms,
            };
            self.deliver(now, target.session, terms, view, &mut frames, sink);
        }
        for group in &found.groups {
            self.deliver_to_group(now, *group, view, &mut frames, sink);
        }
        if scope == Scope::Everywhere && !found.remote.is_empty() {
            let shared = view.payload.len() >= SHARED_PAYLOAD_MIN;
            for shard in found.remote.iter() {
                if shared {
                    let message = frames.message(view, &mut self.scratch);
                    sink.outbox(shard).push(Letter::PublishShared(message));
                } else {
                    sink.outbox(shard).push_publish(view);
                }
            }
        }
        self.frames = frames;
        !found.targets.is_empty() || !found.groups.is_empty() || !found.remote.is_empty()
    }

    /// Brings a message to one session: sent now if it can be, else queued if it may.
    pub(super) fn deliver<S: Sink>(
        &mut self,
        now: Now,
        session: u32,
        terms: &Terms,
        view: &MessageView<'_>,
        frames: &mut Frames,
        sink: &mut S,
    ) -> Outcome {
        let Some(state) = self.sessions.at_mut(session) else {
            return Outcome::Dropped;
        };
        let qos = self.settings.qos_towards(terms.qos, view.head.qos);
        let retain = view.head.retain && terms.retain_as_published;
        let mut outgoing = Outgoing {
            qos,
            retain,
            dup: false,
            packet_id: None,
            extra: terms.extra.as_deref(),
        };
        if qos == QoS::AtMostOnce {
            let waits = state.flow.as_ref().is_some_and(|flow| flow.qos_0_waits());
            match &mut state.online {
                // Retained messages on their way come first, or an old value would follow a new one;
                // so do those that waited for the client to come back.
                Some(online) if state.replays.is_none() && !waits => {
                    if sink.out(online.connection).is_full() {
                        self.tally.publishes_dropped += 1;
                        return Outcome::Dropped;
                    }
                    return self.write(now, session, &outgoing, view, Some(frames), None, sink);
                }
                None if !self.settings.queue_qos0_messages => return Outcome::Dropped,
                _ => {}
            }
        } else if let Some(online) = &state.online {
            let window = online.window;
            let full = sink.out(online.connection).is_full();
            let flow = state
                .flow
                .get_or_insert_with(|| Box::new(Flow::new(window)));
            if !full
                && flow.queue.is_empty()
                && flow.has_room(&self.settings)
                && state.replays.is_none()
            {
                let message = frames.message(view, &mut self.scratch);
                let extra = terms.extra.clone();
                let delivery = Delivery {
                    message: message.clone(),
                    extra,
                    qos,
                    retain,
                };
                let packet_id = flow.outbound.start(qos, delivery);
                flow.inflight_bytes += view.payload.len() as u64;
                self.count_stored(1, view.payload.len());
                outgoing.packet_id = Some(packet_id);
                return self.write(
                    now,
                    session,
                    &outgoing,
                    view,
                    Some(frames),
                    Some(&message),
                    sink,
                );
            }
        }
        self.enqueue(session, terms, (qos, retain), view, frames, sink)
    }

    /// Puts a message at the end of a session's queue, or drops it if that is full.
    fn enqueue<S: Sink>(
        &mut self,
        session: u32,
        terms: &Terms,
        (qos, retain): (QoS, bool),
        view: &MessageView<'_>,
        frames: &mut Frames,
        sink: &mut S,
    ) -> Outcome {
        let Some(state) = self.sessions.at_mut(session) else {
            return Outcome::Dropped;
        };
        let window = state.window(self.settings.max_inflight_messages);
        let flow = state
            .flow
            .get_or_insert_with(|| Box::new(Flow::new(window)));
        if !flow.may_queue(&self.settings, state.online.is_some()) {
            self.tally.publishes_dropped += 1;
            if !std::mem::replace(&mut flow.dropping, true) {
                sink.tell(Event::MessagesDropped {
                    client_id: &state.client_id,
                });
            }
            return Outcome::Dropped;
        }
        let message = frames.message(view, &mut self.scratch);
        flow.push(Delivery {
            message,
            extra: terms.extra.clone(),
            qos,
            retain,
        });
        // What is full now is filled again when it has room; see `pump`.
        if let Some(online) = &state.online {
            let out = sink.out(online.connection);
            if out.is_full() {
                out.ask_for_room();
            }
        }
        self.count_stored(1, view.payload.len());
        Outcome::Taken
    }

    /// Writes one PUBLISH into a connection's out queue. One that is too large for the client counts
    /// as delivered: its packet id is free again [MQTT-3.1.2-25].
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of one packet on its way"
    )]
    fn write<S: Sink>(
        &mut self,
        now: Now,
        session: u32,
        outgoing: &Outgoing<'_>,
        view: &MessageView<'_>,
        frames: Option<&mut Frames>,
        message: Option<&Message>,
        sink: &mut S,
    ) -> Outcome {
        let Some(state) = self.sessions.at_mut(session) else {
            return Outcome::Dropped;
        };
        let Some(online) = &mut state.online else {
            return Outcome::Dropped;
        };
        let identified = outgoing
            .extra
            .is_some_and(|extra| !extra.identifiers.is_empty());
        let special = online.version.is_v5() && (identified || online.aliases.is_some());
        let written = match frames {
            Some(frames) if !special => {
                let message = (view.payload.len() >= SHARED_PAYLOAD_MIN)
                    .then(|| frames.message(view, &mut self.scratch));
                write_frame(now, online, outgoing, view, frames, message, sink)
            }
            Some(frames) => {
                let message = (view.payload.len() >= SHARED_PAYLOAD_MIN)
                    .then(|| frames.message(view, &mut self.scratch));
                write_alone(
                    now,
                    online,
                    outgoing,
                    view,
                    &mut frames.properties,
                    message,
                    sink,
                )
            }
            None => {
                let shared = message
                    .filter(|_| view.payload.len() >= SHARED_PAYLOAD_MIN)
                    .cloned();
                let properties = &mut self.frames.properties;
                write_alone(now, online, outgoing, view, properties, shared, sink)
            }
        };
        match written {
            Ok(()) => {
                self.tally.packets_sent += 1;
                self.tally.publishes_sent += 1;
                self.tally.publish_bytes_sent += view.payload.len() as u64;
                if self.settings.trace {
                    tell_sending(state, outgoing, view, sink);
                }
                Outcome::Taken
            }
            Err(bytes) => {
                sink.tell(Event::OutgoingTooLarge {
                    client_id: &state.client_id,
                    bytes,
                });
                self.tally.publishes_dropped += 1;
                if let (Some(packet_id), Some(flow)) = (outgoing.packet_id, &mut state.flow)
                    && let Some(delivery) = flow.outbound.cancel_resend(packet_id)
                {
                    flow.settle(&delivery);
                    self.count_settled(1, view.payload.len());
                }
                Outcome::TooLarge
            }
        }
    }

    /// Writes a delivery that waited, or one again.
    pub(super) fn write_delivery<S: Sink>(
        &mut self,
        now: Now,
        session: u32,
        delivery: &Delivery,
        packet_id: Option<PacketId>,
        dup: bool,
        sink: &mut S,
    ) -> Outcome {
        let outgoing = Outgoing {
            qos: delivery.qos,
            retain: delivery.retain,
            dup,
            packet_id,
            extra: delivery.extra.as_deref(),
        };
        let view = delivery.message.view();
        self.write(
            now,
            session,
            &outgoing,
            &view,
            None,
            Some(&delivery.message),
            sink,
        )
    }

    /// Messages came to rest in a session.
    pub(super) fn count_stored(&mut self, messages: u64, bytes: usize) {
        self.tally.messages_stored += messages;
        self.tally.messages_stored_bytes += bytes as u64;
    }

    /// Messages in a session are over.
    pub(super) fn count_settled(&mut self, messages: u64, bytes: usize) {
        self.tally.messages_stored = self.tally.messages_stored.saturating_sub(messages);
        self.tally.messages_stored_bytes = self
            .tally
            .messages_stored_bytes
            .saturating_sub(bytes as u64);
    }

    /// A message that another shard chose one of our sessions for, or that goes to a group's member.
    pub(super) fn deliver_alone<S: Sink>(
        &mut self,
        now: Now,
        session: u32,
        terms: &Terms,
        message: &Message,
        sink: &mut S,
    ) -> Outcome {
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        frames.message = Some(message.clone());
        let outcome = self.deliver(now, session, terms, &message.view(), &mut frames, sink);
        self.frames = frames;
        outcome
    }
}

/// The way of nearly all: a ready frame is copied and its packet id patched. The error is the size of
/// a packet that is too large.
fn write_frame<S: Sink>(
    now: Now,
    online: &Online,
    outgoing: &Outgoing<'_>,
    view: &MessageView<'_>,
    frames: &mut Frames,
    message: Option<Message>,
    sink: &mut S,
) -> Result<(), usize> {
    let frame = frames.frame(online.version, outgoing, view, now.unix);
    let bytes = frames.bytes.get(frame.bytes).unwrap_or(&[]);
    let shared = message.as_ref().map_or(0, |_| view.payload.len());
    check_size(bytes.len() + shared, online)?;
    let out = sink.out(online.connection);
    out.append(|out| {
        let start = out.len();
        out.extend_from_slice(bytes);
        if let (Some(packet_id), Some(at)) = (outgoing.packet_id, frame.packet_id_at)
            && let Some(place) = out.get_mut(start + at..start + at + 2)
        {
            place.copy_from_slice(&packet_id.get().to_be_bytes());
        }
    });
    if let Some(message) = message {
        let range = message.payload_range();
        out.append_shared(message, range);
    }
    Ok(())
}

/// A packet that only this receiver gets: with identifiers, an alias, or for the second time.
fn write_alone<S: Sink>(
    now: Now,
    online: &mut Online,
    outgoing: &Outgoing<'_>,
    view: &MessageView<'_>,
    properties: &mut PropertiesBuf,
    message: Option<Message>,
    sink: &mut S,
) -> Result<(), usize> {
    properties.clear();
    let mut topic = Some(view.topic);
    let mut assigned = None;
    if online.version.is_v5() {
        common_properties(view, now.unix, properties);
        for identifier in outgoing.extra.iter().flat_map(|extra| &extra.identifiers) {
            properties.push(Property::SubscriptionIdentifier(*identifier));
        }
        if let Some(aliases) = &mut online.aliases {
            (topic, assigned) = alias(aliases.assign(view.topic.as_str()), view.topic, properties);
        }
    }
    let publish = Publish {
        dup: outgoing.dup,
        qos: outgoing.qos,
        retain: outgoing.retain,
        topic,
        packet_id: outgoing.packet_id,
        properties: properties.as_properties(),
        payload: view.payload,
    };
    let size = publish.encoded_len(online.version);
    if let Err(size) = check_size(size, online) {
        // [trap 25] The client never heard of an alias that went with a packet not sent.
        if let (Some(alias), Some(aliases)) = (assigned, &mut online.aliases) {
            aliases.undo(alias);
        }
        return Err(size);
    }
    let out = sink.out(online.connection);
    if let Some(message) = message {
        out.append(|out| publish.encode_head(online.version, view.payload.len(), out));
        let range = message.payload_range();
        out.append_shared(message, range);
    } else {
        out.append(|out| publish.encode(online.version, out));
    }
    Ok(())
}

/// Topic and property for an alias; the second value is one that the client learns now.
fn alias<'a>(
    alias: Alias,
    topic: TopicName<'a>,
    properties: &mut PropertiesBuf,
) -> (Option<TopicName<'a>>, Option<u16>) {
    match alias {
        Alias::None => (Some(topic), None),
        Alias::New(alias) => {
            properties.push(Property::TopicAlias(alias));
            (Some(topic), Some(alias))
        }
        Alias::Known(alias) => {
            properties.push(Property::TopicAlias(alias));
            (None, None)
        }
    }
}

fn check_size(bytes: usize, online: &Online) -> Result<(), usize> {
    if bytes > online.max_packet_size as usize {
        Err(bytes)
    } else {
        Ok(())
    }
}

/// What every 5.0 receiver of a message gets.
fn common_properties(view: &MessageView<'_>, now: UnixTime, properties: &mut PropertiesBuf) {
    properties.extend_from(view.properties);
    if let Some(left) = view.expiry_left(now) {
        properties.push(Property::MessageExpiryInterval(left));
    }
}

fn tell_sending<S: Sink>(
    session: &Session,
    outgoing: &Outgoing<'_>,
    view: &MessageView<'_>,
    sink: &mut S,
) {
    let Some(online) = &session.online else {
        return;
    };
    let packet = mqtt_codec::Packet::Publish(Publish {
        dup: outgoing.dup,
        qos: outgoing.qos,
        retain: outgoing.retain,
        topic: Some(view.topic),
        packet_id: outgoing.packet_id,
        properties: view.properties,
        payload: view.payload,
    });
    sink.tell(Event::Sending {
        version: online.version,
        client_id: Some(&session.client_id),
        connection: online.connection,
        packet: &packet,
        payload_len: view.payload.len(),
    });
}

/// Terms of a session that is served by itself: a member of a group.
pub(super) fn group_of(extra: Option<&Arc<Extra>>) -> Option<&Arc<str>> {
    extra.and_then(|extra| extra.group.as_ref())
}
