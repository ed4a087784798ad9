//! `mqtt-broker store`: from its arguments to its exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{complain, places};
use crate::args::{StoreAction, StoreArgs, StorePlace};
use crate::config::{self, Config, Disk, Origin};
use crate::control::{Keep, Plan, StoreTool};
use crate::observe::NAME;
use crate::runtime::Clock;

/// Does what the words behind `store` say.
pub(super) fn run(args: StoreArgs) -> ExitCode {
    let (file, plugin_file) = match args.place {
        StorePlace::File(file) => (file, None),
        StorePlace::Config(files) => match configured(files) {
            Ok(keep) => (keep.file, keep.plugin_file),
            Err(lines) => {
                for line in lines.lines() {
                    complain(format_args!("{NAME}: {line}"));
                }
                return ExitCode::from(config::EXIT_CODE);
            }
        },
    };
    let tool = StoreTool::new(file, Clock::start().now().unix);
    let out = &mut io::BufWriter::new(io::stdout().lock());
    let done = match args.action {
        StoreAction::Check => tool.check(out),
        StoreAction::Stats => tool.stats(out),
        StoreAction::Dump => tool.dump(out),
        StoreAction::Export(to) => tool.export(to.as_deref(), out),
        StoreAction::ExportMosquitto(to) => tool.export_mosquitto(&to, out),
        StoreAction::Import(from) => tool.import(&from, out),
        StoreAction::Migrate => tool.migrate(plugin_file.as_deref(), out),
        StoreAction::Repair => tool.repair(out),
        StoreAction::Compact => tool.compact(out),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(format_args!("{NAME}: {error}."));
            ExitCode::from(error.exit_code)
        }
    }
}

/// The store of a configuration.
fn configured(files: Vec<PathBuf>) -> Result<Keep, String> {
    let origin = Origin {
        files,
        ..Origin::default()
    };
    let loaded = Config::load(origin, &Disk).map_err(|errors| errors.to_string())?;
    match Plan::new(&loaded.config.start.keep, &places()) {
        Plan::Keep(keep) => Ok(keep),
        Plan::Off(_) => Err("nothing is kept with this configuration: name the file".to_owned()),
    }
}
