//! What sessions subscribe to: which terms hold for certain, and which only may.

use mqtt_codec::{QoS, RetainHandling, SubscriptionOptions};

use super::sessions::{Session, SessionAt};
use super::{Message, Model};
use crate::simulation::topics::Filter;

/// A subscription, and all that it ever was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    /// SUBACK came, and nothing was asked for since.
    pub(super) sure: bool,
    /// Lowest QoS that may be granted now.
    pub(super) qos: QoS,
    /// All of its terms so far left out the client's own messages.
    pub(super) only_others: bool,
    /// Some of its terms so far did.
    pub(super) may_leave_out_own: bool,
    pub(super) retain_as_published: bool,
    /// Times that retained messages may be sent for it.
    pub(super) replays: u32,
    /// When UNSUBACK came.
    pub(super) gone_at: Option<u64>,
    /// Requests about it so far: an answer counts if it is the answer to the last one.
    pub(super) asked: u32,
}

impl Session {
    /// What a subscription that changes has to deliver is not known any more.
    pub(super) fn forget_claims(&mut self, messages: &[Message]) {
        let must = std::mem::take(&mut self.must);
        let still = must.into_iter();
        self.must = still
            .filter(|number| {
                let message = &messages[*number as usize];
                self.got.contains_key(number) || self.has_to_get(message)
            })
            .collect();
    }
}

impl Model {
    /// Whether a client has a subscription that is certain.
    pub(crate) fn is_subscribed(&self, slot: usize) -> bool {
        let session = self.current[slot].map(|at| &self.sessions[at]);
        session.is_some_and(|session| session.subscriptions.values().any(|s| s.sure))
    }

    /// SUBSCRIBE was given to the session.
    pub(crate) fn subscribing(
        &mut self,
        at: SessionAt,
        filter: Filter,
        options: SubscriptionOptions,
        is_v5: bool,
    ) -> u32 {
        let session = &mut self.sessions[at];
        let fresh = Subscription {
            sure: false,
            qos: options.qos,
            only_others: true,
            may_leave_out_own: false,
            retain_as_published: false,
            replays: 0,
            gone_at: None,
            asked: 0,
        };
        let known = session.subscriptions.get(&filter).copied();
        let exists = known.is_some_and(|known| known.sure);
        let mut subscription = known.unwrap_or(fresh);
        subscription.asked += 1;
        subscription.gone_at = None;
        subscription.qos = if exists {
            subscription.qos.min(options.qos)
        } else {
            options.qos
        };
        subscription.only_others &= options.no_local;
        subscription.may_leave_out_own |= options.no_local;
        subscription.retain_as_published |= options.retain_as_published;
        let replays = !is_v5
            || match options.retain_handling {
                RetainHandling::Always => true,
                RetainHandling::IfNew => !exists,
                RetainHandling::Never => false,
            };
        subscription.replays += u32::from(replays);
        let keeps = exists && subscription.qos > QoS::AtMostOnce && !options.no_local;
        // What the old terms promise holds until SUBACK unless the new ones promise less.
        subscription.sure = keeps;
        session.subscriptions.insert(filter, subscription);
        if exists && !keeps {
            session.forget_claims(&self.messages);
        }
        subscription.asked
    }

    /// SUBACK came for the request of this number.
    pub(crate) fn subscribed(&mut self, at: SessionAt, filter: Filter, asked: u32) {
        if let Some(subscription) = self.sessions[at].subscriptions.get_mut(&filter)
            && subscription.asked == asked
        {
            subscription.sure = true;
        }
    }

    /// UNSUBSCRIBE was given to the session.
    pub(crate) fn unsubscribing(&mut self, at: SessionAt, filter: Filter) -> u32 {
        self.groups.member_unsubscribes(at);
        let session = &mut self.sessions[at];
        let Some(subscription) = session.subscriptions.get_mut(&filter) else {
            return 0;
        };
        subscription.sure = false;
        subscription.asked += 1;
        let asked = subscription.asked;
        session.forget_claims(&self.messages);
        asked
    }

    /// UNSUBACK came for the request of this number.
    pub(crate) fn unsubscribed(&mut self, at: SessionAt, filter: Filter, asked: u32) {
        let moment = self.next_moment();
        if let Some(subscription) = self.sessions[at].subscriptions.get_mut(&filter)
            && subscription.asked == asked
        {
            subscription.gone_at = Some(moment);
            subscription.sure = false;
        }
    }
}
