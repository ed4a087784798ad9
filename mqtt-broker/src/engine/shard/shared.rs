//! Shared subscriptions: members join the shard that looks after their group, and that shard chooses
//! who gets a message.

use std::sync::Arc;

use mqtt_codec::SharedFilter;
use mqtt_session::time::Now;

use super::deliver::{Outcome, group_of};
use super::write::Frames;
use super::{Shard, key};
use crate::engine::commons::membership::{Change, What};
use crate::engine::envelope::{Message, MessageView};
use crate::engine::ids::{SessionAddress, SessionId, ShardId};
use crate::engine::letter::{GroupSubscription, Letter};
use crate::engine::limits::Settings;
use crate::engine::routing::groups::{Member, Readiness, terms_of};
use crate::engine::routing::local::{Subscriber, Subscription};
use crate::engine::session::Session;
use crate::engine::session::flow::{Delivery, Flow};
use crate::engine::sink::Sink;
use crate::engine::store_op::{MessageNo, Origin, SessionNo, Urgency};
use mqtt_codec::QoS;

/// The name of a group: (share name, filter) over the whole broker.
fn group_key(shared: SharedFilter<'_>) -> Arc<str> {
    format!("{}/{}", shared.share_name, shared.filter.as_str()).into()
}

/// The filter of a group. A share name has no `/`, so the first one ends it.
fn filter_of(group: &str) -> &str {
    group.split_once('/').map_or("", |(_, filter)| filter)
}

impl Shard {
    pub(super) fn join_group<S: Sink>(
        &mut self,
        session: SessionId,
        shared: SharedFilter<'_>,
        subscription: GroupSubscription,
        known: bool,
        sink: &mut S,
    ) {
        let group = group_key(shared);
        let home = self.home_of(&group);
        let durable = self.durable_no(session).is_some();
        if self.commons.shards > 1 && !known {
            // On behalf of the group's shard, and before SUBACK: who publishes knowing of the SUBACK
            // has to find it.
            let filter = shared.filter.as_str().into();
            self.commons.interest.enter_group(&filter, home, durable);
        }
        let member = self.address_of(session);
        let join = What::Join {
            subscription,
            durable,
            online: self.connection_of(session).is_some(),
        };
        self.tell_group(home, &group, member, join, sink);
    }

    /// Tells the shard that looks after a group what one of its members does.
    fn tell_group<S: Sink>(
        &mut self,
        home: ShardId,
        group: &Arc<str>,
        member: SessionAddress,
        what: What,
        sink: &mut S,
    ) {
        if home == self.id {
            self.take_in(group, member, what);
        } else if let Some(membership) = self.commons.memberships.get(home.index()) {
            let group = (&**group).into();
            if membership.write(Change {
                group,
                member,
                what,
            }) {
                sink.outbox(home).push(Letter::Membership);
            }
        }
    }

    /// Takes in what members on other shards wrote.
    pub(super) fn take_in_members(&mut self) {
        let Some(membership) = self.commons.memberships.get(self.id.index()) else {
            return;
        };
        for Change {
            group,
            member,
            what,
        } in membership.take()
        {
            self.take_in(&group.into(), member, what);
        }
    }

    fn take_in(&mut self, group: &Arc<str>, member: SessionAddress, what: What) {
        match what {
            What::Join {
                subscription,
                durable,
                online,
            } => {
                let terms = terms_of(group, subscription);
                let member = Member {
                    address: member,
                    subscription,
                    terms,
                    online,
                    durable,
                };
                self.join_here(group, member);
            }
            What::Leave => self.leave_here(group, member),
            What::Presence(online) => self.groups.change(group, member, |m| m.online = online),
            What::NotDurable => self.groups.change(group, member, |m| m.durable = false),
        }
    }

    fn join_here(&mut self, group: &Arc<str>, member: Member) {
        let options = member.subscription.options;
        let Some(number) = self.groups.join(group, member) else {
            return;
        };
        let filter: Arc<str> = filter_of(group).into();
        let subscriber = Subscriber::Group(number);
        self.enter(
            &filter,
            Subscription {
                subscriber,
                options,
                identifier: 0,
            },
        );
        self.group_filters.insert(number, filter);
    }

    pub(super) fn leave_group<S: Sink>(
        &mut self,
        session: SessionId,
        shared: SharedFilter<'_>,
        sink: &mut S,
    ) {
        let group = group_key(shared);
        let home = self.home_of(&group);
        if self.commons.shards > 1 {
            let (filter, durable) = (shared.filter.as_str(), self.durable_no(session).is_some());
            self.commons.interest.leave_group(filter, home, durable);
        }
        let member = self.address_of(session);
        self.tell_group(home, &group, member, What::Leave, sink);
    }

    /// A member's session is durable no longer.
    pub(super) fn stay_in_group<S: Sink>(
        &mut self,
        session: SessionId,
        shared: SharedFilter<'_>,
        sink: &mut S,
    ) {
        let group = group_key(shared);
        let home = self.home_of(&group);
        if self.commons.shards > 1 {
            let filter = shared.filter.as_str();
            self.commons
                .interest
                .enter_group(&filter.into(), home, false);
            self.commons.interest.leave_group(filter, home, true);
        }
        let member = self.address_of(session);
        self.tell_group(home, &group, member, What::NotDurable, sink);
    }

    fn leave_here(&mut self, group: &str, member: SessionAddress) {
        let Some(number) = self.groups.leave(group, member) else {
            return;
        };
        if let Some(filter) = self.group_filters.remove(&number) {
            self.leave(&filter, Subscriber::Group(number));
        }
    }

