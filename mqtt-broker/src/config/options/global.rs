//! Rows of the options that hold for the whole broker.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use super::Scope::{Broker, Reader, Security};
use super::Setter::{Flag, Limit, Number, Path, Short, Special, Text};
use super::Status::{By, Gone, NoEffectYet, NotNeeded, Refuses};
use super::{ConfigOption, LONG, ignore, row};
use crate::config::draft::Globals;
use crate::config::values::{Fault, Value, long_duration};

/// Bytes of the longest prefix of generated client ids.
pub(super) const PREFIX_BYTES_MAX: usize = 50;

pub(super) static ROWS: &[ConfigOption] = &[
    // Who may come in.
    row(
        "acl_file",
        Security(Path(ignore)),
        "none",
        "File that says who may read and write what.",
    )
    .status(Refuses(
        "this release has no access control lists: every client could read \
         and write everything (remove the line only if that is wanted)",
    )),
    row(
        "allow_anonymous",
        Security(Flag(|security, value| {
            security.allow_anonymous = Some(value)
        })),
        "false; true in local-only mode",
        "Clients without a user name are let in.",
    ),
    row(
        "allow_zero_length_clientid",
        Security(Flag(|security, value| {
            security.allow_zero_length_clientid = Some(value)
        })),
        "true",
        "MQTT 3.1.1 and 5 clients may leave their client id to the broker.",
    ),
    row(
        "auto_id_prefix",
        Security(Text(PREFIX_BYTES_MAX, |security, prefix| {
            security.auto_id_prefix = Some(prefix)
        })),
        "auto-",
        "What client ids made by the broker begin with.",
    )
    .once()
    .notice(
        "The 'auto_id_prefix' option is now deprecated and will be removed in \
         version 3.0. Please use 'listener_auto_id_prefix' instead.",
    ),
    row(
        "check_retain_source",
        Broker(Flag(ignore)),
        "true",
        "A retained message is sent only while its publisher may still write \
         its topic.",
    )
    .at_start()
    .status(By(&[(
        "true",
        NoEffectYet(
            "this release has no access control lists that could take the right \
             away",
        ),
    )])),
    row(
        "clientid_prefixes",
        Broker(Text(LONG, |globals, prefix| {
            globals.rules.clientid_prefixes = Some(prefix)
        })),
        "none",
        "What every client id has to begin with.",
    )
    .notice(
        "The 'clientid_prefixes' option is now deprecated and will be removed \
         in version 3.0.",
    ),
    row(
        "enable_control_api",
        Broker(Flag(ignore)),
        "false",
        "The broker answers on $CONTROL/broker/v1.",
    )
    .status(By(&[(
        "true",
        NoEffectYet("nobody answers on $CONTROL in this release"),
    )])),
    row(
        "password_file",
        Security(Path(|security, path| {
            security.password_file = Some(PathBuf::from(path))
        })),
        "none",
        "File of users and hashed passwords; whoever is not in it is refused.",
    ),
    row(
        "per_listener_settings",
        Reader("true or false", |reader, value| {
            let is_on = value.flag()?;
            reader.set_per_listener_settings(is_on)
        }),
        "false",
        "Security options belong to the listener that they follow.",
    )
    .at_start()
    .notice(
        "The 'per_listener_settings' option is now deprecated and will be \
         removed in version 3.0. Please see the documentation for how to \
         achieve the same effect.",
    ),
    row(
        "psk_file",
        Security(Path(ignore)),
        "none",
        "File of identities and keys for TLS-PSK.",
    )
    .status(Refuses(
        "this release has no TLS-PSK: without it the connections would not be \
         encrypted",
    )),
    // Sessions, queues and messages.
    row(
        "allow_duplicate_messages",
        Broker(Flag(|globals, value| {
            globals.rules.allow_duplicate_messages = Some(value)
        })),
        "false: one copy of a message, however many of its subscriptions match",
        "A client gets a copy of a message for each of its matching \
         subscriptions.",
    )
    .notice(
        "The 'allow_duplicate_messages' option is now deprecated and will be \
         removed in version 3.0. The behaviour will default to true.",
    ),
    row(
        "global_max_clients",
        Broker(Limit(|globals, limit| {
            globals.rules.global_max_clients = limit
        })),
        "no limit",
        "Sessions in the whole broker, connected or not.",
    ),
    row(
        "global_max_connections",
        Broker(Limit(|globals, limit| {
            globals.rules.global_max_connections = limit
        })),
        "no limit",
        "Open sockets of the whole broker.",
    ),
    row(
        "max_inflight_bytes",
        Broker(Limit(|globals, limit| {
            globals.rules.max_inflight_bytes = limit.map(NonZeroU64::from)
        })),
        "0",
        "Payload bytes of QoS 1 and 2 in flight to one client.",
    ),
    row(
        "max_inflight_messages",
        Broker(Special(
            "a whole number up to 65535, 0 for no limit",
            max_inflight_messages,
        )),
        "20",
        "QoS 1 and 2 messages in flight with one client, each way.",
    ),
    row(
        "max_keepalive",
        Broker(Short(|globals, seconds| {
            globals.rules.max_keepalive = NonZeroU16::new(seconds)
        })),
        "0: no limit",
        "Longest keep alive in seconds.",
    ),
    row(
        "max_packet_size",
        Broker(Number(20, i32::MAX as u32, |globals, bytes| {
            globals.rules.max_packet_size = NonZeroU32::new(bytes).unwrap_or(NonZeroU32::MIN);
        })),
        "2000000",
        "Bytes of the largest packet that is taken.",
    ),
    row(
        "max_queued_bytes",
        Broker(Limit(|globals, limit| {
            globals.rules.max_queued_bytes = limit.map(NonZeroU64::from)
        })),
        "0",
        "Payload bytes waiting for one client, above those in flight.",
    ),
    row(
        "max_queued_messages",
        Broker(Limit(|globals, limit| {
            globals.rules.max_queued_messages = limit;
            globals.rules.max_queued_messages_is_set = true;
        })),
        "1000; 65536 while the client is connected",
        "Messages waiting for one client, above those in flight.",
    ),
    row(
        "memory_limit",
        Broker(Number(0, i32::MAX as u32, ignore)),
        "0: no limit",
        "Bytes of memory for the broker.",
    )
    .status(NoEffectYet(
        "memory is bounded by the limits of queues and packets alone",
    )),
    row(
        "message_size_limit",
        Broker(Number(0, 268_435_455, |globals, bytes| {
            globals.rules.message_size_limit = NonZeroU32::new(bytes);
        })),
        "0: no limit",
        "Bytes of the largest payload that is taken.",
    )
    .notice(
        "Note: It is recommended to replace `message_size_limit` with \
         `max_packet_size`.",
    ),
    row(
        "packet_buffer_size",
        Broker(Short(ignore)),
        "4096",
        "Bytes of the read buffer of a connection.",
    )
    .also(&["websockets_headers_size"])
    .status(NotNeeded(
        "connections share read buffers that fit their packets",
    )),
    row(
        "persistent_client_expiration",
        Broker(Special(
            "a whole number above 0 with s, h, d, w, m (30 days) or y, such as 14d",
            |globals, value, _| {
                let duration = long_duration(value.word()?).ok_or_else(|| {
                    Fault::Value(
                        "Invalid persistent_client_expiration duration in configuration".to_owned(),
                    )
                })?;
                globals.rules.persistent_client_expiration = Some(duration);
                Ok(())
            },
        )),
        "never",
        "Longest time that a session is kept without a connection.",
    ),
    row(
        "queue_qos0_messages",
        Broker(Flag(|globals, value| {
            globals.rules.queue_qos0_messages = value
        })),
        "false",
        "QoS 0 messages wait for sessions without a connection, too.",
    ),
    row(
        "retain_available",
        Broker(Flag(|globals, value| {
            globals.rules.retain_available = value
        })),
        "true",
        "Retained messages are taken.",
    ),
    row(
        "retain_expiry_interval",
        Broker(Special(
            "minutes from 1 to 10000000",
            retain_expiry_interval,
        )),
        "off",
        "Minutes between two searches for expired retained messages.",
    ),
    row(
        "retry_interval",
        Broker(Special("anything", |_, _, _| Ok(()))),
        "none",
        "Gone; messages are sent again on reconnection only.",
    )
    .status(Gone(
        "Warning: The 'retry_interval' option is no longer available.",
    )),
    row(
        "set_tcp_nodelay",
        Broker(Flag(ignore)),
        "true",
        "Small packets are sent at once; always so here.",
    ),
    row(
        "sys_interval",
        Broker(Short(|globals, seconds| {
            globals.rules.sys_interval =
                (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
        })),
        "10",
        "Seconds between two updates of $SYS, 0 for no $SYS.",
    ),
    row(
        "upgrade_outgoing_qos",
        Broker(Flag(|globals, value| {
            globals.rules.upgrade_outgoing_qos = value
        })),
        "false",
        "Messages are delivered at the QoS of the subscription even if \
         published lower.",
    ),
    // What is kept.
    row(
        "autosave_interval",
        Broker(Limit(ignore)),
        "1800",
        "Seconds between two saves of the database.",
    )
    .status(NotNeeded("what is acknowledged is saved before it is")),
    row(
        "autosave_on_changes",
        Broker(Flag(ignore)),
        "false",
        "autosave_interval counts changes.",
    )
    .status(NotNeeded("what is acknowledged is saved before it is")),
    row(
        "persistence",
        Broker(Flag(|globals, value| {
            globals.start.keep.persistence = Some(value)
        })),
        "true where persistence_location or the service manager names a \
         directory, else false",
        "Sessions and messages are kept on disk.",
    )
    .also(&["retained_persistence"])
    .at_start(),
    row(
        "persistence_file",
        Broker(Text(LONG, |globals, name| {
            globals.start.keep.file = Some(PathBuf::from(name))
        })),
        "mosquitto.db",
        "Name of the database file.",
    )
    .once()
    .at_start(),
    row(
        "persistence_location",
        Broker(Path(|globals, path| {
            globals.start.keep.location = Some(PathBuf::from(path))
        })),
        "the current directory",
        "Directory of what is kept on disk.",
    )
    .once()
    .at_start(),
    // Start.
    row(
        "include_dir",
        Reader("a directory", |reader, value| {
            reader.include_directory(value)
        }),
        "none",
        "Reads all files of this directory that end in .conf.",
    )
    .adds(),
    row(
        "pid_file",
        Broker(Path(|globals, path| {
            globals.start.pid_file = Some(PathBuf::from(path))
        })),
        "none",
        "File for the process id.",
    )
    .once()
    .at_start(),
    row(
        "user",
        Broker(Text(LONG, |globals, user| globals.start.user = user)),
        "mosquitto",
        "User that a broker started by root becomes; root to stay so.",
    )
    .at_start(),
];

fn max_inflight_messages(
    globals: &mut Globals,
    value: &Value<'_>,
    _: &mut Vec<String>,
) -> Result<(), Fault> {
    let number = value.number()?.max(0);
    let number = u16::try_from(number).map_err(|_| {
        Fault::Other(format!(
            "Invalid 'max_inflight_messages' value ({number}), must be <= 65535"
        ))
    })?;
    // 65535 is what MQTT 5 takes when nothing is said: no limit, as with 0.
    let limit = NonZeroU16::new(number).filter(|limit| *limit < NonZeroU16::MAX);
    globals.rules.max_inflight_messages = limit;
    Ok(())
}

fn retain_expiry_interval(
    globals: &mut Globals,
    value: &Value<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), Fault> {
    const MINUTES_MAX: u32 = 10_000_000;
    let minutes = value.number()?;
    let mut minutes = u32::try_from(minutes)
        .ok()
        .filter(|minutes| *minutes > 0)
        .ok_or_else(|| value.invalid(minutes.to_string().as_bytes()))?;
    if minutes > MINUTES_MAX {
        warnings.push(format!(
            "{minutes} is more than {MINUTES_MAX}, which is used instead"
        ));
        minutes = MINUTES_MAX;
    }
    globals.rules.retain_expiry_interval = Some(Duration::from_secs(u64::from(minutes) * 60));
    Ok(())
}
