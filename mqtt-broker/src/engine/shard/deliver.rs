//! A message to its receivers: matched once, then sent to each or put into its queue.

use std::sync::Arc;

use mqtt_codec::{QoS, TopicName};
use mqtt_session::time::Now;

use super::Shard;
use super::publish::Scope;
use super::write::{Frames, Outgoing};
use crate::engine::commons::interest::Wanted;
use crate::engine::envelope::{Message, MessageView};
use crate::engine::event::Event;
use crate::engine::ids::SessionId;
use crate::engine::letter::Letter;
use crate::engine::out_queue::SHARED_PAYLOAD_MIN;
use crate::engine::routing::local::{Extra, Own, Terms};
use crate::engine::session::flow::{Delivery, Flow};
use crate::engine::sink::Sink;
use crate::engine::store_op::{MessageNo, Receipt, SessionNo};

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

impl Shard {
    /// The buffers for a message that is now brought to its receivers.
    pub(super) fn begin(
        &mut self,
        view: &MessageView<'_>,
        message: Option<&Message>,
        owed_to: Option<MessageNo>,
    ) -> Frames {
        let mut frames = std::mem::take(&mut self.frames);
        frames.begin(message.cloned());
        let off = !self.settings.durable || is_own(view.topic) || self.is_free(view);
        frames.keeping.begin(off, owed_to);
        frames
    }

    /// Brings a message to all who want it; `message` is its block if it is at rest already. Whether
    /// anybody wanted it, here or on another shard. [`Self::keep`] comes next.
    pub(super) fn route<S: Sink>(
        &mut self,
        now: Now,
        view: &MessageView<'_>,
        message: Option<&Message>,
        publisher: Option<SessionId>,
        scope: Scope,
        sink: &mut S,
    ) -> bool {
        let owed_to = match scope {
            Scope::Everywhere => None,
            Scope::Here { owed_to } => owed_to,
        };
        let mut frames = self.begin(view, message, owed_to);
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
        if scope == Scope::Everywhere && !found.remote.by.is_empty() {
            self.write_letters(found.remote, view, &mut frames, sink);
        }
        self.frames = frames;
        !found.targets.is_empty() || !found.groups.is_empty() || !found.remote.by.is_empty()
    }

    /// Tells the other shards that want a message.
    fn write_letters<S: Sink>(
        &mut self,
        wanted: Wanted,
        view: &MessageView<'_>,
        frames: &mut Frames,
        sink: &mut S,
    ) {
        let shared = view.payload.len() >= SHARED_PAYLOAD_MIN;
        let kept = frames.keeping.is_on() && view.head.qos > QoS::AtMostOnce;
        for shard in wanted.by.iter() {
            let owed_to = (kept && wanted.durable.contains(shard))
                .then(|| frames.keeping.owed(&self.commons.numbers));
            if shared {
                let message = frames.message(view, &mut self.scratch);
                let letter = Letter::PublishShared { message, owed_to };
                sink.outbox(shard).push(letter);
            } else {
                sink.outbox(shard).push_publish(view, owed_to);
            }
        }
    }

    /// Brings a message to one group, if there is one.
    pub(super) fn route_to_group<S: Sink>(
        &mut self,
        now: Now,
        group: Option<u32>,
        message: &Message,
        owed_to: Option<MessageNo>,
        sink: &mut S,
    ) {
        let view = message.view();
        let mut frames = self.begin(&view, Some(message), owed_to);
        if let Some(group) = group {
            self.deliver_to_group(now, group, &view, &mut frames, sink);
        }
        self.frames = frames;
    }

    /// Brings a message to one session.
    pub(super) fn route_to_one<S: Sink>(
        &mut self,
        now: Now,
        session: u32,
        terms: &Terms,
        message: &Message,
        owed_to: Option<MessageNo>,
        sink: &mut S,
    ) {
        let view = message.view();
        let mut frames = self.begin(&view, Some(message), owed_to);
        self.deliver(now, session, terms, &view, &mut frames, sink);
        self.frames = frames;
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
        // [MQTT-3.3.2-5] It may have waited between two shards.
        if view.has_run_out(now.unix) {
            return Outcome::Dropped;
        }
        let qos = self.settings.qos_towards(terms.qos, view.head.qos);
        let qos = towards_durable(qos, state.durable, view.topic);
        let retain = view.head.retain && terms.retain_as_published;
        let outgoing = Outgoing {
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
            // What comes through a group overtakes what waits in the store.
            let shared = group_of(terms.extra.as_ref()).is_some();
            let window = online.window;
            let full = sink.out(online.connection).is_full();
            let flow = state
                .flow
                .get_or_insert_with(|| Box::new(Flow::new(window)));
            if !full
                && flow.queue.is_empty()
                && (shared || flow.cold.is_empty())
                && flow.has_room(&self.settings)
                && state.replays.is_none()
            {
                return self.start(now, session, terms, outgoing, view, frames, sink);
            }
        }
        self.enqueue(session, terms, (qos, retain), view, frames, sink)
    }

