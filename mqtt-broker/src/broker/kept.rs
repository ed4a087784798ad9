//! What was kept: the store is opened, its findings are told, and its state is taken in.

use std::time::Duration;

use mqtt_session::time::UnixTime;

use super::StartError;
use crate::control::{Opened, Plan, open_store};
use crate::engine::commons::Commons;
use crate::engine::store_op::SavedSession;
use crate::observe::{Level, Log};
use crate::runtime::Clock;
use crate::store::Recovered;
use crate::store::recovery::{Report, Weight};

/// How far the clock may stand before the last commit without a word, since clocks are corrected.
const CLOCK_BEHIND: Duration = Duration::from_secs(1);

/// Opens the store that is planned. What is only an offer may fail: then the broker runs without.
pub(super) fn open_as_planned(plan: Plan, log: &Log) -> Result<(Plan, Option<Opened>), StartError> {
    let Plan::Keep(keep) = &plan else {
        return Ok((plan, None));
    };
    let now = Clock::start().now().unix;
    match open_store(keep, now) {
        Ok(opened) => {
            tell_findings(&opened, now, log);
            Ok((plan, Some(opened)))
        }
        Err(error) if keep.ordered => Err(error.into()),
        Err(error) => {
            log.tell(Level::Warning, format_args!("Warning: {error}."));
            let plan = Plan::Off(Some("as the store cannot be used"));
            log.tell(Level::Warning, format_args!("{plan}"));
            Ok((plan, None))
        }
    }
}

/// Says what was found out about the files of the store.
fn tell_findings(opened: &Opened, now: UnixTime, log: &Log) {
    let behind = opened.recovered.last_commit.saturating_since(now);
    if behind >= CLOCK_BEHIND {
        let text = format_args!(
            "Warning: The clock stands {} s before the last commit of the store: until it is ahead \
             of that, what expires does so as if time had gone on from there.",
            behind.as_secs()
        );
        log.tell(Level::Warning, text);
    }
    if let Some(name) = opened.in_memory {
        let text = format_args!(
            "Warning: The store lies in memory ({name}): nothing of it is left when the machine starts \
             anew."
        );
        log.tell(Level::Warning, text);
    }
    for (weight, line) in opened.reports.iter().flat_map(Report::lines) {
        let level = match weight {
            Weight::Loss => Level::Error,
            Weight::Notice => Level::Warning,
            Weight::Usual => Level::Debug,
        };
        log.tell(level, format_args!("{line}"));
    }
}

/// Takes in what was kept, and says how much that was.
pub(super) fn take_in(recovered: Recovered, commons: &Commons, log: &Log) -> Vec<SavedSession> {
    let Recovered {
        sessions,
        retained,
        last_numbers: (message, session, version),
        damaged,
        messages,
        last_commit: _,
    } = recovered;
    commons.numbers.go_on_after(message, session);
    for (_, message) in &retained {
        commons.retained.set(message);
    }
    commons.retained.go_on_after(version);
    let subscriptions: usize = sessions.iter().map(|s| s.subscriptions.len()).sum();
    let in_memory: usize = sessions.iter().map(|s| s.deliveries.len()).sum();
    let waiting: u64 = sessions.iter().map(|s| s.backlog.messages).sum();
    let deliveries = in_memory as u64 + waiting;
    for text in [
        format!("Restored {messages} base messages"),
        format!("Restored {} retained messages", retained.len()),
        format!("Restored {} clients", sessions.len()),
        format!("Restored {subscriptions} subscriptions"),
        format!("Restored {deliveries} client messages"),
    ] {
        log.tell(Level::Information, format_args!("{text}"));
    }
    for what in damaged {
        let text = format_args!("Error: {what} is damaged in the store and was left out.");
        log.tell(Level::Error, text);
    }
    sessions
}
