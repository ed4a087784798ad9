//! Rows of the options of a bridge.

use super::Scope::{Bridge, Reader};
use super::Setter::{Flag, Limit, Number, Path, Short, Special, Text, Word};
use super::Status::{AsItsOwner, Refuses};
use super::bridge_topic::topic;
use super::{ConfigOption, LONG, ignore, ignore_word, row};
use crate::config::draft::BridgeDraft;
use crate::config::values::{Fault, Value};

const TOPIC: &str = "PATTERN [out|in|both [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]]";

pub(super) static ROWS: &[ConfigOption] = &[
    row(
        "connection",
        Reader("a name of one word", |reader, value| {
            reader.open_bridge(value)
        }),
        "none",
        "Begins a bridge to another broker; the options of a bridge that \
         follow belong to it.",
    )
    .adds()
    .status(Refuses(
        "this release has no bridges: messages for the other broker would be \
         lost",
    )),
    bridge(
        "address",
        Special("HOST[:PORT] ...", addresses),
        "none",
        "Where the other broker is.",
    )
    .also(&["addresses"])
    .once(),
    bridge("topic", Special(TOPIC, topic), "none", "What is exchanged.").adds(),
    bridge(
        "remote_clientid",
        Text(LONG, |bridge, id| bridge.remote_clientid = Some(id)),
        "HOSTNAME.NAME",
        "Client id on the other broker.",
    )
    .also(&["clientid"])
    .once(),
    bridge(
        "local_clientid",
        Text(LONG, |bridge, id| bridge.local_clientid = Some(id)),
        "local. and the remote client id",
        "Client id on this broker.",
    )
    .once(),
    bridge(
        "remote_username",
        Text(LONG, ignore),
        "none",
        "User name on the other broker.",
    )
    .also(&["username"])
    .once(),
    bridge(
        "remote_password",
        Text(LONG, ignore),
        "none",
        "Password on the other broker.",
    )
    .also(&["password"])
    .once(),
    bridge(
        "local_username",
        Text(LONG, ignore),
        "none",
        "User name that plugins see.",
    )
    .once(),
    bridge(
        "local_password",
        Text(LONG, ignore),
        "none",
        "Password that nobody asks for.",
    )
    .once(),
    bridge(
        "cleansession",
        Flag(ignore),
        "false",
        "The other broker keeps no session.",
    ),
    bridge(
        "local_cleansession",
        Flag(ignore),
        "cleansession",
        "This broker keeps no queue.",
    ),
    bridge(
        "start_type",
        Word(&["automatic", "lazy", "once"], ignore_word),
        "automatic",
        "When the bridge connects.",
    ),
    bridge(
        "threshold",
        NUMBER,
        "10",
        "Waiting messages that make a lazy bridge connect.",
    ),
    bridge(
        "idle_timeout",
        NUMBER,
        "60",
        "Idle seconds after which a lazy bridge disconnects.",
    ),
    bridge(
        "restart_timeout",
        Special("SECONDS, or BASE CAP [STABLE] in seconds", restart_timeout),
        "5 30",
        "Seconds between two attempts to connect.",
    ),
    bridge(
        "round_robin",
        Flag(ignore),
        "false",
        "No address is preferred.",
    ),
    bridge(
        "keepalive_interval",
        Special("a whole number from 5 to 65535", |_, value, _| {
            let seconds = value.number()?;
            let is_allowed = seconds <= i32::from(u16::MAX);
            if is_allowed {
                Ok(())
            } else {
                Err(value.invalid(seconds.to_string().as_bytes()))
            }
        }),
        "60",
        "Keep alive in seconds.",
    ),
    bridge(
        "notifications",
        Flag(ignore),
        "true",
        "The state of the bridge is published.",
    ),
    bridge(
        "notifications_local_only",
        Flag(ignore),
        "false",
        "It is published here alone.",
    ),
    bridge(
        "notification_topic",
        Text(LONG, ignore),
        "$SYS/broker/connection/REMOTE-CLIENTID/state",
        "Where it is published.",
    )
    .once(),
    bridge(
        "try_private",
        Flag(ignore),
        "true",
        "The other broker is told that this is a bridge.",
    ),
    bridge(
        "bridge_protocol_version",
        Special("mqttv31, mqttv311 or mqttv50", |_, value, _| {
            let version = value.text(LONG)?;
            let is_known = ["mqttv31", "mqttv311", "mqttv50"].contains(&version);
            if is_known {
                Ok(())
            } else {
                Err(value.invalid(version.as_bytes()))
            }
        }),
        "mqttv311",
        "Version of MQTT.",
    ),
    bridge(
        "bridge_attempt_unsubscribe",
        Flag(ignore),
        "true",
        "Old subscriptions are ended.",
    ),
    bridge(
        "bridge_bind_address",
        Text(LONG, ignore),
        "any",
        "Address to connect from.",
    )
    .once(),
    bridge(
        "bridge_max_packet_size",
        Limit(ignore),
        "0",
        "Bytes of the largest packet sent.",
    ),
    bridge(
        "bridge_max_topic_alias",
        Short(ignore),
        "10",
        "Topic aliases, each way.",
    ),
    bridge(
        "bridge_outgoing_retain",
        Flag(ignore),
        "true",
        "Messages sent stay retained.",
    ),
    bridge(
        "bridge_receive_maximum",
        Number(1, 65_535, ignore),
        "max_inflight_messages",
        "QoS 1 and 2 messages that the other broker may have in flight.",
    ),
    bridge(
        "bridge_session_expiry_interval",
        Special(
            "seconds from 0 to 2147483647, or 4294967295 for never",
            session_expiry,
        ),
        "0",
        "Seconds that the other broker keeps the session.",
    ),
    bridge(
        "bridge_reload_type",
        Word(&["lazy", "immediate"], ignore_word),
        "lazy",
        "When a reload changes a running bridge.",
    ),
    bridge(
        "bridge_tcp_keepalive",
        Special("IDLE INTERVAL COUNT, all above 0", tcp_keepalive),
        "off",
        "Keep alive of TCP.",
    ),
    bridge(
        "bridge_tcp_user_timeout",
        Number(0, i32::MAX as u32, ignore),
        "off",
        "Milliseconds that sent bytes may stay unacknowledged.",
    ),
    bridge(
        "bridge_cafile",
        Path(ignore),
        "none",
        "File of the certificates to trust.",
    )
    .once(),
    bridge(
        "bridge_capath",
        Path(ignore),
        "none",
        "Directory of the certificates to trust.",
    )
    .once(),
    bridge(
        "bridge_tls_use_os_certs",
        Flag(ignore),
        "false",
        "The system's certificates, too.",
    ),
    bridge(
        "bridge_certfile",
        Path(ignore),
        "none",
        "File of the own certificate.",
    )
    .once(),
    bridge("bridge_keyfile", Path(ignore), "none", "File of its key."),
    bridge(
        "bridge_tls_version",
        Text(LONG, ignore),
        "tlsv1.2",
        "Lowest version of TLS.",
    )
    .once(),
    bridge(
        "bridge_ciphers",
        Text(LONG, ignore),
        "of the library",
        "TLS 1.2 suites.",
    )
    .once(),
    bridge(
        "bridge_ciphers_tls1.3",
        Text(LONG, ignore),
        "of the library",
        "TLS 1.3 suites.",
    )
    .once(),
    bridge(
        "bridge_alpn",
        Text(254, ignore),
        "none",
        "Protocol name that TLS negotiates.",
    )
    .once(),
    bridge(
        "bridge_insecure",
        Flag(ignore),
        "false",
        "The host name is not checked.",
    ),
    bridge(
        "bridge_require_ocsp",
        Flag(ignore),
        "false",
        "A stapled OCSP answer is required.",
    ),
    bridge(
        "bridge_identity",
        Text(LONG, ignore),
        "none",
        "Identity for TLS-PSK.",
    )
    .once(),
    bridge(
        "bridge_psk",
        Special("hexadecimal digits", |_, value, _| {
            // What is wrong is not shown: it may be half a key.
            let is_key = value
                .text(LONG)?
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit());
            if is_key {
                Ok(())
            } else {
                Err(value.invalid(b"not shown"))
            }
        }),
        "none",
        "Key for TLS-PSK.",
    )
    .once(),
];

