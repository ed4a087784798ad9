//! The loop: start, a moment of traffic, the power goes; at the end everything acknowledged must be there.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use mqtt_tests::{Broker, Deadline, Signal};

use crate::dark::{Disk, WATCHED, ended_broker, take_trace};
use crate::rng::{Rng, fresh_seed, number_from};
use crate::storm::{Load, Storm, config_with};

const CUTS: u64 = 60;
/// After so many a fresh store is begun, with another load.
const CUTS_OF_A_STORE: u64 = 20;
/// Starts on an empty folder whose power is cut while the tables are made.
const BEGINNINGS: usize = 3;
/// Calls that change something while an empty store is made.
const CALLS_OF_A_BEGINNING: usize = 60;
/// A round whose cut has not come ends without it.
const LIFE: Duration = Duration::from_secs(3);
/// How calls to the database end; it is written when everything is brought into it.
const DATABASE: &str = ".db";
const LOOK: Duration = Duration::from_millis(1);

/// Few and small, many and small, and large ones among few.
const LOADS: [Load; 4] = [
    Load::USUAL,
    Load {
        windows: 1000,
        burst: 2048,
        large: 20_000,
        large_one_in: 2000,
    },
    Load {
        windows: 1,
        burst: 3,
        large: 1_000_000,
        large_one_in: 30,
    },
    Load {
        windows: 20,
        burst: 100,
        large: 20_000,
        large_one_in: 10,
    },
];

fn draw_config(rng: &mut Rng) -> String {
    let shards = rng.pick(&[1, 2, 4]);
    let inflight = rng.pick(&[20, 2048]);
    config_with(&format!(
        "shards {shards}\nmax_inflight_messages {inflight}\n\
         persistence_location {{folder}}/{WATCHED}/store\n"
    ))
}

/// What happened in a run.
#[derive(Debug, Default)]
struct Count {
    cuts: u64,
    in_starts: u64,
    ends: u64,
    /// Calls in which the power went.
    where_cut: BTreeMap<String, u64>,
}

impl Count {
    /// The broker has ended: by the cut, or well.
    fn end(&mut self, status: ExitStatus, broker: &Broker, when: &str) {
        let trace = take_trace(broker);
        if status.signal() == Some(Signal::SIGKILL as i32) {
            self.cuts += 1;
            let call = trace.iter().find_map(|line| line.strip_suffix(" cut"));
            let call = call.unwrap_or_else(|| panic!("{when}: killed, and not by the disk"));
            *self.where_cut.entry(call.to_owned()).or_default() += 1;
        } else {
            let said = broker.log();
            assert_eq!(status.code(), Some(0), "{when}, {status}; it said:\n{said}");
            self.ends += 1;
        }
    }
}

/// Where the next cut is: few calls away or many, in the journal, in the database alone, in a sync.
fn draw_cut(rng: &mut Rng) -> (u64, &'static str) {
    let magnitude = 2 + rng.below(11);
    let number = 1 + rng.below(1 << magnitude) as u64;
    match rng.below(8) {
        0 => (1 + number % 40, DATABASE),
        1 => (1 + number % 3, "sync mosquitto.db"),
        2 => (1 + number % 100, "sync mosquitto.db-wal"),
        3 => (number, ".db-wal"),
        _ => (number, ""),
    }
}

/// Starts on nothing, whose power is cut. What is there then must open.
fn begin(broker: &mut Broker, rng: &mut Rng, count: &mut Count, when: &str) {
    for _ in 0..BEGINNINGS {
        let cut = 1 + rng.below(CALLS_OF_A_BEGINNING) as u64;
        let disk = Disk::new(rng.below(usize::MAX) as u64)
            .cut(cut, "")
            .traced();
        broker.set_variables(disk.variables());
        match broker.attempt_start(&draw_config(rng)) {
            Ok(()) => broker.kill(),
            Err(status) => {
                count.end(status, broker, when);
                count.in_starts += 1;
            }
        }
    }
}

