//! SUBSCRIBE and UNSUBSCRIBE (MQTT 5, 3.8 and 3.10). The index is changed first, then the answer
//! leaves, then retained messages: nothing published after the answer can be missed.

use std::collections::BTreeMap;
use std::sync::Arc;

use mqtt_codec::{
    Packet, Properties, QoS, ReasonCode, RetainHandling, SharedFilter, Suback, Subscribe,
    SubscriptionOptions, TopicFilter, Unsuback, Unsubscribe, Version,
};
use mqtt_session::time::Now;

use super::packets::Next;
use super::{Shard, key};
use crate::auth::Action;
use crate::engine::commons::retained::Cursor;
use crate::engine::event::Event;
use crate::engine::ids::{ConnectionId, SessionId};
use crate::engine::letter::GroupSubscription;
use crate::engine::routing::local::{Extra, Subscriber, Subscription};
use crate::engine::session::Replay;
use crate::engine::sink::Sink;
use crate::engine::store_op::{SavedSubscription, StoreOp, Ticket, Urgency};

impl Shard {
    pub(super) fn handle_subscribe<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        subscribe: &Subscribe<'_>,
        sink: &mut S,
    ) -> Next {
        let version = self.version_of(id);
        let identifier = subscribe
            .properties
            .subscription_identifiers()
            .next()
            .unwrap_or(0);
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut kept = None;
        for (text, options) in subscribe.filters.iter() {
            let granted = self.subscribe(session, version, text, options, identifier, sink);
            reasons.push(match granted {
                Ok((qos, ticket)) => {
                    kept = ticket.or(kept);
                    qos.as_u8()
                }
                Err(ReasonCode::ProtocolError) => {
                    let detail = "No Local on a shared subscription";
                    self.refuse(now, id, ReasonCode::ProtocolError, &detail, sink);
                    return Next::Nothing;
                }
                Err(reason) => match version {
                    Version::V5 => reason.as_u8(),
                    Version::V311 => ReasonCode::UnspecifiedError.as_u8(),
                    // 3.1 has no code for it: granted, and nothing is delivered.
                    Version::V31 => QoS::AtMostOnce.as_u8(),
                },
            });
        }
        let packet_id = subscribe.packet_id;
        let suback = Suback {
            packet_id,
            properties: Properties::EMPTY,
            reasons: &reasons,
        };
        let next = self.send_if_it_fits(now, id, session, &Packet::Suback(suback), kept, sink);
        if next == Next::Packet {
            self.pump(now, session, sink);
        }
        next
    }

    /// Makes or replaces one subscription and returns the granted QoS, and what the answer has to
    /// wait for.
    fn subscribe<S: Sink>(
        &mut self,
        session: SessionId,
        version: Version,
        text: &str,
        options: SubscriptionOptions,
        identifier: u32,
        sink: &mut S,
    ) -> Result<(QoS, Option<Ticket>), ReasonCode> {
        let filter = TopicFilter::parse(text).map_err(|_| ReasonCode::TopicFilterInvalid)?;
        if text.bytes().filter(|byte| *byte == b'/').count() > self.settings.topic_slashes_max {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        let Some(state) = self.sessions.get(key(session)) else {
            return Err(ReasonCode::UnspecifiedError);
        };
        let shared = SharedFilter::parse(filter);
        if shared.is_some() && options.no_local {
            return Err(ReasonCode::ProtocolError);
        }
        let user_name = state.user_name.as_deref();
        let matched_text = shared.map_or(text, |shared| shared.filter.as_str());
        let allowed = state.internal
            || self.settings.policy.may(
                &state.client_id,
                user_name,
                Action::Subscribe,
                matched_text,
            );
        if !allowed {
            return Err(ReasonCode::NotAuthorized);
        }
        let mut options = options;
        if let Some(rules) = self.settings.listeners.get(usize::from(state.listener)) {
            options.qos = options.qos.min(rules.max_qos);
        }
        if state.bridge && !version.is_v5() {
            options.no_local = shared.is_none();
            options.retain_as_published = true;
        }
        let full = state.filters.len() >= self.settings.subscriptions_max
            || state.filters.bytes() + text.len() > self.settings.filter_bytes_max;
        if full && !state.filters.contains(text) {
            return Err(ReasonCode::QuotaExceeded);
        }
        let filter_text: Arc<str> = text.into();
        let existed = if let Some(shared) = shared {
            let existed = state.filters.contains(text);
            let subscription = GroupSubscription {
                options,
                identifier,
            };
            self.join_group(session, shared, subscription, existed, sink);
            existed
        } else {
            self.enter_session(session, &filter_text, options, identifier)
        };
        self.tell_subscribed(session, text, options.qos, sink);
        self.note_subscription(session, &filter_text, shared.is_some(), existed);
        let wants_retained = match options.retain_handling {
            _ if shared.is_some() => false,
            _ if !version.is_v5() => true,
            RetainHandling::Always => true,
            RetainHandling::IfNew => !existed,
            RetainHandling::Never => false,
        };
        if wants_retained {
            self.ask_for_retained(session, Arc::clone(&filter_text), options, identifier);
        } else {
            self.change_replay(session, text, options, identifier);
        }
        let kept = self.keep_subscription(session, filter_text, options, identifier, sink);
        Ok((options.qos, kept))
    }

    fn keep_subscription<S: Sink>(
        &mut self,
        session: SessionId,
        filter: Arc<str>,
        options: SubscriptionOptions,
        identifier: u32,
        sink: &mut S,
    ) -> Option<Ticket> {
        let replays = self.sessions.get(key(session))?.replays.as_ref();
        let subscription = SavedSubscription {
            replays: replays.is_some_and(|replays| replays.contains_key(&filter)),
            filter,
            options,
            identifier,
        };
        let op = |session| StoreOp::Subscribe {
            session,
            subscription,
        };
        self.keep_for(session, op, Urgency::Awaited, sink)
    }

    /// Enters a session's subscription. Whether it had it before.
    pub(super) fn enter_session(
        &mut self,
        session: SessionId,
        filter: &Arc<str>,
        options: SubscriptionOptions,
        identifier: u32,
    ) -> bool {
        let subscription = Subscription {
            subscriber: Subscriber::Session(session.index),
            options,
            identifier,
        };
        let existed = self.enter(filter, subscription);
        if !existed {
            self.enter_durable(session, filter);
        }
        existed
    }

    /// A durable session has a subscription more: other shards have to know whether there is any.
    fn enter_durable(&mut self, session: SessionId, filter: &Arc<str>) {
        if self.commons.shards == 1 || self.durable_no(session).is_none() {
            return;
        }
        let count = self.durable_filters.entry(Arc::clone(filter)).or_default();
        *count += 1;
        if *count == 1 {
            self.commons.interest.set_durable(filter, self.id, true);
        }
    }

    /// A durable session has a subscription less, or is durable no longer.
    fn leave_durable(&mut self, session: SessionId, filter: &str) {
        if self.commons.shards == 1 || self.durable_no(session).is_none() {
            return;
        }
        let Some(count) = self.durable_filters.get_mut(filter) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.durable_filters.remove(filter);
            self.commons.interest.set_durable(filter, self.id, false);
        }
    }

    /// A session that goes on is durable no longer.
    pub(super) fn forget_durable<S: Sink>(&mut self, session: SessionId, sink: &mut S) {
        let Some(state) = self.sessions.get(key(session)) else {
            return;
        };
        let filters: Vec<Arc<str>> = state.filters.iter().map(Arc::clone).collect();
        for filter in filters {
            if let Some(shared) = SharedFilter::parse(TopicFilter::trusted(&filter)) {
                self.stay_in_group(session, shared, sink);
            } else {
                self.leave_durable(session, &filter);
            }
        }
        if let Some(state) = self.sessions.get_mut(key(session)) {
            state.durable = None;
        }
    }

    /// Enters a subscription into the index and, if it is the first of its filter here, tells the
    /// other shards. Whether the subscriber had it before.
    pub(super) fn enter(&mut self, filter: &Arc<str>, subscription: Subscription) -> bool {
        let change = self.index.subscribe(filter, subscription);
        if change.edge && self.commons.shards > 1 {
            self.commons.interest.enter(filter, self.id);
        }
        change.existed
    }

    /// Takes a subscription out of the index.
    pub(super) fn leave(&mut self, filter: &str, subscriber: Subscriber) -> bool {
        let change = self.index.unsubscribe(filter, subscriber);
        if change.edge && self.commons.shards > 1 {
            self.commons.interest.leave(filter, self.id);
        }
        change.existed
    }

    pub(super) fn note_subscription(
        &mut self,
        session: SessionId,
        filter: &Arc<str>,
        shared: bool,
        known: bool,
    ) {
        if known {
            return;
        }
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        state.filters.insert(Arc::clone(filter));
        if shared {
            self.tally.shared_subscriptions += 1;
        } else {
            self.tally.subscriptions += 1;
        }
    }

    pub(super) fn ask_for_retained(
        &mut self,
        session: SessionId,
        filter: Arc<str>,
        options: SubscriptionOptions,
        identifier: u32,
    ) {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        if self.commons.retained.count() == 0 {
            // Nor is anything left to be sent for the subscription that this one replaces.
            if let Some(replays) = &mut state.replays {
                replays.remove(&filter);
            }
            return;
        }
        let extra = extra_of(identifier);
        let replays = state
            .replays
            .get_or_insert_with(|| Box::new(BTreeMap::new()));
        let replay = Replay {
            options,
            extra,
            cursor: Cursor::default(),
        };
        // The same filter again means: from the beginning.
        replays.insert(filter, replay);
    }

    /// A subscription is replaced while retained messages are still to be sent for it: the new terms
    /// hold for them.
    fn change_replay(
        &mut self,
        session: SessionId,
        filter: &str,
        options: SubscriptionOptions,
        identifier: u32,
    ) {
        let state = self.sessions.get_mut(key(session));
        let replays = state.and_then(|state| state.replays.as_mut());
        if let Some(replay) = replays.and_then(|replays| replays.get_mut(filter)) {
            replay.options = options;
            replay.extra = extra_of(identifier);
        }
    }

    pub(super) fn handle_unsubscribe<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        unsubscribe: &Unsubscribe<'_>,
        sink: &mut S,
    ) -> Next {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        let mut kept = None;
        for text in unsubscribe.filters.iter() {
            let (reason, ticket) = self.unsubscribe(session, text, sink);
            reasons.push(reason.as_u8());
            kept = ticket.or(kept);
        }
        let packet_id = unsubscribe.packet_id;
        let unsuback = Unsuback {
            packet_id,
            properties: Properties::EMPTY,
            reasons: &reasons,
        };
        self.send_if_it_fits(now, id, session, &Packet::Unsuback(unsuback), kept, sink)
    }

    fn unsubscribe<S: Sink>(
        &mut self,
        session: SessionId,
        text: &str,
        sink: &mut S,
    ) -> (ReasonCode, Option<Ticket>) {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return (ReasonCode::NoSubscriptionExisted, None);
        };
        let Some(filter) = state.filters.remove(text) else {
            let reason = match TopicFilter::parse(text) {
                Ok(_) => ReasonCode::NoSubscriptionExisted,
                Err(_) => ReasonCode::TopicFilterInvalid,
            };
            return (reason, None);
        };
        if let Some(replays) = &mut state.replays {
            replays.remove(&filter);
        }
        if !state.internal {
            let client_id = &state.client_id;
            sink.tell(Event::Unsubscribed {
                client_id,
                filter: text,
            });
        }
        self.drop_subscription(session, &filter, sink);
        let op = |session| StoreOp::Unsubscribe { session, filter };
        let kept = self.keep_for(session, op, Urgency::Awaited, sink);
        (ReasonCode::Success, kept)
    }

    /// Takes one of a session's filters out of every index.
    pub(super) fn drop_subscription<S: Sink>(
        &mut self,
        session: SessionId,
        filter: &Arc<str>,
        sink: &mut S,
    ) {
        if let Some(shared) = SharedFilter::parse(TopicFilter::trusted(filter)) {
            self.leave_group(session, shared, sink);
            self.tally.shared_subscriptions = self.tally.shared_subscriptions.saturating_sub(1);
        } else {
            self.leave_durable(session, filter);
            self.leave(filter, Subscriber::Session(session.index));
            self.tally.subscriptions = self.tally.subscriptions.saturating_sub(1);
        }
    }

    fn tell_subscribed<S: Sink>(&self, session: SessionId, filter: &str, qos: QoS, sink: &mut S) {
        if let Some(state) = self
            .sessions
            .get(key(session))
            .filter(|state| !state.internal)
        {
            sink.tell(Event::Subscribed {
                client_id: &state.client_id,
                qos,
                filter,
            });
        }
    }
}

/// What a delivery for one subscription carries.
fn extra_of(identifier: u32) -> Option<Arc<Extra>> {
    (identifier != 0).then(|| {
        Arc::new(Extra {
            identifiers: vec![identifier],
            group: None,
        })
    })
}
