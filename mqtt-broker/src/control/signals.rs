//! Signals as words.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// INT or TERM: an orderly end.
    Stop,
    /// HUP: read the configuration and the files that it names again.
    Reload,
    /// RTMIN: close the log file and open it again.
    ReopenLogs,
    /// USR1: write down what is to be kept.
    Save,
    /// USR2: print who subscribed to what.
    PrintSubscriptions,
}

/// The signals of this process. From its making on they end the process no longer.
#[derive(Debug)]
pub struct Signals {
    interrupt: Stream,
    terminate: Stream,
    hangup: Stream,
    user_1: Stream,
    user_2: Stream,
    #[cfg(target_os = "linux")]
    real_time: Stream,
}

impl Signals {
    /// Listens to them all. Within a tokio runtime.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            #[cfg(target_os = "linux")]
            real_time: signal(SignalKind::from_raw(nix::libc::SIGRTMIN()))?,
        })
    }

    /// The next signal; several of a kind in a short time count as one. Cancel safe.
    pub async fn next(&mut self) -> Signal {
        #[cfg(target_os = "linux")]
        let real_time = self.real_time.recv();
        #[cfg(not(target_os = "linux"))]
        let real_time = std::future::pending::<Option<()>>();
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
            _ = real_time => Signal::ReopenLogs,
            _ = self.user_1.recv() => Signal::Save,
            _ = self.user_2.recv() => Signal::PrintSubscriptions,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal as Number, raise};

    use super::*;

    #[test]
    fn each_signal_is_heard_as_what_it_asks_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            for (number, expected) in [
                (Number::SIGHUP, Signal::Reload),
                (Number::SIGUSR1, Signal::Save),
                (Number::SIGUSR2, Signal::PrintSubscriptions),
                (Number::SIGTERM, Signal::Stop),
                (Number::SIGINT, Signal::Stop),
            ] {
                raise(number).unwrap();
                assert_eq!(signals.next().await, expected, "{number}");
            }
        });
    }
}
