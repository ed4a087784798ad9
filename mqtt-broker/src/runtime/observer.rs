//! Who hears what happens: the log, metrics. The engine's events come with the peer's address, which
//! only the runtime knows; the runtime adds facts of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::event::Event;
use crate::engine::ids::ShardId;

/// Hears what happens on all shards. It is called on their threads and must not wait.
pub trait Observer: Send + Sync {
    /// The engine told something; `peer` is there if the event names a connection that is open.
    fn event(&self, event: &Event<'_>, peer: Option<&PeerAddress>);

    /// The runtime has something to tell.
    fn runtime_event(&self, event: &RuntimeEvent<'_>);
}

/// The other end of a connection. Displayed as `<ip>:<port>`, for a unix socket as `<path>:0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// Over TCP, IPv4 or IPv6.
    Tcp(SocketAddr),
    /// Over the unix socket with this path, which is the listener's own.
    Unix(Arc<str>),
    /// The broker itself, over a pipe.
    Internal,
}

impl PeerAddress {
    /// The address without the port, for lines that show only that.
    #[must_use]
    pub fn ip(&self) -> Ip<'_> {
        Ip(self)
    }

    /// The port; 0 where there is none.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::Unix(_) | Self::Internal => 0,
        }
    }
}

impl fmt::Display for PeerAddress {
    /// IPv6 addresses stand without brackets, as mosquitto's log shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ip(), self.port())
    }
}

/// A peer's address without its port, to be displayed.
#[derive(Clone, Copy, Debug)]
pub struct Ip<'a>(&'a PeerAddress);

impl fmt::Display for Ip<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PeerAddress::Tcp(address) => address.ip().fmt(f),
            PeerAddress::Unix(path) => f.write_str(path),
            PeerAddress::Internal => f.write_str("internal"),
        }
    }
}

/// Something that only the runtime sees.
#[derive(Debug)]
#[non_exhaustive]
pub enum RuntimeEvent<'a> {
    /// A listening socket is about to be opened.
    Listening {
        /// Where.
        place: &'a ListenPlace<'a>,
    },
    /// One address of a listener cannot be used; the others serve.
    ListenFailed {
        /// Where.
        place: &'a ListenPlace<'a>,
        /// Why.
        error: &'a io::Error,
    },
    /// A socket was accepted; nothing was read from it yet.
    NewConnection {
        /// The other end.
        peer: &'a PeerAddress,
        /// Port of the listener; 0 for a unix socket.
        listener_port: u16,
    },
    /// A socket was closed at once: `max_connections` or `global_max_connections` is reached.
    ConnectionDenied {
        /// The other end.
        peer: &'a PeerAddress,
    },
    /// Sockets are closed at once for want of file descriptors. Told once in some seconds.
    OutOfDescriptors,
    /// Accepting failed for another reason. Told once in some seconds.
    AcceptFailed {
        /// Why.
        error: &'a io::Error,
    },
    /// A thread of the broker panicked or cannot go on; the broker has to end.
    ThreadFailed {
        /// Name of the thread.
        thread: &'a str,
        /// What it said.
        reason: &'a str,
    },
    /// The broker ends while the disk of the store is full: operations that nobody was told of are not
    /// kept.
    LeftOut {
        /// How many.
        operations: usize,
    },
    /// A shard cannot take a socket over. The connection is lost.
    ArrivalFailed {
        /// The shard.
        shard: ShardId,
        /// Why.
        error: &'a io::Error,
    },
}

/// Where a listening socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenPlace<'a> {
    /// TCP, at this address.
    Tcp(SocketAddr),
    /// A unix socket, at this path.
    Unix(&'a str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_in_the_log_of_mosquitto() {
        for (address, ip, whole) in [
            (
                PeerAddress::Tcp("10.0.0.1:5000".parse().unwrap()),
                "10.0.0.1",
                "10.0.0.1:5000",
            ),
            (
                PeerAddress::Tcp("[::1]:5000".parse().unwrap()),
                "::1",
                "::1:5000",
            ),
            (
                PeerAddress::Unix("/run/mqtt".into()),
                "/run/mqtt",
                "/run/mqtt:0",
            ),
        ] {
            assert_eq!(address.ip().to_string(), ip);
            assert_eq!(address.to_string(), whole);
        }
    }
}
