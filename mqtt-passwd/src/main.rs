//! `mqtt-passwd`: makes and changes the password file of an MQTT broker.

mod args;
mod failure;
mod interrupt;
mod options;
mod prompt;
mod replace;
mod run;
mod secret;

use std::io::Write;
use std::process::ExitCode;

use failure::Failure;

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let result = interrupt::watch()
        .and_then(|()| args::Command::parse(std::env::args_os().skip(1)))
        .and_then(|command| run::run(command, &mut out, &mut std::io::stderr()));
    // Streams that are gone leave nobody to tell; the exit code still does.
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage) => {
            let _ = out.write_all(options::help().as_bytes());
            ExitCode::FAILURE
        }
        Err(Failure::Message { text, exit_code }) => {
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(exit_code)
        }
    }
}
