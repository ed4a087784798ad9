//! Shared subscriptions: each message to one member of each group.

use std::collections::BTreeMap;

use mqtt_codec::QoS;

use super::Message;
use super::sessions::{Session, SessionAt};
use crate::simulation::plan::{GROUPS, Plan};
use crate::simulation::topics::{self, FILTERS, FIRST_SHARED, Filter, Topic};

/// What is known of all groups.
#[derive(Debug)]
pub(super) struct Groups {
    qos: [QoS; GROUPS],
    /// Messages that the group has to get, and a member that was there when they were published.
    claims: Vec<(u32, Filter, SessionAt)>,
    got: BTreeMap<(u32, Filter), u32>,
    /// When a member last left for good.
    left: [u64; GROUPS],
    /// When a member last took what it had into a crash.
    lost: [u64; GROUPS],
    /// Groups that ever had a member whose session is not kept: what it had, or passed on just before,
    /// a crash may take along.
    mixed: [bool; GROUPS],
    upgrade: bool,
}

/// The group that a member is in: it subscribes to nothing else.
fn group_of(session: &Session) -> Option<(Filter, bool)> {
    let (filter, subscription) = session.subscriptions.first_key_value()?;
    Some((*filter, subscription.sure))
}

fn place(filter: Filter) -> usize {
    usize::from(filter) - FIRST_SHARED
}

impl Groups {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            qos: plan.group_qos,
            claims: Vec::new(),
            got: BTreeMap::new(),
            left: [0; GROUPS],
            lost: [0; GROUPS],
            mixed: [false; GROUPS],
            upgrade: plan.upgrade_qos,
        }
    }

    /// A member is there when a message is published.
    pub(super) fn claim(
        &mut self,
        number: u32,
        message: &Message,
        at: SessionAt,
        session: &Session,
    ) {
        if let Some((filter, true)) = group_of(session)
            && session.claims
            && topics::matches(filter, message.topic)
        {
            self.claims.push((number, filter, at));
        }
    }

    /// A member got a message.
    pub(super) fn arrived(
        &mut self,
        number: u32,
        message: &Message,
        topic: Topic,
        session: &Session,
    ) -> Result<(), &'static str> {
        let Some((filter, _)) = group_of(session) else {
            return Err("it is in no group");
        };
        if !topics::matches(filter, topic) {
            return Err("its group takes no such topic");
        }
        let got = self.got.entry((number, filter)).or_default();
        *got += 1;
        let once = message.qos == QoS::ExactlyOnce && self.qos[place(filter)] == QoS::ExactlyOnce;
        if once && *got > 1 && self.lost[place(filter)] < message.sent_at {
            return Err("another member of its group got it too");
        }
        Ok(())
    }

    pub(super) fn untold(&mut self, number: u32, _message: &Message, session: &Session) {
        if let Some((filter, _)) = group_of(session) {
            let got = self.got.entry((number, filter)).or_default();
            *got = got.saturating_sub(1);
        }
    }

    /// A member leaves by itself: nothing is owed on its account any more.
    pub(super) fn member_unsubscribes(&mut self, member: SessionAt) {
        self.claims.retain(|(_, _, at)| *at != member);
    }

    /// A member's session ended, perhaps with the broker itself.
    pub(super) fn member_left(&mut self, session: &Session, moment: u64) {
        if let Some((filter, _)) = group_of(session)
            && session.life.member
        {
            self.left[place(filter)] = moment;
            self.mixed[place(filter)] |= !session.is_kept();
        }
    }

    /// The broker crashed. Members whose sessions are not kept have left by now.
    pub(super) fn crashed(&mut self, moment: u64) {
        for (lost, mixed) in self.lost.iter_mut().zip(self.mixed) {
            if mixed {
                *lost = moment;
            }
        }
    }

    /// At which QoS a group gets a message.
    fn qos(&self, place: usize, message: &Message) -> QoS {
        if self.upgrade {
            self.qos[place]
        } else {
            message.qos.min(self.qos[place])
        }
    }

    /// A message that no member got though somebody was there for it all the time.
    pub(super) fn missing(&self, messages: &[Message], sessions: &[Session]) -> Option<String> {
        self.claims.iter().find_map(|(number, filter, at)| {
            let (message, session) = (&messages[*number as usize], &sessions[*at]);
            let place = place(*filter);
            let stayed =
                !session.ended && session.claims && group_of(session) == Some((*filter, true));
            let exactly_once = self.qos(place, message) == QoS::ExactlyOnce;
            // QoS 2 that was sent ends with the session that it was sent to.
            let over = (exactly_once && self.left[place] > message.sent_at)
                || self.lost[place] > message.sent_at;
            let got = self.got.contains_key(&(*number, *filter));
            (stayed && message.acked && !over && !got).then(|| {
                let group = FILTERS[usize::from(*filter)];
                format!("no member of {group} got message {number}: {message:?}")
            })
        })
    }
}
