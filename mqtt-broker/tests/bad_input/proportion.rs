//! What is four times as large costs four times as much.

use crate::support::counting::Cost;

/// What may come on top of proportion: the first blocks of buffers and tables.
pub const SLACK: usize = 16 * 1024;

/// Four times as much costs four times as much, and a little: tables double where they like.
#[track_caller]
pub fn assert_proportional(what: &str, few: Cost, many: Cost) {
    assert!(
        many.bytes <= 4 * few.bytes + few.bytes / 8 + SLACK,
        "{what}: {few:?}, then {many:?}"
    );
    assert!(
        many.allocations <= 4 * few.allocations + 16,
        "{what}: {few:?}, then {many:?}"
    );
}
