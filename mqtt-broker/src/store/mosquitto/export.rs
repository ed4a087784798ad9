//! The way back: a store of ours as a `mosquitto.db` of format 6.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};
use std::num::NonZeroU64;

use mqtt_codec::{PacketId, QoS};
use mqtt_session::time::UnixTime;

use super::counts::Counts;
use super::snapshot::{Client, ClientMessage, NEVER, Progress, StoredMessage, Subscription};
use super::write;
use crate::engine::envelope::{Message, MessageView};
use crate::engine::ids::{SessionAddress, SessionId, ShardId};
use crate::engine::session::SessionExpiry;
use crate::engine::store_op::{MessageNo, ReadOp, SavedDelivery, SavedSession};
use crate::store::database::Database;
use crate::store::{Recovered, StoreError};

/// Messages that are read at a time.
const PAGE_MESSAGES: u32 = 1000;
/// Their bytes.
const PAGE_BYTES: u64 = 1024 * 1024;

/// A store of ours cannot be written as one of Mosquitto.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Ours cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Mosquitto's cannot be written.
    #[error("it cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes everything that the format can hold to `out`; wills are left out, as Mosquitto does.
///
/// # Errors
/// See [`ExportError`]. What `out` has got then is of no use.
pub fn export(
    database: &mut Database,
    now: UnixTime,
    out: &mut impl Write,
) -> Result<Counts, ExportError> {
    let Recovered {
        last_commit,
        sessions,
        retained,
        last_numbers: (last_number, ..),
        damaged,
        ..
    } = database.load(now)?;
    let now = now.max(last_commit);
    let mut export = Export {
        now,
        out,
        written: HashSet::new(),
        last_id: last_number,
        counts: Counts::default(),
    };
    for what in damaged {
        export.counts.left_out.add(|| format!("{what} (damaged)"));
    }
    // What has no number of its own gets one behind the last.
    let others = |session: &SavedSession| session.held.len() + session.deliveries.len();
    let others = sessions.iter().map(others).sum::<usize>() + retained.len();
    write::header(last_number.saturating_add(others as u64), export.out)?;
    for mut session in sessions {
        export.session(database, &mut session)?;
    }
    for (_, message) in &retained {
        let id = export.next_id();
        if export.message(id, 0, message)? {
            write::retained(id, export.out)?;
            export.counts.retained += 1;
        }
    }
    export.out.flush()?;
    Ok(export.counts)
}

struct Export<'o, W> {
    now: UnixTime,
    out: &'o mut W,
    /// Messages that are in the file.
    written: HashSet<u64>,
    last_id: u64,
    counts: Counts,
}

impl<W: Write> Export<'_, W> {
    fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// Writes a message unless it is there already, and says whether it is; not if it has expired.
    fn message(&mut self, id: u64, source_packet_id: u16, message: &Message) -> io::Result<bool> {
        let view = message.view();
        if view.is_expired(self.now) {
            self.counts.expired_messages += 1;
            return Ok(false);
        }
        if self.written.insert(id) {
            let stored = stored(id, source_packet_id, &view);
            write::message(&stored, self.out)?;
        }
        Ok(true)
    }

    fn session(
        &mut self,
        database: &mut Database,
        saved: &mut SavedSession,
    ) -> Result<(), ExportError> {
        let in_memory = std::mem::take(&mut saved.deliveries);
        let saved = &*saved;
        let known = client(saved, self.now);
        if saved.session.will.is_some() {
            let name = || format!("the will of {}", saved.session.client_id);
            self.counts.left_out.add(name);
        }
        self.counts.sessions += 1;
        let mut ids = PacketIds::of(&in_memory);
        let waiting = in_memory.len() as u64 + saved.backlog.messages;
        write::client(&known, ids.highest_of(waiting), self.out)?;
        for (packet_id, message) in &saved.held {
            let id = self.next_id();
            if self.message(id, packet_id.get(), message)? {
                self.counts.held += 1;
                let held = ClientMessage {
                    id,
                    packet_id: packet_id.get(),
                    qos: QoS::ExactlyOnce,
                    retain: message.view().head.retain,
                    progress: Progress::Held,
                    identifiers: Vec::new(),
                };
                write::client_message(&known.id, &held, self.out)?;
            }
        }
        let damaged = each_delivery(database, saved, in_memory, |delivery| {
            self.delivery(saved, delivery, &known.id, &mut ids)
        })?;
        for _ in 0..damaged {
            let name = || format!("a damaged message for {}", saved.session.client_id);
            self.counts.left_out.add(name);
        }
        for wanted in &saved.subscriptions {
            self.counts.subscriptions += 1;
            let subscription = Subscription {
                filter: wanted.filter.as_bytes().into(),
                options: wanted.options.as_byte(),
                identifier: wanted.identifier,
            };
            write::subscription(&known.id, &subscription, self.out)?;
        }
        Ok(())
    }

    fn delivery(
        &mut self,
        saved: &SavedSession,
        delivery: &SavedDelivery,
        client_id: &[u8],
        ids: &mut PacketIds,
    ) -> Result<(), ExportError> {
        let id = match &delivery.message {
            Some(message) => {
                let id = delivery.number.0.get();
                if !self.message(id, 0, message)? {
                    return Ok(());
                }
                id
            }
            None => {
                // Mosquitto wants a message behind every packet id.
                let id = self.next_id();
                write::message(&no_message(id), self.out)?;
                id
            }
        };
        self.counts.messages += 1;
        let message = client_message(id, saved, delivery, ids);
        Ok(write::client_message(client_id, &message, self.out)?)
    }
}

