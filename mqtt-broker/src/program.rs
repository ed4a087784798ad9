//! The life of the program: from its arguments to its exit code.

mod store;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::args::{self, Args, Command};
use crate::broker::{Broker, StartError, ThreadFailure};
use crate::config::{self, Config, Disk, Loaded, Notice};
use crate::control::{
    PidFile, Places, Plan, PrivilegesError, Signal, Signals, UmaskError, Watchdog, daemonise,
    drop_privileges, set_umask, tell_ready, user_words,
};
use crate::observe::sensitive_file::{ALLOW_SYMLINKS, symlinks_are_allowed};
use crate::observe::{Level, Log, LogSettings, NAME, VERSION, describe};
use crate::runtime::{Clock, ListenError, raise_descriptor_limit};

/// Does what the arguments, without the program's name, say, and returns the exit code: 0 for an
/// orderly end, 1 when a socket or thread cannot be had, 3 for wrong arguments, configurations and
/// password files, 13 when a password file cannot be opened, 14 when the pid file cannot be
/// written or privileges cannot be dropped; those of `store` are 0 to 3.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match args::parse(arguments) {
        Ok(Command::Run(args)) => run_broker(&args),
        Ok(Command::Store(args)) => store::run(args),
        Ok(Command::StoreHelp(text)) => print(&text),
        Ok(Command::Help) => print(&args::usage()),
        Ok(Command::Version) => print(&args::version()),
        Ok(Command::Explain(option)) => explain(&option),
        Err(error) => {
            complain(format_args!("{error}"));
            if error.shows_usage() {
                complain(format_args!("\n{}", args::usage().trim_end()));
            }
            ExitCode::from(config::EXIT_CODE)
        }
    }
}

fn run_broker(args: &Args) -> ExitCode {
    let log = Log::new(Clock::start());
    if args.test_config && args.config_files.is_empty() {
        log.tell(
            Level::Error,
            format_args!("Please provide a configuration file to test."),
        );
        return ExitCode::from(config::EXIT_CODE);
    }
    let Loaded { config, notices } = match Config::load(args.origin(), &Disk) {
        Ok(loaded) => loaded,
        Err(errors) => {
            for line in errors.to_string().lines() {
                complain(format_args!("{NAME}: {line}"));
            }
            return ExitCode::from(config::EXIT_CODE);
        }
    };
    for Notice { level, text, .. } in &notices {
        log.tell(Level::from(*level), format_args!("{text}"));
    }
    if args.test_config {
        log.tell(
            Level::Information,
            format_args!("Configuration file is OK."),
        );
        return ExitCode::SUCCESS;
    }
    let ended = prepare(args, &config, &log).and_then(|()| serve(&config, &log));
    let code = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(&log);
            ExitCode::from(failure.exit_code())
        }
    };
    log.close();
    code
}

/// What has to be done while the process has one thread: nothing that is opened later may be
/// opened with more rights than the broker keeps.
fn prepare(args: &Args, config: &Config, log: &Log) -> Result<(), Failure> {
    drop_privileges(&config.start.user, log)?;
    set_umask()?;
    if args.daemon {
        daemonise().map_err(Failure::Daemon)?;
    }
    Ok(())
}

/// Serves until a signal or a failure ends it.
fn serve(config: &Config, log: &Log) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::System)?;
    runtime.block_on(async {
        // Before anything is left behind or takes time: a signal that comes while the broker starts
        // is heard.
        let mut signals = Signals::listen().map_err(StartError::System)?;
        let _pid_file = match &config.start.pid_file {
            Some(path) => {
                let written = PidFile::write(path.clone(), log.clone());
                Some(written.map_err(|error| Failure::PidFile(path.clone(), error))?)
            }
            None => None,
        };
        // The log says itself if its file cannot be had, and the broker goes on, as the original.
        let _ = log.configure(&LogSettings::from(&config.log), symlinks_are_allowed());
        say_what_starts(config, log);
        raise_descriptors(log);
        let mut broker = Broker::builder(config.clone())
            .log(log.clone())
            .places(places())
            .start()?;
        log.tell(
            Level::Information,
            format_args!("{NAME} version {VERSION} running"),
        );
        tell_manager(tell_ready(), log);
        let ended = heed(&mut signals, &mut broker, log).await;
        let stopped = broker.stop().await.map_err(Failure::Thread);
        log.tell(
            Level::Information,
            format_args!("{NAME} version {VERSION} terminating"),
        );
        ended.and(stopped)
    })
}

/// Where the environment wants things to be kept.
fn places() -> Places {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    Places {
        state: variable("STATE_DIRECTORY"),
        plugin: variable("MOSQUITTO_PERSISTENCE_LOCATION"),
    }
}

fn raise_descriptors(log: &Log) {
    if let Err(error) = raise_descriptor_limit() {
        let error = describe(&error);
        let text = format_args!("Warning: The limit of descriptors cannot be raised: {error}.");
        log.tell(Level::Warning, text);
    }
}

