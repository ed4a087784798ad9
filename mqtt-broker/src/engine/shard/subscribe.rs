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
        for (text, options) in subscribe.filters.iter() {
            let granted = self.subscribe(session, version, text, options, identifier, sink);
            reasons.push(match granted {
                Ok(qos) => qos.as_u8(),
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
        let next = self.send_if_it_fits(now, id, session, &Packet::Suback(suback), sink);
        if next == Next::Packet {
            self.pump(now, session, sink);
        }
        next
    }

    /// Makes or replaces one subscription and returns the granted QoS.
    fn subscribe<S: Sink>(
        &mut self,
        session: SessionId,
        version: Version,
        text: &str,
        options: SubscriptionOptions,
        identifier: u32,
        sink: &mut S,
    ) -> Result<QoS, ReasonCode> {
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
        let known = state.filters.len();
        let full = known >= self.settings.subscriptions_max && !state.filters.contains(text);
        if full {
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
            let subscriber = Subscriber::Session(session.index);
            let subscription = Subscription {
                subscriber,
                options,
                identifier,
            };
            self.enter(&filter_text, subscription)
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
            self.ask_for_retained(session, filter_text, options, identifier);
        }
        Ok(options.qos)
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

    fn note_subscription(
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

    fn ask_for_retained(
        &mut self,
        session: SessionId,
        filter: Arc<str>,
        options: SubscriptionOptions,
        identifier: u32,
    ) {
        if self.commons.retained.count() == 0 {
            return;
        }
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return;
        };
        let extra = (identifier != 0).then(|| {
            Arc::new(Extra {
                identifiers: vec![identifier],
                group: None,
            })
        });
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

    pub(super) fn handle_unsubscribe<S: Sink>(
        &mut self,
        now: Now,
        id: ConnectionId,
        session: SessionId,
        unsubscribe: &Unsubscribe<'_>,
        sink: &mut S,
    ) -> Next {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for text in unsubscribe.filters.iter() {
            reasons.push(self.unsubscribe(session, text, sink).as_u8());
        }
        let packet_id = unsubscribe.packet_id;
        let unsuback = Unsuback {
            packet_id,
            properties: Properties::EMPTY,
            reasons: &reasons,
        };
        self.send_if_it_fits(now, id, session, &Packet::Unsuback(unsuback), sink)
    }

    fn unsubscribe<S: Sink>(&mut self, session: SessionId, text: &str, sink: &mut S) -> ReasonCode {
        let Some(state) = self.sessions.get_mut(key(session)) else {
            return ReasonCode::NoSubscriptionExisted;
        };
        let Some(filter) = state.filters.remove(text) else {
            let valid = TopicFilter::parse(text).is_ok();
            return if valid {
                ReasonCode::NoSubscriptionExisted
            } else {
                ReasonCode::TopicFilterInvalid
            };
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
        ReasonCode::Success
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
