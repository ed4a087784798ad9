//! What clients publish, and what they subscribe to.

use mqtt_codec::{Properties, PropertiesBuf, Property, QoS, RetainHandling, SubscriptionOptions};
use mqtt_session::client::Publication;
use mqtt_session::time::Instant;

use super::model::Message;
use super::payload;
use super::plan::{Lasts, WATCHER};
use super::topics::{self, FIRST_SHARED, Filter, OPEN_TOPICS, TOPICS, Topic};
use super::world::{Request, World};

impl World {
    pub(super) fn publish_something(&mut self, slot: usize) {
        if slot == WATCHER {
            return;
        }
        let topic = if self.dice.chance(2) {
            topics::FORBIDDEN
        } else {
            self.dice.below(OPEN_TOPICS) as Topic
        };
        let qos = *self.dice.pick(&[
            QoS::AtMostOnce,
            QoS::AtLeastOnce,
            QoS::AtLeastOnce,
            QoS::ExactlyOnce,
            QoS::ExactlyOnce,
        ]);
        let retain = self.dice.chance(15);
        let clears = retain && qos > QoS::AtMostOnce && self.dice.chance(25);
        let size = match self.dice.below(20) {
            0 => payload::SIZES[3],
            1 => payload::SIZES[4],
            _ => payload::SIZES[self.dice.below(3)],
        };
        let size = if clears { 0 } else { size };
        let expiry = self.clients[slot].actor.plan.version.is_v5() && self.dice.chance(5);
        let expiry = expiry.then(|| self.dice.range(0, 4) as u32);
        self.publish(slot, topic, qos, retain, size, expiry);
    }

    pub(super) fn publish(
        &mut self,
        slot: usize,
        topic: Topic,
        qos: QoS,
        retain: bool,
        size: usize,
        expiry: Option<u32>,
    ) {
        let number = self.model.next_number();
        let body = if size == 0 {
            bytes::Bytes::new()
        } else {
            payload::of(number, size)
        };
        let mut properties = PropertiesBuf::new();
        if let Some(seconds) = expiry {
            properties.push(Property::MessageExpiryInterval(seconds));
        }
        let publication = Publication::new(TOPICS[usize::from(topic)], body)
            .qos(qos)
            .retain(retain)
            .properties(properties.as_properties());
        let client = &mut self.clients[slot];
        let now = Instant::from_millis(self.now);
        let Ok(id) = client.actor.session.publish(now, &publication) else {
            return;
        };
        client.actor.note(id.get(), number);
        if qos > QoS::AtMostOnce {
            client.open.insert(number);
        }
        self.counts.published[usize::from(qos.as_u8())] += 1;
        self.trace.say(&[u64::from(number), u64::from(topic)], || {
            let topic = TOPICS[usize::from(topic)];
            format!("c{slot} publishes message {number} to {topic} at {qos:?}, retain {retain}")
        });
        self.model.publish(Message {
            publisher: slot,
            topic,
            qos,
            retain,
            size,
            expires: expiry.is_some(),
            refused: false,
            will: false,
            sent_at: 0,
            acked: false,
            sends: 1,
            crashes: 0,
        });
    }

    pub(super) fn subscribe(&mut self, slot: usize, filter: Filter) {
        let version = self.clients[slot].actor.plan.version;
        let qos = if topics::is_shared(filter) {
            self.plan.group_qos[usize::from(filter) - FIRST_SHARED]
        } else if slot == WATCHER {
            QoS::ExactlyOnce
        } else {
            *self.dice.pick(&[
                QoS::AtMostOnce,
                QoS::AtLeastOnce,
                QoS::ExactlyOnce,
                QoS::ExactlyOnce,
            ])
        };
        let mut options = SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        if version.is_v5() && !topics::is_shared(filter) && slot != WATCHER {
            options.no_local = self.dice.chance(20);
            options.retain_as_published = self.dice.chance(20);
            options.retain_handling = *self.dice.pick(&[
                RetainHandling::Always,
                RetainHandling::IfNew,
                RetainHandling::Never,
            ]);
        }
        self.subscribe_as(slot, filter, options);
    }

    pub(super) fn subscribe_as(
        &mut self,
        slot: usize,
        filter: Filter,
        options: SubscriptionOptions,
    ) {
        let client = &mut self.clients[slot];
        let Some((at, _)) = client.actor.link.and_then(|link| self.facts[link].session) else {
            return;
        };
        let now = Instant::from_millis(self.now);
        let text = topics::FILTERS[usize::from(filter)];
        let is_v5 = client.actor.plan.version.is_v5();
        let asked = client
            .actor
            .session
            .subscribe(now, [(text, options)], Properties::EMPTY);
        if let Ok(packet_id) = asked {
            let asked = self.model.subscribing(at, filter, options, is_v5);
            client.requests.push(Request {
                packet_id,
                filter,
                qos: Some(options.qos),
                asked,
            });
        }
    }

    pub(super) fn unsubscribe(&mut self, slot: usize, filter: Filter) {
        let client = &mut self.clients[slot];
        let Some((at, _)) = client.actor.link.and_then(|link| self.facts[link].session) else {
            return;
        };
        let now = Instant::from_millis(self.now);
        let text = topics::FILTERS[usize::from(filter)];
        let asked = client
            .actor
            .session
            .unsubscribe(now, [text], Properties::EMPTY);
        if let Ok(packet_id) = asked {
            let asked = self.model.unsubscribing(at, filter);
            client.requests.push(Request {
                packet_id,
                filter,
                qos: None,
                asked,
            });
        }
    }

    /// What a client does once it is connected, before anything else.
    pub(super) fn on_connected(&mut self, slot: usize, present: bool) {
        if slot == WATCHER && !present {
            self.subscribe(slot, topics::ALL_WILLS);
        } else if let Some(filter) = self.plan.members[slot]
            && (!present || self.dice.chance(20))
        {
            self.subscribe(slot, filter);
        } else if !present && self.clients[slot].actor.plan.lasts == Lasts::Connection {
            let filter = self.dice.below(FIRST_SHARED) as Filter;
            self.subscribe(slot, filter);
        }
    }
}
