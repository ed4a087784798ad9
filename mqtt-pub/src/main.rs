//! `mqtt-pub`: publishes MQTT messages from a shell.

mod args;
mod lines;
mod payload;
mod plan;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_cli::start::start(
        |args| plan::Plan::new(args, &mut std::io::stdin()),
        async |plan, stdout, stderr| run::run(plan, tokio::io::stdin(), stdout, stderr).await,
    )
}
