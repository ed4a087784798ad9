//! The sockets of a shard. One is registered once, edge-triggered for reading and writing, and its
//! interest is never modified: what it is ready for is remembered here until it is used up.

use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::Socket;

use super::buffers::Buffers;
use super::observer::PeerAddress;
use crate::engine::ids::ConnectionId;
use crate::engine::lobby::Admitted;
use crate::engine::out_queue::OutQueue;
use crate::engine::slab::{Place, Slab};

/// Segments in one `writev`.
const SEGMENTS_MAX: usize = 64;

/// The listener number of the broker's own connections.
pub(super) const INTERNAL: u16 = u16::MAX;

/// Reads that a connection is granted after its end, so that what we sent last is not lost by a
/// reset: about half a megabyte.
const DRAIN_READS: u8 = 8;

/// A writing that fails because the peer is gone must not end the process by SIGPIPE. Where there is
/// no such flag the sockets have `SO_NOSIGPIPE`.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: i32 = nix::sys::socket::MsgFlags::MSG_NOSIGNAL.bits();
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: i32 = 0;

/// The sockets of a shard, by the ids under which the engine knows them.
pub(super) struct Sockets {
    slab: Slab<Connection>,
    registry: Registry,
}

/// What the runtime knows of a connection.
pub(super) struct Connection {
    socket: Socket,
    peer: CompactPeer,
    pub(super) out: OutQueue,
    /// Through which it came; [`INTERNAL`] for the broker's own.
    pub(super) listener: u16,
    pub(super) stage: Stage,
    readiness: Readiness,
    /// Nothing is read until the engine says so.
    pub(super) paused: bool,
    /// Stands in the list of those to be flushed.
    pub(super) dirty: bool,
    /// Stands in the list of those to be read from.
    pub(super) listed: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The engine knows it.
    Open,
    /// The engine has forgotten it; what is queued leaves, then it ends.
    Closing,
    /// Our end is shut; what still comes in is read and dropped, so many times at most.
    Draining(u8),
}

/// What is known to wait in a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Nothing,
    Bytes,
    /// The end, or an error, perhaps behind bytes. No further event tells of it.
    End,
}

/// A peer's address; most are IPv4 and need no box.
enum CompactPeer {
    V4(SocketAddrV4),
    Other(Box<PeerAddress>),
}

/// A connection on its way from one shard to another.
pub(super) struct Arrival {
    socket: Socket,
    peer: CompactPeer,
    out: OutQueue,
    pub(super) listener: u16,
    /// What the engine takes over.
    pub(super) admitted: Box<Admitted>,
}

/// What came of reading once.
pub(super) enum ReadOnce {
    /// So many bytes. Whether there may be more, [`Connection::is_readable`] knows.
    Bytes(usize),
    /// Nothing waits.
    Nothing,
    /// The peer has closed its end.
    End,
    /// It failed.
    Failed(io::Error),
}

/// What came of flushing.
#[derive(Debug)]
pub(super) enum Flushed {
    /// So many bytes left. `again` if the socket may take more of what is still queued.
    Sent {
        /// How many.
        bytes: usize,
        /// The rest was not offered yet.
        again: bool,
    },
    /// The connection is broken.
    Failed(io::Error),
}

impl Sockets {
    /// No sockets yet; those to come are watched through `registry`.
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            slab: Slab::default(),
            registry,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Takes a socket that was accepted or made. If there are bytes in it already, the poller says
    /// so: registering asks for the state as it is.
    ///
    /// # Errors
    /// If the poller cannot watch it; the socket is closed then.
    pub(super) fn insert(
        &mut self,
        socket: Socket,
        peer: PeerAddress,
        listener: u16,
    ) -> io::Result<ConnectionId> {
        self.register(Connection {
            socket,
            peer: peer.into(),
            out: OutQueue::default(),
            listener,
            stage: Stage::Open,
            readiness: Readiness::Nothing,
            paused: false,
            dirty: false,
            listed: false,
        })
    }

