//! Simulated worlds: `MQTT_SIMULATION_SEEDS` says how many (2,000 unless it does).

use mqtt_tests::simulation::{Run, run};

/// Steps of each world.
const STEPS: u64 = 300;

#[test]
fn whatever_clients_network_and_disk_do_the_promises_are_kept() {
    let seeds = std::env::var("MQTT_SIMULATION_SEEDS");
    let seeds = seeds.map_or(2_000, |seeds| seeds.parse().expect("a number of seeds"));
    for seed in 0..seeds {
        let world = Run {
            seed,
            steps: STEPS,
            trace: false,
        };
        if let Err(failure) = run(world) {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for seed in 0..50 {
        let world = Run {
            seed,
            steps: STEPS,
            trace: false,
        };
        assert_eq!(run(world).unwrap(), run(world).unwrap(), "seed {seed}");
    }
}

/// Seeds that found something, and what. They mean what they meant only as long as nobody changes
/// what a seed makes; the rules themselves have tests of their own in the engine and the client.
#[test]
fn what_was_found_once_is_not_found_again() {
    let found = [
        (
            189,
            "a client of 3.1 took every lost connection for the end of its session",
        ),
        (
            12_987,
            "QoS 1 that had waited was not marked as repeated after a crash",
        ),
        (
            24_400,
            "a SUBACK and a PUBREC overtook answers that waited for the disk",
        ),
        (
            9_921,
            "a page showed a part that took effect early, and what stood before that was skipped",
        ),
        (36_194, "QoS 0 that had waited was sent again after a crash"),
        (
            282_431,
            "a CONNACK said that a session had ended before that was kept",
        ),
    ];
    for (seed, what) in found {
        let world = Run {
            seed,
            steps: STEPS,
            trace: false,
        };
        if let Err(failure) = run(world) {
            panic!("{failure}\nthis seed once showed: {what}");
        }
    }
}
