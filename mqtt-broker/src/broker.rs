//! The broker, put together: starts its parts, and stops them in reverse.

mod kept;
mod listeners;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use mqtt_client::{Client, Messages};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use self::kept::{open_as_planned, take_in};
use self::listeners::{connection_limits, listen_addresses};
use crate::config::{Config, Files};
use crate::control::{
    InterfaceError, PasswordFileFailure, PasswordFiles, Places, Plan, Reread, StoreCheck, Unusable,
    engine_settings, reread,
};
use crate::engine::commons::Commons;
use crate::engine::ids::SHARDS_MAX;
use crate::engine::limits::Settings;
use crate::observe::sensitive_file::symlinks_are_allowed;
use crate::observe::{Level, Log, LogFileError, LogSettings, SysTopics, describe};
use crate::runtime::{
    Clock, ListenError, Listeners, Observer as _, Runtime, RuntimeConfig, RuntimeEvent,
};

pub use crate::runtime::ThreadFailure;

/// Passwords that may wait to be verified; who comes later is told to try again.
const VERDICTS_WAITING_MAX: usize = 10_000;
/// Threads that verify passwords: argon2id takes tens of megabytes for each.
const VERDICT_THREADS_MAX: usize = 8;
/// How long `$SYS` may take to end before it is cut off.
const FAREWELL: Duration = Duration::from_secs(1);
/// A running broker with threads of its own. [`Broker::stop`] ends it; dropped, it goes on.
pub struct Broker {
    runtime: Runtime,
    config: Config,
    log: Log,
    /// Nobody else writes to the log or ends it.
    owns_log: bool,
    /// Seconds between two updates of `$SYS`; dropping it ends them.
    sys_interval: watch::Sender<u16>,
    /// What is kept, as long as it can be.
    plan: Plan,
    /// Held as long as the store is open.
    store_lock: Option<File>,
    /// Reads the store through, if the last broker did not end in order.
    store_check: Option<StoreCheck>,
    /// Absent once it has ended by itself, which it has told.
    sys_topics: Option<JoinHandle<()>>,
}

/// What a broker is to be.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    shards: Option<u16>,
    log: Option<Log>,
    places: Places,
}

impl Builder {
    /// A broker of this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            shards: None,
            log: None,
            places: Places::default(),
        }
    }

    /// How many threads serve clients, at least one; instead of what the configuration says.
    #[must_use]
    pub fn shards(mut self, shards: u16) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Places that the program's environment names: what is durable is kept there as far as the
    /// configuration leaves that open.
    #[must_use]
    pub fn places(mut self, places: Places) -> Self {
        self.places = places;
        self
    }

    /// A log that is configured already, instead of one of the broker's own.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    /// Reads password files, opens listeners and starts the shards. Clients are served when it
    /// returns.
    ///
    /// Call it within a tokio runtime: what the broker publishes about itself is published from
    /// there. Its shards have threads of their own.
    ///
    /// # Errors
    /// A file, a listening socket or a thread cannot be had.
    pub fn start(self) -> Result<Broker, StartError> {
        let Self {
            config,
            shards,
            log,
            places,
        } = self;
        let owns_log = log.is_none();
        let log = match log {
            Some(log) => log,
            None => {
                let log = Log::new(Clock::start());
                log.configure(&LogSettings::from(&config.log), symlinks_are_allowed())?;
                log
            }
        };
        let mut files = PasswordFiles::new(&log, symlinks_are_allowed());
        let mut settings = engine_settings(&config, &mut files)?;
        let plan = Plan::new(&config.start.keep, &places);
        let (plan, opened) = open_as_planned(plan, &log)?;
        settings.durable = opened.is_some();
        let listeners = Listeners::open(&listen_addresses(&config)?, &log)?;
        let shards = shards.unwrap_or_else(|| shards_of(&config));
        let commons = Arc::new(Commons::new(shards, rand::random()));
        let last_commit = opened.as_ref().map(|opened| opened.recovered.last_commit);
        let clock = Clock::start_after(last_commit.unwrap_or_default());
        let mut store_lock = None;
        let mut was_clean = true;
        let store = opened.map(|opened| {
            store_lock = Some(opened.lock);
            if let Some(imported) = opened.imported {
                log.tell(Level::Notice, format_args!("{imported}"));
            }
            was_clean = opened.was_clean;
            let sessions = take_in(opened.recovered, &commons, &log);
            (opened.database, sessions)
        });
        let runtime = Runtime::start(RuntimeConfig {
            clock,
            commons: Arc::clone(&commons),
            settings: Arc::new(settings),
            listeners,
            limits: connection_limits(&config),
            observer: Arc::new(log.clone()),
            verdict_threads: cores().min(VERDICT_THREADS_MAX),
            verdicts_waiting_max: VERDICTS_WAITING_MAX,
            store,
        })?;
        let store_check = match &plan {
            Plan::Keep(keep) if !was_clean => {
                let check = StoreCheck::start(keep.file.clone(), log.clone());
                Some(check.map_err(StartError::System)?)
            }
            _ => None,
        };
        let (sys_interval, interval) = watch::channel(sys_seconds(&config));
        let sys_topics = SysTopics::new(commons, runtime.clock(), runtime.store());
        let sys_topics = tokio::spawn(speak(sys_topics, runtime.link()?, interval, log.clone()));
        Ok(Broker {
            runtime,
            config,
            log,
            owns_log,
            sys_interval,
            plan,
            store_lock,
            store_check,
            sys_topics: Some(sys_topics),
        })
    }
}

