//! Publishes numbered messages and sends what was not acknowledged again after each crash.

use std::collections::HashMap;
use std::time::Duration;

use mqtt_client::{Event, Publication, PublishId, QoS, ReasonCode};

use crate::actor::{Actor, LOOK, Lost};
use crate::world::Phase;

/// Topics of each kind for each publisher.
const TOPICS: usize = 3;
/// The longest wait between two bursts, so that the broker has something to do all the time.
const PAUSE_MILLIS: usize = 6;
/// One message in so many is a large one, and one is retained.
const LARGE_ONE_IN: usize = 60;
const RETAINED_ONE_IN: usize = 4;
const LARGE: usize = 20_000;
const SMALL: usize = 250;

pub(crate) struct Publisher {
    actor: Actor,
    qos: &'static [QoS],
    under_way: HashMap<PublishId, (String, u64)>,
}

impl Publisher {
    pub(crate) fn new(actor: Actor, qos: &'static [QoS]) -> Self {
        Self {
            actor,
            qos,
            under_way: HashMap::new(),
        }
    }

    /// Runs until the storm is over and everything is acknowledged.
    pub(crate) async fn run(mut self) {
        self.actor.world.report_ready();
        while !self.is_done() {
            if self.actor.connect().await.is_ok() {
                // What is lost with a connection is made good on the next one.
                let _ = self.pump().await;
            }
        }
        self.actor.world.report_ready();
    }

    fn is_done(&self) -> bool {
        self.actor.world.is_at(Phase::Quiet) && self.under_way.is_empty()
    }

    async fn pump(&mut self) -> Result<(), Lost> {
        while !self.is_done() {
            let world = &self.actor.world;
            if world.is_at(Phase::Storm) && !world.is_at(Phase::Quiet) {
                self.burst();
            }
            let mut patience = self.actor.rng.millis(1, PAUSE_MILLIS);
            while let Some(event) = self.actor.event(patience).await? {
                self.take(event);
                patience = Duration::ZERO;
            }
        }
        self.actor.connection.close();
        Ok(())
    }

    fn burst(&mut self) {
        for _ in 0..=self.actor.rng.below(4) {
            let qos = self.actor.rng.pick(self.qos);
            let kind = match self.actor.rng.below(RETAINED_ONE_IN) {
                0 => "kept",
                _ => "storm",
            };
            let which = self.actor.rng.below(TOPICS);
            // MQTT promises an order for messages of one topic and one QoS (3.1.1, 4.6).
            let topic = format!("{kind}/{}/q{}/{which}", self.actor.name, qos as u8);
            let length = match self.actor.rng.below(LARGE_ONE_IN) {
                0 => LARGE,
                _ => self.actor.rng.below(SMALL),
            };
            if !self.actor.connection.has_room() || self.under_way.len() > 2 * SMALL {
                return;
            }
            let number = self.actor.world.next_number(&topic);
            let payload = format!("{number} {}", "x".repeat(length));
            let publication = Publication::new(&topic, payload)
                .qos(qos)
                .retain(kind == "kept");
            match self.actor.connection.publish(publication) {
                Ok(id) => {
                    self.under_way.insert(id, (topic, number));
                }
                Err(error) => self.actor.fail(&format!("{topic} {number}: {error}")),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let Event::Published(published) = event else {
            return;
        };
        let Some((topic, number)) = self.under_way.remove(&published.id) else {
            self.actor.fail("an acknowledgement for nothing");
            return;
        };
        match published.outcome {
            Ok(answer) if !answer.reason.is_error() => {
                self.actor.world.acknowledged(&topic, number);
            }
            // PUBCOMP for what was released before the crash; whether it really was, the end shows.
            Ok(answer) if answer.reason == ReasonCode::PacketIdentifierNotFound => {
                self.actor.world.count("releases done before the crash");
                self.actor.world.acknowledged(&topic, number);
            }
            refused => self
                .actor
                .fail(&format!("{topic} {number} refused: {refused:?}")),
        }
    }
}

/// Publishes one message and returns when it is acknowledged; for the end of the run.
pub(crate) async fn publish_once(mut actor: Actor, topic: &str) {
    while actor.connect().await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
    let publication = Publication::new(topic, "1 end").qos(QoS::ExactlyOnce);
    actor
        .connection
        .publish(publication)
        .expect("room for one message");
    let done = actor.wait_for("the end's acknowledgement", |_, event| {
        matches!(event, Event::Published(_)).then_some(())
    });
    done.await.expect("the broker is not killed any more");
}
