//! The outermost part of every tool: streams of the process in, exit code out.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::exit;
use crate::options_file::Environment;
use crate::parse::parse;
use crate::refusal::Refusal;
use crate::table::ToolArgs;

/// Parses the command line, plans and runs.
///
/// `run` gets standard output and standard error, and returns the exit code.
pub fn start<A: ToolArgs, P>(
    plan: impl FnOnce(A) -> Result<P, Refusal>,
    run: impl AsyncFnOnce(P, &mut dyn Write, &mut dyn Write) -> u8,
) -> ExitCode {
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let words = std::env::args_os()
        .skip(1)
        .map(std::ffi::OsString::into_encoded_bytes)
        .collect();
    let mut quiet = false;
    let planned = parse::<A>(words, &Environment::of_process()).and_then(|mut args| {
        quiet = args.connection().quiet;
        plan(args)
    });
    let plan = match planned {
        Ok(plan) => plan,
        Err(refusal) => return refusal.report::<A>(quiet, &mut stdout, &mut stderr),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            // A standard error that is gone leaves nobody to tell.
            let _ = writeln!(stderr, "Error: {}", exit::os_text(&error));
            return ExitCode::from(exit::FAILURE);
        }
    };
    let exit_code = runtime.block_on(run(plan, &mut stdout, &mut stderr));
    // A thread may hang on reading a terminal, and nobody needs what it would read.
    runtime.shutdown_background();
    ExitCode::from(exit_code)
}
