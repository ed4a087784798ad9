//! Retained messages: which ones may be the last that the broker accepted for their topic.

use super::Message;
use crate::simulation::topics::{TOPICS, Topic, WILL_TOPIC};

/// What may be retained, by topic.
#[derive(Debug)]
pub(crate) struct Retained {
    topics: Vec<Vec<Candidate>>,
    durable: bool,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// None cleared the topic.
    number: Option<u32>,
    id: u32,
    sent_at: u64,
    /// When it was certain that the broker had it.
    settled_at: Option<u64>,
    expires: bool,
    lasting: bool,
}

impl Retained {
    pub(super) fn new(durable: bool) -> Self {
        let nothing = Candidate {
            number: None,
            id: u32::MAX,
            sent_at: 0,
            settled_at: Some(0),
            expires: false,
            lasting: true,
        };
        Self {
            topics: vec![vec![nothing]; TOPICS.len()],
            durable,
        }
    }

    /// A message was published that the broker is to retain.
    pub(super) fn sent(&mut self, message: &Message, number: Option<u32>) {
        let id = number.unwrap_or(u32::MAX);
        self.topics[usize::from(message.topic)].push(Candidate {
            number: number.filter(|_| message.size > 0),
            id,
            sent_at: message.sent_at,
            settled_at: None,
            expires: message.expires,
            lasting: message.qos > mqtt_codec::QoS::AtMostOnce,
        });
    }

    /// The broker has it by now: what it had before this one was sent is replaced.
    pub(crate) fn accepted(&mut self, number: u32, moment: u64) {
        for candidates in &mut self.topics {
            let Some(found) = candidates.iter_mut().find(|c| c.id == number) else {
                continue;
            };
            if found.settled_at.is_some() {
                return;
            }
            found.settled_at = Some(moment);
            let (sent_at, lasting) = (found.sent_at, found.lasting);
            // One that was over before its PUBREL came replaces nothing.
            if !found.expires && (lasting || !self.durable) {
                candidates.retain(|c| c.settled_at.is_none_or(|settled| settled > sent_at));
            }
            return;
        }
    }

    /// The broker had no room for it, and kept what it had.
    pub(super) fn turned_away(&mut self, number: u32) {
        for candidates in &mut self.topics {
            candidates.retain(|candidate| candidate.id != number);
        }
    }

    /// Whether a topic may have this message now, or none.
    pub(crate) fn may_be(&self, topic: Topic, number: Option<u32>, is_will: bool) -> bool {
        if usize::from(topic) >= WILL_TOPIC {
            return number.is_none() || is_will;
        }
        let candidates = &self.topics[usize::from(topic)];
        candidates
            .iter()
            .any(|candidate| candidate.number == number || (number.is_none() && candidate.expires))
    }

    /// How many topics have only one message that it can be.
    pub(crate) fn certain(&self) -> u64 {
        self.topics
            .iter()
            .filter(|candidates| candidates.len() == 1)
            .count() as u64
    }

    /// What a topic may have, in words.
    pub(crate) fn describe(&self, topic: Topic) -> String {
        let candidates = self.topics[usize::from(topic)].iter();
        let numbers: Vec<_> = candidates.map(|candidate| candidate.number).collect();
        format!("one of {numbers:?}")
    }
}