    /// Takes a connection that comes from another shard.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub(super) fn settle(&mut self, arrival: Arrival) -> io::Result<(ConnectionId, Box<Admitted>)> {
        let Arrival {
            socket,
            peer,
            out,
            listener,
            admitted,
        } = arrival;
        let connection = Connection {
            socket,
            peer,
            out,
            listener,
            stage: Stage::Open,
            readiness: Readiness::Nothing,
            paused: false,
            dirty: false,
            listed: false,
        };
        Ok((self.register(connection)?, admitted))
    }

    /// Takes a connection out, to be sent to another shard. Whatever the poller has said of it is
    /// said anew there.
    pub(super) fn depart(&mut self, id: ConnectionId, admitted: Box<Admitted>) -> Option<Arrival> {
        let Connection {
            socket,
            peer,
            out,
            listener,
            ..
        } = self.slab.remove(place(id))?;
        // It can only fail for what is not registered, and then there is nothing to undo.
        let _ = self.registry.deregister(&mut SourceFd(&socket.as_raw_fd()));
        Some(Arrival {
            socket,
            peer,
            out,
            listener,
            admitted,
        })
    }

    /// Closes a connection and forgets it.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.slab.remove(place(id))
    }

    /// The connection, unless it is gone.
    #[inline]
    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slab.get_mut(place(id))
    }

    /// The connection, unless it is gone.
    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slab.get(place(id))
    }

    /// The connection that a token of the poller means. It may be a successor of the one that was
    /// meant: an event is a hint to try, nothing more.
    pub(super) fn by_token(&mut self, token: Token) -> Option<(ConnectionId, &mut Connection)> {
        let index = u32::try_from(token.0).ok()?;
        let (generation, _) = self.slab.at(index)?;
        let connection = self.slab.get_mut((index, generation))?;
        Some((ConnectionId { index, generation }, connection))
    }

    /// All ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.slab
            .iter()
            .map(|((index, generation), _)| ConnectionId { index, generation })
    }

    /// Whether all that is left has nothing more to be sent.
    pub(super) fn all_draining(&self) -> bool {
        self.slab
            .iter()
            .all(|(_, connection)| matches!(connection.stage, Stage::Draining(_)))
    }

    fn register(&mut self, connection: Connection) -> io::Result<ConnectionId> {
        let fd = connection.socket.as_raw_fd();
        let (index, generation) = self.slab.insert(connection);
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self
            .registry
            .register(&mut SourceFd(&fd), Token(index as usize), interest)
        {
            Ok(()) => Ok(ConnectionId { index, generation }),
            Err(error) => {
                self.slab.remove((index, generation));
                Err(error)
            }
        }
    }
}

fn place(id: ConnectionId) -> Place {
    (id.index, id.generation)
}

impl Connection {
    /// The other end.
    pub(super) fn peer(&self) -> PeerAddress {
        match &self.peer {
            CompactPeer::V4(address) => PeerAddress::Tcp(SocketAddr::V4(*address)),
            CompactPeer::Other(address) => (**address).clone(),
        }
    }

    /// Notes what the poller says.
    pub(super) fn note_readable(&mut self, end: bool) {
        if end {
            self.readiness = Readiness::End;
        } else if self.readiness == Readiness::Nothing {
            self.readiness = Readiness::Bytes;
        }
    }

    /// Whether reading is worth a try.
    pub(super) fn is_readable(&self) -> bool {
        self.readiness != Readiness::Nothing
    }

    /// Reads once. A read that does not fill the buffer says that nothing waits, without another
    /// call that would only say so; but not if the end is known to be there.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> ReadOnce {
        match (&self.socket).read(buffer) {
            Ok(0) => ReadOnce::End,
            Ok(read) => {
                if read < buffer.len() && self.readiness == Readiness::Bytes {
                    self.readiness = Readiness::Nothing;
                }
                ReadOnce::Bytes(read)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readiness = Readiness::Nothing;
                ReadOnce::Nothing
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => ReadOnce::Nothing,
            Err(error) => ReadOnce::Failed(error),
        }
    }

    /// Offers the queued bytes to the socket in one call, unless it is known to take none.
    pub(super) fn flush(&mut self, buffers: &mut Buffers) -> Flushed {
        let (sent, offered) = if self.out.is_empty() {
            (Ok(0), 0)
        } else if self.out.is_blocked() {
            return Flushed::Sent {
                bytes: 0,
                again: false,
            };
        } else if let Some(bytes) = self.out.as_single() {
            (self.socket.send_with_flags(bytes, SEND_FLAGS), bytes.len())
        } else {
            let mut slices = [IoSlice::new(&[]); SEGMENTS_MAX];
            let filled = self.out.fill(&mut slices);
            let slices = slices.get(..filled).unwrap_or(&[]);
            let offered = slices.iter().map(|slice| slice.len()).sum();
            (
                self.socket.send_vectored_with_flags(slices, SEND_FLAGS),
                offered,
            )
        };
        let bytes = match sent {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Flushed::Sent {
                    bytes: 0,
                    again: true,
                };
            }
            Err(error) => return Flushed::Failed(error),
        };
        self.out.set_blocked(bytes < offered);
        buffers.consume(&mut self.out, bytes);
        Flushed::Sent {
            bytes,
            again: bytes == offered && !self.out.is_empty(),
        }
    }

    /// The peer takes nothing more. What is queued is dropped, and the socket is read to its end.
    pub(super) fn give_up_sending(&mut self) {
        self.out = OutQueue::default();
        self.out.set_blocked(true);
        self.note_readable(true);
    }

    /// Shuts our end after the last byte has left. What the peer still sends is drained from now on.
    ///
    /// # Errors
    /// If the peer is gone already.
    pub(super) fn shut(&mut self) -> io::Result<()> {
        self.stage = Stage::Draining(DRAIN_READS);
        self.socket.shutdown(Shutdown::Write)
    }

    /// Reads and drops what came after the end. Whether that is over.
    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> bool {
        while self.is_readable() {
            match (self.stage, self.read(buffer)) {
                (_, ReadOnce::Nothing) => return false,
                (Stage::Draining(left), ReadOnce::Bytes(_)) if left > 0 => {
                    self.stage = Stage::Draining(left - 1);
                }
                _ => return true,
            }
        }
        false
    }
}

