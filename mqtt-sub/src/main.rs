//! `mqtt-sub`: prints MQTT messages of subscribed topics.

mod args;
mod filter;
mod output;
mod plan;
mod run;
mod signals;

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_cli::start::start(plan::Plan::new, async |plan, stdout, stderr| {
        run::run(plan, stdout, stderr).await
    })
}
