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
