//! The broker, put together: starts its parts, and stops them in reverse.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use mqtt_client::{Client, Messages};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Address, Config, Files, Listener, SocketDomain};
use crate::control::{
    InterfaceError, PasswordFileFailure, PasswordFiles, Reread, engine_settings, interface_hosts,
    reread,
};
use crate::engine::commons::Commons;
use crate::engine::ids::SHARDS_MAX;
use crate::engine::limits::Settings;
use crate::observe::sensitive_file::symlinks_are_allowed;
use crate::observe::{Level, Log, LogFileError, LogSettings, SysTopics, describe};
use crate::runtime::{
    Bind, Clock, ConnectionLimits, Family, ListenAddress, ListenError, Listeners, Runtime,
    RuntimeConfig, ThreadFailure,
};

/// Passwords that may wait to be verified; who comes later is told to try again.
const VERDICTS_WAITING_MAX: usize = 10_000;

/// A running broker with threads of its own. [`Broker::stop`] ends it; dropped, it goes on.
pub struct Broker {
    runtime: Runtime,
    config: Config,
    log: Log,
    /// Seconds between two updates of `$SYS`; dropping it ends them.
    sys_interval: watch::Sender<u16>,
    sys_topics: JoinHandle<()>,
}

/// What a broker is to be.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    shards: Option<u16>,
    log: Option<Log>,
}

