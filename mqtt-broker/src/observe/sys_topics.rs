//! `$SYS/broker/#`: the broker speaks about itself, as a client of its own.

use std::sync::Arc;
use std::time::Duration;

use mqtt_client::{Client, ClientError, Publication, QoS};
use mqtt_session::time::{Instant, UnixTime};
use tokio::sync::watch;

use super::sys_figures::{Figures, Snapshot};
use crate::engine::commons::Commons;
use crate::engine::commons::counters::Tally;
use crate::runtime::Clock;
use crate::store::{Health, Store};

/// Publishes what the broker counts.
#[derive(Debug)]
pub struct SysTopics {
    commons: Arc<Commons>,
    clock: Clock,
    /// The store, if there is one, and how it is.
    store: Option<Store>,
    health: watch::Receiver<Health>,
    started: Instant,
    /// When figures were published last.
    before: Instant,
    figures: Figures,
}

impl SysTopics {
    /// Figures of a broker that starts now.
    #[must_use]
    pub fn new(
        commons: Arc<Commons>,
        clock: Clock,
        store: Option<(Store, watch::Receiver<Health>)>,
    ) -> Self {
        let started = clock.now().instant;
        let (store, health) = store.unzip();
        Self {
            commons,
            clock,
            store,
            // Without a store it never changes.
            health: health.unwrap_or_else(|| watch::channel(Health::Off).1),
            started,
            before: started,
            figures: Figures::default(),
        }
    }

    /// Publishes everything at once, then what changed whenever the seconds since 1970 are a
    /// multiple of `sys_interval`, but how the store is as soon as it changes; nothing while
    /// `sys_interval` is 0. Ends when `sys_interval` is dropped, with the last state of the store.
    ///
    /// # Errors
    /// The link to the broker ended.
    pub async fn run(
        mut self,
        link: &Client,
        mut sys_interval: watch::Receiver<u16>,
    ) -> Result<(), ClientError> {
        loop {
            let seconds = *sys_interval.borrow_and_update();
            if seconds == 0 {
                if sys_interval.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            }
            self.publish(link).await?;
            let next = tokio::time::sleep(until_next(self.clock.now().unix, seconds));
            tokio::pin!(next);
            loop {
                tokio::select! {
                    () = &mut next => break,
                    changed = sys_interval.changed() => match changed {
                        Ok(()) => break,
                        // The store may be why the broker ends.
                        Err(_) => return self.publish_health(link).await,
                    },
                    () = change_of(&mut self.health) => self.publish_health(link).await?,
                }
            }
        }
    }

    async fn publish(&mut self, link: &Client) -> Result<(), ClientError> {
        let now = self.clock.now().instant;
        let elapsed = now.saturating_since(self.before);
        self.before = now;
        let mut changed = Vec::new();
        self.figures
            .update(self.snapshot(now), elapsed, |topic, payload| {
                changed.push((topic.to_owned(), payload));
            });
        Self::say(link, changed).await
    }

    async fn publish_health(&mut self, link: &Client) -> Result<(), ClientError> {
        let health = *self.health.borrow_and_update();
        let mut changed = Vec::new();
        self.figures.update_health(health, |topic, payload| {
            changed.push((topic.to_owned(), payload));
        });
        Self::say(link, changed).await
    }

    /// Publishes to topics below `$SYS/broker/`.
    async fn say(link: &Client, changed: Vec<(String, String)>) -> Result<(), ClientError> {
        let mut receipts = Vec::with_capacity(changed.len());
        for (topic, payload) in changed {
            let topic = format!("$SYS/broker/{topic}");
            let publication = Publication::new(&topic, payload)
                .qos(QoS::ExactlyOnce)
                .retain(true);
            receipts.push(link.enqueue(publication).await?);
        }
        for receipt in receipts {
            receipt.await?;
        }
        Ok(())
    }

    fn snapshot(&self, now: Instant) -> Snapshot {
        let mut tally = Tally::default();
        for counters in &self.commons.counters {
            tally += counters.load();
        }
        Snapshot {
            uptime: now.saturating_since(self.started),
            tally,
            retained: self.commons.retained.count(),
            clients_maximum: 0,
            health: *self.health.borrow(),
            store: self.store.as_ref().map(Store::figures),
        }
    }
}

/// Waits for the next change, for ever where none can come any more.
async fn change_of(health: &mut watch::Receiver<Health>) {
    if health.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Until the seconds since 1970 are a multiple of `seconds` again.
fn until_next(now: UnixTime, seconds: u16) -> Duration {
    let period = u64::from(seconds.max(1)) * 1000;
    Duration::from_millis(period - now.as_millis() % period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_aligned_to_the_wall_clock() {
        for (now, seconds, wait) in [
            (1_700_000_000_000, 10, 10_000),
            (1_700_000_000_001, 10, 9_999),
            (1_700_000_009_999, 10, 1),
            (1_700_000_003_500, 1, 500),
            (59_000, 60, 1_000),
        ] {
            let now = UnixTime::from_millis(now);
            assert_eq!(until_next(now, seconds), Duration::from_millis(wait));
        }
    }
}
