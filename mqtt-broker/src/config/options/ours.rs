//! Rows of the options that Mosquitto does not have.

use std::num::NonZeroUsize;

use super::Scope::Broker;
use super::Setter::{Number, Word};
use super::Status::{By, Refuses};
use super::{ConfigOption, ignore_word, row};
use crate::config::settings::SHARDS_MAX;

const NOTHING_KEPT: &str = "this release keeps everything in memory: what is acknowledged would \
                            be lost when the broker ends (write \"durability off\" to accept that)";

pub(super) static ROWS: &[ConfigOption] = &[
    row(
        "shards",
        Broker(Number(1, SHARDS_MAX, |globals, count| {
            globals.start.shards = usize::try_from(count).ok().and_then(NonZeroUsize::new);
        })),
        "one for each core",
        "Threads that serve clients.",
    )
    .at_start(),
    row(
        "durability",
        Broker(Word(&["full", "normal", "off"], ignore_word)),
        "off",
        "What an acknowledged message survives: all, a crash of the broker, \
         nothing.",
    )
    .at_start()
    .status(By(&[
        ("full", Refuses(NOTHING_KEPT)),
        ("normal", Refuses(NOTHING_KEPT)),
    ])),
];
