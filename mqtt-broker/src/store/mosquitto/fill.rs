//! Fills a new store of ours from what a store of Mosquitto held, by the same operations that shards
//! submit: how rows look is nobody's business here.

use std::collections::{HashMap, HashSet};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use mqtt_codec::{PacketId, QoS};
use mqtt_session::time::UnixTime;

use super::ImportError;
use super::counts::Counts;
use super::order::{self, Numbers};
use super::snapshot::{Client, Progress, Snapshot, StoredMessage};
use super::translate;
use crate::engine::envelope::Message;
use crate::engine::routing::local::Extra;
use crate::engine::store_op::{
    MessageNo, Origin, PublishOp, Receipt, Receivers, Retain, Row, SessionNo, StoreOp,
};
use crate::store::database::Database;
use crate::store::ledger::Effect;

/// Operations in one transaction.
const OPS: usize = 4096;
/// Bytes of messages in one transaction.
const BYTES: usize = 8 * 1024 * 1024;
/// Bytes that repeated messages may have besides a multiple of what the messages have: a small file must
/// not become a store that fills the disk.
const REPEATED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// See [`REPEATED_BYTES_MAX`].
const REPEATED_TIMES_MAX: u64 = 16;

/// Brings everything over that is not expired and can be served.
///
/// # Errors
/// The disk fails, or the snapshot would become much larger than it is.
pub(super) fn fill(
    database: &mut Database,
    snapshot: &Snapshot<'_>,
    now: UnixTime,
) -> Result<Counts, ImportError> {
    let mut counts = Counts::default();
    let bodies = Bodies::new(snapshot, now, &mut counts);
    let clients: Vec<Known<'_>> = snapshot
        .clients
        .iter()
        .filter_map(|client| Known::new(client, &bodies, now, &mut counts))
        .collect();
    let wanted: Vec<Vec<Option<usize>>> = clients
        .iter()
        .map(|client| client.owed.iter().map(|owed| owed.body).collect())
        .collect();
    let numbers = order::number(bodies.list.len(), &wanted);
    drop(wanted);
    bodies.check_size(&numbers)?;
    let mut filling = Filling {
        database,
        ops: 0,
        bytes: 0,
    };
    for (at, client) in clients.iter().enumerate() {
        let ops = translate::session(session_no(at)?, client.client, now, &mut counts);
        for op in ops {
            filling.op(op)?;
        }
        for (packet_id, body) in &client.held {
            let Some(message) = bodies.message(*body, now) else {
                continue;
            };
            counts.held += 1;
            filling.held(session_no(at)?, *packet_id, message)?;
        }
    }
    filling.deliveries(
        clients.iter().map(|client| &*client.owed),
        &numbers,
        &bodies,
        now,
        &mut counts,
    )?;
    for (at, client) in clients.iter().enumerate() {
        filling.op(translate::away(session_no(at)?, client.client, now))?;
    }
    filling.retained(snapshot, &bodies, now, &mut counts)?;
    database.commit()?;
    Ok(counts)
}

fn session_no(at: usize) -> Result<SessionNo, ImportError> {
    let number = u32::try_from(at).ok().and_then(|at| at.checked_add(1));
    number
        .and_then(NonZeroU32::new)
        .map(SessionNo)
        .ok_or(ImportError::TooMuch("it has too many sessions"))
}

/// The messages that can be served, in the order of their ids, which is that of their publication.
struct Bodies<'s> {
    list: Vec<&'s StoredMessage<'s>>,
    places: HashMap<u64, usize>,
}

impl<'s> Bodies<'s> {
    fn new(snapshot: &'s Snapshot<'s>, now: UnixTime, counts: &mut Counts) -> Self {
        let mut list = Vec::with_capacity(snapshot.messages.len());
        for message in &snapshot.messages {
            if translate::is_over(message.expires, now) {
                counts.expired_messages += 1;
            } else if translate::topic(&message.topic).is_some() {
                list.push(message);
            } else {
                let name = || {
                    format!(
                        "a message with the topic {}",
                        translate::shown(&message.topic)
                    )
                };
                counts.left_out.add(name);
            }
        }
        list.sort_by_key(|message| message.id);
        list.dedup_by_key(|message| message.id);
        let places = list.iter().enumerate();
        let places = places.map(|(place, message)| (message.id, place)).collect();
        Self { list, places }
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.places.get(&id).copied()
    }

