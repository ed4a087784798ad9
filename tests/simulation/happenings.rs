//! What happened at the broker, as the account hears of it.

use mqtt_broker::engine::event::Cause;
use mqtt_codec::QoS;

use super::broker::Happened;
use super::model::Expected;
use super::sent::{Sent, What};
use super::sockets::Told;
use super::world::World;

impl World {
    /// Tells the account what happened at the broker.
    pub(super) fn take_in(&mut self, shard: usize) {
        let mut happened = std::mem::take(&mut self.broker.happened);
        for what in happened.drain(..) {
            self.take_in_one(shard, what);
        }
        self.broker.happened = happened;
    }

    fn take_in_one(&mut self, shard: usize, what: Happened) {
        let now = self.now;
        match what {
            Happened::Read(link, sent) => {
                let facts = &mut self.facts[link];
                match sent {
                    Sent::Connect(clean) => {
                        facts.connect_read = Some(now);
                        self.model.connect_read(facts.life.slot, clean);
                    }
                    Sent::Disconnect(reason) => facts.goodbye = Some(reason),
                    Sent::Publish(What::Message(number), QoS::AtMostOnce, _)
                        if facts.session.is_some() =>
                    {
                        let moment = self.model.next_moment();
                        self.model.retained.accepted(number, moment);
                    }
                    _ => {}
                }
            }
            Happened::Told(told) => {
                let text = format!("shard {shard} tells {told:?}");
                self.trace.say(&[shard as u64], || text);
                self.take_in_told(told, now);
            }
        }
    }

    fn take_in_told(&mut self, told: Told, now: u64) {
        match told {
            Told::Connected(link) => {
                let facts = self.facts[link];
                let read = facts.connect_read.unwrap_or(now);
                let session = self
                    .model
                    .greeted(link, facts.life, facts.clean, (read, now));
                self.facts[link].session = Some(session);
                if session.1 != Expected::Present && self.link_of(facts.life.slot) != Some(link) {
                    self.clients[facts.life.slot].out_of_step = true;
                }
            }
            Told::Disconnected(link, cause) => {
                let facts = self.facts[link];
                match cause {
                    Cause::TakenOver => self.counts.takeovers += 1,
                    Cause::KeepAliveTimeout => self.counts.silent += 1,
                    Cause::NoLongerAuthorised => self.counts.sent_away += 1,
                    _ => {}
                }
                if let Some((at, _)) = facts.session {
                    // Whoever takes over is not greeted yet.
                    let others = self.facts.iter().filter(|other| {
                        other.life.slot == facts.life.slot
                            && other.connect_read.is_some()
                            && other.session.is_none()
                    });
                    let clean = others.fold(false, |any, other| any | other.clean);
                    self.model.connect_read(facts.life.slot, clean);
                    self.model.parted(at, link, cause, facts.goodbye, now);
                } else if facts.connect_read.is_some() {
                    self.facts[link].connect_read = None;
                    self.model.parted_ungreeted(facts.life, now);
                }
            }
            Told::Expired(slot) => {
                self.counts.expired += 1;
                self.model.expired(slot, now);
            }
            Told::Dropped => {
                self.counts.dropping += 1;
                if self.plan.max_queued.is_none() {
                    self.model
                        .fail("a queue without a limit was full".to_owned());
                }
            }
            Told::Damaged => {
                let what = "messages that wait in the store are missing there";
                self.model.fail(what.to_owned());
            }
            Told::TooLarge => self.counts.too_large += 1,
        }
    }
}
