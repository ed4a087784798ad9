//! What clients hear, told to the account.

use mqtt_codec::{PacketId, QoS, ReasonCode};
use mqtt_session::client::Failure;

use super::client::{Heard, Message};
use super::model::Arrived;
use super::payload;
use super::plan::{Lasts, WATCHER};
use super::topics::CLIENTS_MAX;
use super::world::{Request, World};

impl World {
    pub(super) fn hear_one(&mut self, slot: usize, heard: Heard) {
        match heard {
            Heard::Connected(present) => self.hear_connack(slot, present),
            Heard::Message(message) => self.hear_message(slot, &message),
            Heard::Published(number, reason) => {
                self.clients[slot].open.remove(&number);
                let is_v5 = self.clients[slot].actor.plan.version.is_v5();
                let ends = matches!(self.clients[slot].actor.plan.lasts, Lasts::Seconds(_));
                if reason == ReasonCode::PacketIdentifierNotFound && ends {
                    // The session may have ended, and another begun whose CONNACK was lost.
                    return;
                }
                if reason == ReasonCode::QuotaExceeded && self.model.turned_away(number) {
                    self.counts.turned_away += 1;
                    return;
                }
                // PUBREL sent again finds nothing where the first one was enough.
                let refused = reason.is_error() && reason != ReasonCode::PacketIdentifierNotFound;
                self.model.acknowledged(number, refused, is_v5);
            }
            Heard::Over(number) => {
                self.clients[slot].open.remove(&number);
            }
            Heard::Subscribed(packet_id, reasons) => {
                let Some((request, qos)) = self.answered(slot, packet_id) else {
                    return self.model.fail(format!("c{slot} got a SUBACK for nothing"));
                };
                if qos.is_none_or(|qos| reasons != [qos.as_u8()]) {
                    let what = format!("c{slot} asked for {qos:?} and got {reasons:?}");
                    self.model.fail(what);
                }
                if let Some((at, _)) = self.session_of(slot) {
                    self.model.subscribed(at, request.filter, request.asked);
                }
            }
            Heard::Unsubscribed(packet_id) => {
                let Some((request, None)) = self.answered(slot, packet_id) else {
                    return self
                        .model
                        .fail(format!("c{slot} got an UNSUBACK for nothing"));
                };
                if let Some((at, _)) = self.session_of(slot) {
                    self.model.unsubscribed(at, request.filter, request.asked);
                }
            }
            Heard::Failed(failure) => self.hear_failure(slot, &failure),
        }
    }

    fn answered(&mut self, slot: usize, packet_id: PacketId) -> Option<(Request, Option<QoS>)> {
        let requests = &mut self.clients[slot].requests;
        let at = requests
            .iter()
            .position(|request| request.packet_id == packet_id)?;
        let request = requests.remove(at);
        Some((request, request.qos))
    }

    fn session_of(&self, slot: usize) -> Option<(usize, super::model::Expected)> {
        let link = self.clients[slot].actor.link?;
        self.facts[link].session
    }

    fn hear_connack(&mut self, slot: usize, present: bool) {
        self.counts.connections += 1;
        self.counts.resumed += u64::from(present);
        let Some(link) = self.clients[slot].actor.link else {
            return;
        };
        let Some((at, expected)) = self.facts[link].session else {
            return self
                .model
                .fail(format!("c{slot} got a CONNACK that nobody told of"));
        };
        self.facts[link].heard = true;
        let at = self.model.connack(at, present, expected, link);
        self.facts[link].session = Some((at, expected));
        if present && self.clients[slot].out_of_step && slot != WATCHER {
            self.close(slot, false);
            let plan = self.draw_life(slot);
            let reformed = self.clients[slot].actor.reformed;
            self.clients[slot] = self.new_life(slot, plan);
            self.clients[slot].actor.reformed = reformed;
            return;
        }
        self.clients[slot].out_of_step = false;
        if self.clients[slot].actor.is_cleaning() {
            self.close(slot, true);
            self.clients[slot].actor.cleaned();
        } else {
            self.on_connected(slot, present);
        }
    }

    fn hear_message(&mut self, slot: usize, message: &Message) {
        let Some((at, _)) = self.session_of(slot) else {
            return self
                .model
                .fail(format!("c{slot} got a message before it was greeted"));
        };
        let qos = usize::from(message.qos.as_u8());
        self.counts.delivered[qos] += 1;
        self.counts.repeated += u64::from(message.dup);
        self.counts.retained += u64::from(message.retain);
        let Some(number) = message.number else {
            return;
        };
        if slot < CLIENTS_MAX && self.plan.members[slot].is_some() {
            self.counts.shared += 1;
        }
        if let Some(packet_id) = message.packet_id {
            self.clients[slot]
                .told
                .insert(packet_id, (number, message.qos));
        }
        if let Some(known) = self.model.messages.get(number as usize)
            && !payload::is_whole(&message.payload, number, known.size)
        {
            let what = format!("c{slot} got another payload with message {number}");
            self.model.fail(what);
        }
        if slot == CLIENTS_MAX - 1 && message.retain {
            self.retained_seen.insert(message.topic, number);
        }
        let arrived = Arrived {
            number,
            topic: message.topic,
            qos: message.qos,
            dup: message.dup,
            retain: message.retain,
        };
        self.model.arrived(at, arrived, self.now);
    }

    fn hear_failure(&mut self, slot: usize, failure: &Failure) {
        let text = format!("c{slot} fails: {failure}");
        self.trace.say(&[slot as u64], || text);
        let fine = match failure {
            Failure::Protocol { .. } => false,
            Failure::Refused(refusal) if self.is_turned_away(slot, refusal.reason) => {
                self.counts.turned_away += 1;
                true
            }
            Failure::Refused(refusal) => {
                self.plan.passwords
                    && matches!(
                        refusal.reason,
                        ReasonCode::NotAuthorized
                            | ReasonCode::QuotaExceeded
                            | ReasonCode::BadUserNameOrPassword
                            | ReasonCode::ServerUnavailable
                    )
            }
            Failure::Disconnected { reason, .. }
                if *reason == ReasonCode::ServerShuttingDown && self.counts.failed_syncs > 0 =>
            {
                true
            }
            Failure::Disconnected { reason, .. } => matches!(
                reason,
                ReasonCode::SessionTakenOver
                    | ReasonCode::KeepAliveTimeout
                    | ReasonCode::NotAuthorized
            ),
            _ => true,
        };
        if !fine || slot == WATCHER && !self.plan.passwords && self.counts.crashes == 0 {
            self.model.fail(format!("c{slot}: {failure}"));
        }
        self.close(slot, false);
    }

    /// Whether a client was refused because there was no room for its session.
    fn is_turned_away(&self, slot: usize, reason: ReasonCode) -> bool {
        let expected = if self.clients[slot].actor.plan.version.is_v5() {
            ReasonCode::QuotaExceeded
        } else {
            ReasonCode::ServerUnavailable
        };
        reason == expected && self.model.had_no_room()
    }

    /// Whether every message of a client was answered for good.
    pub(super) fn is_finished(&self, slot: usize) -> bool {
        self.clients[slot].open.is_empty()
    }
}
