//! Acknowledgements that the program owes the server, in the order of what they answer.

use mqtt_codec::{Ack, Packet, PacketId, QoS, ReasonCode};

use crate::id_queue::IdQueue;
use crate::time::Instant;

use super::error::RequestError;
use super::session::{ClientSession, Phase};

/// Messages told to a program that acknowledges by hand, with its answers so far.
#[derive(Debug)]
pub(super) struct Owed {
    messages: IdQueue<Answer>,
    /// QoS 1 messages among them.
    qos1: usize,
}

#[derive(Debug)]
struct Answer {
    qos: QoS,
    /// Given, but not sent while an earlier message is unanswered.
    reason: Option<ReasonCode>,
}

impl Default for Owed {
    fn default() -> Self {
        Self {
            messages: IdQueue::new(),
            qos1: 0,
        }
    }
}

impl Owed {
    pub(super) fn contains(&self, packet_id: PacketId) -> bool {
        self.messages.contains(packet_id)
    }

    /// QoS 1 messages that were not answered; those of QoS 2 are counted by `Inbound`.
    pub(super) fn open_qos1(&self) -> usize {
        self.qos1
    }

    pub(super) fn push(&mut self, packet_id: PacketId, qos: QoS) {
        self.qos1 += usize::from(qos == QoS::AtLeastOnce);
        self.messages.push(packet_id, Answer { qos, reason: None });
    }

    /// The next answer whose turn it is.
    fn next_answer(&mut self) -> Option<(PacketId, QoS, ReasonCode)> {
        let (
            packet_id,
            Answer {
                qos,
                reason: Some(reason),
            },
        ) = self.messages.at(0)?
        else {
            return None;
        };
        let answer = (packet_id, *qos, *reason);
        self.qos1 -= usize::from(*qos == QoS::AtLeastOnce);
        self.messages.remove(0);
        Some(answer)
    }
}

impl ClientSession {
    /// Acknowledges a message, for a program that does so [by hand](super::Acknowledge::ByHand). The
    /// answer is sent when all messages that came before have theirs. \[MQTT-4.6.0-2\]
    /// A `reason` of 0x80 or more refuses the message (5.0); in 3.x it is left out.
    ///
    /// # Errors
    /// [`RequestError::UnknownPacketId`] if the present connection owes no answer for the id.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> Result<(), RequestError> {
        let position = self.owed.messages.position(packet_id);
        let answer = position.and_then(|position| self.owed.messages.at_mut(position));
        match answer {
            Some(answer) if answer.reason.is_none() && self.phase == Phase::Connected => {
                answer.reason = Some(reason);
            }
            _ => return Err(RequestError::UnknownPacketId),
        }
        while let Some((packet_id, qos, reason)) = self.owed.next_answer() {
            self.answer(now, packet_id, qos, reason);
        }
        Ok(())
    }

    /// Sends PUBACK or PUBREC.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        packet_id: PacketId,
        qos: QoS,
        reason: ReasonCode,
    ) {
        let mut ack = Ack::new(packet_id);
        ack.reason = reason;
        if qos == QoS::ExactlyOnce {
            if reason.is_error() && self.settings.version.is_v5() {
                self.inbound.refuse(packet_id);
            }
            self.send(now, &Packet::Pubrec(ack));
        } else {
            self.send(now, &Packet::Puback(ack));
        }
    }

    /// The connection is gone: what was not answered on it comes again, as if it were new.
    pub(super) fn forget_owed(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        for (packet_id, answer) in owed.messages.iter() {
            if answer.qos == QoS::ExactlyOnce {
                self.inbound.refuse(packet_id);
            }
        }
    }
}
