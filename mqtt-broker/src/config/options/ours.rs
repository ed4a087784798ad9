//! Rows of the options that Mosquitto does not have.

use std::num::NonZeroUsize;

use super::Scope::Broker;
use super::Setter::{Number, Word};
use super::{ConfigOption, row};
use crate::config::settings::{Durability, OnCorruption, SHARDS_MAX};

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
        Broker(Word(&["full", "normal", "off"], |globals, word| {
            globals.start.keep.durability = Durability::from_word(word);
        })),
        "full where persistence or persistence_location says that something \
         is kept, else off",
        "What an acknowledged message survives: the loss of power, a crash of \
         the broker, nothing.",
    )
    .at_start(),
    row(
        "on_corruption",
        Broker(Word(&["salvage", "refuse"], |globals, word| {
            globals.start.keep.on_corruption = match word {
                "refuse" => OnCorruption::Refuse,
                _ => OnCorruption::Salvage,
            };
        })),
        "salvage",
        "What is done with a damaged store: it is set aside and what can be read \
         of it goes on, or it is left alone and the broker does not start.",
    )
    .at_start(),
];
