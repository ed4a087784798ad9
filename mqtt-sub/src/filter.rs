//! Which messages are printed, which are counted, and which is the last one.

use mqtt_client::{Message, TopicFilter, TopicName};

use crate::args::Args;

/// What is to be done about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As if it had never come.
    Ignore,
    /// It is taken.
    Take {
        print: bool,
        /// Publish an empty message to its topic, so that the broker forgets it.
        clear: bool,
        /// No other one is wanted.
        is_last: bool,
    },
    /// It is not wanted, and neither is any other.
    Stop,
}

/// The options that choose among messages, and the count.
#[derive(Debug)]
pub(crate) struct Filter {
    filters_out: Vec<String>,
    no_retained: bool,
    retained_only: bool,
    remove_retained: bool,
    /// Percent to be printed; `None` is all.
    chance: Option<f64>,
    /// `-C`, as far as it is not used up.
    remaining: Option<u32>,
}

impl Filter {
    pub(crate) fn new(args: &mut Args) -> Self {
        Self {
            filters_out: std::mem::take(&mut args.filters_out),
            no_retained: args.no_retained,
            retained_only: args.retained_only,
            remove_retained: args.remove_retained,
            chance: args.chance.filter(|chance| *chance < 100.0),
            remaining: args.count,
        }
    }

    /// Judges a message; `dice` is a random number from 0 to 100, asked only if need be.
    pub(crate) fn judge(&mut self, message: &Message, dice: impl FnOnce() -> f64) -> Verdict {
        self.judge_parts(message.topic(), message.retain(), dice)
    }

    fn judge_parts(&mut self, topic: &str, retain: bool, dice: impl FnOnce() -> f64) -> Verdict {
        if self.retained_only && !retain {
            return Verdict::Stop;
        }
        if (self.no_retained && retain) || self.is_filtered_out(topic) {
            return Verdict::Ignore;
        }
        // What chance drops is counted all the same.
        let is_last = match &mut self.remaining {
            Some(remaining) => {
                *remaining = remaining.saturating_sub(1);
                *remaining == 0
            }
            None => false,
        };
        let print = self.chance.is_none_or(|chance| dice() < chance);
        Verdict::Take {
            print,
            clear: self.remove_retained && retain,
            is_last,
        }
    }

    fn is_filtered_out(&self, topic: &str) -> bool {
        let topic = TopicName::trusted(topic);
        self.filters_out
            .iter()
            .any(|filter| TopicFilter::trusted(filter).matches(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(change: impl FnOnce(&mut Args)) -> Filter {
        let mut args = Args::default();
        change(&mut args);
        Filter::new(&mut args)
    }

    const TAKEN: Verdict = Verdict::Take {
        print: true,
        clear: false,
        is_last: false,
    };

    #[test]
    fn only_what_passes_the_filters_is_counted() {
        let mut filter = filter(|args| {
            args.filters_out = vec!["noise/#".into()];
            args.no_retained = true;
            args.count = Some(2);
        });
        assert_eq!(
            filter.judge_parts("noise/a", false, || 0.0),
            Verdict::Ignore
        );
        assert_eq!(filter.judge_parts("a", true, || 0.0), Verdict::Ignore);
        assert_eq!(filter.judge_parts("a", false, || 0.0), TAKEN);
        let last = Verdict::Take {
            print: true,
            clear: false,
            is_last: true,
        };
        assert_eq!(filter.judge_parts("a", false, || 0.0), last);
    }

    #[test]
    fn chance_drops_what_is_printed_but_not_what_is_counted() {
        let mut filter = filter(|args| {
            args.chance = Some(50.0);
            args.count = Some(1);
        });
        let dropped = Verdict::Take {
            print: false,
            clear: false,
            is_last: true,
        };
        assert_eq!(filter.judge_parts("a", false, || 50.0), dropped);
        assert_eq!(
            filter.judge_parts("a", false, || 49.9),
            Verdict::Take {
                print: true,
                clear: false,
                is_last: true
            }
        );
    }

    #[test]
    fn a_hundred_percent_is_everything() {
        let mut filter = filter(|args| args.chance = Some(100.0));
        assert_eq!(
            filter.judge_parts("a", false, || panic!("not asked")),
            TAKEN
        );
    }

    #[test]
    fn the_first_live_message_ends_retained_only() {
        let mut filter = filter(|args| {
            args.retained_only = true;
            args.remove_retained = true;
        });
        let cleared = Verdict::Take {
            print: true,
            clear: true,
            is_last: false,
        };
        assert_eq!(filter.judge_parts("a", true, || 0.0), cleared);
        assert_eq!(filter.judge_parts("a", false, || 0.0), Verdict::Stop);
    }
}
