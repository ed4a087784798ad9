//! The reserve is used up, and what was submitted does not fit: as much of it as there is room for is
//! brought about, and what makes room does not wait behind what has none.

use std::collections::HashSet;

use super::database::Database;
use super::ledger::Effect;
use crate::engine::store_op::{MessageNo, Origin, Row, SessionNo, StoreOp};

impl Database {
    /// One transaction, or nothing of it if there is no room. Whether there was.
    ///
    /// # Errors
    /// Whatever else the disk has.
    pub(super) fn try_transact(&mut self, effects: &[Effect]) -> rusqlite::Result<bool> {
        match self.transact(effects) {
            Ok(()) => Ok(true),
            Err(error) if self.room.is_reason(&error) => {
                self.undo()?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Several transactions: those in front that fit, and those that make room. What is left stays in its
    /// order.
    ///
    /// # Errors
    /// Whatever the disk has, but for a lack of room.
    pub(super) fn squeeze(&mut self, effects: &mut Vec<Effect>) -> rusqlite::Result<()> {
        let mut most = effects.len();
        while most > 0 && !effects.is_empty() {
            let count = most.min(effects.len());
            let (first, _) = effects.split_at(count);
            if self.try_transact(first)? {
                effects.drain(..count);
                self.keep_journal_short()?;
                most = count * 2;
            } else {
                // From its beginning, the journal has room that is taken already.
                self.reuse_journal()?;
                most = count / 2;
            }
        }
        let mut blocked = Blocked::default();
        let (passing, waiting) = std::mem::take(effects)
            .into_iter()
            .partition(|effect| blocked.lets_pass(effect));
        *effects = passing;
        // Rows of sessions that ended go with it, some at a time.
        if self.try_transact(effects)? {
            effects.clear();
        }
        // Where they stand makes no difference to them.
        effects.extend::<Vec<Effect>>(waiting);
        Ok(())
    }
}

/// What waits, as far as it matters for what comes behind it.
#[derive(Debug, Default)]
struct Blocked {
    deliveries: HashSet<(SessionNo, MessageNo)>,
    /// Sessions that something happens to, other than that a message comes for them.
    busy: HashSet<SessionNo>,
    /// Sessions that messages come for or from.
    named: HashSet<SessionNo>,
}

impl Blocked {
    /// Whether an operation removes something, and nothing that waits has to happen before it. It waits
    /// too otherwise.
    fn lets_pass(&mut self, effect: &Effect) -> bool {
        let passes = match effect {
            Effect::Op(StoreOp::Acked { session, number }) => {
                !self.deliveries.contains(&(*session, *number))
            }
            Effect::Op(StoreOp::Completed { session, .. }) => !self.busy.contains(session),
            Effect::Op(StoreOp::End { session }) => {
                !self.busy.contains(session) && !self.named.contains(session)
            }
            Effect::Op(_) | Effect::Publish(..) => false,
        };
        if !passes {
            self.add(effect);
        }
        passes
    }

    fn add(&mut self, effect: &Effect) {
        match effect {
            Effect::Publish(publish, parts) => {
                for row in publish.rows.iter().chain(parts) {
                    self.add_row(row);
                }
                match publish.origin {
                    Origin::Fresh => {}
                    Origin::Released { session, .. } | Origin::Will { session } => {
                        self.named.insert(session);
                    }
                    Origin::Moved { session, number } => {
                        // It is removed where it was when it is where it goes.
                        self.deliveries.insert((session, number));
                        self.named.insert(session);
                    }
                }
            }
            Effect::Op(op) => {
                self.busy.extend(session_of(op));
            }
        }
    }

    fn add_row(&mut self, row: &Row) {
        for receipt in &row.receivers {
            self.deliveries.insert((receipt.session, row.number));
            self.named.insert(receipt.session);
        }
    }
}

/// Whose operation it is.
fn session_of(op: &StoreOp) -> Option<SessionNo> {
    match op {
        // Effects of their own.
        StoreOp::Publish(_) | StoreOp::Part(_) => None,
        StoreOp::Read(read) => Some(read.session),
        StoreOp::Session(op) => Some(op.session),
        StoreOp::Hold { session, .. }
        | StoreOp::Acked { session, .. }
        | StoreOp::Sent { session, .. }
        | StoreOp::Released { session, .. }
        | StoreOp::Completed { session, .. }
        | StoreOp::Away { session, .. }
        | StoreOp::End { session }
        | StoreOp::Subscribe { session, .. }
        | StoreOp::Replayed { session, .. }
        | StoreOp::Unsubscribe { session, .. } => Some(*session),
    }
}
