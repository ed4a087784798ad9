//! What waits for a client leaves as its window and its socket allow: first what is sent again, then
//! its queue, then retained messages for new subscriptions.

use std::sync::Arc;

use mqtt_codec::{Ack, Packet, PacketId, Properties, QoS, ReasonCode, TopicFilter};
use mqtt_session::outbound::Resend;
use mqtt_session::time::Now;
use smallvec::smallvec;

use super::deliver::{Outcome, is_own, towards_durable};
use super::keep::Promise;
use super::{Shard, key};
use crate::engine::envelope::MessageView;
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::session::flow::{Delivery, Flow};
use crate::engine::sink::Sink;
use crate::engine::store_op::{
    MessageNo, Origin, PublishOp, Receipt, Row, SessionNo, StoreOp, Urgency,
};

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
        self.send_waiting(now, session, sink);
        self.ask_for_page(session, sink);
    }

    fn send_waiting<S: Sink>(&mut self, now: Now, session: SessionId, sink: &mut S) {
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
            return self.replay(now, session, sink);
        };
        if let Some(packet_id) = flow.kept.pop_front() {
            return self.send_first(now, session, packet_id, sink);
        }
        let Some(first) = flow.queue.front() else {
            if !flow.cold.is_empty() {
                // The next page is on its way.
                return Step::Idle;
            }
            return self.replay(now, session, sink);
        };
        let view = first.message.view();
        let bytes = view.payload.len();
        let over = is_over(&view, now);
        if over || first.qos == QoS::AtMostOnce {
            if let Some(delivery) = flow.pop() {
                self.count_settled(1, bytes);
                if !over {
                    self.write_delivery(now, session.index, &delivery, None, false, sink);
                }
                self.let_go(session, delivery.number, sink);
            }
            return Step::Sent;
        }
        if !flow.has_room(&self.settings) {
            return Step::Idle;
        }
        if let Some(delivery) = flow.pop() {
            flow.inflight_bytes += bytes as u64;
            let packet_id = flow.outbound.start(delivery.qos, delivery.clone());
            if delivery.qos == QoS::ExactlyOnce
                && let Some(number) = delivery.number
                && self.keep_sent(session, connection, number, packet_id, sink)
            {
                return Step::Sent;
            }
            self.write_kept(now, session, &delivery, packet_id, delivery.dup, sink);
        }
        Step::Sent
    }

    /// A QoS 2 message from the queue leaves once its packet id is kept. Whether it is to be.
    fn keep_sent<S: Sink>(
        &mut self,
        session: SessionId,
        connection: ConnectionId,
        number: MessageNo,
        packet_id: PacketId,
        sink: &mut S,
    ) -> bool {
        let sent = |session| StoreOp::Sent {
            session,
            number,
            packet_id,
        };
        let Some(ticket) = self.keep_for(session, sent, Urgency::Awaited, sink) else {
            return false;
        };
        let send = Promise::Send {
            connection,
            packet_id,
        };
        self.promise(ticket, send);
        true
    }

    /// A QoS 2 message whose packet id is kept is sent for the first time.
    fn send_first<S: Sink>(
        &mut self,
        now: Now,
        session: SessionId,
        packet_id: PacketId,
        sink: &mut S,
    ) -> Step {
        let flow = self
            .sessions
            .get(key(session))
            .and_then(|s| s.flow.as_ref());
        let delivery = flow
            .and_then(|flow| flow.outbound.message(packet_id))
            .cloned();
        if let Some(delivery) = delivery {
            self.write_kept(now, session, &delivery, packet_id, false, sink);
        }
        Step::Sent
    }

    /// Writes a PUBLISH of QoS 1 or 2. One that is too large for the client is over.
    fn write_kept<S: Sink>(
        &mut self,
        now: Now,
        session: SessionId,
        delivery: &Delivery,
        packet_id: PacketId,
        dup: bool,
        sink: &mut S,
    ) {
        let packet_id = Some(packet_id);
        let outcome = self.write_delivery(now, session.index, delivery, packet_id, dup, sink);
        if outcome == Outcome::TooLarge {
            self.let_go(session, delivery.number, sink);
        }
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
                self.write_kept(now, session, &delivery, packet_id, true, sink);
                true
            }
        }
    }

    /// Moves the next page of retained messages into the queue, which is empty by now. They are not
    /// subject to its limits: a page is all there ever is.
    fn replay<S: Sink>(&mut self, now: Now, session: SessionId, sink: &mut S) -> Step {
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
        let done = match self.commons.retained.page(filter, cursor, PAGE, &mut page) {
            Some(cursor) => {
                replay.cursor = cursor;
                None
            }
            None => Some(first.remove_entry().0),
        };
        let durable = state.durable;
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
            let qos = towards_durable(qos, durable, view.topic);
            let kept = durable.filter(|_| keeps_replay(&view, qos));
            let number = kept.map(|_| self.commons.numbers.message());
            let delivery = Delivery {
                message,
                extra: extra.clone(),
                qos,
                retain: true,
                number,
                dup: false,
            };
            if let (Some(session), Some(number)) = (kept, number) {
                let op = replayed(session, number, &delivery);
                sink.persist(StoreOp::Publish(Box::new(op)), Urgency::Lazy);
            }
            flow.append(delivery);
        }
        self.page = page;
        self.count_stored(messages, bytes);
        if let (Some(session), Some(filter)) = (durable, done) {
            sink.persist(StoreOp::Replayed { session, filter }, Urgency::Lazy);
        }
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

/// Whether a retained message on its way to a durable session is kept for it.
fn keeps_replay(view: &MessageView<'_>, qos: QoS) -> bool {
    qos > QoS::AtMostOnce && !is_own(view.topic)
}

/// A retained message that waits in a durable session's queue, as the store keeps it.
fn replayed(session: SessionNo, number: MessageNo, delivery: &Delivery) -> PublishOp {
    let receipt = Receipt {
        session,
        qos: delivery.qos,
        retain: true,
        extra: delivery.extra.clone(),
        packet_id: None,
        away: false,
    };
    let row = Row {
        number,
        message: delivery.message.clone(),
        receivers: smallvec![receipt],
    };
    PublishOp {
        number,
        rows: smallvec![row],
        retain: None,
        awaits: 0,
        origin: Origin::Fresh,
    }
}

/// Whether a message that waited may no longer be sent [MQTT-3.3.2-5].
fn is_over(view: &MessageView<'_>, now: Now) -> bool {
    view.is_expired(now.unix)
}
