//! What arrives at a client: whether it may, how often, and in which order.

use mqtt_codec::QoS;

use super::sessions::{Session, SessionAt};
use super::{Message, Model};
use crate::simulation::plan::WATCHER;
use crate::simulation::topics::{self, Topic};

/// How often a session was told a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Got {
    /// Times that count as the first delivery of a copy.
    fresh: u32,
    /// Times below QoS 2.
    below: u32,
    /// Times on the present connection.
    pub(super) on_connection: u32,
}

/// A message as a client was told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) number: u32,
    pub(crate) topic: Topic,
    pub(crate) qos: QoS,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
}

impl Session {
    /// How often it may get a message, not counting repeats after a lost connection.
    fn copies(&self, message: &Message, duplicates: bool) -> u32 {
        let (mut copies, mut replays) = (0, 0);
        for (filter, subscription) in &self.subscriptions {
            if topics::matches(*filter, message.topic) {
                copies += 1;
                replays += subscription.replays;
            }
        }
        let copies = if duplicates { copies } else { copies.min(1) };
        let replays = if message.retain && replays > 0 {
            // What was on its way to a new subscription may come again after a crash.
            replays + self.crashes
        } else {
            0
        };
        copies * message.sends + replays
    }

    /// Crashes after which all copies of a message may come again. Below QoS 2 a delivery leaves before
    /// what it comes from is kept, and a crash takes that back: a PUBREL, or that the message was passed
    /// on to this member of a group.
    fn crashes_before(&self, message: &Message) -> u32 {
        message.crashes + if self.life.member { self.crashes } else { 0 }
    }

    /// Whether one of its subscriptions, present or past, takes a message.
    fn may_get(&self, message: &Message, retain: bool) -> bool {
        self.subscriptions.iter().any(|(filter, subscription)| {
            let own = message.publisher == self.life.slot && !retain && !message.will;
            topics::matches(*filter, message.topic)
                && subscription
                    .gone_at
                    .is_none_or(|gone| message.sent_at < gone)
                && !(own && subscription.only_others)
        })
    }

    fn may_see_retain(&self, topic: Topic) -> bool {
        self.subscriptions.iter().any(|(filter, subscription)| {
            topics::matches(*filter, topic)
                && (subscription.retain_as_published || subscription.replays > 0)
        })
    }
}

impl Model {
    /// A client was told of a message.
    pub(crate) fn arrived(&mut self, at: SessionAt, arrived: Arrived, now: u64) {
        if let Err(what) = self.check_arrival(at, arrived, now) {
            let slot = self.sessions[at].life.slot;
            let message = self.messages.get(arrived.number as usize);
            self.fail(format!("c{slot} got {arrived:?} ({message:?}): {what}"));
        }
    }

    fn check_arrival(
        &mut self,
        at: SessionAt,
        arrived: Arrived,
        now: u64,
    ) -> Result<(), &'static str> {
        let number = arrived.number;
        let message = self
            .messages
            .get(number as usize)
            .ok_or("nobody published that")?
            .clone();
        let is_watcher = self.sessions[at].life.slot == WATCHER;
        if message.will && is_watcher && !arrived.retain {
            for session in &mut self.sessions {
                self.wills.show(session, number, now);
            }
        }
        let session = &mut self.sessions[at];
        if message.topic != arrived.topic {
            return Err("that is not its topic");
        }
        if message.refused {
            return Err("the broker should have refused it");
        }
        if !session.may_get(&message, arrived.retain) {
            return Err("it did not subscribe to that");
        }
        if arrived.retain && !(message.retain && session.may_see_retain(message.topic)) {
            return Err("it should not be marked as retained");
        }
        let got = session.got.get(&number).copied().unwrap_or_default();
        let repeat = arrived.dup && arrived.qos == QoS::AtLeastOnce;
        if arrived.dup && session.connections < 2 {
            return Err("DUP on the first connection of a session");
        }
        let is_below = arrived.qos < QoS::ExactlyOnce;
        let mut most = session.copies(&message, self.duplicates);
        let again = most * session.crashes_before(&message);
        most += if is_below {
            again
        } else {
            again.min(got.below)
        };
        let fresh = got.fresh + u32::from(!repeat);
        if !message.will && (fresh > most || got.on_connection >= most) {
            return Err("that is once too often");
        }
        let got = Got {
            fresh,
            below: got.below + u32::from(is_below),
            on_connection: got.on_connection + 1,
        };
        let first = session.got.insert(number, got).is_none();
        if message.will {
            if is_watcher && !arrived.retain && (first || !repeat) {
                self.wills.seen(number, now)?;
            } else if is_watcher && !arrived.retain {
                self.wills.seen_again(number);
            }
        } else if session.life.member {
            self.groups
                .arrived(number, &message, arrived.topic, session)?;
        } else if first && !arrived.retain && message.sends == 1 {
            // One that its publisher had to repeat may have come for the first time to others, before
            // this session subscribed.
            let [qos, granted] = [message.qos, arrived.qos].map(QoS::as_u8);
            let key = (message.publisher, message.topic, qos, granted);
            let last = session.last.entry(key).or_default();
            if *last > number {
                return Err("a later one came before");
            }
            *last = number;
        }
        Ok(())
    }

    /// A client that answers by hand lost its connection before it answered a QoS 2 message: it will
    /// be told again, as if it had not been.
    pub(crate) fn untold(&mut self, at: SessionAt, number: u32) {
        let message = &self.messages[number as usize];
        let session = &mut self.sessions[at];
        if let Some(got) = session.got.get_mut(&number) {
            got.fresh = got.fresh.saturating_sub(1);
            if session.life.member {
                self.groups.untold(number, message, session);
            }
            if message.will && session.life.slot == WATCHER {
                self.wills.unseen(number);
            }
        }
    }
}
