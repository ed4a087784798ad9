//! Subscribes once, and takes for the rest of the run whatever is owed for it.

use std::time::Duration;

use mqtt_client::{Event, Properties, QoS, ReasonCode, SubscriptionOptions};
use mqtt_tests::Deadline;
use tokio::time::sleep;

use crate::actor::{Actor, LOOK, Lost, named};
use crate::world::Phase;

/// How a subscriber spends the storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Connected whenever there is a broker.
    Stays,
    /// Comes and goes.
    Visits,
    /// Comes back when it is over.
    Away,
}

pub(crate) struct Subscriber {
    actor: Actor,
    habit: Habit,
    filters: &'static [&'static str],
    qos: QoS,
    subscribed: bool,
}

impl Subscriber {
    pub(crate) fn new(
        actor: Actor,
        habit: Habit,
        filters: &'static [&'static str],
        qos: QoS,
    ) -> Self {
        Self {
            actor,
            habit,
            filters,
            qos,
            subscribed: false,
        }
    }

    /// Runs until the world is over.
    pub(crate) async fn run(mut self) {
        while !self.actor.world.is_at(Phase::Over) {
            if self.actor.connect().await.is_ok() {
                // A lost connection is what this is about.
                let _ = self.be_there().await;
            }
            let pause = match self.habit {
                Habit::Stays => Duration::ZERO,
                Habit::Visits => self.actor.rng.millis(10, 300),
                Habit::Away => Duration::MAX,
            };
            let away = Deadline::after(pause);
            while !away.is_over() && !self.actor.world.is_at(Phase::Quiet) {
                sleep(LOOK).await;
            }
        }
    }

    async fn be_there(&mut self) -> Result<(), Lost> {
        if !self.subscribed || std::mem::take(&mut self.actor.lost_session) {
            self.subscribe().await?;
        }
        let stay = match self.habit {
            Habit::Stays => Duration::MAX,
            Habit::Visits => self.actor.rng.millis(10, 300),
            Habit::Away => Duration::ZERO,
        };
        let visit = Deadline::after(stay);
        while !self.actor.world.is_at(Phase::Over) {
            if visit.is_over() && !self.actor.world.is_at(Phase::Quiet) {
                return self.leave().await;
            }
            if let Some(event) = self.actor.event(LOOK).await? {
                take(&self.actor, &event);
            }
        }
        Ok(())
    }

    /// Goes as clients do: with a word, or without.
    async fn leave(&mut self) -> Result<(), Lost> {
        if self.actor.rng.below(2) == 0 {
            self.actor.connection.close();
            return Ok(());
        }
        let goodbye = self
            .actor
            .connection
            .disconnect(ReasonCode::Success, Properties::EMPTY);
        goodbye.await.map_err(|_| Lost)
    }

    async fn subscribe(&mut self) -> Result<(), Lost> {
        let options = SubscriptionOptions {
            qos: self.qos,
            ..SubscriptionOptions::default()
        };
        let filters: Vec<_> = self.filters.iter().map(|f| (*f, options)).collect();
        let asked = self
            .actor
            .connection
            .subscribe(&filters, Properties::EMPTY)
            .expect("a valid SUBSCRIBE");
        let answer = self
            .actor
            .wait_for("SUBACK", |actor, event| match event {
                Event::Subscribed(answer) if answer.packet_id == asked => Some(answer),
                other => {
                    take(actor, &other);
                    None
                }
            })
            .await?;
        assert!(
            answer.reasons.iter().all(|reason| !reason.is_error()),
            "{answer:?}"
        );
        if !std::mem::replace(&mut self.subscribed, true) {
            self.actor.world.report_ready();
        }
        Ok(())
    }
}

fn take(actor: &Actor, event: &Event) {
    if let Event::Message(message) = event {
        let (topic, number) = named(message.topic(), message.payload());
        actor.world.arrived(&actor.name, topic, number);
    }
}