    /// A session's client came or went: its groups hear of it.
    pub(super) fn tell_groups<S: Sink>(&mut self, session: SessionId, online: bool, sink: &mut S) {
        let Some(state) = self.sessions.get(key(session)) else {
            return;
        };
        let shared: Vec<Arc<str>> = state
            .filters
            .iter()
            .filter_map(|filter| SharedFilter::parse(mqtt_codec::TopicFilter::trusted(filter)))
            .map(group_key)
            .collect();
        let member = self.address_of(session);
        for group in shared {
            let home = self.home_of(&group);
            self.tell_group(home, &group, member, What::Presence(online), sink);
        }
    }

    /// Gives a message to one member: the next in turn who can take it at once, else one who is
    /// connected, else one who will be. Who takes no packet so large passes it on.
    pub(super) fn deliver_to_group<S: Sink>(
        &mut self,
        now: Now,
        number: u32,
        view: &MessageView<'_>,
        frames: &mut Frames,
        sink: &mut S,
    ) {
        let mut tried = Vec::new();
        loop {
            let Self {
                groups,
                sessions,
                settings,
                id,
                ..
            } = self;
            let chosen = groups.choose(number, &tried, |member| {
                if member.address.shard == *id {
                    readiness(sessions.get(key(member.address.session)), settings, sink)
                } else if member.online {
                    Readiness::Ready
                } else {
                    Readiness::Offline
                }
            });
            let Some((group, member)) = chosen else {
                return;
            };
            let address = member.address;
            if address.shard != self.id {
                let message = frames.message(view, &mut self.scratch);
                let subscription = member.subscription;
                let group = (&*group).into();
                let qos = subscription.options.qos.min(view.head.qos);
                let kept = frames.keeping.is_on() && member.durable && qos > QoS::AtMostOnce;
                let owed_to = kept.then(|| frames.keeping.owed(&self.commons.numbers));
                let letter = Letter::Deliver {
                    member: address,
                    group,
                    subscription,
                    message,
                    owed_to,
                };
                sink.outbox(address.shard).push(letter);
                return;
            }
            let index = address.session.index;
            if self.sessions.get(key(address.session)).is_some()
                && self.deliver(now, index, &member.terms, view, frames, sink) != Outcome::TooLarge
            {
                return;
            }
            tried.push(address);
        }
    }

    /// A message of a group that another shard chose one of our sessions for. [`Self::keep`] comes
    /// next.
    pub(super) fn deliver_to_member<S: Sink>(
        &mut self,
        now: Now,
        member: SessionAddress,
        (group, subscription): (&str, GroupSubscription),
        message: &Message,
        owed_to: Option<MessageNo>,
        sink: &mut S,
    ) {
        if self.sessions.get(key(member.session)).is_none() {
            return self.redeliver(now, group, message, owed_to, sink);
        }
        let terms = terms_of(&group.into(), subscription);
        let session = member.session.index;
        self.route_to_one(now, session, &terms, message, owed_to, sink);
    }

    /// What an ended session leaves of its groups' messages goes to other members: QoS 1 always, QoS 2
    /// only if it was never sent [MQTT-4.8.2-5]. `durable` is the number of the session, if it had one.
    pub(super) fn pass_on<S: Sink>(
        &mut self,
        now: Now,
        durable: Option<SessionNo>,
        deliveries: impl Iterator<Item = Delivery>,
        sink: &mut S,
    ) {
        for delivery in deliveries {
            let Some(group) = group_of(delivery.extra.as_ref()) else {
                continue;
            };
            let origin = match (durable, delivery.number) {
                (Some(session), Some(number)) => Origin::Moved { session, number },
                _ => Origin::Fresh,
            };
            self.redeliver(now, group, &delivery.message, None, sink);
            self.keep(origin, None, Urgency::Lazy, sink);
        }
    }

    /// Chooses another member for a message that may still be delivered. [`Self::keep`] comes next.
    pub(super) fn redeliver<S: Sink>(
        &mut self,
        now: Now,
        group: &str,
        message: &Message,
        owed_to: Option<MessageNo>,
        sink: &mut S,
    ) {
        let view = message.view();
        let home = self.home_of(group);
        if home != self.id {
            let mut frames = self.begin(&view, Some(message), owed_to);
            let kept = frames.keeping.is_on() && view.head.qos > QoS::AtMostOnce;
            let owed_to = kept.then(|| frames.keeping.owed(&self.commons.numbers));
            self.frames = frames;
            let (group, message) = (group.into(), message.clone());
            sink.outbox(home).push(Letter::Redeliver {
                group,
                message,
                owed_to,
            });
            return;
        }
        self.take_in_members();
        let alive = !view.is_expired(now.unix);
        let number = self.groups.number(group).filter(|_| alive);
        self.route_to_group(now, number, message, owed_to, sink);
    }
}

/// How well one of this shard's own sessions can take a message.
fn readiness<S: Sink>(session: Option<&Session>, settings: &Settings, sink: &mut S) -> Readiness {
    let Some((session, online)) = session.and_then(|s| Some((s, s.online.as_ref()?))) else {
        return Readiness::Offline;
    };
    let waits = |flow: &Flow| flow.is_behind() || !flow.has_room(settings);
    if session.flow.as_deref().is_some_and(waits) || sink.out(online.connection).is_full() {
        Readiness::Busy
    } else {
        Readiness::Ready
    }
}
