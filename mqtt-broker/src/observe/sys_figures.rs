//! The figures of `$SYS/broker/#`: which there are, and which of them changed.

use std::time::Duration;

use super::load::Load;
use crate::engine::commons::counters::Tally;
use crate::store::{self, Health};

/// What the broker knows of itself at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Snapshot {
    /// Since the broker started.
    pub(super) uptime: Duration,
    /// Counters of all shards.
    pub(super) tally: Tally,
    /// Retained messages.
    pub(super) retained: u64,
    /// The most sessions there ever were at such a moment.
    pub(super) clients_maximum: u64,
    /// How the store is.
    pub(super) health: Health,
    /// What is in the store, if there is one.
    pub(super) store: Option<store::Figures>,
}

/// A figure and the topic it is published to.
struct Row {
    /// Below `$SYS/broker/`.
    topic: &'static str,
    /// `None` as long as there is nothing to say.
    figure: fn(&Snapshot) -> Option<u64>,
}

const fn row(topic: &'static str, figure: fn(&Snapshot) -> Option<u64>) -> Row {
    Row { topic, figure }
}

const ROWS: [Row; 26] = [
    row("clients/total", |s| Some(s.tally.clients_total)),
    row("clients/maximum", |s| {
        Some(s.clients_maximum).filter(|maximum| *maximum > 1)
    }),
    row("clients/connected", |s| Some(s.tally.connections)),
    row("clients/active", |s| Some(s.tally.connections)),
    row("clients/disconnected", |s| Some(offline(s))),
    row("clients/inactive", |s| Some(offline(s))),
    row("clients/expired", |s| Some(s.tally.clients_expired)),
    row("messages/stored", |s| Some(stored(s))),
    row("store/messages/count", |s| Some(stored(s))),
    row("store/messages/bytes", |s| {
        Some(s.tally.messages_stored_bytes)
    }),
    row("store/disk/messages", |s| Some(s.store?.messages)),
    row("store/disk/bytes", |s| Some(s.store?.bytes)),
    row("store/disk/commits", |s| Some(s.store?.commits)),
    row("subscriptions/count", |s| Some(s.tally.subscriptions)),
    row("shared_subscriptions/count", |s| {
        Some(s.tally.shared_subscriptions)
    }),
    row("retained messages/count", |s| Some(s.retained)),
    row("messages/received", |s| Some(s.tally.packets_received)),
    row("messages/sent", |s| Some(s.tally.packets_sent)),
    row("bytes/received", |s| Some(s.tally.bytes_received)),
    row("bytes/sent", |s| Some(s.tally.bytes_sent)),
    row("publish/messages/received", |s| {
        Some(s.tally.publishes_received)
    }),
    row("publish/messages/sent", |s| Some(s.tally.publishes_sent)),
    row("publish/messages/dropped", |s| {
        Some(s.tally.publishes_dropped)
    }),
    row("publish/bytes/received", |s| {
        Some(s.tally.publish_bytes_received)
    }),
    row("publish/bytes/sent", |s| Some(s.tally.publish_bytes_sent)),
    row("connections/socket/count", |s| {
        Some(s.tally.sockets_accepted)
    }),
];

fn offline(snapshot: &Snapshot) -> u64 {
    snapshot
        .tally
        .clients_total
        .saturating_sub(snapshot.tally.clients_connected)
}

/// Waiting for clients, or retained.
fn stored(snapshot: &Snapshot) -> u64 {
    snapshot
        .tally
        .messages_stored
        .saturating_add(snapshot.retained)
}

/// What was published last, so that only changes are published again.
#[derive(Debug, Default)]
pub(super) struct Figures {
    said: [Option<u64>; ROWS.len()],
    said_health: Option<Health>,
    load: Load,
    clients_maximum: u64,
    begun: bool,
}

impl Figures {
    /// Says what changed since the last call, `elapsed` ago: topic below `$SYS/broker/`, payload.
    /// The first call says everything.
    pub(super) fn update(
        &mut self,
        mut snapshot: Snapshot,
        elapsed: Duration,
        mut say: impl FnMut(&str, String),
    ) {
        if !self.begun {
            self.begun = true;
            say(
                "version",
                format!("{} version {}", super::NAME, super::VERSION),
            );
        }
        self.update_health(snapshot.health, &mut say);
        say("uptime", format!("{} seconds", snapshot.uptime.as_secs()));
        self.clients_maximum = self.clients_maximum.max(snapshot.tally.clients_total);
        snapshot.clients_maximum = self.clients_maximum;
        for (row, said) in ROWS.iter().zip(&mut self.said) {
            if let Some(figure) = (row.figure)(&snapshot)
                && *said != Some(figure)
            {
                *said = Some(figure);
                say(row.topic, figure.to_string());
            }
        }
        self.load
            .update(&snapshot.tally, elapsed, |name, minutes, average| {
                say(
                    &format!("load/{name}/{minutes}min"),
                    format!("{average:.2}"),
                );
            });
    }

