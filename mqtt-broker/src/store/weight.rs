//! What waits for the disk is bounded by what it takes in memory, more or less.

use std::mem::size_of;

use crate::engine::envelope::Message;
use crate::engine::store_op::{Receipt, Row, StoreOp};

/// What an operation counts for besides the messages and texts in it.
pub(super) const OP_BYTES: u64 = 256;

/// What an operation counts for, in bytes.
pub(super) fn weight(op: &StoreOp) -> u64 {
    let bytes = match op {
        StoreOp::Publish(publish) => {
            let retained = publish.retain.as_ref();
            let retained = retained.map_or(0, |retain| size(&retain.message));
            retained + rows(&publish.rows)
        }
        StoreOp::Part(part) => rows(&part.rows),
        StoreOp::Hold { message, .. } => size(message),
        StoreOp::Session(session) => {
            let will = session.will.as_ref();
            let will = will.map_or(0, |will| size(&will.message));
            let user_name = session.user_name.as_deref().unwrap_or_default();
            will + session.client_id.len() + user_name.len()
        }
        StoreOp::Subscribe { subscription, .. } => subscription.filter.len(),
        StoreOp::Replayed { filter, .. } | StoreOp::Unsubscribe { filter, .. } => filter.len(),
        StoreOp::Acked { .. }
        | StoreOp::Sent { .. }
        | StoreOp::Released { .. }
        | StoreOp::Completed { .. }
        | StoreOp::Read(_)
        | StoreOp::Away { .. }
        | StoreOp::End { .. } => 0,
    };
    OP_BYTES + bytes as u64
}

fn rows(rows: &[Row]) -> usize {
    let row = |row: &Row| size(&row.message) + row.receivers.len() * size_of::<Receipt>();
    rows.iter().map(row).sum()
}

fn size(message: &Message) -> usize {
    message.bytes().len()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use mqtt_codec::SubscriptionOptions;

    use super::*;
    use crate::engine::envelope::{MessageHead, tests::message};
    use crate::engine::session::SessionExpiry;
    use crate::engine::store_op::{SavedSubscription, SavedWill, SessionNo, SessionOp};

    #[test]
    fn whatever_a_client_may_make_long_counts() {
        const LONG: usize = 60_000;
        let session = SessionNo(NonZeroU32::MIN);
        let text = || "x".repeat(LONG);
        let connect = |client_id: String, user_name: Option<String>, will| {
            StoreOp::Session(Box::new(SessionOp {
                session,
                client_id: client_id.into(),
                user_name: user_name.map(Into::into),
                listener: 0,
                expiry: SessionExpiry::Never,
                will,
            }))
        };
        let will = SavedWill {
            message: message(MessageHead::default(), "t", text().as_bytes()),
            expiry: None,
            delay: Duration::ZERO,
        };
        let filter = || text().into();
        let subscription = SavedSubscription {
            filter: filter(),
            options: SubscriptionOptions::default(),
            identifier: 0,
            replays: false,
        };
        for op in [
            connect(text(), None, None),
            connect(String::new(), Some(text()), None),
            connect(String::new(), None, Some(will)),
            StoreOp::Subscribe {
                session,
                subscription,
            },
            StoreOp::Unsubscribe {
                session,
                filter: filter(),
            },
            StoreOp::Replayed {
                session,
                filter: filter(),
            },
        ] {
            assert!(weight(&op) >= LONG as u64, "{op:?}");
        }
        assert_eq!(weight(&StoreOp::End { session }), OP_BYTES);
    }
}
