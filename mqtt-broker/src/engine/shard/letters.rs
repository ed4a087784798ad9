//! What other shards say.

use mqtt_session::time::Now;

use super::Shard;
use super::publish::Scope;
use crate::engine::envelope;
use crate::engine::letter::{Batch, Letter, next_block};
use crate::engine::sink::Sink;
use crate::engine::store_op::{Origin, Urgency};

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
                        let owed_to = block.owed_to;
                        if let Some(view) = envelope::parse(block.bytes) {
                            self.route(now, &view, None, None, Scope::Here { owed_to }, sink);
                            self.keep(Origin::Fresh, None, Urgency::Lazy, sink);
                        }
                    }
                }
                Letter::PublishShared { message, owed_to } => {
                    let here = Scope::Here { owed_to };
                    self.route(now, &message.view(), Some(&message), None, here, sink);
                    self.keep(Origin::Fresh, None, Urgency::Lazy, sink);
                }
                Letter::Membership => self.take_in_members(),
                Letter::Deliver {
                    member,
                    group,
                    subscription,
                    message,
                    owed_to,
                } => {
                    let terms = (&*group, subscription);
                    self.deliver_to_member(now, member, terms, &message, owed_to, sink);
                    self.keep(Origin::Fresh, None, Urgency::Lazy, sink);
                }
                Letter::Redeliver {
                    group,
                    message,
                    owed_to,
                } => {
                    self.redeliver(now, &group, &message, owed_to, sink);
                    self.keep(Origin::Fresh, None, Urgency::Lazy, sink);
                }
            }
        }
    }
}
