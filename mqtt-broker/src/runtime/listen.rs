//! Opens the listening sockets. It happens before the first thread and before privileges are dropped.

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::{Mode, umask};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::observer::{ListenPlace, Observer, PeerAddress, RuntimeEvent};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 4096;

/// A listener as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// Number of its rules in `Settings::listeners`.
    pub number: u16,
    /// Where it listens.
    pub bind: Bind,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// TCP.
    Tcp {
        /// Name or address; all addresses of the machine if absent.
        host: Option<Box<str>>,
        /// Port; 0 for any that is free.
        port: u16,
        /// Only addresses of one family.
        family: Option<Family>,
    },
    /// TCP, from this machine only. It is enough if one family can be had.
    Loopback {
        /// Port; 0 for any that is free.
        port: u16,
    },
    /// A unix socket. A socket that is there is replaced, and the path removed at the end.
    Unix {
        /// Where.
        path: PathBuf,
    },
}

/// A family of internet addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Why there is no listening.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The name has no usable address.
    #[error("cannot resolve {host}: {error}")]
    Resolve {
        /// The name.
        host: Box<str>,
        /// What the system says.
        error: io::Error,
    },
    /// A socket cannot be opened there.
    #[error("cannot listen on {place}: {error}")]
    Open {
        /// Address and port, or path.
        place: Box<str>,
        /// What the system says.
        error: io::Error,
    },
    /// The path is taken by something that is not a socket.
    #[error("cannot listen on {}: there is a file that is no socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
}

/// Open listening sockets.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(super) sockets: Vec<Listening>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) socket: Socket,
    /// Number of its listener.
    pub(super) number: u16,
    pub(super) place: Place,
}

/// Where a socket listens.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(Arc<UnixPath>),
}

/// A path that is removed once nobody listens there any more.
#[derive(Debug)]
pub(super) struct UnixPath {
    path: PathBuf,
    /// The same as text, for the log.
    pub(super) text: Arc<str>,
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        // If it is gone already, what was wanted is the case.
        let _ = fs::remove_file(&self.path);
    }
}

impl Place {
    /// The port; 0 for a unix socket.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::Unix(_) => 0,
        }
    }

    /// The peer of a socket accepted here.
    pub(super) fn peer(&self, address: Option<SocketAddr>) -> PeerAddress {
        match (self, address) {
            (Self::Unix(path), _) => PeerAddress::Unix(Arc::clone(&path.text)),
            (Self::Tcp(_), Some(address)) => PeerAddress::Tcp(address),
            (Self::Tcp(own), None) => PeerAddress::Tcp(*own),
        }
    }
}

impl Listeners {
    /// Opens all of them, and tells of each.
    ///
    /// # Errors
    /// The first that cannot be had. Where a name has several addresses, or a machine two families,
    /// one whose family the system does not know is passed over if another serves.
    pub fn open(addresses: &[ListenAddress], observer: &dyn Observer) -> Result<Self, ListenError> {
        let mut listeners = Self::default();
        for address in addresses {
            match &address.bind {
                Bind::Unix { path } => {
                    let socket = open_unix(path, observer)?;
                    listeners.sockets.push(Listening {
                        number: address.number,
                        ..socket
                    });
                }
                Bind::Tcp { host, port, family } => {
                    let places = resolve(host.as_deref(), *port, *family)?;
                    listeners.open_tcp(address.number, &places, is_unsupported, observer)?;
                }
                Bind::Loopback { port } => {
                    let places = [
                        ([127, 0, 0, 1], *port).into(),
                        ([0, 0, 0, 0, 0, 0, 0, 1], *port).into(),
                    ];
                    listeners.open_tcp(address.number, &places, |_| true, observer)?;
                }
            }
        }
        Ok(listeners)
    }

    /// The addresses of the TCP sockets, with ports as they are.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets
            .iter()
            .filter_map(|listening| match listening.place {
                Place::Tcp(address) => Some(address),
                Place::Unix(_) => None,
            })
    }

    /// Opens a socket at each of the places. Errors that are `tolerable` are only told of, unless
    /// there is no socket in the end.
    fn open_tcp(
        &mut self,
        number: u16,
        places: &[SocketAddr],
        tolerable: impl Fn(&io::Error) -> bool,
        observer: &dyn Observer,
    ) -> Result<(), ListenError> {
        let mut passed_over = None;
        let before = self.sockets.len();
        for place in places {
            observer.runtime_event(&RuntimeEvent::Listening {
                place: &ListenPlace::Tcp(*place),
            });
            match open_tcp(*place) {
                Ok(listening) => self.sockets.push(Listening {
                    number,
                    ..listening
                }),
                Err(error) if tolerable(&error) => {
                    let place = &ListenPlace::Tcp(*place);
                    observer.runtime_event(&RuntimeEvent::ListenFailed {
                        place,
                        error: &error,
                    });
                    passed_over = Some(refused(&place_text(place), error));
                }
                Err(error) => return Err(refused(&place.to_string(), error)),
            }
        }
        match passed_over {
            Some(error) if self.sockets.len() == before => Err(error),
            _ => Ok(()),
        }
    }
}

