//! The loop: start, a moment of traffic, SIGKILL; at the end everything acknowledged must be there.

use std::env;
use std::thread;

use mqtt_tests::Setup;

use crate::rng::{Rng, fresh_seed, number_from};
use crate::storm::{Load, Storm, config_with};
use crate::world::PLAIN;

const ROUNDS: u64 = 25;
/// From the broker's readiness to its death.
const LIFE_MILLIS: (usize, usize) = (20, 700);

fn config(shards: usize) -> String {
    let lines = env::var(PLAIN).unwrap_or_else(|_| format!("shards {shards}"));
    config_with(&format!("{lines}\npersistence_location {{folder}}/\n"))
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let rounds = number_from("MQTT_CRASH_ROUNDS", || ROUNDS);
    let seed = number_from("MQTT_CRASH_SEED", fresh_seed);
    eprintln!("MQTT_CRASH_ROUNDS={rounds} MQTT_CRASH_SEED={seed}");
    let mut rng = Rng::new(seed);
    let broker = Setup::new().config(&config(rng.pick(&[1, 2, 4]))).start();
    let mut storm = Storm::gather(broker, Load::USUAL, &mut rng);
    for round in 1..=rounds {
        thread::sleep(rng.millis(LIFE_MILLIS.0, LIFE_MILLIS.1));
        storm.world.set_up(false);
        storm.broker.kill();
        storm.broker.start_again(&config(rng.pick(&[1, 2, 4])));
        storm.world.set_up(true);
        storm.assert_sound(&format!("seed {seed}, round {round}"));
    }
    storm.calm_down(&format!("{rounds} kills"), &format!("seed {seed}"));
}
