//! The window against a model: a plain list, walked from the front for every question.

use std::num::NonZeroU16;

use mqtt_codec::{PacketId, QoS, ReasonCode};
use proptest::prelude::*;

use super::{Outbound, Pubrec, Resend, Stage};

/// What can happen. Ids are small numbers, so that answers often meet an open delivery.
#[derive(Debug, Clone)]
enum Step {
    Start(QoS),
    Puback(u16),
    Pubrec(u16, bool),
    Pubcomp(u16),
    Connected(u16),
    Resend,
    Cancel(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..=24_u16;
    prop_oneof![
        4 => prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)].prop_map(Step::Start),
        2 => id.clone().prop_map(Step::Puback),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, refuses)| Step::Pubrec(id, refuses)),
        2 => id.clone().prop_map(Step::Pubcomp),
        1 => (1..=6_u16).prop_map(Step::Connected),
        4 => Just(Step::Resend),
        1 => id.prop_map(Step::Cancel),
    ]
}

struct Open {
    id: u16,
    stage: Stage,
    message: u32,
    holds_slot: bool,
    resend: bool,
}

struct Model {
    open: Vec<Open>,
    window: u16,
    last_id: u16,
}

impl Model {
    fn slots(&self) -> usize {
        self.open.iter().filter(|open| open.holds_slot).count()
    }

    fn has_quota(&self) -> bool {
        self.slots() < usize::from(self.window)
    }

    fn has_room(&self) -> bool {
        self.has_quota() && self.open.iter().all(|open| !open.resend)
    }

    fn start(&mut self, stage: Stage, message: u32) -> u16 {
        loop {
            self.last_id = self.last_id % u16::MAX + 1;
            if self.open.iter().all(|open| open.id != self.last_id) {
                break;
            }
        }
        let id = self.last_id;
        self.open.push(Open {
            id,
            stage,
            message,
            holds_slot: true,
            resend: false,
        });
        id
    }

    /// Where an id is open in one of the stages.
    fn find(&self, id: u16, stages: &[Stage]) -> Option<usize> {
        self.open
            .iter()
            .position(|open| open.id == id && stages.contains(&open.stage))
    }

    fn close(&mut self, id: u16, stages: &[Stage]) -> Option<u32> {
        let place = self.find(id, stages)?;
        Some(self.open.remove(place).message)
    }

    fn pubrec(&mut self, id: u16, refuses: bool) -> Option<Pubrec<u32>> {
        if refuses && let Some(message) = self.close(id, &[Stage::AwaitsPubrec]) {
            return Some(Pubrec::Refused(message));
        }
        let place = self.find(id, &[Stage::AwaitsPubrec, Stage::AwaitsPubcomp])?;
        let open = &mut self.open[place];
        open.resend = false;
        let before = std::mem::replace(&mut open.stage, Stage::AwaitsPubcomp);
        let is_first = before == Stage::AwaitsPubrec;
        Some(if is_first {
            Pubrec::Release(open.message)
        } else {
            Pubrec::Repeated
        })
    }

    fn connected(&mut self, window: u16) {
        self.window = window;
        for open in &mut self.open {
            (open.holds_slot, open.resend) = (false, true);
        }
    }

    /// Id and message of what is sent again; no message for a PUBREL.
    fn resend(&mut self) -> Option<(u16, Option<u32>)> {
        let has_quota = self.has_quota();
        let open = self.open.iter_mut().find(|open| open.resend)?;
        if open.stage == Stage::AwaitsPubcomp {
            open.resend = false;
            return Some((open.id, None));
        }
        has_quota.then(|| {
            (open.resend, open.holds_slot) = (false, true);
            (open.id, Some(open.message))
        })
    }
}

/// Takes the same step on both sides and compares what they say.
fn take(step: &Step, message: u32, model: &mut Model, outbound: &mut Outbound<u32>) {
    let id = |value: u16| PacketId::new(value).unwrap();
    match *step {
        Step::Start(_) if !model.has_room() => {}
        Step::Start(qos) => {
            let is_qos_2 = qos == QoS::ExactlyOnce;
            let stage = if is_qos_2 {
                Stage::AwaitsPubrec
            } else {
                Stage::AwaitsPuback
            };
            assert_eq!(
                outbound.start(qos, message).get(),
                model.start(stage, message)
            );
        }
        Step::Puback(value) => {
            let expected = model.close(value, &[Stage::AwaitsPuback]);
            assert_eq!(outbound.handle_puback(id(value)).ok(), expected);
        }
        Step::Pubrec(value, refuses) => {
            let reason = if refuses {
                ReasonCode::QuotaExceeded
            } else {
                ReasonCode::Success
            };
            let expected = model.pubrec(value, refuses);
            assert_eq!(outbound.handle_pubrec(id(value), reason).ok(), expected);
        }
        Step::Pubcomp(value) => {
            let expected = model.close(value, &[Stage::AwaitsPubcomp]).is_some();
            assert_eq!(outbound.handle_pubcomp(id(value)).is_ok(), expected);
        }
        Step::Connected(window) => {
            model.connected(window);
            outbound.handle_connected(NonZeroU16::new(window).unwrap());
        }
        Step::Resend => {
            let resend = outbound.next_resend().map(|resend| match resend {
                Resend::Publish {
                    packet_id, message, ..
                } => (packet_id.get(), Some(*message)),
                Resend::Pubrel { packet_id } => (packet_id.get(), None),
            });
            assert_eq!(resend, model.resend());
        }
        Step::Cancel(value) => {
            let expected = model.close(value, &[Stage::AwaitsPuback, Stage::AwaitsPubrec]);
            assert_eq!(outbound.cancel_resend(id(value)), expected);
        }
    }
}

proptest! {
    #[test]
    fn the_window_behaves_as_a_plain_list_would(
        steps in proptest::collection::vec(step(), 1..200),
        // Near the end of the ids, so that they wrap and overtake deliveries that are stuck.
        first_id in prop_oneof![Just(u16::MAX), Just(u16::MAX - 10), Just(7)],
    ) {
        let mut model = Model { open: Vec::new(), window: 4, last_id: first_id };
        let mut outbound = Outbound::new(NonZeroU16::new(4).unwrap());
        outbound.last_id = PacketId::new(first_id).unwrap();
        for (message, step) in (0..).zip(&steps) {
            take(step, message, &mut model, &mut outbound);
            prop_assert_eq!(outbound.has_room(), model.has_room());
            prop_assert!(model.slots() <= usize::from(model.window));
            let open: Vec<_> = outbound.iter().map(|(id, stage, _)| (id.get(), stage)).collect();
            let expected: Vec<_> = model.open.iter().map(|open| (open.id, open.stage)).collect();
            prop_assert_eq!(open, expected);
        }
    }
}
