//! Turns what the session tells into what the program owns, and holds QoS 2 messages if asked to.

use std::collections::HashMap;

use bytes::Bytes;
use mqtt_codec::{PacketId, Properties, PropertiesBuf, QoS, ReasonCode};
use mqtt_session::client::{Event as Told, Outcome};

use crate::event::{Acknowledgement, Answer, Event, Published};
use crate::options::{Acknowledge, DeliverQos2, Options};
use crate::{Connected, Message};

/// Bytes of messages that may wait for their release. Beyond that they are delivered with their
/// PUBLISH, once all the same: a server may leave 65 535 of them open.
const HELD_BYTES_MAX: usize = 64 << 20;

/// QoS 2 messages until they are released. The session bounds how many are open.
pub(crate) struct Delivery {
    when: DeliverQos2,
    held: HashMap<PacketId, Message>,
    held_bytes: usize,
}

/// What a packet is worth to the program.
pub(crate) enum Owned {
    /// Look the terms up and tell of them.
    Connected,
    Event(Event),
}

impl Delivery {
    /// A program that acknowledges by hand gets its messages at once: a server releases only what
    /// was acknowledged.
    pub(crate) fn new(options: &Options) -> Self {
        let when = match options.settings.acknowledge {
            Acknowledge::Automatically => options.deliver_qos2,
            Acknowledge::ByHand => DeliverQos2::OnPublish,
        };
        Self {
            when,
            held: HashMap::new(),
            held_bytes: 0,
        }
    }

    /// A new session knows nothing of messages held for the old one.
    pub(crate) fn handle_connected(&mut self, connected: &Connected) {
        if !connected.session_present {
            self.held.clear();
            self.held_bytes = 0;
        }
    }

    /// An event about a packet; `frame` holds the bytes of a PUBLISH.
    pub(crate) fn take(&mut self, told: Told<'_>, frame: &Bytes) -> Option<Owned> {
        let event = match told {
            Told::Connected => return Some(Owned::Connected),
            Told::Message(publish) => {
                let message = Message::new(frame, &publish);
                match publish.packet_id {
                    Some(packet_id) if self.is_held(&message) => {
                        // It may wait long, so it shall not keep the read buffer.
                        self.held_bytes = self.held_bytes.saturating_add(message.len());
                        self.held.insert(packet_id, message.detach());
                        return None;
                    }
                    _ => Event::Message(message),
                }
            }
            Told::Released(packet_id) => {
                let message = self.held.remove(&packet_id)?;
                self.held_bytes = self.held_bytes.saturating_sub(message.len());
                Event::Message(message)
            }
            Told::Published {
                id,
                packet_id,
                reason,
                properties,
            } => {
                let outcome = Ok(Acknowledgement {
                    reason,
                    properties: owned(properties),
                });
                Event::Published(Published {
                    id,
                    packet_id: Some(packet_id),
                    outcome,
                })
            }
            Told::Subscribed {
                packet_id,
                reasons,
                properties,
            } => Event::Subscribed(answer(packet_id, reasons, properties)),
            Told::Unsubscribed {
                packet_id,
                reasons,
                properties,
            } => Event::Unsubscribed(answer(packet_id, reasons, properties)),
            Told::Authenticate { reason, properties } => Event::Authenticate {
                reason,
                properties: owned(properties),
            },
            _ => return None,
        };
        Some(Owned::Event(event))
    }

    fn is_held(&self, message: &Message) -> bool {
        message.qos() == QoS::ExactlyOnce
            && self.when == DeliverQos2::OnRelease
            && self.held_bytes.saturating_add(message.len()) <= HELD_BYTES_MAX
    }
}

fn answer(packet_id: PacketId, reasons: &[u8], properties: Properties<'_>) -> Answer {
    // The decoder has checked the codes.
    let reasons = reasons
        .iter()
        .filter_map(|code| ReasonCode::from_u8(*code))
        .collect();
    Answer {
        packet_id,
        reasons,
        properties: owned(properties),
    }
}

fn owned(properties: Properties<'_>) -> PropertiesBuf {
    let mut owned = PropertiesBuf::new();
    owned.extend_from(properties);
    owned
}

impl From<Outcome> for Published {
    fn from(outcome: Outcome) -> Self {
        let success = |()| Acknowledgement {
            reason: ReasonCode::Success,
            properties: PropertiesBuf::new(),
        };
        Self {
            id: outcome.id,
            packet_id: outcome.packet_id,
            outcome: outcome.result.map(success),
        }
    }
}
