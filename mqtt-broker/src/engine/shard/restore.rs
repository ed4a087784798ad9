//! A start finds what a former life of the broker kept.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{SharedFilter, TopicFilter};
use mqtt_session::inbound::Inbound;
use mqtt_session::outbound::Reopened;
use mqtt_session::time::{Instant, Now, UnixTime};

use super::cold::{as_kept, has_waited, to_usize};
use super::{Shard, key};
use crate::engine::ids::SessionId;
use crate::engine::letter::GroupSubscription;
use crate::engine::session::cold::Cold;
use crate::engine::session::flow::Flow;
use crate::engine::session::will::Will;
use crate::engine::session::{Held, SessionExpiry};
use crate::engine::sink::Sink;
use crate::engine::store_op::{SavedDelivery, SavedSession, SavedSubscription, StoreOp, Urgency};

/// Clients that were connected when the broker ended have at least so long to come back before their
/// wills are published: it was not they who failed (MQTT 5, 3.1.2.5 lets a server wait).
const WILL_DELAY_MIN: Duration = Duration::from_secs(5);

impl Shard {
    /// Whether the sessions of a client id live here.
    #[must_use]
    pub fn is_home_of(&self, client_id: &str) -> bool {
        self.home_of(client_id) == self.id
    }

    /// Takes a session in as it was kept. Its client is not connected. Retained messages have to be
    /// there already, and no connection yet.
    pub fn restore<S: Sink>(&mut self, now: Now, saved: SavedSession, sink: &mut S) {
        let SavedSession {
            session: known,
            away,
            subscriptions,
            held,
            deliveries,
            backlog,
        } = saved;
        let session = self.add_session(known.client_id, known.listener, false);
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        state.durable = Some(known.session);
        state.user_name = known.user_name;
        state.expiry = known.expiry;
        let since = away.map_or(now.unix, |(since, _)| since);
        state.ends = match known.expiry {
            SessionExpiry::After(span) => Some(at(now, since.saturating_add(span))),
            SessionExpiry::AtClose | SessionExpiry::Never => None,
        };
        let due = match away {
            Some((_, due)) => due.map(|due| at(now, due)),
            None => known.will.as_ref().map(|will| {
                let due = now.instant.saturating_add(will.delay.max(WILL_DELAY_MIN));
                state.ends.map_or(due, |ends| ends.min(due))
            }),
        };
        state.will = known.will.filter(|_| due.is_some()).map(|will| {
            Box::new(Will {
                message: will.message,
                expiry: will.expiry,
                delay: will.delay,
                due,
            })
        });
        if !held.is_empty() {
            let mut messages = Inbound::new(NonZeroU16::MAX);
            let mut bytes = 0;
            for (packet_id, message) in held {
                bytes += message.bytes().len() as u64;
                // As many as were open before fit; an id that stands there twice is one message.
                let _kept = messages.handle_qos2(packet_id, || message);
            }
            state.inbound = Some(Box::new(Held { messages, bytes }));
        }
        let cold = Cold::restored(
            backlog,
            self.commons.numbers.before(),
            away.map(|(since, _)| since),
        );
        self.restore_deliveries(session, cold, deliveries, sink);
        for subscription in subscriptions {
            self.restore_subscription(session, subscription, sink);
        }
        if away.is_none() {
            // From now on the time counts, however often the broker ends.
            let due = due.map(|due| now.unix.saturating_add(due.saturating_since(now.instant)));
            self.keep_away(now, session, due, sink);
        }
        self.watch_session(now, session);
        self.uncounted = true;
    }

    fn restore_deliveries<S: Sink>(
        &mut self,
        session: SessionId,
        cold: Cold,
        deliveries: Vec<SavedDelivery>,
        sink: &mut S,
    ) {
        if deliveries.is_empty() && cold.is_empty() {
            return;
        }
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        let mut flow = Flow::new(self.settings.max_inflight_messages);
        let away_since = cold.away_since();
        let mut stored = cold.backlog();
        let cold_bytes = stored.bytes;
        flow.cold = cold;
        let mut over = Vec::new();
        for saved in deliveries {
            let SavedDelivery {
                number,
                message,
                receipt,
            } = saved;
            let Some(message) = message else {
                if let Some(packet_id) = receipt.packet_id {
                    flow.outbound.reopen(packet_id, Reopened::Pubrel);
                }
                continue;
            };
            let waited = has_waited(&receipt, &message, away_since);
            let (packet_id, payload_len) = (receipt.packet_id, message.payload_len());
            let Some(delivery) = as_kept(number, message, receipt, waited) else {
                over.push(number);
                continue;
            };
            stored.add(payload_len, delivery.qos);
            match packet_id {
                Some(packet_id) => {
                    flow.inflight_bytes += payload_len as u64;
                    flow.outbound.reopen(packet_id, Reopened::Qos2(delivery));
                }
                None => flow.append(delivery),
            }
        }
        state.flow = Some(Box::new(flow));
        self.cold_bytes += cold_bytes;
        self.count_stored(stored.messages, to_usize(stored.bytes));
        for number in over {
            self.let_go(session, Some(number), sink);
        }
    }

    fn restore_subscription<S: Sink>(
        &mut self,
        session: SessionId,
        saved: SavedSubscription,
        sink: &mut S,
    ) {
        let SavedSubscription {
            filter,
            options,
            identifier,
            replays,
        } = saved;
        let shared = SharedFilter::parse(TopicFilter::trusted(&filter));
        if let Some(shared) = shared {
            let subscription = GroupSubscription {
                options,
                identifier,
            };
            self.join_group(session, shared, subscription, false, sink);
        } else {
            self.enter_session(session, &filter, options, identifier);
        }
        self.note_subscription(session, &filter, shared.is_some(), false);
        if replays {
            self.ask_for_retained(session, Arc::clone(&filter), options, identifier);
            if self.commons.retained.count() == 0 {
                let replayed = |session| StoreOp::Replayed { session, filter };
                self.keep_for(session, replayed, Urgency::Lazy, sink);
            }
        }
    }
}

/// When a moment of the calendar comes, or now if it is past.
fn at(now: Now, then: UnixTime) -> Instant {
    now.instant.saturating_add(then.saturating_since(now.unix))
}