    fn message(&self, place: usize, now: UnixTime) -> Option<Message> {
        let stored = self.list.get(place)?;
        translate::message(stored, stored.retain, now)
    }

    fn check_size(&self, numbers: &Numbers) -> Result<(), ImportError> {
        let size = |body: &Option<usize>| {
            let message = body.and_then(|place| self.list.get(place));
            message.map_or(0, |message| message.payload.len() as u64)
        };
        let all: u64 = self
            .list
            .iter()
            .map(|message| message.payload.len() as u64)
            .sum();
        let numbered: u64 = numbers.bodies.iter().map(size).sum();
        let most = all
            .saturating_mul(REPEATED_TIMES_MAX)
            .saturating_add(REPEATED_BYTES_MAX);
        if numbered > most {
            return Err(ImportError::TooMuch(
                "its clients' queues have the same messages again and again, in another order",
            ));
        }
        Ok(())
    }
}

/// Something that is owed to a client.
struct Owed {
    /// The message; none is needed once the client took it over.
    body: Option<usize>,
    packet_id: Option<PacketId>,
    qos: QoS,
    retain: bool,
    progress: Progress,
    identifiers: Vec<u32>,
}

/// A session that is brought over.
struct Known<'s> {
    client: &'s Client<'s>,
    owed: Vec<Owed>,
    held: Vec<(PacketId, usize)>,
}

impl<'s> Known<'s> {
    fn new(
        client: &'s Client<'s>,
        bodies: &Bodies<'_>,
        now: UnixTime,
        counts: &mut Counts,
    ) -> Option<Self> {
        if translate::client_id(client).is_none() {
            let name = || {
                format!(
                    "a session with the client id {}",
                    translate::shown(&client.id)
                )
            };
            counts.left_out.add(name);
            return None;
        }
        if translate::lifetime(client, now).is_none() {
            counts.expired_sessions += 1;
            return None;
        }
        let mut known = Self {
            client,
            owed: Vec::new(),
            held: Vec::new(),
        };
        let mut packet_ids = HashSet::new();
        for message in &client.messages {
            let body = bodies.place(message.id);
            let packet_id = PacketId::new(message.packet_id);
            let (body, packet_id) = match (message.progress, message.qos) {
                (Progress::Held, _) => {
                    known.held.extend(packet_id.zip(body));
                    continue;
                }
                // A message that was sent at QoS 0 is over.
                (Progress::Over, _) | (Progress::Sent, QoS::AtMostOnce) => continue,
                (Progress::Released, _) => {
                    let fresh = packet_id.filter(|id| packet_ids.insert(*id));
                    if fresh.is_none() {
                        continue;
                    }
                    (None, fresh)
                }
                (Progress::Queued | Progress::Sent, _) if body.is_none() => continue,
                (Progress::Sent, QoS::ExactlyOnce) => {
                    (body, packet_id.filter(|id| packet_ids.insert(*id)))
                }
                (Progress::Queued | Progress::Sent, _) => (body, None),
            };
            known.owed.push(Owed {
                body,
                packet_id,
                qos: message.qos,
                retain: message.retain,
                progress: message.progress,
                identifiers: message.identifiers.clone(),
            });
        }
        Some(known)
    }
}

impl Owed {
    fn receipt(&self, session: SessionNo) -> Receipt {
        let extra = (!self.identifiers.is_empty()).then(|| {
            Arc::new(Extra {
                identifiers: self.identifiers.clone(),
                group: None,
            })
        });
        Receipt {
            session,
            qos: self.qos,
            retain: self.retain,
            extra,
            packet_id: self.packet_id,
            away: self.progress == Progress::Queued,
        }
    }
}

/// The store while it is filled.
struct Filling<'d> {
    database: &'d mut Database,
    /// Since the last commit.
    ops: usize,
    bytes: usize,
}