fn place_text(place: &ListenPlace<'_>) -> String {
    match place {
        ListenPlace::Tcp(address) => address.to_string(),
        ListenPlace::Unix(path) => (*path).to_owned(),
    }
}

fn refused(place: &str, error: io::Error) -> ListenError {
    ListenError::Open {
        place: place.into(),
        error,
    }
}

/// The system does not know the address family, as where IPv6 is switched off.
fn is_unsupported(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(nix::errno::Errno::from_raw);
    matches!(
        number,
        Some(nix::errno::Errno::EAFNOSUPPORT | nix::errno::Errno::EADDRNOTAVAIL)
    )
}

fn resolve(
    host: Option<&str>,
    port: u16,
    family: Option<Family>,
) -> Result<Vec<SocketAddr>, ListenError> {
    let everywhere = [([0, 0, 0, 0], port).into(), ([0; 8], port).into()];
    let found: Vec<SocketAddr> = match host {
        None => everywhere.into(),
        Some(host) => (host, port)
            .to_socket_addrs()
            .map_err(|error| ListenError::Resolve {
                host: host.into(),
                error,
            })?
            .collect(),
    };
    let mut places = Vec::new();
    for place in found {
        let wanted = match family {
            None => true,
            Some(Family::V4) => place.is_ipv4(),
            Some(Family::V6) => place.is_ipv6(),
        };
        if wanted && !places.contains(&place) {
            places.push(place);
        }
    }
    if places.is_empty() {
        let error = io::Error::new(io::ErrorKind::NotFound, "no address of that family");
        return Err(ListenError::Resolve {
            host: host.unwrap_or("any address").into(),
            error,
        });
    }
    Ok(places)
}

fn open_tcp(place: SocketAddr) -> io::Result<Listening> {
    let socket = Socket::new(
        Domain::for_address(place),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if place.is_ipv6() {
        // IPv4 has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    // Accepted sockets take this over on Linux; the acceptor sets it where they do not.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(place))?;
    socket.listen(BACKLOG)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(place);
    Ok(Listening {
        socket,
        number: 0,
        place: Place::Tcp(bound),
    })
}

fn open_unix(path: &Path, observer: &dyn Observer) -> Result<Listening, ListenError> {
    let text: Arc<str> = path.to_string_lossy().into();
    observer.runtime_event(&RuntimeEvent::Listening {
        place: &ListenPlace::Unix(&text),
    });
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            fs::remove_file(path).map_err(|error| refused(&text, error))?;
        }
        Ok(_) => {
            return Err(ListenError::NotASocket {
                path: path.to_owned(),
            });
        }
        Err(_) => {} // Binding says what is wrong with the path, if anything is.
    }
    let open = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // Owner and group only. The mask is the process's: no thread runs yet.
        let before = umask(Mode::from_bits_truncate(0o007));
        let bound = SockAddr::unix(path).and_then(|address| socket.bind(&address));
        umask(before);
        bound?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    let socket = open().map_err(|error| refused(&text, error))?;
    let place = Place::Unix(Arc::new(UnixPath {
        path: path.to_owned(),
        text,
    }));
    Ok(Listening {
        socket,
        number: 0,
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::tests::Told;

    fn open(bind: Bind) -> Result<Listeners, ListenError> {
        Listeners::open(&[ListenAddress { number: 3, bind }], &Told::default())
    }

    #[test]
    fn an_address_in_use_is_an_error_with_the_address() {
        let host = || Some("127.0.0.1".into());
        let first = open(Bind::Tcp {
            host: host(),
            port: 0,
            family: None,
        })
        .unwrap();
        let address = first.addresses().next().unwrap();
        let again = Bind::Tcp {
            host: host(),
            port: address.port(),
            family: Some(Family::V4),
        };
        let error = open(again).unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("in use"),
            "{error}"
        );
    }

    #[test]
    fn one_family_of_a_host_can_be_had_alone() {
        let everywhere = |family| resolve(None, 1, family).unwrap().len();
        assert_eq!(
            [None, Some(Family::V4), Some(Family::V6)].map(everywhere),
            [2, 1, 1]
        );
        let none = resolve(Some("127.0.0.1"), 1, Some(Family::V6)).unwrap_err();
        assert!(matches!(none, ListenError::Resolve { .. }), "{none}");
    }

    #[test]
    fn the_loopback_serves_if_one_family_does_and_is_told_of_by_listener() {
        let listeners = open(Bind::Loopback { port: 0 }).unwrap();
        assert!(
            listeners
                .addresses()
                .all(|address| address.ip().is_loopback())
        );
        assert!(
            listeners
                .sockets
                .iter()
                .all(|listening| listening.number == 3)
        );
        assert!(!listeners.sockets.is_empty());
    }
}