/// Everything towards a client in the order of the numbers: what a start has in memory, and what waits in
/// the store. Says how many could not be read; they are removed, as when a client comes to them.
pub(super) fn each_delivery<E: From<StoreError>>(
    database: &mut Database,
    saved: &SavedSession,
    in_memory: Vec<SavedDelivery>,
    mut each: impl FnMut(&SavedDelivery) -> Result<(), E>,
) -> Result<u64, E> {
    let mut in_memory = in_memory.into_iter().peekable();
    let (mut after, mut damaged) = (None, 0);
    // Nobody waits for the answer.
    let session = SessionId {
        index: 0,
        generation: 0,
    };
    let reader = SessionAddress {
        shard: ShardId(0),
        session,
    };
    let mut last = saved.backlog.messages == 0;
    while !last {
        let read = ReadOp {
            reader,
            session: saved.session.session,
            after,
            upto: Some(MessageNo(NonZeroU64::MAX)),
            messages: PAGE_MESSAGES,
            bytes: PAGE_BYTES,
        };
        database.read(&read).map_err(StoreError::from)?;
        last = true;
        for (_, page) in database.take_pages() {
            for delivery in &page.deliveries {
                let earlier = |other: &SavedDelivery| other.number < delivery.number;
                while let Some(other) = in_memory.next_if(earlier) {
                    each(&other)?;
                }
                each(delivery)?;
            }
            damaged += page.damaged.messages;
            last = page.last || page.upto.is_none();
            after = page.upto;
        }
    }
    in_memory.try_for_each(|delivery| each(&delivery))?;
    Ok(damaged)
}

fn stored<'m>(id: u64, source_packet_id: u16, view: &MessageView<'m>) -> StoredMessage<'m> {
    let expires = view.head.expires.map_or(0, |expires| {
        // Not earlier than ours.
        i64::try_from(expires.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
    });
    StoredMessage {
        id,
        expires,
        source_packet_id,
        source_id: view.publisher.as_bytes().into(),
        topic: view.topic.as_str().as_bytes().into(),
        payload: view.payload.into(),
        properties: view.properties.as_bytes().into(),
        qos: view.head.qos,
        retain: view.head.retain,
    }
}

fn no_message(id: u64) -> StoredMessage<'static> {
    StoredMessage {
        id,
        expires: 0,
        source_packet_id: 0,
        source_id: Cow::default(),
        topic: b"-".into(),
        payload: Cow::default(),
        properties: Cow::default(),
        qos: QoS::ExactlyOnce,
        retain: false,
    }
}

fn client(saved: &SavedSession, now: UnixTime) -> Client<'_> {
    let since = saved.away.map_or(now, |(since, _)| since);
    let (ends, expiry_interval) = match saved.session.expiry {
        SessionExpiry::After(span) => {
            let ends = since.saturating_add(span).as_secs();
            let ends = i64::try_from(ends).unwrap_or(i64::MAX);
            let span = u32::try_from(span.as_secs()).unwrap_or(NEVER);
            (ends, span.clamp(1, NEVER - 1))
        }
        SessionExpiry::AtClose | SessionExpiry::Never => (0, NEVER),
    };
    let user_name = saved.session.user_name.as_deref().unwrap_or_default();
    Client {
        id: saved.session.client_id.as_bytes().into(),
        user_name: user_name.as_bytes().into(),
        ends,
        expiry_interval,
        will: None,
        subscriptions: Vec::new(),
        messages: Vec::new(),
    }
}

fn client_message(
    id: u64,
    saved: &SavedSession,
    delivery: &SavedDelivery,
    ids: &mut PacketIds,
) -> ClientMessage {
    let receipt = &delivery.receipt;
    // As a start of ours sees it: it may have been sent unless its client was away before.
    let waited = match (&delivery.message, saved.away) {
        (Some(message), Some((since, _))) => receipt.away && since < message.view().head.published,
        _ => false,
    };
    let own = receipt.packet_id.map(PacketId::get);
    let progress = match (delivery.message.is_none(), receipt.qos) {
        (true, _) => Progress::Released,
        (false, QoS::AtLeastOnce) if !waited => Progress::Sent,
        (false, QoS::ExactlyOnce) if own.is_some() => Progress::Sent,
        (false, _) => Progress::Queued,
    };
    let packet_id = match receipt.qos {
        QoS::AtMostOnce => 0,
        // Mosquitto gives them when it queues a message.
        QoS::AtLeastOnce | QoS::ExactlyOnce => own.unwrap_or_else(|| ids.next()),
    };
    let identifiers = receipt
        .extra
        .as_ref()
        .map(|extra| extra.identifiers.clone());
    ClientMessage {
        id,
        packet_id,
        qos: receipt.qos,
        retain: receipt.retain,
        progress,
        identifiers: identifiers.unwrap_or_default(),
    }
}

/// Packet ids towards one client, which few messages have in our store.
struct PacketIds {
    /// Those of messages that were sent under them.
    taken: HashSet<u16>,
    last: u16,
}

impl PacketIds {
    fn of(in_memory: &[SavedDelivery]) -> Self {
        let deliveries = in_memory.iter();
        let taken = deliveries.filter_map(|delivery| delivery.receipt.packet_id);
        Self {
            taken: taken.map(PacketId::get).collect(),
            last: 0,
        }
    }

    /// The next one. With more messages than there are ids they come again, as in Mosquitto.
    fn next(&mut self) -> u16 {
        for _ in 0..=self.taken.len() {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.taken.contains(&self.last) {
                break;
            }
        }
        self.last
    }

    /// At least the highest of so many messages: Mosquitto goes on behind it without a look at what is
    /// open.
    fn highest_of(&self, messages: u64) -> u16 {
        let given = messages.saturating_add(self.taken.len() as u64);
        let given = u16::try_from(given).unwrap_or(u16::MAX);
        self.taken.iter().copied().max().unwrap_or(0).max(given)
    }
}
