//! Load averages, as `$SYS/broker/load/#` shows them: how much a minute, smoothed over 1, 5 and 15
//! minutes.

use std::time::Duration;

use crate::engine::commons::counters::Tally;

/// Minutes over which each average reaches back.
pub(super) const SPANS: [u8; 3] = [1, 5, 15];
/// An average is worth saying again when it moved this far.
const WORTH_SAYING: f64 = 0.01;

/// One thing whose rate is watched.
pub(super) struct Rate {
    /// Topic levels below `$SYS/broker/load/`.
    pub(super) name: &'static str,
    /// The counter.
    pub(super) count: fn(&Tally) -> u64,
}

/// What is watched.
pub(super) const RATES: [Rate; 9] = [
    Rate {
        name: "messages/received",
        count: |tally| tally.packets_received,
    },
    Rate {
        name: "messages/sent",
        count: |tally| tally.packets_sent,
    },
    Rate {
        name: "publish/received",
        count: |tally| tally.publishes_received,
    },
    Rate {
        name: "publish/sent",
        count: |tally| tally.publishes_sent,
    },
    Rate {
        name: "publish/dropped",
        count: |tally| tally.publishes_dropped,
    },
    Rate {
        name: "bytes/received",
        count: |tally| tally.bytes_received,
    },
    Rate {
        name: "bytes/sent",
        count: |tally| tally.bytes_sent,
    },
    Rate {
        name: "sockets",
        count: |tally| tally.sockets_accepted,
    },
    Rate {
        name: "connections",
        count: |tally| tally.connects_received,
    },
];

/// All averages.
#[derive(Debug, Default)]
pub(super) struct Load {
    before: Tally,
    averages: [[Average; SPANS.len()]; RATES.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Average {
    now: f64,
    said: Option<f64>,
}

impl Load {
    /// Takes in what was counted in the `elapsed` time since the last call, and says which averages
    /// moved: name, minutes, value. The first call, without elapsed time, says all.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an average is shown with two decimals; counters within a span stay far below 2^52"
    )]
    pub(super) fn update(
        &mut self,
        tally: &Tally,
        elapsed: Duration,
        mut say: impl FnMut(&'static str, u8, f64),
    ) {
        let seconds = elapsed.as_secs_f64();
        for (rate, averages) in RATES.iter().zip(&mut self.averages) {
            let counted = (rate.count)(tally).saturating_sub((rate.count)(&self.before)) as f64;
            for (minutes, average) in SPANS.into_iter().zip(averages) {
                if seconds > 0.0 {
                    average.take(counted * 60.0 / seconds, seconds, f64::from(minutes) * 60.0);
                }
                if average
                    .said
                    .is_none_or(|said| (average.now - said).abs() >= WORTH_SAYING)
                {
                    average.said = Some(average.now);
                    say(rate.name, minutes, average.now);
                }
            }
        }
        self.before = *tally;
    }
}

impl Average {
    /// What lies `seconds` back counts `e^(-seconds/span)` as much.
    fn take(&mut self, rate: f64, seconds: f64, span: f64) {
        self.now = rate + (-seconds / span).exp() * (self.now - rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(load: &mut Load, tally: &Tally, seconds: u64) -> Vec<(String, String)> {
        let mut said = Vec::new();
        load.update(
            tally,
            Duration::from_secs(seconds),
            |name, minutes, value| {
                said.push((format!("{name}/{minutes}min"), format!("{value:.2}")));
            },
        );
        said
    }

    #[test]
    fn all_27_averages_are_said_as_zero_at_the_start_and_not_again_while_nothing_moves() {
        let mut load = Load::default();
        let first = said(&mut load, &Tally::default(), 0);
        assert_eq!(first.len(), 27);
        assert!(first.iter().all(|(_, value)| value == "0.00"));
        assert_eq!(said(&mut load, &Tally::default(), 10), []);
    }

    #[test]
    fn averages_follow_the_rate_and_fade() {
        let mut load = Load::default();
        said(&mut load, &Tally::default(), 0);
        let busy = Tally {
            publishes_received: 100,
            ..Tally::default()
        };
        // 100 in 10 s are 600 a minute; 1 - e^(-10/60) of that after the first ten seconds.
        assert_eq!(
            said(&mut load, &busy, 10),
            [
                ("publish/received/1min".to_owned(), "92.11".to_owned()),
                ("publish/received/5min".to_owned(), "19.67".to_owned()),
                ("publish/received/15min".to_owned(), "6.63".to_owned()),
            ]
        );
        let later = said(&mut load, &busy, 10);
        assert_eq!(
            later[0],
            ("publish/received/1min".to_owned(), "77.97".to_owned())
        );
    }

    #[test]
    fn an_average_stays_unsaid_until_it_moved_by_a_hundredth() {
        let mut load = Load::default();
        said(&mut load, &Tally::default(), 0);
        let mut tally = Tally {
            sockets_accepted: 1,
            ..Tally::default()
        };
        assert_eq!(said(&mut load, &tally, 1).len(), 3);
        tally.connects_received = 1;
        let moved = said(&mut load, &tally, 600);
        assert!(
            moved.iter().any(|(name, _)| name == "sockets/1min"),
            "{moved:?}"
        );
        // From almost nothing to almost nothing.
        assert!(
            said(&mut load, &tally, 1)
                .iter()
                .all(|(name, _)| !name.ends_with("15min"))
        );
    }
}
