//! Rows of the options of a listener, but for TLS.

use mqtt_codec::QoS;

use super::Needs::{Any, Explicit, OrDefault};
use super::Scope::{Listener, Reader};
use super::Setter::{Flag, Limit, Number, Path, Short, Special, Text, Word};
use super::Status::{By, NoEffectYet, Refuses};
use super::global::PREFIX_BYTES_MAX;
use super::{ConfigOption, LONG, ignore, ignore_word, row};
use crate::config::draft::ListenerDraft;
use crate::config::report::shown;
use crate::config::settings::{Address, ProtocolVersions, SocketDomain};
use crate::config::values::{Fault, Value};

pub(super) static ROWS: &[ConfigOption] = &[
    row(
        "listener",
        Reader(
            "PORT [HOST] with a port from 1 to 65535, or 0 PATH for a Unix socket",
            |reader, value| reader.open_listener(value),
        ),
        "local-only mode: 127.0.0.1 and ::1, port 1883",
        "Opens a port; the options of a listener that follow belong to it.",
    )
    .adds()
    .at_start(),
    row(
        "port",
        Reader("a whole number from 1 to 65535", |reader, value| {
            reader.set_default_port(value)
        }),
        "1883",
        "Port of the default listener.",
    )
    .at_start()
    .notice(
        "The 'port' option is now deprecated and will be removed in version \
         3.0. Please use 'listener' instead.",
    ),
    row(
        "bind_address",
        Reader("a host name or address", |reader, value| {
            reader.set_default_host(value)
        }),
        "all addresses",
        "Address of the default listener.",
    )
    .once()
    .at_start()
    .notice(
        "The 'bind_address' option is now deprecated and will be removed in \
         version 3.0. Please use 'listener' instead.",
    ),
    row(
        "bind_interface",
        Listener(
            OrDefault,
            Text(LONG, |draft, name| {
                draft.listener.bind_interface = Some(name)
            }),
        ),
        "none",
        "Network interface whose addresses the listener binds to.",
    )
    .once()
    .at_start(),
    row(
        "socket_domain",
        Listener(OrDefault, Word(&["ipv4", "ipv6"], socket_domain)),
        "both",
        "Address family of the listener.",
    )
    .at_start(),
    row(
        "protocol",
        Listener(
            OrDefault,
            Word(&["mqtt", "websockets", "http_api"], ignore_word),
        ),
        "mqtt",
        "What is spoken on the listener.",
    )
    .at_start()
    .status(By(&[
        (
            "websockets",
            Refuses(
                "this release has no WebSockets: clients of this listener would find \
                 nobody (remove the listener)",
            ),
        ),
        (
            "http_api",
            Refuses(
                "this release has no HTTP API: clients of this listener would find \
                 nobody (remove the listener)",
            ),
        ),
    ])),
    row(
        "accept_protocol_versions",
        Listener(
            Explicit,
            Special(
                "a list of 3, 4 and 5 parted by commas or spaces",
                accept_protocol_versions,
            ),
        ),
        "3, 4, 5",
        "Versions that are served: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0.",
    ),
    row(
        "listener_allow_anonymous",
        Listener(
            Any,
            Flag(|draft, value| draft.listener.listener_allow_anonymous = Some(value)),
        ),
        "allow_anonymous",
        "Clients of this listener without a user name are let in.",
    ),
    row(
        "listener_auto_id_prefix",
        Listener(
            Any,
            Text(PREFIX_BYTES_MAX, |draft, prefix| {
                draft.listener.listener_auto_id_prefix = Some(prefix)
            }),
        ),
        "auto_id_prefix",
        "What client ids made for this listener begin with.",
    )
    .once(),
    row(
        "max_connections",
        Listener(
            OrDefault,
            Limit(|draft, limit| draft.listener.max_connections = limit),
        ),
        "no limit",
        "Open sockets of this listener.",
    ),
    row(
        "max_qos",
        Listener(
            OrDefault,
            Number(0, 2, |draft, number| {
                draft.listener.max_qos = match number {
                    0 => QoS::AtMostOnce,
                    1 => QoS::AtLeastOnce,
                    _ => QoS::ExactlyOnce,
                };
            }),
        ),
        "2",
        "Highest QoS of this listener.",
    )
    .also(&["maximum_qos"]),
    row(
        "max_topic_alias",
        Listener(
            Any,
            Short(|draft, count| draft.listener.max_topic_alias = count),
        ),
        "10",
        "Topic aliases that a client may use.",
    ),
    row(
        "max_topic_alias_broker",
        Listener(
            Any,
            Short(|draft, count| draft.listener.max_topic_alias_broker = count),
        ),
        "10",
        "Topic aliases that the broker may use towards a client.",
    ),
    row(
        "mount_point",
        Listener(
            Any,
            Special("the beginning of a topic, without + and #", mount_point),
        ),
        "none",
        "Put before all topics of this listener.",
    )
    .status(Refuses(
        "this release has no mount points: clients of this listener would see \
         the topics of all others",
    )),
    row(
        "use_username_as_clientid",
        Listener(
            OrDefault,
            Flag(|draft, value| draft.listener.use_username_as_clientid = value),
        ),
        "false",
        "The user name takes the place of the client id.",
    ),
    row(
        "enable_proxy_protocol",
        Listener(
            Any,
            Number(1, 2, |draft, version| draft.proxy_protocol = Some(version)),
        ),
        "off",
        "Connections come through a proxy that tells of the client.",
    )
    .at_start()
    .status(Refuses(
        "this release has no PROXY protocol: no client could connect through \
         the proxy",
    )),
    row(
        "proxy_protocol_v2_require_tls",
        Listener(Any, Flag(ignore)),
        "false",
        "The proxy must say that the client uses TLS.",
    )
    .at_start()
    .status(By(&[(
        "true",
        Refuses(
            "this release has no PROXY protocol: clients without TLS would be let \
             in",
        ),
    )])),
    row(
        "http_dir",
        Listener(Any, Path(ignore)),
        "none",
        "Directory of what the HTTP API listener serves.",
    )
    .once()
    .at_start()
    .status(NoEffectYet("this release has no HTTP API")),
    row(
        "websockets_origin",
        Listener(Any, Text(LONG, ignore)),
        "any",
        "Origin that WebSockets clients may come from.",
    )
    .adds()
    .status(Refuses(
        "this release has no WebSockets: nobody would look at the origin",
    )),
];

