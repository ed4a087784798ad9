//! The rows of the options that every tool has.

use std::time::Duration;

use mqtt_codec::Version;

use crate::connection_args::{ConnectionArgs, NEVER, port, qos, version};
use crate::number::{atof, atoi, strtol};
use crate::refusal::Refusal;
use crate::table::{Kind, Row, flag, not_yet, value};
use crate::topic_args::will_topic;
use crate::words::shown;

/// Every option that is about the connection.
pub const ROWS: &[Row<ConnectionArgs>] = &[
    value(
        &["-A"],
        ("ADDRESS", "no address"),
        "bind the outgoing socket to this host name or IP address",
        |args, word| {
            args.bind_address = Some(shown(word));
            Ok(())
        },
    ),
    flag(
        &["-c", "--disable-clean-session"],
        "keep the session; needs -i. With MQTT 5 it then never expires unless -x is given",
        |args| {
            args.clean_start = false;
            Ok(())
        },
    ),
    flag(
        &["-d", "--debug"],
        "print every packet on standard output",
        |args| {
            args.debug = true;
            Ok(())
        },
    ),
    Row {
        names: &["-D", "--property"],
        shown: "--property",
        kind: Kind::Words {
            words: "COMMAND NAME VALUE",
            set: |args, words| {
                args.version = Version::V5;
                args.properties.take(words)
            },
        },
        help: "a property for a packet, e.g. -D publish content-type text/plain or \
               -D publish user-property KEY VALUE. Sets -V 5",
    },
    value(
        &["-h", "--host"],
        ("HOST", "no host"),
        "host of the broker (default localhost)",
        |args, word| {
            args.host = word.to_vec();
            Ok(())
        },
    ),
    value(
        &["-i", "--id"],
        ("ID", "no id"),
        "client identifier (default: the broker makes one)",
        |args, word| {
            args.client_id = Some(word.to_vec());
            args.check_one_id()
        },
    ),
    value(
        &["-I", "--id-prefix"],
        ("PREFIX", "no id prefix"),
        "client identifier made of this and the number of the process",
        |args, word| {
            args.id_prefix = Some(word.to_vec());
            args.check_one_id()
        },
    ),
    value(
        &["-k", "--keepalive"],
        ("SECONDS", "no keepalive"),
        "keep alive, 5 to 65535 (default 60)",
        |args, word| {
            const TEXT: &str =
                "Error: Invalid keepalive given, it must be between 5 and 65535 inclusive.";
            let seconds = u16::try_from(atoi(word))
                .ok()
                .filter(|seconds| *seconds >= 5);
            args.keep_alive = seconds.ok_or_else(|| Refusal::usage(TEXT))?;
            Ok(())
        },
    ),
    value(
        &["-M"],
        ("NUMBER", "max_inflight not"),
        "QoS 1 and 2 messages sent and not yet acknowledged (default 20)",
        |args, word| {
            let number = atoi(word);
            if number < 1 {
                let text = "Error: Maximum inflight messages must be greater than 0.";
                return Err(Refusal::usage(text));
            }
            args.max_inflight = u16::try_from(number).unwrap_or(u16::MAX);
            Ok(())
        },
    ),
    flag(
        &["--nodelay"],
        "send small packets at once; always so here",
        |_| Ok(()),
    ),
    flag(&["--no-tls"], "no TLS, not even on port 8883", |args| {
        args.no_tls = true;
        Ok(())
    }),
    Row {
        names: &["-o"],
        shown: "-o",
        kind: Kind::OptionsFile,
        help: "read options from this file, one a line, instead of the usual file \
               ($XDG_CONFIG_HOME or ~/.config, named as the program or as the original tool)",
    },
    value(
        &["-p", "--port"],
        ("PORT", "no port"),
        "port (default 1883); 0: -h is the path of a Unix socket",
        |args, word| {
            args.port = Some(port(atoi(word))?);
            Ok(())
        },
    ),
    value(
        &["-P", "--pw"],
        ("PASSWORD", "no password"),
        "password; others on this machine can see it",
        |args, word| {
            args.password = Some(word.to_vec());
            Ok(())
        },
    ),
    value(
        &["-q", "--qos"],
        ("QOS", "no QoS"),
        "quality of service, 0, 1 or 2 (default 0)",
        |args, word| {
            args.qos = qos(atoi(word), |number| {
                format!("Error: Invalid QoS given: {number}")
            })?;
            Ok(())
        },
    ),
    flag(&["--quiet"], "print no run-time errors", |args| {
        args.quiet = true;
        Ok(())
    }),
    value(
        &["-u", "--username"],
        ("NAME", "no username"),
        "user name",
        |args, word| {
            args.user_name = Some(word.to_vec());
            Ok(())
        },
    ),
    value(
        &["--unix"],
        ("PATH", "no socket path"),
        "connect to a Unix socket",
        |args, word| {
            args.host = word.to_vec();
            args.port = Some(0);
            Ok(())
        },
    ),
    Row {
        names: &["-V", "--protocol-version"],
        shown: "--protocol-version",
        kind: Kind::Value {
            word: "VERSION",
            missing: "no version",
            set: |args, word| {
                args.version = version(word)?;
                Ok(())
            },
        },
        help: "mqttv31, mqttv311 or mqttv5; 31, 311 or 5 will do (default mqttv311)",
    },
    value(
        &["--will-topic"],
        ("TOPIC", "no will topic"),
        "topic of the will",
        |args, word| {
            args.will.topic = Some(will_topic(word)?);
            Ok(())
        },
    ),
    value(
        &["--will-payload"],
        ("TEXT", "no will payload"),
        "payload of the will",
        |args, word| {
            args.will.payload = Some(word.to_vec());
            Ok(())
        },
    ),
    value(
        &["--will-qos"],
        ("QOS", "no will QoS"),
        "quality of service of the will",
        |args, word| {
            args.will.qos = qos(atoi(word), |number| {
                format!("Error: Invalid will QoS {number}.")
            })?;
            Ok(())
        },
    ),
    flag(&["--will-retain"], "the will is to be retained", |args| {
        args.will.retain = true;
        Ok(())
    }),
    value(
        &["-x"],
        ("SECONDS", "no session expiry interval"),
        "how long the session outlives the connection; -1 or 4294967295: for ever. Sets -V 5",
        |args, word| {
            args.version = Version::V5;
            args.session_expiry_interval = Some(session_expiry_interval(word)?);
            Ok(())
        },
    ),
    value(
        &["--connect-timeout"],
        ("SECONDS", "no time"),
        "give up when a connection takes longer (default: no limit but the system's and -k)",
        |args, word| {
            args.connect_timeout = Some(positive_seconds("--connect-timeout", word)?);
            Ok(())
        },
    ),
    value(
        &["--max-time"],
        ("SECONDS", "no time"),
        "end with exit code 27 after this time, whatever is still to do",
        |args, word| {
            args.max_time = Some(positive_seconds("--max-time", word)?);
            Ok(())
        },
    ),
    flag(
        &["--strict"],
        "end with the broker's reason code when it refuses a message or a subscription",
        |args| {
            args.strict = true;
            Ok(())
        },
    ),
    not_yet(&["--proxy"], Some(("URL", "no proxy url"))),
    not_yet(&["-S"], None),
    not_yet(&["--ws"], None),
    not_yet(&["--cafile"], FILE),
    not_yet(&["--capath"], Some(("DIRECTORY", "no directory"))),
    not_yet(&["--cert"], FILE),
    not_yet(&["--key"], FILE),
    not_yet(&["--ciphers"], Some(("LIST", "no ciphers"))),
    not_yet(&["--tls-version"], Some(("VERSION", "no version"))),
    not_yet(&["--insecure"], None),
    not_yet(&["--tls-alpn"], Some(("PROTOCOL", "no protocol"))),
    not_yet(&["--tls-use-os-certs"], None),
    not_yet(&["--tls-keylog"], FILE),
    not_yet(&["--tls-engine"], Some(("ENGINE", "no engine_id"))),
    not_yet(&["--keyform"], Some(("FORM", "no keyform"))),
    not_yet(&["--tls-engine-kpass-sha1"], Some(("HEX", "no kpass sha1"))),
    not_yet(&["--psk"], Some(("HEX", "no key"))),
    not_yet(&["--psk-identity"], Some(("TEXT", "no identity"))),
];

const FILE: Option<(&str, &str)> = Some(("FILE", "no file"));

fn session_expiry_interval(word: &[u8]) -> Result<u32, Refusal> {
    if word == "∞".as_bytes() {
        return Ok(NEVER);
    }
    match strtol(word) {
        None => Err(Refusal::usage(
            "Error: session-expiry-interval not a number.",
        )),
        Some(-1) => Ok(NEVER),
        Some(seconds) => u32::try_from(seconds)
            .map_err(|_| Refusal::usage("Error: session-expiry-interval out of range.")),
    }
}

fn positive_seconds(option: &str, word: &[u8]) -> Result<Duration, Refusal> {
    let seconds = atof(word);
    let time = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero());
    time.ok_or_else(|| Refusal::usage(format!("Error: {option} argument must be >0.")))
}
