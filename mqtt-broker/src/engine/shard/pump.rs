//! What waits for a client leaves as its window and its socket allow: first what is sent again, then
//! its queue, then retained messages for new subscriptions.

use std::sync::Arc;

use mqtt_codec::{Ack, Packet, Properties, QoS, ReasonCode, TopicFilter};
use mqtt_session::outbound::Resend;
use mqtt_session::time::Now;

use super::{Shard, key};
use crate::engine::envelope::MessageView;
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::session::flow::{Delivery, Flow};
use crate::engine::sink::Sink;

/// Packets for one client before it is the others' turn.
const PACKETS_MAX: usize = 256;
/// As many packets a search among retained messages counts for that filled no page: it may have
/// looked at thousands.
const SEARCH_COST: usize = 32;
/// Retained messages fetched at a time.
const PAGE: usize = 64;

/// What one step of the pump did.
enum Step {
    /// Something left; there may be more.
    Sent,
    /// Retained messages were looked for; there may be more.
    Searched,
    /// Nothing can leave until something comes in.
    Idle,
}

impl Shard {
    /// Sends what can be sent. Called whenever a window, a queue or a socket gets room.
    pub(super) fn pump<S: Sink>(&mut self, now: Now, session: SessionId, sink: &mut S) {
        let mut packets = 0;
        while packets < PACKETS_MAX {
            let Some(state) = self.sessions.get(key(session)) else {
                return;
            };
            let Some(connection) = state.online.as_ref().map(|online| online.connection) else {
                return;
            };
            let waiting = state.flow.as_ref().is_some_and(|flow| !flow.is_idle());
            if !waiting && state.replays.is_none() {
                return;
            }
            let out = sink.out(connection);
            if out.is_full() {
                out.ask_for_room();
                return;
            }
            packets += match self.pump_one(now, session, connection, sink) {
                Step::Sent => 1,
                Step::Searched => SEARCH_COST,
                Step::Idle => return,
            };
        }
        if let Some(connection) = self.connection_of(session) {
            sink.out(connection).ask_for_room();
        }
    }

    fn pump_one<S: Sink>(
        &mut self,
        now: Now,
        session: SessionId,
        connection: ConnectionId,
        sink: &mut S,
    ) -> Step {
        if self.send_again(now, session, connection, sink) {
            return Step::Sent;
        }
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return Step::Idle;
        };
        let Some(flow) = &mut state.flow else {
            return self.replay(now, session);
        };
        let Some(first) = flow.queue.front() else {
            return self.replay(now, session);
        };
        let view = first.message.view();
        let bytes = view.payload.len();
        if is_over(&view, now) {
            flow.pop();
            self.count_settled(1, bytes);
            return Step::Sent;
        }
        if first.qos == QoS::AtMostOnce {
            if let Some(delivery) = flow.pop() {
                self.count_settled(1, bytes);
                self.write_delivery(now, session.index, &delivery, None, false, sink);
            }
            return Step::Sent;
        }
        if !flow.has_room(&self.settings) {
            return Step::Idle;
        }
        if let Some(delivery) = flow.pop() {
            flow.inflight_bytes += bytes as u64;
            let packet_id = flow.outbound.start(delivery.qos, delivery.clone());
            self.write_delivery(now, session.index, &delivery, Some(packet_id), false, sink);
        }
        Step::Sent
    }

    /// One PUBLISH or PUBREL that a former connection left open [MQTT-4.4.0-1].
    fn send_again<S: Sink>(
        &mut self,
        now: Now,
        session: SessionId,
        connection: ConnectionId,
        sink: &mut S,
    ) -> bool {
        let Some(flow) = self
            .sessions
            .get_mut(key(session))
            .and_then(|s| s.flow.as_mut())
        else {
            return false;
        };
        match flow.outbound.next_resend() {
            None => false,
            Some(Resend::Pubrel { packet_id }) => {
                let version = self.version_of(connection);
                let reason = ReasonCode::Success;
                let ack = Ack {
                    packet_id,
                    reason,
                    properties: Properties::EMPTY,
                };
                self.send(connection, version, &Packet::Pubrel(ack), sink);
                true
            }
            Some(Resend::Publish {
                packet_id, message, ..
            }) => {
                // Once written to a network a message is no longer subject to expiry.
                let delivery = message.clone();
                self.write_delivery(now, session.index, &delivery, Some(packet_id), true, sink);
                true
            }
        }
    }

    /// Moves the next page of retained messages into the queue, which is empty by now. They are not
    /// subject to its limits: a page is all there ever is.
    fn replay(&mut self, now: Now, session: SessionId) -> Step {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return Step::Idle;
        };
        let window = state.window(self.settings.max_inflight_messages);
        let Some(replays) = &mut state.replays else {
            return Step::Idle;
        };
        let Some(mut first) = replays.first_entry() else {
            state.replays = None;
            return Step::Idle;
        };
        let filter = Arc::clone(first.key());
        let filter = TopicFilter::trusted(&filter);
        let replay = first.get_mut();
        let cursor = std::mem::take(&mut replay.cursor);
        let options = replay.options;
        let extra = replay.extra.clone();
        let mut page = std::mem::take(&mut self.page);
        match self.commons.retained.page(filter, cursor, PAGE, &mut page) {
            Some(cursor) => replay.cursor = cursor,
            None => drop(first.remove()),
        }
        let flow = state
            .flow
            .get_or_insert_with(|| Box::new(Flow::new(window)));
        let step = if page.len() < PAGE {
            Step::Searched
        } else {
            Step::Sent
        };
        let (mut messages, mut bytes) = (0, 0);
        for message in page.drain(..) {
            let view = message.view();
            if is_over(&view, now) {
                self.commons
                    .retained
                    .remove_if_expired(view.topic, now.unix);
                continue;
            }
            messages += 1;
            bytes += view.payload.len();
            let qos = self.settings.qos_towards(options.qos, view.head.qos);
            flow.push(Delivery {
                message,
                extra: extra.clone(),
                qos,
                retain: true,
            });
        }
        self.page = page;
        self.count_stored(messages, bytes);
        step
    }

    pub(super) fn connection_of(&self, session: SessionId) -> Option<ConnectionId> {
        self.sessions
            .get(key(session))?
            .online
            .as_ref()
            .map(|online| online.connection)
    }
}

/// Whether a message that waited may no longer be sent [MQTT-3.3.2-5].
fn is_over(view: &MessageView<'_>, now: Now) -> bool {
    view.is_expired(now.unix)
}