/// Any number; what is too small is raised to the least that makes sense.
const NUMBER: super::Setter<BridgeDraft> = Special("a whole number from 1", |_, value, _| {
    value.number().map(drop)
});

/// A row of an option that says no more than its `connection` line about whether it works.
const fn bridge(
    name: &'static str,
    setter: super::Setter<BridgeDraft>,
    default: &'static str,
    help: &'static str,
) -> ConfigOption {
    row(name, Bridge(setter), default, help).status(AsItsOwner)
}

fn addresses(_: &mut BridgeDraft, value: &Value<'_>, _: &mut Vec<String>) -> Result<(), Fault> {
    value.word()?;
    for word in value.words().take_while(|word| !word.starts_with(b"#")) {
        let address = value.checked_text(word)?;
        // The last colon parts the port, so a bare IPv6 address has to bring one.
        let is_valid = match address.rsplit_once(':') {
            Some((host, port)) => {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            }
            None => true,
        };
        if !is_valid {
            return Err(value.invalid(word));
        }
    }
    Ok(())
}

fn restart_timeout(
    _: &mut BridgeDraft,
    value: &Value<'_>,
    _: &mut Vec<String>,
) -> Result<(), Fault> {
    value.word()?;
    let mut seconds = Vec::new();
    for word in value
        .words()
        .take_while(|word| !word.starts_with(b"#"))
        .take(3)
    {
        seconds.push(value.number_of(word)?);
    }
    match seconds.as_slice() {
        [base, cap, ..] if cap < base => Err(value.invalid(cap.to_string().as_bytes())),
        _ => Ok(()),
    }
}

fn session_expiry(
    _: &mut BridgeDraft,
    value: &Value<'_>,
    _: &mut Vec<String>,
) -> Result<(), Fault> {
    if matches!(value.word()?, b"4294967295" | b"0xFFFFFFFF" | b"0xffffffff") {
        return Ok(());
    }
    value.number_within(0, i32::MAX as u32).map(drop)
}

fn tcp_keepalive(_: &mut BridgeDraft, value: &Value<'_>, _: &mut Vec<String>) -> Result<(), Fault> {
    let mut count = 0;
    for word in value.words().take(3) {
        if value.number_of(word)? < 1 {
            return Err(value.invalid(word));
        }
        count += 1;
    }
    if count == 3 {
        Ok(())
    } else {
        Err(value.empty())
    }
}