/// Does what signals say, until one says stop, and lets the service manager know of it all the time.
async fn heed(signals: &mut Signals, broker: &mut Broker, log: &Log) -> Result<(), Failure> {
    let mut watchdog = Watchdog::wound_up();
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            failure = broker.failed() => return Err(Failure::Thread(failure)),
            () = watchdog.due() => {
                tell_manager(watchdog.calm(), log);
                continue;
            }
        };
        match signal {
            Signal::Stop => return Ok(()),
            Signal::Reload => broker.reload(&Disk),
            Signal::ReopenLogs => broker.reopen_log(),
            Signal::Save => broker.save(),
            Signal::PrintSubscriptions => log.tell(
                Level::Notice,
                format_args!("Printing the subscriptions has no effect yet."),
            ),
        }
    }
}

fn tell_manager(told: io::Result<()>, log: &Log) {
    if let Err(error) = told {
        let error = describe(&error);
        let text = format_args!("Warning: The service manager cannot be told: {error}.");
        log.tell(Level::Warning, text);
    }
}

/// The first lines of a log.
fn say_what_starts(config: &Config, log: &Log) {
    let tell = |level, text: fmt::Arguments<'_>| log.tell(level, text);
    tell(
        Level::Information,
        format_args!("{NAME} version {VERSION} starting"),
    );
    tell(
        Level::Information,
        format_args!("{}", Plan::new(&config.start.keep, &places())),
    );
    if config.origin.files.is_empty() {
        tell(Level::Information, format_args!("Using default config."));
    }
    for file in &config.origin.files {
        tell(
            Level::Information,
            format_args!("Config loaded from {}.", file.display()),
        );
    }
    tell(
        Level::Information,
        format_args!("Persistence support available."),
    );
    for feature in ["Bridge", "TLS", "TLS-PSK", "Websockets"] {
        tell(
            Level::Information,
            format_args!("{feature} support NOT available."),
        );
    }
    tell(
        Level::Information,
        format_args!("Info: running {NAME} as {}.", user_words()),
    );
    if symlinks_are_allowed() {
        tell(
            Level::Notice,
            format_args!("{ALLOW_SYMLINKS} is set, sensitive files may be symbolic links."),
        );
    }
    if config.local_only {
        let lines = [
            "Starting in local only mode. Connections will only be possible from clients running \
             on this machine.",
            "Create a configuration file which defines a listener to allow remote access.",
            "For more details see: mqtt-broker --explain listener",
        ];
        for line in lines {
            tell(Level::Warning, format_args!("{line}"));
        }
    }
}

/// What `--explain` says of an option.
fn explain(option: &str) -> ExitCode {
    match config::explain(option) {
        Some(text) => print(&text),
        None => {
            complain(format_args!("{NAME}: there is no option \"{option}\""));
            ExitCode::from(config::EXIT_CODE)
        }
    }
}

/// Writes text to the standard output. A reader that has gone away has seen enough.
fn print(text: &str) -> ExitCode {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes a line to the standard error stream. With that gone there is nobody to tell.
fn complain(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Why the program ends with another exit code than 0.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Privileges(#[from] PrivilegesError),
    #[error(transparent)]
    Umask(#[from] UmaskError),
    #[error("Error in daemon: {}.", describe(.0))]
    Daemon(io::Error),
    #[error("Error: Unable to write pid file {}: {} (option pid_file).", .0.display(), describe(.1))]
    PidFile(PathBuf, io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    /// An observer has said so when it happened; people look at the last line.
    #[error("Error: The broker ends, since {0}.")]
    Thread(ThreadFailure),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Privileges(error) => error.exit_code(),
            Self::Umask(_) => 3,
            Self::PidFile(..) => 14,
            Self::Start(StartError::PasswordFile(failure)) => failure.exit_code(),
            Self::Daemon(_) | Self::Start(_) | Self::Thread(_) => 1,
        }
    }

    fn tell(&self, log: &Log) {
        match self {
            Self::Start(StartError::PasswordFile(failure)) => failure.tell(log),
            Self::Start(StartError::Listen(error)) => tell_listen_error(error, log),
            Self::Start(StartError::Store(error)) => {
                log.tell(Level::Error, format_args!("Error: {error}."));
                log.tell(Level::Error, format_args!("Error: Couldn't open database."));
            }
            Self::Start(error) => log.tell(Level::Error, format_args!("Error: {error}.")),
            failure => log.tell(Level::Error, format_args!("{failure}")),
        }
    }
}

/// The system's words come first, as scripts know them.
fn tell_listen_error(error: &ListenError, log: &Log) {
    let ListenError::Open { place, error } = error else {
        log.tell(Level::Error, format_args!("Error: {error}."));
        return;
    };
    let reason = describe(error);
    log.tell(
        Level::Error,
        format_args!("Error: {reason} (when listening at {place})."),
    );
    if error.kind() == io::ErrorKind::PermissionDenied {
        let lines = [
            "If you are trying to bind to a privileged port (<1024), try using setcap and do not \
             start the broker as root:",
            "    sudo setcap 'CAP_NET_BIND_SERVICE=+ep' /usr/bin/mqtt-broker",
        ];
        for line in lines {
            log.tell(Level::Error, format_args!("{line}"));
        }
    }
}