impl Filling<'_> {
    fn op(&mut self, op: StoreOp) -> Result<(), ImportError> {
        self.apply(Effect::Op(op), 0)
    }

    fn apply(&mut self, effect: Effect, bytes: usize) -> Result<(), ImportError> {
        self.database.apply(&effect)?;
        self.ops += 1;
        self.bytes += bytes;
        if self.ops >= OPS || self.bytes >= BYTES {
            self.database.commit()?;
            (self.ops, self.bytes) = (0, 0);
        }
        Ok(())
    }

    fn held(
        &mut self,
        session: SessionNo,
        packet_id: PacketId,
        message: Message,
    ) -> Result<(), ImportError> {
        let bytes = message.bytes().len();
        let hold = StoreOp::Hold {
            session,
            packet_id,
            message,
        };
        self.apply(Effect::Op(hold), bytes)
    }

    /// Every message with those who are to get it, in the order of the numbers.
    fn deliveries<'o>(
        &mut self,
        clients: impl Iterator<Item = &'o [Owed]>,
        numbers: &Numbers,
        bodies: &Bodies<'_>,
        now: UnixTime,
        counts: &mut Counts,
    ) -> Result<(), ImportError> {
        let mut all: Vec<(u64, SessionNo, &Owed)> = Vec::new();
        for (at, (owed, numbers)) in clients.zip(&numbers.clients).enumerate() {
            let session = session_no(at)?;
            let owed = numbers.iter().zip(owed);
            all.extend(owed.map(|(number, owed)| (*number, session, owed)));
        }
        all.sort_by_key(|(number, session, _)| (*number, *session));
        for group in all.chunk_by(|(one, ..), (other, ..)| one == other) {
            let Some((number, _, first)) = group.first() else {
                continue;
            };
            let message = match first.body {
                Some(body) => bodies.message(body, now),
                None => Some(translate::nothing(now)),
            };
            let number = NonZeroU64::new(*number).map(MessageNo);
            let (Some(message), Some(number)) = (message, number) else {
                continue;
            };
            counts.messages += group.len() as u64;
            let receivers = group.iter();
            let receivers = receivers.map(|(_, session, owed)| owed.receipt(*session));
            self.publish(number, Some((message, receivers.collect())), None)?;
            for (_, session, owed) in group {
                if let (Progress::Released, Some(packet_id)) = (owed.progress, owed.packet_id) {
                    self.op(StoreOp::Released {
                        session: *session,
                        number,
                        packet_id,
                    })?;
                }
            }
        }
        Ok(())
    }

    fn publish(
        &mut self,
        number: MessageNo,
        row: Option<(Message, Receivers)>,
        retain: Option<Retain>,
    ) -> Result<(), ImportError> {
        let retained = retain.as_ref().map(|retain| &retain.message);
        let messages = row.iter().map(|(message, _)| message).chain(retained);
        let bytes = messages.map(|message| message.bytes().len()).sum();
        let row = row.map(|(message, receivers)| Row {
            number,
            message,
            receivers,
        });
        let publish = PublishOp {
            number,
            rows: row.into_iter().collect(),
            retain,
            awaits: 0,
            origin: Origin::Fresh,
        };
        self.apply(Effect::Publish(Box::new(publish), Vec::new()), bytes)
    }

    fn retained(
        &mut self,
        snapshot: &Snapshot<'_>,
        bodies: &Bodies<'_>,
        now: UnixTime,
        counts: &mut Counts,
    ) -> Result<(), ImportError> {
        for (version, id) in (1..).zip(&snapshot.retained) {
            let stored = bodies.place(*id).and_then(|place| bodies.list.get(place));
            let message = stored
                // What a broker says of itself it says anew.
                .filter(|stored| !stored.payload.is_empty() && !stored.topic.starts_with(b"$SYS"))
                .and_then(|stored| translate::message(stored, true, now));
            if let Some(message) = message {
                counts.retained += 1;
                let number = MessageNo(NonZeroU64::MIN);
                self.publish(number, None, Some(Retain { version, message }))?;
            }
        }
        Ok(())
    }
}
