//! Accepts connections on one shard. Every shard polls every listening socket, through a descriptor
//! of its own, and takes what it gets: who is idle is first, a busy shard leaves more to the others.
//! The price is that all idle shards wake up for one connection. `SO_REUSEPORT` would spare that, but
//! a second broker could then share the port without either noticing.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use mqtt_session::time::Instant;
use nix::errno::Errno;
use socket2::Socket;

use super::listen::{Listeners, Place};
use super::observer::{Observer, PeerAddress, RuntimeEvent};
use super::quota::Quota;

/// Connections accepted in one turn.
const ACCEPTS_MAX: usize = 64;
/// Tokens from here on mean listeners; below, sockets.
const FIRST_TOKEN: usize = usize::MAX / 2;
/// Time between two complaints about the same.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(5);
/// Time until accepting is tried again where even closing at once is impossible.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The listeners as one shard sees them.
pub(super) struct Acceptor {
    doors: Vec<Door>,
    quota: Arc<Quota>,
    /// A descriptor to give up when there are no others, so that a connection can be accepted in
    /// order to be closed. Otherwise it would wait for ever, and the listener with it.
    reserve: Option<File>,
    /// Nothing is accepted until then.
    suspended_until: Option<Instant>,
    silent_until: Instant,
}

struct Door {
    listener: Listener,
    number: u16,
    place: Place,
    /// Connections may wait.
    ready: bool,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that may stay.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) peer: PeerAddress,
    /// Number of the listener.
    pub(super) listener: u16,
    /// Port of the listener; 0 for a unix socket.
    pub(super) listener_port: u16,
}

impl Acceptor {
    /// Watches all listeners through `registry`.
    ///
    /// # Errors
    /// If there are not enough descriptors.
    pub(super) fn new(
        listeners: &Listeners,
        registry: &Registry,
        quota: Arc<Quota>,
    ) -> io::Result<Self> {
        let mut doors = Vec::new();
        for (listening, token) in listeners.sockets.iter().zip(FIRST_TOKEN..) {
            let socket = OwnedFd::from(listening.socket.try_clone()?);
            let mut listener = match listening.place {
                Place::Tcp(_) => Listener::Tcp(TcpListener::from_std(socket.into())),
                Place::Unix(_) => Listener::Unix(UnixListener::from_std(socket.into())),
            };
            registry.register(listener.source(), Token(token), Interest::READABLE)?;
            let (number, place) = (listening.number, listening.place.clone());
            doors.push(Door {
                listener,
                number,
                place,
                ready: false,
            });
        }
        Ok(Self {
            doors,
            quota,
            reserve: Some(reserve()?),
            suspended_until: None,
            silent_until: Instant::from_millis(0),
        })
    }

    /// Notes that connections wait if the token means a listener; otherwise it is a socket's.
    pub(super) fn note_ready(&mut self, token: Token) -> bool {
        let Some(number) = token.0.checked_sub(FIRST_TOKEN) else {
            return false;
        };
        if let Some(door) = self.doors.get_mut(number) {
            door.ready = true;
        }
        true
    }

    /// Whether connections may wait that can be accepted now.
    pub(super) fn is_ready(&self) -> bool {
        self.suspended_until.is_none() && self.doors.iter().any(|door| door.ready)
    }

    /// Whether accepting is worth a try: connections may wait, and the rest that was taken is over.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let rests = self.suspended_until.is_some_and(|until| now < until);
        !rests && self.doors.iter().any(|door| door.ready)
    }

    /// When accepting is tried again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let ready = self.doors.iter().any(|door| door.ready);
        self.suspended_until.filter(|_| ready)
    }

    /// Accepts what waits, up to the bound of a turn, of which each listener has its share.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        observer: &dyn Observer,
        accepted: &mut Vec<Accepted>,
    ) {
        self.suspended_until = None;
        let share = (ACCEPTS_MAX / self.doors.len().max(1)).max(1);
        let Self { doors, quota, .. } = self;
        let mut failed = None;
        for door in doors {
            for _ in 0..share {
                match door.accept() {
                    Ok(Some(candidate)) if quota.enter(door.number) => accepted.push(candidate),
                    Ok(Some(Accepted { peer, .. })) => {
                        observer.runtime_event(&RuntimeEvent::ConnectionDenied { peer: &peer });
                    }
                    Ok(None) => break,
                    Err(error) if concerns_one_connection(&error) => {}
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
        }
        if let Some(error) = failed {
            self.endure(now, &error, observer);
        }
    }

    /// Stops listening.
    pub(super) fn close(&mut self) {
        self.doors.clear();
        self.suspended_until = None;
    }

    /// Accepting failed for want of something. For want of descriptors connections are closed at
    /// once, by means of the reserve; otherwise accepting rests for a while.
    fn endure(&mut self, now: Instant, error: &io::Error, observer: &dyn Observer) {
        let starved = is_starved(error);
        if now >= self.silent_until {
            self.silent_until = now + COMPLAINT_INTERVAL;
            observer.runtime_event(&if starved {
                RuntimeEvent::OutOfDescriptors
            } else {
                RuntimeEvent::AcceptFailed { error }
            });
        }
        if !starved || !self.shed() {
            self.suspended_until = Some(now + RETRY_AFTER);
        }
    }

    /// Accepts as many as in a turn and closes them. Whether that worked.
    fn shed(&mut self) -> bool {
        if self.reserve.take().is_none() {
            self.reserve = reserve().ok();
            return self.reserve.is_some();
        }
        let share = (ACCEPTS_MAX / self.doors.len().max(1)).max(1);
        let mut served = true;
        for door in &mut self.doors {
            for _ in 0..share {
                match door.accept() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) if is_starved(&error) => {
                        // Somebody else was quicker to take the descriptor that was given up.
                        served = false;
                        break;
                    }
                    Err(_) => {}
                }
            }
        }
        self.reserve = reserve().ok();
        served
    }
}

impl Door {
    /// The next connection, if one waits.
    fn accept(&mut self) -> io::Result<Option<Accepted>> {
        if !self.ready {
            return Ok(None);
        }
        let (socket, address) = match self.listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.ready = false;
                return Ok(None);
            }
            accepted => accepted?,
        };
        Ok(Some(Accepted {
            socket,
            peer: self.place.peer(address),
            listener: self.number,
            listener_port: self.place.port(),
        }))
    }
}

impl Listener {
    fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                let socket = Socket::from(OwnedFd::from(stream));
                // Linux takes it over from the listener.
                #[cfg(not(any(target_os = "linux", target_os = "android")))]
                socket.set_tcp_nodelay(true)?;
                Ok((socket, Some(address)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::from(OwnedFd::from(stream)), None))
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener) => listener,
        }
    }
}

/// There are no descriptors left, for the process or on the machine.
fn is_starved(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::EMFILE | Errno::ENFILE))
}

fn reserve() -> io::Result<File> {
    File::open("/dev/null")
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// The connection was gone before it was accepted, or the call was interrupted; the next may be
/// better (accept(2) lists the errors of the network that it passes on).
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        errno(error),
        Some(
            Errno::EINTR
                | Errno::ECONNABORTED
                | Errno::EPERM
                | Errno::EPROTO
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
        )
    )
}