impl Broker {
    /// What is needed to start one.
    #[must_use]
    pub fn builder(config: Config) -> Builder {
        Builder::new(config)
    }

    /// Connects from inside, trusted, as a client of MQTT 5 that speaks over a pipe. The name is
    /// for people; no client from outside can guess the client id and take the session.
    ///
    /// # Errors
    /// There are no descriptors, or the broker is ending.
    pub async fn link(&self, name: &str) -> Result<(Client, Messages), LinkError> {
        link_over(self.runtime.link()?, name).await
    }

    /// Reads the configuration and the password files again and takes them over, or says in the
    /// log what is wrong and keeps what was in force. Clients whose credentials no longer hold are
    /// disconnected. The log file is opened anew either way.
    pub fn reload(&mut self, files: &dyn Files) {
        self.log
            .tell(Level::Information, format_args!("Reloading config."));
        let reread = reread(&self.config, files, symlinks_are_allowed(), &self.log);
        if let Some(Reread { config, settings }) = reread {
            self.config = config;
            if let Err(error) = self.apply(settings) {
                let error = describe(&error);
                let text = format_args!("Error: A shard does not take new settings: {error}.");
                self.log.tell(Level::Error, text);
            }
        }
        self.reopen_log();
    }

    fn apply(&self, mut settings: Settings) -> io::Result<()> {
        settings.durable = matches!(self.plan, Plan::Keep(_));
        self.runtime
            .apply(&Arc::new(settings), &connection_limits(&self.config))?;
        // The receiver may have gone with its link, which was told then.
        self.sys_interval.send_replace(sys_seconds(&self.config));
        Ok(())
    }

    /// Has everything that is kept brought into its one file, and says so in Mosquitto's words.
    pub fn save(&self) {
        match &self.plan {
            Plan::Keep(keep) => {
                let file = keep.file.display();
                let text = format_args!("Saving in-memory database to {file}.");
                self.log.tell(Level::Information, text);
                self.runtime.save();
            }
            Plan::Off(_) => {
                let text = format_args!("Durability: off (memory only). There is nothing to save.");
                self.log.tell(Level::Information, text);
            }
        }
    }

    /// Closes the log file and opens it again, as after a rotation.
    pub fn reopen_log(&self) {
        let settings = LogSettings::from(&self.config.log);
        // The log itself says if the file cannot be had, and goes on without.
        let _ = self.log.configure(&settings, symlinks_are_allowed());
    }

