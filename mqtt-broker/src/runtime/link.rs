//! The broker's own connections: `$SYS`, bridges, whoever publishes or subscribes from inside. They
//! speak MQTT over a pair of sockets, so there is one way to say and hear a message.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use socket2::Socket;

use super::mailbox::Mail;

/// Makes a link: mail for the shard that shall serve it, and the end to speak MQTT to. That shard
/// treats it as trusted, and neither counts nor logs it.
///
/// # Errors
/// If there are no descriptors.
pub(super) fn make() -> io::Result<(Mail, UnixStream)> {
    let (inner, outer) = UnixStream::pair()?;
    inner.set_nonblocking(true)?;
    outer.set_nonblocking(true)?;
    Ok((Mail::Adopt(Socket::from(OwnedFd::from(inner))), outer))
}
