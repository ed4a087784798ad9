//! A publisher that uses one packet id for everything: each message under the id of the last one.
//!
//! What the broker remembers of an id after it is free, or forgets while it is not, shows here at
//! once: as a message swallowed, or as one delivered twice.

use std::sync::Arc;
use std::thread;

use mqtt_tests::Wire;

use crate::actor::LOOK;
use crate::world::{Phase, World};

const NAME: &str = "reuse";
const ID: [u8; 2] = [0, 7];
const DUP: u8 = 0x08;

/// Where the one message under way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// PUBLISH not answered.
    Publish,
    /// PUBREC came, PUBCOMP did not.
    Release,
}

struct Flight {
    qos: u8,
    topic: String,
    number: u64,
    step: Step,
    sent_before: bool,
}

impl Flight {
    fn new(world: &World, qos: u8) -> Self {
        let topic = format!("storm/{NAME}/q{qos}/0");
        Self {
            qos,
            number: world.next_number(&topic),
            topic,
            step: Step::Publish,
            sent_before: false,
        }
    }

    /// The packet that is not answered yet.
    fn packet(&mut self) -> Vec<u8> {
        if self.step == Step::Release {
            return vec![0x62, 2, ID[0], ID[1]];
        }
        let dup = if self.sent_before { DUP } else { 0 };
        self.sent_before = true;
        let payload = format!("{} again", self.number);
        let length = 2 + self.topic.len() + ID.len() + payload.len();
        let short = |length: usize| u8::try_from(length).expect("a short packet");
        let mut packet = vec![0x30 | dup | self.qos << 1, short(length)];
        packet.extend([0, short(self.topic.len())]);
        packet.extend(self.topic.as_bytes());
        packet.extend(ID);
        packet.extend(payload.as_bytes());
        packet
    }
}

/// Runs until the storm is over and its last message is acknowledged.
pub(crate) fn run(world: &Arc<World>) {
    world.report_ready();
    let mut flight = None;
    let mut has_session = false;
    let mut qos = 1;
    let is_done = |flight: &Option<Flight>| world.is_at(Phase::Quiet) && flight.is_none();
    while !is_done(&flight) {
        thread::sleep(LOOK);
        if !world.is_up() || !world.is_at(Phase::Storm) {
            continue;
        }
        let Ok(mut wire) = Wire::attempt(&format!("127.0.0.1:{}", world.port)) else {
            continue;
        };
        // CONNECT of 3.1.1, clean session 0, keep alive off.
        wire.send(b"\x10\x11\x00\x04MQTT\x04\x00\x00\x00\x00\x05reuse");
        let Some(connack) = wire.packet() else {
            continue;
        };
        if has_session && connack.body != [1, 0] {
            world.fail(format!("{NAME}: its session is gone: {connack:02x?}"));
        }
        has_session = true;
        while !is_done(&flight) {
            let current = flight.get_or_insert_with(|| {
                qos = 3 - qos;
                Flight::new(world, qos)
            });
            wire.send(&current.packet());
            let Some(answer) = wire.packet() else {
                break;
            };
            let expected = match (current.qos, current.step) {
                (1, _) => 4,
                (_, Step::Publish) => 5,
                (_, Step::Release) => 7,
            };
            if !answer.is_type(expected) || answer.body != ID {
                world.fail(format!(
                    "{NAME}: {} {} answered by {answer:02x?}",
                    current.topic, current.number
                ));
                break;
            }
            if expected == 5 {
                current.step = Step::Release;
            } else {
                world.acknowledged(&current.topic, current.number);
                flight = None;
            }
        }
    }
    world.report_ready();
}
