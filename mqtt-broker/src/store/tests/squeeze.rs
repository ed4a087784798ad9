//! The reserve is used up: what fits takes effect, and what makes room first.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::engine::store_op::SavedSession;

/// A message of so many bytes for a session that is away.
fn large(value: u64, of: u32, bytes: usize) -> Effect {
    let Effect::Publish(mut publish, parts) =
        publish(value, vec![receipt(of, QoS::AtLeastOnce, true)])
    else {
        panic!("a publish")
    };
    publish.rows[0].message = message(MessageHead::default(), "t", &vec![b'x'; bytes]);
    Effect::Publish(publish, parts)
}

fn acked(of: u32, value: u64) -> Effect {
    Effect::Op(StoreOp::Acked {
        session: session(of),
        number: number(value),
    })
}

fn end(of: u32) -> Effect {
    Effect::Op(StoreOp::End {
        session: session(of),
    })
}

fn away(of: u32) -> Effect {
    Effect::Op(StoreOp::Away {
        session: session(of),
        since: NOW,
        expiry: SessionExpiry::Never,
        will_due: None,
    })
}

/// A database without room for more, with a message of 400 kB for each of two sessions, and a third one.
fn full(file: &File) -> Database {
    let mut database = open(&file.path());
    database.load(NOW).unwrap();
    let mut begin: Vec<Effect> = [1, 2, 3].map(|n| Effect::Op(connect(n))).into();
    begin.extend([large(1, 1, 400_000), large(2, 2, 400_000)]);
    database.transact(&begin).unwrap();
    database.limit_growth(Some(0)).unwrap();
    database
}

#[test]
fn what_makes_room_does_not_wait_behind_what_has_none() {
    for makes_room in [acked(1, 1), end(1)] {
        let file = File::new();
        let mut database = full(&file);
        let mut pending = vec![large(10, 3, 300_000), large(11, 3, 300_000)];
        assert!(!database.try_transact(&pending).unwrap());
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 2, "there is room for none");
        pending.push(makes_room);
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 2, "both came first");
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 1, "there is room for one");
        pending.push(acked(2, 2));
        for _ in 0..2 {
            database.squeeze(&mut pending).unwrap();
        }
        assert!(pending.is_empty());
        drop(database);
        let found = file.load();
        let last = found.sessions.last().unwrap();
        assert_eq!((found.messages, last.deliveries.len()), (2, 2));
    }
}

#[test]
fn what_came_before_stays_before_where_it_matters() {
    let released = || {
        Effect::Op(StoreOp::Released {
            session: session(3),
            number: number(4),
            packet_id: id(7),
        })
    };
    let completed = || {
        Effect::Op(StoreOp::Completed {
            session: session(3),
            packet_id: id(7),
        })
    };
    for behind in [
        vec![acked(3, 10)],
        vec![end(3)],
        vec![acked(3, 10), end(3)],
        vec![released(), completed()],
    ] {
        let file = File::new();
        let mut database = full(&file);
        let count = behind.len();
        let mut pending = vec![large(10, 3, 300_000)];
        pending.extend(behind);
        database.squeeze(&mut pending).unwrap();
        assert_eq!(pending.len(), 1 + count);
        assert!(
            matches!(pending[0], Effect::Publish(..)),
            "{:?}",
            pending[0]
        );
    }
}

/// A page that was read is not lost when something behind it has no room.
#[test]
fn what_fits_takes_effect_up_to_what_does_not() {
    let file = File::new();
    let mut database = full(&file);
    let mut pending = vec![
        read_op(session(2), None, (10, u64::MAX)),
        acked(1, 1),
        large(10, 3, 300_000),
        large(11, 3, 300_000),
        large(12, 3, 300_000),
    ];
    database.squeeze(&mut pending).unwrap();
    assert_eq!(pending.len(), 2);
    assert_eq!(database.take_pages().len(), 1);
    assert!(database.take_pages().is_empty());
}