impl Arrival {
    /// Bytes that it keeps alive, roughly.
    pub(super) fn weight(&self) -> usize {
        1024 + self.out.len() + self.admitted.unread.len()
    }
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl From<PeerAddress> for CompactPeer {
    fn from(address: PeerAddress) -> Self {
        match address {
            PeerAddress::Tcp(SocketAddr::V4(address)) => Self::V4(address),
            other => Self::Other(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    /// Two ends: one among the sockets of a shard, one in the test's hand.
    fn connected(sockets: &mut Sockets) -> (ConnectionId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Socket::from(std::os::fd::OwnedFd::from(ours));
        (
            sockets
                .insert(socket, PeerAddress::Internal, INTERNAL)
                .unwrap(),
            theirs,
        )
    }

    #[test]
    fn an_idle_socket_costs_48_bytes_and_its_generation() {
        assert!(size_of::<Connection>() <= 48, "{}", size_of::<Connection>());
    }

    #[test]
    fn a_place_used_again_does_not_answer_to_its_old_id() {
        let poll = Poll::new().unwrap();
        let mut sockets = Sockets::new(poll.registry().try_clone().unwrap());
        let (first, _first_end) = connected(&mut sockets);
        sockets.remove(first);
        let (second, _second_end) = connected(&mut sockets);
        assert_eq!((first.index, sockets.len()), (second.index, 1));
        assert!(sockets.get(first).is_none() && sockets.get(second).is_some());
        let (named, _) = sockets.by_token(Token(first.index as usize)).unwrap();
        assert_eq!(named, second);
    }

    #[test]
    fn bytes_that_were_there_before_a_socket_was_registered_are_told_of() {
        let mut poll = Poll::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"early").unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut sockets = Sockets::new(poll.registry().try_clone().unwrap());
        let socket = Socket::from(std::os::fd::OwnedFd::from(ours));
        let id = sockets
            .insert(socket, PeerAddress::Internal, INTERNAL)
            .unwrap();
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(30)))
            .unwrap();
        assert!(
            events
                .iter()
                .any(|event| event.token().0 == id.index as usize && event.is_readable())
        );
    }

    #[test]
    fn a_short_read_ends_reading_unless_the_end_is_known_to_come() {
        let poll = Poll::new().unwrap();
        let mut sockets = Sockets::new(poll.registry().try_clone().unwrap());
        let (id, mut theirs) = connected(&mut sockets);
        let mut buffer = [0; 16];
        let connection = sockets.get_mut(id).unwrap();
        theirs.write_all(b"short").unwrap();
        connection.note_readable(false);
        assert!(matches!(connection.read(&mut buffer), ReadOnce::Bytes(5)));
        assert!(!connection.is_readable());
        theirs.write_all(b"last").unwrap();
        drop(theirs);
        connection.note_readable(true);
        assert!(matches!(connection.read(&mut buffer), ReadOnce::Bytes(4)));
        assert!(connection.is_readable());
        assert!(matches!(connection.read(&mut buffer), ReadOnce::End));
    }

    #[test]
    fn draining_ends_though_the_peer_does_not() {
        let poll = Poll::new().unwrap();
        let mut sockets = Sockets::new(poll.registry().try_clone().unwrap());
        let (id, mut theirs) = connected(&mut sockets);
        let connection = sockets.get_mut(id).unwrap();
        connection.shut().unwrap();
        let mut buffer = [0; 4];
        theirs.write_all(&[0; 100]).unwrap();
        connection.note_readable(false);
        assert!(
            connection.drain(&mut buffer),
            "the bound on reads was not kept"
        );
    }
}