    /// Says how the store is, if that changed.
    pub(super) fn update_health(&mut self, health: Health, mut say: impl FnMut(&str, String)) {
        if self.said_health.replace(health) != Some(health) {
            say("store/state", health.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(figures: &mut Figures, snapshot: Snapshot, seconds: u64) -> Vec<(String, String)> {
        let mut said = Vec::new();
        figures.update(snapshot, Duration::from_secs(seconds), |topic, payload| {
            said.push((topic.to_owned(), payload));
        });
        said
    }

    fn after(seconds: u64, tally: Tally) -> Snapshot {
        Snapshot {
            uptime: Duration::from_secs(seconds),
            tally,
            ..Snapshot::default()
        }
    }

    #[test]
    fn everything_is_said_once_and_then_only_what_changed() {
        let mut figures = Figures::default();
        let first = said(&mut figures, Snapshot::default(), 0);
        // Version, uptime, state of the store, all figures but clients/maximum and those of the store, 27
        // averages.
        assert_eq!(first.len(), 3 + ROWS.len() - 4 + 27);
        assert!(first.contains(&("store/state".to_owned(), "off".to_owned())));
        let version = format!("mqtt-broker version {}", env!("CARGO_PKG_VERSION"));
        assert_eq!(first[0], ("version".to_owned(), version));
        assert!(first.contains(&("retained messages/count".to_owned(), "0".to_owned())));
        assert!(first.contains(&("load/bytes/sent/15min".to_owned(), "0.00".to_owned())));

        let uptime = |seconds: u64| ("uptime".to_owned(), format!("{seconds} seconds"));
        assert_eq!(
            said(&mut figures, after(10, Tally::default()), 10),
            [uptime(10)]
        );
        let tally = Tally {
            clients_expired: 3,
            ..Tally::default()
        };
        let expired = ("clients/expired".to_owned(), "3".to_owned());
        assert_eq!(
            said(&mut figures, after(20, tally), 10),
            [uptime(20), expired]
        );
    }

    #[test]
    fn the_most_clients_are_said_from_two_on_and_never_fewer() {
        let mut figures = Figures::default();
        let mut maximum = |clients_total| {
            let tally = Tally {
                clients_total,
                ..Tally::default()
            };
            said(&mut figures, after(1, tally), 1)
                .into_iter()
                .find(|(topic, _)| topic == "clients/maximum")
                .map(|(_, payload)| payload)
        };
        assert_eq!(maximum(1), None);
        assert_eq!(maximum(5).as_deref(), Some("5"));
        assert_eq!(maximum(2), None);
        assert_eq!(maximum(6).as_deref(), Some("6"));
    }

    #[test]
    fn the_state_of_the_store_is_said_between_the_figures_too_and_only_if_it_changed() {
        let mut figures = Figures::default();
        let snapshot = Snapshot {
            health: Health::Ok,
            store: Some(store::Figures {
                messages: 3,
                bytes: 8192,
                commits: 2,
            }),
            ..Snapshot::default()
        };
        let first = said(&mut figures, snapshot, 0);
        for (topic, payload) in [
            ("store/state", "ok"),
            ("store/disk/messages", "3"),
            ("store/disk/bytes", "8192"),
            ("store/disk/commits", "2"),
        ] {
            assert!(
                first.contains(&(topic.to_owned(), payload.to_owned())),
                "{topic}"
            );
        }
        let mut states = Vec::new();
        for health in [Health::Ok, Health::Full, Health::Full, Health::Failed] {
            figures.update_health(health, |topic, payload| {
                states.push(format!("{topic} {payload}"));
            });
        }
        assert_eq!(states, ["store/state full", "store/state failed"]);
    }

    #[test]
    fn aliases_agree_and_offline_is_never_below_zero() {
        let tally = Tally {
            clients_total: 5,
            clients_connected: 3,
            connections: 4,
            messages_stored: 7,
            ..Tally::default()
        };
        let snapshot = Snapshot {
            retained: 2,
            ..after(0, tally)
        };
        let said = said(&mut Figures::default(), snapshot, 0);
        for (topic, payload) in [
            ("clients/connected", "4"),
            ("clients/active", "4"),
            ("clients/disconnected", "2"),
            ("clients/inactive", "2"),
            ("messages/stored", "9"),
            ("store/messages/count", "9"),
        ] {
            assert!(
                said.contains(&(topic.to_owned(), payload.to_owned())),
                "{topic}"
            );
        }
    }

    #[test]
    fn topics_are_legal_and_stand_for_one_figure_each() {
        let mut topics: Vec<&str> = ROWS.iter().map(|row| row.topic).collect();
        topics.sort_unstable();
        assert!(topics.windows(2).all(|pair| pair[0] != pair[1]));
        for topic in topics {
            assert!(mqtt_codec::TopicName::parse(&format!("$SYS/broker/{topic}")).is_ok());
        }
    }
}