/// One round: a broker whose power will be cut, and now and then a save or an orderly end on the way.
fn round(storm: &mut Storm, rng: &mut Rng, count: &mut Count, when: &str) {
    let (mut number, mut name) = draw_cut(rng);
    let order = match rng.below(8) {
        0 => Some(Signal::SIGTERM),
        1 | 2 => Some(Signal::SIGUSR1),
        _ => None,
    };
    if order == Some(Signal::SIGTERM) {
        // The first calls to the database are those of the end.
        (number, name) = (1 + rng.below(100) as u64, DATABASE);
    }
    let disk = Disk::new(rng.below(usize::MAX) as u64)
        .cut(number, name)
        .traced();
    storm.broker.set_variables(disk.variables());
    let when = format!("{when}, cut {number} {name}");
    if let Err(status) = storm.broker.attempt_start(&draw_config(rng)) {
        count.end(status, &storm.broker, &when);
        count.in_starts += 1;
        return;
    }
    // A disk that keeps its promises never looks like one that lost what was synced.
    let said = storm.broker.log();
    assert!(!said.contains("is damaged"), "{when}:\n{said}");
    storm.world.set_up(true);
    let until_order = Deadline::after(rng.millis(10, 400));
    let mut order = order.or_else(|| name.ends_with(DATABASE).then_some(Signal::SIGUSR1));
    let life = Deadline::after(LIFE);
    let ended = loop {
        if let Some(status) = storm.broker.ended() {
            break Some(status);
        }
        if life.is_over() {
            break None;
        }
        if until_order.is_over()
            && let Some(signal) = order.take()
        {
            storm.broker.signal(signal);
        }
        thread::sleep(LOOK);
    };
    storm.world.set_up(false);
    match ended {
        Some(status) => count.end(status, &storm.broker, &when),
        None => {
            storm.broker.kill();
            count.ends += 1;
        }
    }
    storm.assert_sound(&when);
}

/// Cuts at one store.
fn store(cuts: u64, load: Load, rng: &mut Rng, when: &str) -> Count {
    let mut count = Count::default();
    let mut broker = ended_broker();
    begin(&mut broker, rng, &mut count, when);
    broker.set_variables(Vec::new());
    broker.start_again(&draw_config(rng));
    let mut storm = Storm::gather(broker, load, rng);
    storm.world.set_up(false);
    storm.broker.kill();
    let mut number = 0;
    while count.cuts < cuts {
        number += 1;
        round(
            &mut storm,
            rng,
            &mut count,
            &format!("{when}, round {number}"),
        );
    }
    storm.broker.set_variables(Vec::new());
    storm.broker.start_again(&draw_config(rng));
    storm.world.set_up(true);
    let happened = format!(
        "{} power cuts, of which {} in starts, and {} other ends",
        count.cuts, count.in_starts, count.ends
    );
    storm.calm_down(&happened, when);
    count
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_power_cuts() {
    let cuts = number_from("MQTT_POWER_CUTS", || CUTS);
    let seed = number_from("MQTT_POWER_SEED", fresh_seed);
    eprintln!("MQTT_POWER_CUTS={cuts} MQTT_POWER_SEED={seed}");
    let mut rng = Rng::new(seed);
    let (mut done, mut in_starts) = (0, 0);
    let mut where_cut = BTreeMap::<String, u64>::new();
    let mut load = rng.below(LOADS.len());
    while done < cuts {
        let here = CUTS_OF_A_STORE.min(cuts - done);
        load = (load + 1) % LOADS.len();
        let when = format!("seed {seed} after {done} cuts, load {load}");
        let count = store(here, LOADS[load], &mut rng, &when);
        done += count.cuts;
        in_starts += count.in_starts;
        for (call, cuts) in count.where_cut {
            *where_cut.entry(call).or_default() += cuts;
        }
    }
    eprintln!("{done} power cuts in all, {in_starts} of them in starts: {where_cut:?}");
}
