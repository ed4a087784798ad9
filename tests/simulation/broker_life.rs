//! How the broker of a world begins with what was kept, how it ends, and what may be left of it.

use mqtt_broker::engine::commons::counters::Tally;
use mqtt_broker::engine::out_queue::FULL_BYTES;
use mqtt_broker::store::Recovered;
use mqtt_codec::TopicName;
use mqtt_session::time::Now;

use super::broker::{Broker, Mail};
use super::network::{LinkId, Network};
use super::topics::TOPICS;

impl Broker {
    /// Takes in what a store kept.
    pub(crate) fn restore(&mut self, now: Now, recovered: Recovered) {
        let (message, session, version) = recovered.last_numbers;
        self.commons.numbers.go_on_after(message, session);
        for (_, message) in &recovered.retained {
            self.commons.retained.set(message);
        }
        self.commons.retained.go_on_after(version);
        self.commons.retained.remove_expired(now.unix);
        for saved in recovered.sessions {
            for (shard, sink) in self.shards.iter_mut().zip(&mut self.sinks) {
                if shard.is_home_of(&saved.session.client_id) {
                    shard.restore(now, saved.clone(), sink);
                }
            }
        }
    }

    /// All links break at once: the process is gone.
    pub(crate) fn crash(mut self, network: &mut Network) {
        let mut links: Vec<LinkId> = Vec::new();
        for sink in &mut self.sinks {
            for id in sink.ids() {
                links.extend(sink.remove(id).map(|socket| socket.link));
            }
        }
        let mail = self.mail.into_iter().flatten().flatten();
        links.extend(mail.filter_map(|mail| match mail {
            Mail::Arrival(departure) => Some(departure.socket.link),
            Mail::Letters(_) => None,
        }));
        links.sort_unstable();
        for link in links {
            network.broker_leaves(link, false);
        }
    }

    /// What is left when all is closed and expired.
    pub(crate) fn leftovers(&self) -> Result<(), String> {
        let mut sum = Tally::default();
        for counters in &self.commons.counters {
            sum += counters.load();
        }
        let left = [
            ("connections", sum.connections),
            ("clients connected", sum.clients_connected),
            ("sessions", sum.clients_total),
            ("messages", sum.messages_stored),
            ("bytes of messages", sum.messages_stored_bytes),
            ("subscriptions", sum.subscriptions),
            ("memberships", sum.shared_subscriptions),
            ("retained messages", self.commons.retained.count()),
        ];
        for (what, count) in left {
            if count != 0 {
                return Err(format!("{count} {what} are left when all is over"));
            }
        }
        for topic in TOPICS {
            let topic = TopicName::parse(topic).expect("a valid topic");
            if !self.commons.interest.shards_for(topic).0.by.is_empty() {
                return Err(format!("somebody still wants {topic:?} when all is over"));
            }
        }
        Ok(())
    }

    /// Whether every queue kept its bound: the mark, and what one turn may add.
    pub(crate) fn queues_are_bounded(&self) -> bool {
        self.longest_queue <= FULL_BYTES + 512 * 1024
    }
}
