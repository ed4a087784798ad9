//! Looks after each start at the retained messages: the last acknowledged one, or a later one.

use std::collections::BTreeMap;

use mqtt_client::{Event, Properties, SubscriptionOptions};

use crate::actor::{Actor, LOOK, Lost, number_of};
use crate::world::{Phase, Progress};

/// Runs until the world is over.
pub(crate) async fn run(mut actor: Actor) {
    actor.world.report_ready();
    while !actor.world.is_at(Phase::Over) {
        if actor.connect().await.is_ok() && look(&mut actor).await.is_ok() {
            actor.world.count("looks at all retained messages");
            // Until the next start there is nothing to see that a crash could have changed.
            while actor.event(LOOK).await.is_ok() && !actor.world.is_at(Phase::Over) {}
        }
        actor.connection.close();
    }
}

/// One look; it ends when every topic that has an acknowledged message has shown one.
pub(crate) async fn look(actor: &mut Actor) -> Result<(), Lost> {
    let kept = |all: BTreeMap<String, Progress>| all.into_iter().filter(|(t, _)| is_kept(t));
    let promised: BTreeMap<String, u64> = kept(actor.world.progress())
        .filter(|(_, progress)| progress.acked > 0)
        .map(|(topic, progress)| (topic, progress.acked))
        .collect();
    actor
        .connection
        .subscribe(
            &[("kept/#", SubscriptionOptions::default())],
            Properties::EMPTY,
        )
        .expect("a valid SUBSCRIBE");
    let mut missing = promised.clone();
    while !missing.is_empty() {
        let what = format!("the retained messages {missing:?}");
        let (topic, number) = actor
            .wait_for(&what, |_, event| match event {
                Event::Message(message) if message.retain() => {
                    Some((message.topic().to_owned(), number_of(message.payload())))
                }
                _ => None,
            })
            .await?;
        let least = promised.get(&topic).copied().unwrap_or(0);
        let sent = actor.world.progress().get(&topic).map_or(0, |p| p.sent);
        if number < least || number > sent {
            actor.fail(&format!(
                "retained in {topic}: {number}, of {least} acknowledged and {sent} sent"
            ));
        }
        missing.remove(&topic);
    }
    Ok(())
}

fn is_kept(topic: &str) -> bool {
    topic.starts_with("kept/")
}
