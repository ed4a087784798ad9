//! What other shards say.

use mqtt_session::time::Now;

use super::Shard;
use super::publish::Scope;
use crate::engine::envelope;
use crate::engine::letter::{Batch, Letter, next_block};
use crate::engine::sink::Sink;

impl Shard {
    pub(super) fn read_letters<S: Sink>(&mut self, now: Now, batch: Batch, sink: &mut S) {
        let (letters, blocks) = batch.into_parts();
        let mut rest = blocks.as_slice();
        for letter in letters {
            match letter {
                Letter::Publish { until } => {
                    while blocks.len() - rest.len() < until {
                        let Some(block) = next_block(&mut rest) else {
                            break;
                        };
                        if let Some(view) = envelope::parse(block) {
                            self.route(now, &view, None, Scope::Here, sink);
                        }
                    }
                }
                Letter::PublishShared(message) => {
                    self.route_message(now, &message, &message.view(), None, Scope::Here, sink);
                }
                Letter::Membership => self.take_in_members(),
                Letter::Deliver {
                    member,
                    group,
                    subscription,
                    message,
                } => {
                    self.deliver_to_member(now, member, &group, subscription, message, sink);
                }
                Letter::Redeliver { group, message } => self.redeliver(now, &group, message, sink),
            }
        }
    }
}