impl Builder {
    /// A broker of this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            shards: None,
            log: None,
        }
    }

    /// How many threads serve clients, at least one; instead of what the configuration says.
    #[must_use]
    pub fn shards(mut self, shards: u16) -> Self {
        self.shards = Some(shards);
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
        } = self;
        let log = match log {
            Some(log) => log,
            None => {
                let log = Log::new(Clock::start());
                log.configure(&LogSettings::from(&config.log), symlinks_are_allowed())?;
                log
            }
        };
        let mut files = PasswordFiles::new(&log, symlinks_are_allowed());
        let settings = engine_settings(&config, &mut files)?;
        let listeners = Listeners::open(&listen_addresses(&config)?, &log)?;
        let shards = shards.unwrap_or_else(|| shards_of(&config));
        let commons = Arc::new(Commons::new(shards, rand::random()));
        let runtime = Runtime::start(RuntimeConfig {
            commons: Arc::clone(&commons),
            settings: Arc::new(settings),
            listeners,
            limits: connection_limits(&config),
            observer: Arc::new(log.clone()),
            verdict_threads: cores(),
            verdicts_waiting_max: VERDICTS_WAITING_MAX,
        })?;
        let (sys_interval, interval) = watch::channel(sys_seconds(&config));
        let sys_topics = SysTopics::new(commons, runtime.clock());
        let sys_topics = tokio::spawn(speak(sys_topics, runtime.link()?, interval, log.clone()));
        Ok(Broker {
            runtime,
            config,
            log,
            sys_interval,
            sys_topics,
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

    fn apply(&self, settings: Settings) -> io::Result<()> {
        self.runtime
            .apply(&Arc::new(settings), &connection_limits(&self.config))?;
        // The receiver may have gone with its link, which was told then.
        self.sys_interval.send_replace(sys_seconds(&self.config));
        Ok(())
    }

    /// Closes the log file and opens it again, as after a rotation.
    pub fn reopen_log(&self) {
        let settings = LogSettings::from(&self.config.log);
        // The log itself says if the file cannot be had, and goes on without.
        let _ = self.log.configure(&settings, symlinks_are_allowed());
    }

    /// Waits until a thread of the broker fails. Then it has to be stopped: half a state is not
    /// served. Cancel safe.
    pub async fn failed(&mut self) -> ThreadFailure {
        self.runtime.failed().await
    }

    /// Takes no more connections, says goodbye to clients, publishes their wills, joins the
    /// threads.
    ///
    /// # Errors
    /// A thread failed, now or before.
    pub async fn stop(self) -> Result<(), ThreadFailure> {
        let Self {
            runtime,
            sys_interval,
            sys_topics,
            ..
        } = self;
        drop(sys_interval);
        let joined = |error: tokio::task::JoinError| ThreadFailure {
            thread: "control".to_owned(),
            reason: error.to_string(),
        };
        let spoken = sys_topics.await.map_err(joined);
        // It joins threads, which blocks.
        let stopped = tokio::task::spawn_blocking(move || runtime.stop()).await;
        stopped.map_err(joined)??;
        spoken
    }
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

/// Where the listeners listen. In local-only mode 127.0.0.1 and ::1 of a port are one: it is
/// enough to have either.
fn listen_addresses(config: &Config) -> Result<Vec<ListenAddress>, InterfaceError> {
    let mut addresses: Vec<ListenAddress> = Vec::new();
    for (number, listener) in (0..).zip(&config.listeners) {
        for bind in binds(listener, config.local_only)? {
            let known = config.local_only && addresses.iter().any(|other| other.bind == bind);
            if !known {
                addresses.push(ListenAddress { number, bind });
            }
        }
    }
    Ok(addresses)
}

/// Several if it listens at the addresses of an interface.
fn binds(listener: &Listener, local_only: bool) -> Result<Vec<Bind>, InterfaceError> {
    let (port, host, socket_domain) = match &listener.address {
        Address::Unix(path) => return Ok(vec![Bind::Unix { path: path.clone() }]),
        Address::Tcp { port, .. } if local_only => {
            return Ok(vec![Bind::Loopback { port: port.get() }]);
        }
        Address::Tcp {
            port,
            host,
            socket_domain,
        } => (port.get(), host, socket_domain),
    };
    let family = match socket_domain {
        SocketDomain::Any => None,
        SocketDomain::Ipv4 => Some(Family::V4),
        SocketDomain::Ipv6 => Some(Family::V6),
    };
    let Some(interface) = &listener.bind_interface else {
        let host = host.as_deref().map(Into::into);
        return Ok(vec![Bind::Tcp { host, port, family }]);
    };
    let hosts = interface_hosts(interface, host.as_deref(), |address| match family {
        None => true,
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
    })?;
    let bind = |host| Bind::Tcp {
        host: Some(host),
        port,
        family,
    };
    Ok(hosts.into_iter().map(bind).collect())
}

fn connection_limits(config: &Config) -> ConnectionLimits {
    let most = |listener: &Listener| listener.max_connections.map(NonZeroU32::get);
    ConnectionLimits {
        global: config.rules.global_max_connections.map(NonZeroU32::get),
        listeners: config.listeners.iter().map(most).collect(),
    }
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::*;
    use crate::config::Origin;

    /// A file system with one configuration file.
    struct OneFile(&'static str);

    impl Files for OneFile {
        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            Ok(self.0.as_bytes().to_vec())
        }

        fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn config(text: &'static str) -> Config {
        let origin = Origin {
            files: vec!["broker.conf".into()],
            ..Origin::default()
        };
        Config::load(origin, &OneFile(text)).unwrap().config
    }

    #[test]
    fn in_local_only_mode_the_two_loopback_addresses_of_a_port_are_one_place() {
        let addresses = listen_addresses(&config("sys_interval 0\n")).unwrap();
        let [address] = addresses.as_slice() else {
            panic!("{addresses:?}")
        };
        assert_eq!(address.number, 0);
        assert_eq!(address.bind, Bind::Loopback { port: 1883 });
    }

    #[test]
    fn listeners_keep_their_numbers_families_and_limits() {
        let config = config(
            "global_max_connections 9\n\
             listener 1884 127.0.0.1\n\
             max_connections 3\n\
             listener 1885\n\
             socket_domain ipv6\n",
        );
        let addresses = listen_addresses(&config).unwrap();
        let numbers: Vec<u16> = addresses.iter().map(|address| address.number).collect();
        assert_eq!(numbers, [0, 1]);
        assert_eq!(
            addresses[0].bind,
            Bind::Tcp {
                host: Some("127.0.0.1".into()),
                port: 1884,
                family: None
            }
        );
        assert_eq!(
            addresses[1].bind,
            Bind::Tcp {
                host: None,
                port: 1885,
                family: Some(Family::V6)
            }
        );
        let limits = connection_limits(&config);
        assert_eq!(
            (limits.global, limits.listeners),
            (Some(9), vec![Some(3), None])
        );
    }

    #[test]
    fn shards_and_the_interval_of_sys_come_from_the_configuration() {
        assert_eq!(shards_of(&config("shards 3\n")), 3);
        assert!(shards_of(&config("")) >= 1);
        assert_eq!(sys_seconds(&config("sys_interval 0\n")), 0);
        assert_eq!(sys_seconds(&config("")), 10);
    }
}