    /// Waits until a thread or task of the broker fails. Then it has to be stopped: half a state is
    /// not served. Cancel safe.
    pub async fn failed(&mut self) -> ThreadFailure {
        tokio::select! {
            failure = self.runtime.failed() => failure,
            failure = panic_of(&mut self.sys_topics) => {
                let ThreadFailure { thread, reason } = &failure;
                self.log.runtime_event(&RuntimeEvent::ThreadFailed { thread, reason });
                failure
            }
        }
    }

    /// Takes no more connections, says goodbye to clients, publishes their wills, joins the
    /// threads.
    ///
    /// # Errors
    /// A thread failed, now or before.
    pub async fn stop(self) -> Result<(), ThreadFailure> {
        let Self {
            runtime,
            log,
            owns_log,
            sys_interval,
            store_lock,
            store_check,
            mut sys_topics,
            ..
        } = self;
        drop(sys_interval);
        // Before the one who writes: who closes the store last leaves one file.
        drop(store_check);
        if let Some(task) = &mut sys_topics
            && tokio::time::timeout(FAREWELL, &mut *task).await.is_err()
        {
            // Its shard does not answer, as after a failure.
            task.abort();
        }
        // Threads are joined, which blocks.
        let stop = tokio::task::spawn_blocking(move || {
            let stopped = runtime.stop();
            drop(store_lock);
            if owns_log {
                log.close();
            }
            stopped
        });
        stop.await.map_err(control_failed)?
    }
}

fn control_failed(error: JoinError) -> ThreadFailure {
    ThreadFailure {
        thread: "control".to_owned(),
        reason: error.to_string(),
    }
}

/// Waits until the task panics, for ever if it does not. Cancel safe.
async fn panic_of(task: &mut Option<JoinHandle<()>>) -> ThreadFailure {
    if let Some(running) = task {
        let ended = running.await;
        *task = None;
        if let Err(error) = ended {
            return control_failed(error);
        }
    }
    std::future::pending().await
}

/// Publishes `$SYS` until the broker stops.
async fn speak(
    sys_topics: SysTopics,
    pipe: tokio::net::UnixStream,
    sys_interval: watch::Receiver<u16>,
    log: Log,
) {
    let ended = match link_over(pipe, "sys").await {
        Ok((link, _messages)) => sys_topics
            .run(&link, sys_interval)
            .await
            .map_err(|e| e.into()),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        log.tell(
            Level::Error,
            format_args!("Error: $SYS is no longer published: {error}."),
        );
    }
}

async fn link_over(
    pipe: tokio::net::UnixStream,
    name: &str,
) -> Result<(Client, Messages), LinkError> {
    let client_id = format!("$link/{name}/{:016x}", rand::random::<u64>());
    let options = mqtt_client::Options::new(mqtt_client::Address::unix("/"))
        .client_id(client_id)
        .keep_alive(0);
    Ok(Client::from_stream(pipe, options).await?)
}

/// 0 stands for no `$SYS`.
fn sys_seconds(config: &Config) -> u16 {
    let interval = config.rules.sys_interval.unwrap_or(Duration::ZERO);
    u16::try_from(interval.as_secs()).unwrap_or(u16::MAX)
}

/// As configured, else one for each core that this process may use.
fn shards_of(config: &Config) -> u16 {
    let shards = config
        .start
        .shards
        .map_or_else(cores, std::num::NonZero::get);
    u16::try_from(shards)
        .unwrap_or(SHARDS_MAX)
        .clamp(1, SHARDS_MAX)
}

fn cores() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The broker cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A password file cannot be used.
    #[error(transparent)]
    PasswordFile(#[from] PasswordFileFailure),
    /// The log file cannot be opened.
    #[error(transparent)]
    Log(#[from] LogFileError),
    /// An interface cannot be bound to.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The store that was ordered cannot be had.
    #[error(transparent)]
    Store(#[from] Unusable),
    /// A listening socket cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There are no descriptors or threads left.
    #[error("the system has no room: {0}")]
    System(#[from] io::Error),
}

/// There is no link from inside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There are no descriptors, or the broker is ending.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The broker does not answer.
    #[error(transparent)]
    Connect(#[from] mqtt_client::Error),
    /// The link ended.
    #[error(transparent)]
    Client(#[from] mqtt_client::ClientError),
}
