//! The programs against each other, as a person uses them: tutorial, options, exit codes, bad input.

mod bad_input;
mod chat_room;
mod configuration;
mod formats;
mod password_files;
mod publishing;
mod shards;
mod subscribing;
mod tutorial;
mod vectors;
