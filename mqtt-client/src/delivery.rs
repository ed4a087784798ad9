//! Turns what the session tells into what the program owns, and holds QoS 2 messages if asked to.

use std::collections::HashMap;

use bytes::Bytes;
use mqtt_codec::{PacketId, Properties, PropertiesBuf, QoS, ReasonCode};
use mqtt_session::client::{Event as Told, Outcome};

use crate::event::{Acknowledgement, Answer, Event, Published};
use crate::options::DeliverQos2;
use crate::{Connected, Message};

/// QoS 2 messages until they are released. The session bounds how many are open.
pub(crate) struct Delivery {
    when: DeliverQos2,
    held: HashMap<PacketId, Message>,
}

/// What a packet is worth to the program.
pub(crate) enum Owned {
    /// Look the terms up and tell of them.
    Connected,
    Event(Event),
}

impl Delivery {
    pub(crate) fn new(when: DeliverQos2) -> Self {
        Self {
            when,
            held: HashMap::new(),
        }
    }

    /// A new session knows nothing of messages held for the old one.
    pub(crate) fn handle_connected(&mut self, connected: &Connected) {
        if !connected.session_present {
            self.held.clear();
        }
    }

    /// An event about a packet; `frame` holds the bytes of a PUBLISH.
    pub(crate) fn take(&mut self, told: Told<'_>, frame: &Bytes) -> Option<Owned> {
        let event = match told {
            Told::Connected => return Some(Owned::Connected),
            Told::Message(publish) => {
                let message = Message::new(frame, &publish);
                match publish.packet_id {
                    Some(packet_id) if self.is_held(publish.qos) => {
                        // It may wait long, so it shall not keep the read buffer.
                        self.held.insert(packet_id, message.detach());
                        return None;
                    }
                    _ => Event::Message(message),
                }
            }
            Told::Released(packet_id) => Event::Message(self.held.remove(&packet_id)?),
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

    fn is_held(&self, qos: QoS) -> bool {
        qos == QoS::ExactlyOnce && self.when == DeliverQos2::OnRelease
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
