//! The program `mqtt-broker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_broker::program::run(std::env::args_os().skip(1))
}
