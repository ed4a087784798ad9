//! What a broker of a simulated world keeps its promises with: a stand-in in memory, or the real store on
//! a disk that fails.

mod life;
mod power;
mod real;
mod stand_in;
mod tables;

use std::fmt;

use mqtt_broker::engine::store_op::{Page, StoreOp, Urgency};
use mqtt_broker::store::Recovered;
use mqtt_session::time::Now;

use super::dice::Dice;
use super::trace::Counts;
pub(crate) use real::Real;
pub(crate) use stand_in::StandIn;

/// Time after which what nobody waits for is committed too.
pub(crate) const LAZY_MILLIS: u64 = 1_000;

/// The store of one world. It outlives the lives of its broker, works when it is told to, and knows no
/// time but that of the world.
pub(crate) trait Store: fmt::Debug {
    /// How late it is.
    fn set_clock(&mut self, now: Now);

    /// A new life of the broker begins, with so many shards. What its start finds.
    fn begin(&mut self, shards: u16) -> Recovered;

    /// Takes a shard's batch.
    fn submit(&mut self, shard: usize, batch: u64, ops: Vec<(StoreOp, Urgency)>);

    /// The last ticket of a shard that is durable.
    fn durable(&self, shard: usize) -> u64;

    /// A shard has ended a turn: all that it has decided is submitted.
    fn note_turn(&mut self, _shard: usize) {}

    /// The next page for a shard.
    fn next_page(&mut self, shard: usize) -> Option<Page>;

    /// Since when something waits that nobody waits for, in milliseconds; none if nothing waits to take
    /// effect or to be committed.
    fn waits_since(&self) -> Option<u64>;

    /// Has up to so many operations take effect, in the order in which they were submitted as far as
    /// those in front of them do not wait. Whether any did.
    fn apply(&mut self, most: usize) -> bool;

    /// Everything that took effect is on disk, if the disk takes it. Whether that is news.
    fn commit(&mut self) -> bool;

    /// The disk has no room: nothing more must be taken that would have to be kept.
    fn has_no_room(&self) -> bool {
        false
    }

    /// The disk failed or lost its power: nothing becomes durable any more, and the broker has to end.
    fn has_failed(&self) -> bool {
        false
    }

    /// When the first was submitted of what is not durable, in milliseconds, as far as it is known.
    fn behind_since(&self) -> Option<u64> {
        None
    }

    /// The disk may fail and be full from now on, or no longer.
    fn may_fail(&mut self, _may: bool) {}

    /// The process ends here: of what was not announced any part may be kept.
    fn crash(&mut self, dice: &mut Dice);

    /// What it has done and gone through.
    fn count(&self, counts: &mut Counts);

    /// Whether everything that was submitted took effect, and nothing is kept any more.
    fn leftovers(&mut self) -> Result<(), String>;
}