fn socket_domain(draft: &mut ListenerDraft, word: &str) {
    if let Address::Tcp { socket_domain, .. } = &mut draft.listener.address {
        *socket_domain = if word == "ipv4" {
            SocketDomain::Ipv4
        } else {
            SocketDomain::Ipv6
        };
    }
}

/// Mosquitto ignores what it does not know, so a slip can turn all versions off; here that is
/// an error, and less than that a warning.
fn accept_protocol_versions(
    draft: &mut ListenerDraft,
    value: &Value<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), Fault> {
    let list = value.text(LONG)?;
    let mut versions = ProtocolVersions::NONE;
    for word in list.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word {
            "3" => versions.v31 = true,
            "4" => versions.v311 = true,
            "5" => versions.v5 = true,
            other => warnings.push(format!(
                "\"{}\" is no version and is ignored",
                shown(other.as_bytes())
            )),
        }
    }
    if versions == ProtocolVersions::NONE {
        return Err(value.invalid(list.as_bytes()));
    }
    draft.listener.accept_protocol_versions = versions;
    Ok(())
}

fn mount_point(_: &mut ListenerDraft, value: &Value<'_>, _: &mut Vec<String>) -> Result<(), Fault> {
    let prefix = value.text(LONG)?;
    if prefix.contains(['+', '#']) {
        return Err(Fault::Other(format!(
            "Invalid mount_point '{}'. Does it contain a wildcard character?",
            shown(prefix.as_bytes())
        )));
    }
    Ok(())
}
