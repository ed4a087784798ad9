//! Simulated worlds: `MQTT_SIMULATION_SEEDS` says how many (2,000 unless it does); for every twenty of them
//! there is one on the real store, and a longer one.

use mqtt_tests::simulation::{Counts, Failure, Outcome, Run, run};

/// Steps of each world.
const STEPS: u64 = 300;
/// Steps of each world on the real store: what a disk does shows in what was kept before.
const STEPS_ON_DISK: u64 = 2_000;

fn world(seed: u64, real_store: bool) -> Result<Outcome, Failure> {
    run(Run {
        seed,
        steps: if real_store { STEPS_ON_DISK } else { STEPS },
        real_store,
        trace: false,
    })
}

fn worlds() -> u64 {
    let seeds = std::env::var("MQTT_SIMULATION_SEEDS");
    seeds.map_or(2_000, |seeds| seeds.parse().expect("a number of seeds"))
}

#[test]
fn whatever_clients_network_and_disk_do_the_promises_are_kept() {
    for seed in 0..worlds() {
        if let Err(failure) = world(seed, false) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_real_store_keeps_the_promises_on_a_disk_that_is_full_or_fails() {
    let mut sum = Counts::default();
    for seed in 0..worlds() / 20 {
        match world(seed, true) {
            Ok(outcome) => sum.add(&outcome.counts),
            Err(failure) => panic!("{failure}"),
        }
    }
    let happened = [
        sum.crashes,
        sum.torn,
        sum.full,
        sum.turned_away,
        sum.failed_syncs,
        sum.saved,
    ];
    assert!(!happened.contains(&0), "the disks are too good:\n{sum}");
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for (seeds, real_store) in [(0..50, false), (0..5, true)] {
        for seed in seeds {
            let [one, other] = [world(seed, real_store), world(seed, real_store)];
            assert_eq!(one.unwrap(), other.unwrap(), "seed {seed}");
        }
    }
}

/// Seeds that found something, and what. They mean what they meant only as long as nobody changes
/// what a seed makes; the rules themselves have tests of their own in the engine and the client.
#[test]
fn what_was_found_once_is_not_found_again() {
    let found = [
        (
            30,
            true,
            "QoS 0 that a full disk did not keep overtook what waited in the store",
        ),
        (
            189,
            false,
            "a client of 3.1 took every lost connection for the end of its session",
        ),
        (
            12_987,
            false,
            "QoS 1 that had waited was not marked as repeated after a crash",
        ),
        (
            24_400,
            false,
            "a SUBACK and a PUBREC overtook answers that waited for the disk",
        ),
        (
            9_921,
            false,
            "a page showed a part that took effect early, and what stood before that was skipped",
        ),
        (
            36_194,
            false,
            "QoS 0 that had waited was sent again after a crash",
        ),
        (
            282_431,
            false,
            "a CONNACK said that a session had ended before that was kept",
        ),
    ];
    for (seed, real_store, what) in found {
        if let Err(failure) = world(seed, real_store) {
            panic!("{failure}\nthis seed once showed: {what}");
        }
    }
}
