//! From a topic name to those who want it.

pub mod cache;
pub mod filter_map;
pub mod groups;
mod levels;
pub mod local;
pub mod trie;