/// What a broker may submit about three sessions, at random.
struct Random {
    rng: StdRng,
    number: u64,
    /// Numbers of messages of QoS 1 and 2 that wait for each session, and those whose PUBCOMP is awaited;
    /// `None` for a session that has ended.
    sessions: Vec<Option<[Vec<u64>; 3]>>,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            number: 0,
            sessions: vec![Some(Default::default()); 3],
        }
    }

    fn effect(&mut self) -> Option<Effect> {
        let index = self.rng.random_range(0..3_usize);
        let value = u32::try_from(index).unwrap() + 1;
        let of = session(value);
        let packet_id = |value: u64| id(u16::try_from(value).unwrap());
        if self.rng.random_range(0..60) == 0 && self.sessions.iter().flatten().count() > 1 {
            self.sessions[index].take()?;
            return Some(end(value));
        }
        let op = match self.rng.random_range(0..9) {
            0..4 => return self.publish(),
            4..6 => return Some(acked(value, self.take(index, 0)?)),
            6 => {
                let value = self.take(index, 1)?;
                self.sessions[index].as_mut()?[2].push(value);
                StoreOp::Released {
                    session: of,
                    number: number(value),
                    packet_id: packet_id(value),
                }
            }
            7 => StoreOp::Completed {
                session: of,
                packet_id: packet_id(self.take(index, 2)?),
            },
            _ => {
                self.sessions[index].as_ref()?;
                return Some(away(value));
            }
        };
        Some(Effect::Op(op))
    }

    fn take(&mut self, index: usize, which: usize) -> Option<u64> {
        let waiting = &mut self.sessions[index].as_mut()?[which];
        let at = self.rng.random_range(0..waiting.len().max(1));
        (at < waiting.len()).then(|| waiting.remove(at))
    }

    /// A message for some of them, connected or away.
    fn publish(&mut self) -> Option<Effect> {
        self.number += 1;
        let mut receivers = Vec::new();
        for (value, waiting) in (1..).zip(&mut self.sessions) {
            let Some([once, twice, _]) = waiting.as_mut().filter(|_| self.rng.random_bool(0.6))
            else {
                continue;
            };
            let away = self.rng.random_bool(0.5);
            if self.rng.random_bool(0.3) {
                let mut receipt = receipt(value, QoS::ExactlyOnce, away);
                receipt.packet_id = Some(id(u16::try_from(self.number).unwrap()));
                receivers.push(receipt);
                twice.push(self.number);
            } else {
                receivers.push(receipt(value, QoS::AtLeastOnce, away));
                once.push(self.number);
            }
        }
        if receivers.is_empty() {
            return None;
        }
        let Effect::Publish(mut publish, parts) = publish(self.number, receivers) else {
            panic!("a publish")
        };
        let payload = vec![b'x'; self.rng.random_range(0..30_000)];
        publish.rows[0].message = message(MessageHead::default(), "t", &payload);
        Some(Effect::Publish(publish, parts))
    }
}

/// A session with the messages that wait for it, and their packet ids.
fn numbers(saved: &SavedSession) -> (u32, Vec<(u64, Option<u16>)>) {
    let waiting = saved.deliveries.iter().map(|delivery| {
        let packet_id = delivery.receipt.packet_id.map(PacketId::get);
        (delivery.number.0.get(), packet_id)
    });
    (saved.session.session.0.get(), waiting.collect())
}

#[test]
fn in_whatever_order_it_takes_effect_it_comes_to_the_same() {
    let mut blocked = 0;
    for seed in 0..40 {
        let (wide, tight) = (File::new(), File::new());
        let mut databases = [&wide, &tight].map(|file| {
            let mut database = open(&file.path());
            database.load(NOW).unwrap();
            let begin = [1, 2, 3].map(|n| Effect::Op(connect(n)));
            database.transact(&begin).unwrap();
            database
        });
        let [plain, squeezed] = &mut databases;
        let mut randoms = [Random::new(seed), Random::new(seed)];
        let mut pending = Vec::new();
        for round in 0..12 {
            squeezed.limit_growth(Some([3, 0, 40][round % 3])).unwrap();
            let [effects, more] = randoms
                .each_mut()
                .map(|random| (0..20).filter_map(|_| random.effect()).collect::<Vec<_>>());
            plain.transact(&effects).unwrap();
            pending.extend(more);
            squeezed.squeeze(&mut pending).unwrap();
            blocked += usize::from(!pending.is_empty());
        }
        squeezed.limit_growth(None).unwrap();
        squeezed.squeeze(&mut pending).unwrap();
        assert!(pending.is_empty());
        for database in &mut databases {
            // A row with several receivers is not written again for each that is done.
            database.transact(&[1, 2, 3].map(away)).unwrap();
            while database.is_tidying() {
                database.transact(&[]).unwrap();
            }
        }
        drop(databases);
        let [plain, squeezed] = [&wide, &tight].map(|file| {
            let found = file.load();
            let lines: Vec<_> = found.sessions.iter().map(numbers).collect();
            (lines, found.messages)
        });
        assert_eq!(plain, squeezed, "seed {seed}");
    }
    assert!(blocked > 100, "{blocked} rounds in which something waited");
}
