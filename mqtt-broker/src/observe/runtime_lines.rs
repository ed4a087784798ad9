//! Lines about sockets and threads.

use std::io;
use std::net::SocketAddr;

use nix::errno::Errno;

use super::escape::Escaped;
use super::level::Level;
use super::log::Log;
use crate::runtime::{ListenPlace, RuntimeEvent};

/// Tells what the runtime saw.
pub(super) fn tell(log: &Log, event: &RuntimeEvent<'_>) {
    let failed = |text: std::fmt::Arguments<'_>| log.tell(Level::Error, text);
    match event {
        RuntimeEvent::Listening { place } => listening(log, place),
        RuntimeEvent::ListenFailed { place, error } => listen_failed(log, place, error),
        RuntimeEvent::NewConnection {
            peer,
            listener_port,
        } => log.tell_connection(
            Level::Notice,
            format_args!("New connection from {peer} on port {listener_port}."),
        ),
        RuntimeEvent::ConnectionDenied { peer } => log.tell_connection(
            Level::Notice,
            format_args!(
                "Client connection from {} denied: max_connections exceeded.",
                peer.ip()
            ),
        ),
        RuntimeEvent::OutOfDescriptors => failed(format_args!(
            "Error: Unable to accept new connection, system socket count has been exceeded. \
             Try increasing \"ulimit -n\" or equivalent."
        )),
        RuntimeEvent::AcceptFailed { error } => failed(format_args!(
            "Error: Unable to accept new connection: {}.",
            describe(error)
        )),
        RuntimeEvent::ThreadFailed { thread, reason } => failed(format_args!(
            "Error: Internal error in thread {thread}: {}",
            Escaped(reason)
        )),
        RuntimeEvent::LeftOut { operations } => log.tell(
            Level::Warning,
            format_args!(
                "Warning: The disk of the store is full: {operations} operations were not kept. Nothing of \
                 them was acknowledged; what clients acknowledged may come to them again."
            ),
        ),
        RuntimeEvent::ArrivalFailed { shard, error } => failed(format_args!(
            "Error: Shard {} cannot take a connection over: {}.",
            shard.0,
            describe(error)
        )),
    }
}

fn listening(log: &Log, place: &ListenPlace<'_>) {
    match place {
        ListenPlace::Tcp(SocketAddr::V4(address)) => log.tell(
            Level::Information,
            format_args!("Opening ipv4 listen socket on port {}.", address.port()),
        ),
        ListenPlace::Tcp(SocketAddr::V6(address)) => log.tell(
            Level::Information,
            format_args!("Opening ipv6 listen socket on port {}.", address.port()),
        ),
        ListenPlace::Unix(path) => log.tell(
            Level::Information,
            format_args!("Opening unix listen socket on path {path}."),
        ),
    }
}

fn listen_failed(log: &Log, place: &ListenPlace<'_>, error: &io::Error) {
    let error = describe(error);
    match place {
        ListenPlace::Tcp(address) => log.tell(
            Level::Warning,
            format_args!("Warning: Unable to listen on {address}: {error}."),
        ),
        ListenPlace::Unix(path) => log.tell(
            Level::Warning,
            format_args!("Warning: Unable to listen on {path}: {error}."),
        ),
    }
}

/// What the system says, in its own words and without the number that Rust adds.
pub fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::client_lines::tests::peer;
    use super::super::level::Levels;
    use super::super::log::tests::{keeping, kept};
    use super::*;
    use crate::engine::ids::ShardId;

    #[test]
    fn what_the_runtime_sees_has_its_lines() {
        let error = &std::io::Error::from_raw_os_error(Errno::EADDRINUSE as i32);
        let v4 = &ListenPlace::Tcp("127.0.0.1:1883".parse().unwrap());
        let v6 = &ListenPlace::Tcp("[::1]:1883".parse().unwrap());
        let unix = &ListenPlace::Unix("/run/mqtt");
        let peer = &peer();
        for (event, line) in [
            (
                RuntimeEvent::Listening { place: v4 },
                "Opening ipv4 listen socket on port 1883.",
            ),
            (
                RuntimeEvent::Listening { place: v6 },
                "Opening ipv6 listen socket on port 1883.",
            ),
            (
                RuntimeEvent::Listening { place: unix },
                "Opening unix listen socket on path /run/mqtt.",
            ),
            (
                RuntimeEvent::ListenFailed { place: v6, error },
                "Warning: Unable to listen on [::1]:1883: Address already in use.",
            ),
            (
                RuntimeEvent::NewConnection {
                    peer,
                    listener_port: 1883,
                },
                "New connection from 10.0.0.7:40001 on port 1883.",
            ),
            (
                RuntimeEvent::ConnectionDenied { peer },
                "Client connection from 10.0.0.7 denied: max_connections exceeded.",
            ),
            (
                RuntimeEvent::ThreadFailed {
                    thread: "shard-0",
                    reason: "no\nline",
                },
                "Error: Internal error in thread shard-0: no\\u{a}line",
            ),
            (
                RuntimeEvent::LeftOut { operations: 3 },
                "Warning: The disk of the store is full: 3 operations were not kept. Nothing of them was \
                 acknowledged; what clients acknowledged may come to them again.",
            ),
            (
                RuntimeEvent::ArrivalFailed {
                    shard: ShardId(1),
                    error,
                },
                "Error: Shard 1 cannot take a connection over: Address already in use.",
            ),
        ] {
            let log = keeping(Levels::ALL, true);
            tell(&log, &event);
            assert_eq!(kept(&log), [line]);
        }
    }
}
