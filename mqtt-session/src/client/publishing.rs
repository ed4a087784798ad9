//! Messages on their way to the server: window, queue, answers, sending again.

use mqtt_codec::{
    Ack, MAX_PACKET_SIZE, Packet, PacketId, Properties, PropertyPlace, Publish, QoS, ReasonCode,
    TopicName,
};

use crate::outbound::{AckError, Pubrec, Resend};
use crate::time::Instant;

use super::error::{Failure, RequestError};
use super::event::{Event, Outcome, PublishId};
use super::publication::{Kept, Publication};
use super::session::{ClientSession, Phase};

/// Bytes that a topic alias can add to a PUBLISH: the property, and one more of length.
const ALIAS_BYTES_MAX: usize = 4;

impl ClientSession {
    /// Takes a message. QoS 0 needs a connection and goes to the output at once; QoS 1 and 2 do so
    /// as far as the window is open, and wait otherwise, also for a connection.
    ///
    /// # Errors
    /// [`RequestError`]: the message was not taken.
    pub fn publish(
        &mut self,
        now: Instant,
        publication: &Publication<'_>,
    ) -> Result<PublishId, RequestError> {
        TopicName::parse(publication.topic).map_err(|_| RequestError::TopicInvalid)?;
        // [MQTT-3.3.4-6]: a Subscription Identifier is among what a client may not send.
        self.v5_only(publication.properties, PropertyPlace::Publish)?;
        self.check_publication(publication)?;
        let id = PublishId(self.last_publish.wrapping_add(1));
        if publication.qos == QoS::AtMostOnce {
            if self.phase != Phase::Connected {
                return Err(RequestError::NotConnected);
            }
            if self.output.is_full() {
                return Err(RequestError::QueueFull);
            }
            self.send_publish(now, publication, None, false);
            self.unwritten.push_back((self.output.end(), id));
        } else if self.may_send_new() && self.waiting.is_empty() {
            let packet_id = self.start(Kept::new(id, publication));
            self.send_publish(now, publication, Some(packet_id), false);
        } else {
            self.check_queue()?;
            self.waiting.push(Kept::new(id, publication));
        }
        self.last_publish = id.0;
        Ok(id)
    }

