//! Publishes numbered messages and sends what was not acknowledged again after each crash.

use std::collections::HashMap;
use std::time::Duration;

use mqtt_client::{Event, Publication, PublishId, QoS, ReasonCode};

use crate::actor::{Actor, EMPTY, LOOK, Lost};
use crate::storm::Load;
use crate::world::Phase;

/// Topics of each kind for each publisher.
const TOPICS: usize = 3;
/// The longest wait between two bursts, so that the broker has something to do all the time.
const PAUSE_MILLIS: usize = 6;
/// One message in so many is retained, and one of the others has no payload.
const RETAINED_ONE_IN: usize = 4;
const EMPTY_ONE_IN: usize = 20;
const SMALL: usize = 250;
/// Messages that may be published and not acknowledged, in the client's queue too.
const UNDER_WAY: usize = 4096;

pub(crate) struct Publisher {
    actor: Actor,
    qos: &'static [QoS],
    load: Load,
    under_way: HashMap<PublishId, (String, u64)>,
}

impl Publisher {
    pub(crate) fn new(actor: Actor, qos: &'static [QoS], load: Load) -> Self {
        Self {
            actor,
            qos,
            load,
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
        for _ in 0..=self.actor.rng.below(self.load.burst) {
            if !self.actor.connection.has_room() || self.under_way.len() > UNDER_WAY {
                return;
            }
            let qos = self.actor.rng.pick(self.qos);
            let kind = match self.actor.rng.below(RETAINED_ONE_IN) {
                0 => "kept",
                _ => "storm",
            };
            let own = format!("{kind}/{}/q{}", self.actor.name, qos as u8);
            if kind == "storm" && self.actor.rng.below(EMPTY_ONE_IN) == 0 {
                let topic = format!("{own}/{EMPTY}");
                let number = self.actor.world.next_number(&topic);
                let whole = format!("{topic}/{number}");
                self.publish(Publication::new(&whole, "").qos(qos), &topic, number);
                continue;
            }
            // MQTT promises an order for messages of one topic and one QoS (3.1.1, 4.6).
            let topic = format!("{own}/{}", self.actor.rng.below(TOPICS));
            let length = match self.actor.rng.below(self.load.large_one_in) {
                0 => self.load.large,
                _ => self.actor.rng.below(SMALL),
            };
            let number = self.actor.world.next_number(&topic);
            let payload = format!("{number} {}", "x".repeat(length));
            let publication = Publication::new(&topic, payload)
                .qos(qos)
                .retain(kind == "kept");
            self.publish(publication, &topic, number);
        }
    }

    fn publish(&mut self, publication: Publication<'_>, topic: &str, number: u64) {
        match self.actor.connection.publish(publication) {
            Ok(id) => {
                self.under_way.insert(id, (topic.to_owned(), number));
            }
            Err(error) => self.actor.fail(&format!("{topic} {number}: {error}")),
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
