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

/// Publishes what the broker counts.
#[derive(Debug)]
pub struct SysTopics {
    commons: Arc<Commons>,
    clock: Clock,
    started: Instant,
    /// When figures were published last.
    before: Instant,
    figures: Figures,
}

impl SysTopics {
    /// Figures of a broker that starts now.
    #[must_use]
    pub fn new(commons: Arc<Commons>, clock: Clock) -> Self {
        let started = clock.now().instant;
        Self {
            commons,
            clock,
            started,
            before: started,
            figures: Figures::default(),
        }
    }

    /// Publishes everything at once, then what changed whenever the seconds since 1970 are a
    /// multiple of `sys_interval`; nothing while that is 0. Ends when `sys_interval` is dropped.
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
            tokio::select! {
                () = tokio::time::sleep(until_next(self.clock.now().unix, seconds)) => {}
                changed = sys_interval.changed() => if changed.is_err() {
                    return Ok(());
                },
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
                changed.push((format!("$SYS/broker/{topic}"), payload));
            });
        let mut receipts = Vec::with_capacity(changed.len());
        for (topic, payload) in changed {
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
        }
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
