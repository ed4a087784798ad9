//! One PUBLISH into an out queue: encoded once for each form of the message and copied, or written for
//! one receiver alone.

use std::ops::Range;

use mqtt_codec::{PacketId, PropertiesBuf, Property, Publish, QoS, TopicName, Version};
use mqtt_session::time::{Now, UnixTime};
use mqtt_session::topic_alias::Alias;

use super::Shard;
use super::deliver::Outcome;
use super::keep::Keeping;
use crate::engine::envelope::{Message, MessageView};
use crate::engine::event::Event;
use crate::engine::out_queue::SHARED_PAYLOAD_MIN;
use crate::engine::routing::local::Extra;
use crate::engine::session::flow::Delivery;
use crate::engine::session::{Online, Session};
use crate::engine::sink::Sink;

/// The packets of one message, as far as they were needed, and the message at rest.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// By 5.0 or not, QoS, RETAIN.
    known: [Option<Frame>; 12],
    message: Option<Message>,
    properties: PropertiesBuf,
    /// What a store has to keep of it.
    pub(super) keeping: Keeping,
}

/// A packet without its payload if that is shared.
#[derive(Clone, Debug)]
struct Frame {
    bytes: Range<usize>,
    packet_id_at: Option<usize>,
}

/// One PUBLISH on its way out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) dup: bool,
    pub(super) packet_id: Option<PacketId>,
    pub(super) extra: Option<&'a Extra>,
}

impl Frames {
    /// For a message whose block is there already, or is not.
    pub(super) fn begin(&mut self, message: Option<Message>) {
        self.bytes.clear();
        self.known = Default::default();
        self.message = message;
    }

    /// The block, if it was made.
    pub(super) fn at_rest(&self) -> Option<Message> {
        self.message.clone()
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
    /// Writes one PUBLISH into a connection's out queue. One that is too large for the client counts
    /// as delivered: its packet id is free again [MQTT-3.1.2-25].
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of one packet on its way"
    )]
    pub(super) fn write<S: Sink>(
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