    /// Whether [`Self::publish`] would take a small message of any QoS that the connection allows.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.output.is_full() && self.check_queue().is_ok()
    }

    /// Messages taken whose end has not been told yet.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unwritten.len() + self.outbound.len() + self.waiting.len() + self.outcomes.len()
    }

    /// Sends again what is owed from an earlier connection, then what waits, as far as there is room.
    pub(super) fn fill(&mut self, now: Instant) {
        if self.phase != Phase::Connected || self.takes_up_at.is_some() {
            return;
        }
        while !self.output.is_full() && self.send_again(now) {}
        while self.may_send_new()
            && let Some(message) = self.waiting.pop()
        {
            let publication = message.as_publication();
            if let Err(error) = self.check_publication(&publication) {
                self.give_up(message.id, error);
                continue;
            }
            let packet_id = self.start(message.clone());
            self.send_publish(now, &publication, Some(packet_id), false);
        }
    }

    fn may_send_new(&self) -> bool {
        // SUBSCRIBE and UNSUBSCRIBE share the packet ids. \[MQTT-2.2.1-2\]
        let ids_in_use = self.outbound.len() + self.requests.len();
        self.phase == Phase::Connected
            && self.outbound.has_room()
            && ids_in_use < usize::from(u16::MAX)
            && !self.output.is_full()
    }

    /// Sends the next packet that a new connection owes; false if there is none.
    fn send_again(&mut self, now: Instant) -> bool {
        let (packet_id, message) = match self.outbound.next_resend() {
            None => return false,
            Some(Resend::Pubrel { packet_id }) => {
                self.send(now, &Packet::Pubrel(Ack::new(packet_id)));
                return true;
            }
            Some(Resend::Publish {
                packet_id, message, ..
            }) => (packet_id, message.clone()),
        };
        let publication = message.as_publication();
        match self.check_publication(&publication) {
            Ok(()) => self.send_publish(now, &publication, Some(packet_id), true),
            Err(error) => {
                self.outbound.cancel_resend(packet_id);
                self.give_up(message.id, error);
            }
        }
        true
    }

    fn start(&mut self, message: Kept) -> PacketId {
        let requests = &self.requests;
        self.outbound
            .start_avoiding(message.qos, message, |id| requests.contains(id))
    }

    fn give_up(&mut self, id: PublishId, error: RequestError) {
        self.outcomes.push_back(Outcome {
            id,
            packet_id: None,
            result: Err(error),
        });
    }

    /// Compares a message with what the server takes, as far as that is known.
    fn check_publication(&self, publication: &Publication<'_>) -> Result<(), RequestError> {
        let size = self
            .as_packet(publication, None, false)
            .encoded_len(self.settings.version);
        let limit = self
            .connected
            .as_ref()
            .map_or(MAX_PACKET_SIZE, |it| it.maximum_packet_size);
        if size > limit as usize {
            return Err(RequestError::PacketTooLarge { size, limit });
        }
        let Some(connected) = &self.connected else {
            return Ok(());
        };
        if publication.qos > connected.maximum_qos {
            return Err(RequestError::QosNotSupported {
                maximum: connected.maximum_qos,
            });
        }
        if publication.retain && !connected.retain_available {
            return Err(RequestError::RetainNotSupported);
        }
        Ok(())
    }

    /// Bytes are compared before the message is counted, so that even one larger than the whole
    /// queue can be sent; the bound is passed by one message at most.
    fn check_queue(&self) -> Result<(), RequestError> {
        let has_room = self.waiting.len() < self.settings.max_queued_messages
            && self.waiting.bytes() < self.settings.max_queued_bytes;
        if has_room {
            Ok(())
        } else {
            Err(RequestError::QueueFull)
        }
    }

    fn as_packet<'p>(
        &self,
        publication: &'p Publication<'_>,
        packet_id: Option<PacketId>,
        dup: bool,
    ) -> Publish<'p> {
        let is_v5 = self.settings.version.is_v5();
        Publish {
            dup,
            qos: publication.qos,
            retain: publication.retain,
            topic: Some(TopicName::trusted(publication.topic)),
            packet_id,
            properties: if is_v5 {
                publication.properties
            } else {
                Properties::EMPTY
            },
            payload: &publication.payload,
        }
    }

    /// Encodes a PUBLISH that was checked. Aliases are assigned here and nowhere else, since here
    /// the packet is certain to go out.
    fn send_publish(
        &mut self,
        now: Instant,
        publication: &Publication<'_>,
        packet_id: Option<PacketId>,
        dup: bool,
    ) {
        let mut publish = self.as_packet(publication, packet_id, dup);
        let limit = self
            .connected
            .as_ref()
            .map_or(MAX_PACKET_SIZE, |it| it.maximum_packet_size);
        let version = self.settings.version;
        if version.is_v5() {
            let properties = publication.properties;
            let has_room = publish.encoded_len(version) + ALIAS_BYTES_MAX <= limit as usize;
            let written = if has_room {
                self.aliases.assign(publication.topic, properties)
            } else {
                self.aliases.leave_out(properties)
            };
            publish.properties = written.properties;
            if written.topic_is_known {
                publish.topic = None;
            }
        }
        self.output.send(&Packet::Publish(publish));
        self.pinger.handle_sent(now);
    }

    pub(super) fn handle_puback<'a>(
        &mut self,
        now: Instant,
        ack: Ack<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        match self.outbound.handle_puback(ack.packet_id) {
            Ok(message) => {
                self.fill(now);
                Ok(Some(published(message.id, ack)))
            }
            // Nothing is owed for it, and the quota has not moved.
            Err(AckError::Unknown) => Ok(None),
            Err(_) => Err(self.fail(now, Failure::protocol("PUBACK for a QoS 2 message"))),
        }
    }

    pub(super) fn handle_pubrec<'a>(
        &mut self,
        now: Instant,
        ack: Ack<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        let packet_id = ack.packet_id;
        let mut pubrel = Ack::new(packet_id);
        match self.outbound.handle_pubrec(packet_id, ack.reason) {
            Ok(Pubrec::Release(message)) => self.releasing.push(packet_id, message.id),
            Ok(Pubrec::Repeated) => {}
            Ok(Pubrec::Refused(message)) => {
                self.fill(now);
                return Ok(Some(published(message.id, ack)));
            }
            // The server may finish what we know nothing of; a refusal needs no answer.
            Err(AckError::Unknown) if ack.reason.is_error() => return Ok(None),
            Err(AckError::Unknown) => pubrel.reason = ReasonCode::PacketIdentifierNotFound,
            Err(_) => {
                return Err(self.fail(now, Failure::protocol("PUBREC for a QoS 1 message")));
            }
        }
        self.send(now, &Packet::Pubrel(pubrel));
        Ok(None)
    }

    pub(super) fn handle_pubcomp<'a>(
        &mut self,
        now: Instant,
        ack: Ack<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        match self.outbound.handle_pubcomp(ack.packet_id) {
            Ok(()) => {
                self.fill(now);
                let position = self.releasing.position(ack.packet_id);
                let id = position.and_then(|position| self.releasing.remove(position));
                Ok(id.map(|id| published(id, ack)))
            }
            Err(AckError::Unknown) => Ok(None),
            Err(_) => Err(self.fail(now, Failure::protocol("PUBCOMP before PUBREC"))),
        }
    }
}

fn published(id: PublishId, ack: Ack<'_>) -> Event<'_> {
    Event::Published {
        id,
        packet_id: ack.packet_id,
        reason: ack.reason,
        properties: ack.properties,
    }
}
