//! Subscribes and unsubscribes all the time, and sees after each start whether that was kept.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_client::{Event, Properties, Publication, QoS, SubscriptionOptions};

use crate::actor::{Actor, LOOK, Lost, number_of};
use crate::world::Phase;

/// Filters that it draws from.
const FILTERS: usize = 6;

pub(crate) struct Changer {
    actor: Actor,
    /// What the last SUBACK or UNSUBACK of each filter said; nothing while one is awaited.
    subscribed: BTreeMap<usize, bool>,
    has_end: bool,
    probe: u64,
}

impl Changer {
    pub(crate) fn new(actor: Actor) -> Self {
        Self {
            actor,
            subscribed: (0..FILTERS).map(|which| (which, false)).collect(),
            has_end: false,
            probe: 0,
        }
    }

    /// Runs until the storm is over and what was kept has been seen once more.
    pub(crate) async fn run(mut self) {
        loop {
            let is_last = self.actor.world.is_at(Phase::Quiet);
            let seen = self.connect_and_look().await;
            if seen.is_ok() {
                self.actor.world.count("looks at all subscriptions");
                if is_last {
                    break;
                }
                // It goes on until the connection is lost, or the storm is over.
                let _ = self.change().await;
            }
        }
        self.actor.world.report_ready();
    }

    async fn connect_and_look(&mut self) -> Result<(), Lost> {
        self.actor.connect().await?;
        if std::mem::take(&mut self.actor.lost_session) {
            let lost = self.subscribed.values().filter(|promised| **promised);
            self.actor.world.add("subscriptions lost", lost.count());
            self.subscribed = (0..FILTERS).map(|which| (which, false)).collect();
            self.request("end", true).await?;
        }
        if !self.has_end {
            self.request("end", true).await?;
            self.has_end = true;
            self.actor.world.report_ready();
        }
        self.look().await
    }

    /// Publishes to each filter and sees which messages come back. The last one always comes, and
    /// those before come before it.
    async fn look(&mut self) -> Result<(), Lost> {
        self.probe += 1;
        let topics = (0..FILTERS).map(|which| which.to_string());
        for topic in topics.chain(["end".to_owned()]) {
            let topic = self.topic(&topic);
            let publication =
                Publication::new(&topic, self.probe.to_string()).qos(QoS::AtLeastOnce);
            if let Err(error) = self.actor.connection.publish(publication) {
                self.actor.fail(&error.to_string());
            }
        }
        let (probe, end) = (self.probe, self.topic("end"));
        let mut came = BTreeSet::new();
        self.actor
            .wait_for("its own message", |_, event| match event {
                Event::Message(message) if number_of(message.payload()) == probe => {
                    came.insert(message.topic().to_owned());
                    (message.topic() == end).then_some(())
                }
                _ => None,
            })
            .await?;
        for (which, promised) in &self.subscribed {
            let has_come = came.contains(&self.topic(&which.to_string()));
            if *promised != has_come {
                self.actor.fail(&format!(
                    "subscription {which} is {has_come}, acknowledged was {promised}"
                ));
            }
        }
        Ok(())
    }

    async fn change(&mut self) -> Result<(), Lost> {
        while !self.actor.world.is_at(Phase::Quiet) {
            let which = self.actor.rng.below(FILTERS);
            let wanted = self.actor.rng.below(2) == 0;
            self.subscribed.remove(&which);
            self.request(&which.to_string(), wanted).await?;
            self.subscribed.insert(which, wanted);
            while self.actor.event(LOOK).await?.is_some() {}
        }
        self.actor.connection.close();
        Ok(())
    }

    async fn request(&mut self, name: &str, subscribe: bool) -> Result<(), Lost> {
        let filter = self.topic(name);
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..SubscriptionOptions::default()
        };
        let connection = &mut self.actor.connection;
        let asked = if subscribe {
            connection.subscribe(&[(&filter, options)], Properties::EMPTY)
        } else {
            connection.unsubscribe(&[&filter], Properties::EMPTY)
        };
        let asked = asked.expect("a valid request");
        let answered = self.actor.wait_for("SUBACK", |_, event| match event {
            Event::Subscribed(answer) | Event::Unsubscribed(answer) => {
                (answer.packet_id == asked).then_some(())
            }
            _ => None,
        });
        answered.await
    }

    fn topic(&self, name: &str) -> String {
        format!("probe/{}/{name}", self.actor.name)
    }
}