    /// Sends a message of QoS 1 or 2 to a client that can take it at once. QoS 2 leaves once it is
    /// kept, if it is to be.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of one message on its way"
    )]
    fn start<S: Sink>(
        &mut self,
        now: Now,
        session: u32,
        terms: &Terms,
        mut outgoing: Outgoing<'_>,
        view: &MessageView<'_>,
        frames: &mut Frames,
        sink: &mut S,
    ) -> Outcome {
        let Some(state) = self.sessions.at_mut(session) else {
            return Outcome::Dropped;
        };
        let (Some(online), Some(flow)) = (&state.online, &mut state.flow) else {
            return Outcome::Dropped;
        };
        let (qos, retain) = (outgoing.qos, outgoing.retain);
        let message = frames.message(view, &mut self.scratch);
        let kept = state.durable.filter(|_| frames.keeping.is_on());
        let numbers = &self.commons.numbers;
        let number = kept.map(|_| frames.keeping.number_for(&mut state.last_kept, numbers));
        let delivery = Delivery {
            message: message.clone(),
            extra: terms.extra.clone(),
            qos,
            retain,
            number,
            dup: false,
        };
        if let Some(number) = number.filter(|_| delivery.is_paged()) {
            flow.cold.note(number);
        }
        let packet_id = flow.outbound.start(qos, delivery);
        flow.inflight_bytes += view.payload.len() as u64;
        let connection = online.connection;
        self.count_stored(1, view.payload.len());
        outgoing.packet_id = Some(packet_id);
        let receipt = kept.map(|kept| receipt(kept, terms, (qos, retain)));
        let kept = number.zip(receipt);
        if let (QoS::ExactlyOnce, Some((number, receipt))) = (qos, &kept) {
            let receipt = Receipt {
                packet_id: Some(packet_id),
                ..receipt.clone()
            };
            frames.keeping.add(*number, receipt);
            frames.keeping.send_later(connection, packet_id);
            return Outcome::Taken;
        }
        let message = Some(&message);
        let outcome = self.write(now, session, &outgoing, view, Some(frames), message, sink);
        if let (Outcome::Taken, Some((number, receipt))) = (outcome, kept) {
            frames.keeping.add(number, receipt);
        }
        outcome
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
        let connected = self.page_connected();
        let is_free = self.is_free(view);
        let Some(state) = self.sessions.at_mut(session) else {
            return Outcome::Dropped;
        };
        let window = state.window(self.settings.max_inflight_messages);
        let flow = state
            .flow
            .get_or_insert_with(|| Box::new(Flow::new(window)));
        if is_free && !flow.cold.is_empty() {
            // It cannot stand behind what waits in the store alone, and must not overtake that.
            self.tally.publishes_dropped += 1;
            return Outcome::Dropped;
        }
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
        let away = state.online.is_none();
        let kept = state
            .durable
            .filter(|_| frames.keeping.is_on())
            .filter(|_| away || qos > QoS::AtMostOnce || flow.cold.backlog().qos_0 > 0);
        let numbers = &self.commons.numbers;
        let number = kept.map(|_| frames.keeping.number_for(&mut state.last_kept, numbers));
        let delivery = Delivery {
            message,
            extra: terms.extra.clone(),
            qos,
            retain,
            number,
            dup: false,
        };
        let page = if away { self.settings.page } else { connected };
        let cold = number.filter(|_| delivery.is_paged() && flow.has_page(page));
        if let (Some(session), Some(number)) = (kept, number) {
            let receipt = Receipt {
                away: away || cold.is_some(),
                ..receipt(session, terms, (qos, retain))
            };
            frames.keeping.add(number, receipt);
        }
        match cold {
            Some(number) => {
                flow.cold.add(number, view.payload.len(), qos);
                self.cold_bytes += view.payload.len() as u64;
            }
            None => flow.append(delivery),
        }
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
}

/// What the broker says of itself is not kept: it is said anew after a start.
pub(super) fn is_own(topic: TopicName<'_>) -> bool {
    topic.as_str().starts_with("$SYS/")
}

/// A QoS 2 delivery to a durable session must outlive a crash, or its packet id would; what is not kept
/// goes at QoS 1.
pub(super) fn towards_durable(qos: QoS, durable: Option<SessionNo>, topic: TopicName<'_>) -> QoS {
    if durable.is_some() && is_own(topic) {
        qos.min(QoS::AtLeastOnce)
    } else {
        qos
    }
}

/// What a durable session is to get, as the store keeps it.
fn receipt(session: SessionNo, terms: &Terms, (qos, retain): (QoS, bool)) -> Receipt {
    Receipt {
        session,
        qos,
        retain,
        extra: terms.extra.clone(),
        packet_id: None,
        away: false,
    }
}

/// Terms of a session that is served by itself: a member of a group.
pub(super) fn group_of(extra: Option<&Arc<Extra>>) -> Option<&Arc<str>> {
    extra.and_then(|extra| extra.group.as_ref())
}
