//! Tests of reading as a whole: values, contexts, local-only mode.

mod errors;
mod files;

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mqtt_codec::QoS;

use super::testing::{Tree, config, errors, load, notices};
use super::*;

fn tcp(port: u16, host: Option<&str>) -> Address {
    Address::Tcp {
        port: NonZeroU16::new(port).unwrap(),
        host: host.map(str::to_owned),
        socket_domain: SocketDomain::Any,
    }
}

#[test]
fn nothing_configured_means_local_only_and_open() {
    let loaded = Config::load(Origin::default(), &Tree::default()).unwrap();
    let addresses: Vec<_> = loaded
        .config
        .listeners
        .iter()
        .map(|l| l.address.clone())
        .collect();
    assert_eq!(
        addresses,
        [tcp(1883, Some("127.0.0.1")), tcp(1883, Some("::1"))]
    );
    assert!(loaded.config.local_only);
    assert!(
        loaded
            .config
            .listeners
            .iter()
            .all(|listener| listener.allow_anonymous)
    );
    assert!(
        loaded
            .config
            .listeners
            .iter()
            .all(|listener| listener.auto_id_prefix == "auto-")
    );
    assert_eq!(loaded.notices, []);
    assert!(!config("allow_anonymous false").listeners[0].allow_anonymous);
}

#[test]
fn the_plugin_whose_work_the_broker_does_itself_is_accepted_with_its_options() {
    let plugin = |text: &str| config(text).start.keep.plugin;
    let path = "plugin /usr/lib/mosquitto persist/mosquitto_persist_sqlite.so";
    let without = SqlitePlugin { db_file: None };
    assert_eq!(plugin(path), Some(without.clone()));
    assert_eq!(plugin(&format!("global_{path}")), Some(without));
    let with = format!("{path}\nplugin_opt_db_file /var/lib/x.sqlite3\n");
    let db_file = Some(PathBuf::from("/var/lib/x.sqlite3"));
    assert_eq!(plugin(&with), Some(SqlitePlugin { db_file }));
    assert_eq!(plugin("persistence true"), None);
    let said = notices(&format!("{path}\nplugin_opt_sync extra"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("\"plugin_opt_sync\": it has no effect"),
        "{said:?}"
    );
    let both = errors(&format!("persistence true\n{path}"));
    assert_eq!(both.len(), 1, "{both:?}");
    let expected = "`persistence true` cannot be used with a persistence plugin.";
    assert!(both[0].contains(expected), "{both:?}");
    // Loaded is not used, and another one is another one.
    assert_eq!(plugin("plugin_load p /mosquitto_persist_sqlite.so"), None);
    assert!(!errors("plugin /mosquitto_persist_lmdb.so").is_empty());
}

#[test]
fn ports_of_the_command_line_hold_in_local_only_mode_alone() {
    let ports = [1884, 1885]
        .map(|port| NonZeroU16::new(port).unwrap())
        .to_vec();
    let origin = Origin {
        files: vec!["a.conf".into()],
        ports,
        ..Origin::default()
    };
    let load = |text: &str| {
        Config::load(origin.clone(), &Tree::of(&[("a.conf", text.as_bytes())])).unwrap()
    };
    let local = load("max_queued_messages 5").config;
    assert_eq!(local.listeners.len(), 4);
    assert_eq!(local.listeners[2].address, tcp(1885, Some("127.0.0.1")));
    let networked = load("listener 1900");
    assert_eq!(networked.config.listeners[0].address, tcp(1900, None));
    assert_eq!(networked.config.listeners.len(), 1);
    assert_eq!(
        networked.notices[0].text,
        "-p is ignored: listeners are configured"
    );
}

#[test]
fn a_listener_closes_the_door_to_anonymous_clients() {
    for (text, expected) in [
        ("listener 1883", false),
        ("port 1883", false),
        ("bind_address localhost", false),
        ("listener 1883\nallow_anonymous true", true),
        ("allow_anonymous true\nlistener 1883", true),
        ("listener 1883\nlistener_allow_anonymous true", true),
        (
            "allow_anonymous true\nlistener 1883\nlistener_allow_anonymous false",
            false,
        ),
        (
            "per_listener_settings true\nlistener 1883\nallow_anonymous true",
            true,
        ),
        ("per_listener_settings true\nlistener 1883", false),
        ("max_connections 5", true),
    ] {
        assert_eq!(
            config(text).listeners[0].allow_anonymous,
            expected,
            "{text}"
        );
    }
}

#[test]
fn with_per_listener_settings_each_listener_has_its_own_security() {
    let config = config(
        "per_listener_settings true\n\
         listener 1883\nallow_anonymous true\nauto_id_prefix a-\n\
         listener 1884\npassword_file /etc/users\nallow_zero_length_clientid false\n",
    );
    let [open, closed] = &config.listeners[..] else {
        panic!("{:?}", config.listeners)
    };
    assert!(open.allow_anonymous && open.allow_zero_length_clientid);
    assert_eq!(
        (open.password_file.as_ref(), open.auto_id_prefix.as_str()),
        (None, "a-")
    );
    assert!(!closed.allow_anonymous && !closed.allow_zero_length_clientid);
    assert_eq!(
        closed.password_file.as_deref(),
        Some(Path::new("/etc/users"))
    );
    assert_eq!(closed.auto_id_prefix, "auto-");
    assert_eq!(
        errors("allow_anonymous true\nper_listener_settings true"),
        [
            "a.conf:2: option \"per_listener_settings\": per_listener_settings must be set before \
             any other security settings"
        ]
    );
    assert_eq!(
        errors("per_listener_settings true\nper_listener_settings false\nallow_anonymous true"),
        [
            "a.conf:3: option \"allow_anonymous\": The 'allow_anonymous' option requires a \
             listener to be defined first"
        ]
    );
    assert!(
        notices("per_listener_settings true\nlistener 1\nallow_anonymous true").contains(
            &"You are using the 'allow_anonymous' option with 'per_listener_settings true'. \
              Please replace this with 'listener_allow_anonymous'."
                .to_owned()
        )
    );
}

#[test]
fn without_per_listener_settings_security_belongs_to_all() {
    let config = config(
        "listener 1883\npassword_file /users\nlistener 1884\nauto_id_prefix x\n\
         listener_auto_id_prefix y",
    );
    for listener in &config.listeners {
        assert_eq!(listener.password_file.as_deref(), Some(Path::new("/users")));
    }
    assert_eq!(config.listeners[0].auto_id_prefix, "x");
    assert_eq!(config.listeners[1].auto_id_prefix, "y");
}

#[test]
fn values_arrive_where_they_belong() {
    let rules = config(
        "max_inflight_bytes 1\nmax_inflight_messages 2\nmax_keepalive 3\nmax_packet_size 0x40\n\
         max_queued_bytes 010\nmax_queued_messages -5\nmessage_size_limit 6\n\
         global_max_clients 7\nglobal_max_connections 8\npersistent_client_expiration 2m\n\
         queue_qos0_messages 1\nretain_available false\nretain_expiry_interval 9\n\
         upgrade_outgoing_qos true\nallow_duplicate_messages false\nclientid_prefixes a b \n\
         sys_interval 0",
    )
    .rules;
    let expected = Rules {
        max_inflight_bytes: NonZeroU64::new(1),
        max_inflight_messages: NonZeroU16::new(2),
        max_keepalive: NonZeroU16::new(3),
        max_packet_size: NonZeroU32::new(64).unwrap(),
        max_queued_bytes: NonZeroU64::new(8),
        max_queued_messages: None,
        max_queued_messages_is_set: true,
        message_size_limit: NonZeroU32::new(6),
        global_max_clients: NonZeroU32::new(7),
        global_max_connections: NonZeroU32::new(8),
        persistent_client_expiration: Some(Duration::from_secs(60 * 24 * 3600)),
        queue_qos0_messages: true,
        retain_available: false,
        retain_expiry_interval: Some(Duration::from_secs(540)),
        upgrade_outgoing_qos: true,
        allow_duplicate_messages: Some(false),
        clientid_prefixes: Some("a b".to_owned()),
        sys_interval: None,
    };
    assert_eq!(rules, expected);
    assert_eq!(
        config("max_inflight_messages 65535")
            .rules
            .max_inflight_messages,
        None
    );
    let start = config("pid_file /run/p\nuser root\nshards 3").start;
    assert_eq!(start.pid_file, Some(PathBuf::from("/run/p")));
    assert_eq!(
        (start.user.as_str(), start.shards),
        ("root", NonZeroUsize::new(3))
    );
}

#[test]
fn options_of_a_listener_belong_to_the_one_before_them() {
    let config = config(
        "listener 1883 localhost extra words\nmax_qos 1\nmax_connections -1\n\
         accept_protocol_versions 4,5\n\
         listener 0 /run/mqtt.sock\nmaximum_qos 0\nmax_connections 9\nmax_topic_alias 1\n\
         max_topic_alias_broker 2\nuse_username_as_clientid true\n\
         listener 1885 # a comment\nsocket_domain ipv6\nbind_interface lo\n",
    );
    let [first, second, third] = &config.listeners[..] else {
        panic!("{:?}", config.listeners)
    };
    assert_eq!(first.address, tcp(1883, Some("localhost")));
    assert_eq!(
        (first.max_qos, first.max_connections),
        (QoS::AtLeastOnce, None)
    );
    let versions = ProtocolVersions {
        v31: false,
        v311: true,
        v5: true,
    };
    assert_eq!(first.accept_protocol_versions, versions);
    assert_eq!(second.address, Address::Unix("/run/mqtt.sock".into()));
    assert_eq!(
        (second.max_qos, second.max_connections),
        (QoS::AtMostOnce, NonZeroU32::new(9))
    );
    assert_eq!(
        (second.max_topic_alias, second.max_topic_alias_broker),
        (1, 2)
    );
    assert!(second.use_username_as_clientid && !first.use_username_as_clientid);
    assert_eq!(third.bind_interface.as_deref(), Some("lo"));
    assert!(matches!(
        third.address,
        Address::Tcp {
            socket_domain: SocketDomain::Ipv6,
            host: None,
            ..
        }
    ));
}

#[test]
fn early_options_make_a_default_listener() {
    let loaded = load("max_connections 5\nlistener 1884").unwrap();
    let [default, other] = &loaded.config.listeners[..] else {
        panic!("{loaded:?}")
    };
    assert_eq!(
        (&default.address, default.max_connections),
        (&tcp(1883, None), NonZeroU32::new(5))
    );
    assert!(default.is_default && !other.is_default);
    let said = "Creating default listener due to 'max_connections' option.";
    assert_eq!(loaded.notices[0].text, said);

    let config = config("listener 1884\nport 1900\nbind_address ::1\nmax_qos 0");
    assert_eq!(config.listeners[1].address, tcp(1900, Some("::1")));
    assert_eq!(config.listeners[1].max_qos, QoS::AtMostOnce);

    // In local-only mode there is no such listener; that its options are lost is said.
    let texts = notices("max_connections 5");
    assert!(
        texts.iter().any(|text| text.starts_with("a.conf:1: ")),
        "{texts:?}"
    );
}

#[test]
fn log_options_add_up() {
    let log = |text: &str| config(text).log;
    let default = log("");
    assert!(default.stderr && !default.stdout && default.timestamp && default.connection_messages);
    assert_eq!((default.types, &default.file), (LogTypes::DEFAULT, &None));
    let both = log("log_dest stdout\nlog_dest file /var/log/my mqtt.log ");
    assert!(both.stdout && !both.stderr);
    assert_eq!(both.file, Some(PathBuf::from("/var/log/my mqtt.log")));
    let off = log("log_dest stdout\nlog_dest none");
    assert!(!off.stdout && !off.stderr && off.file.is_none());
    let after = log("log_dest none\nlog_dest stdout");
    assert!(after.stdout && !after.stderr);
    // Lines that would go where nobody writes them yet go to stderr.
    assert!(log("log_dest syslog").stderr && log("log_dest none\nlog_dest topic").stderr);
    assert!(!log("log_dest syslog\nlog_dest stdout").stderr);
    assert_eq!(
        log("log_type debug\nlog_type error").types,
        LogTypes::DEBUG.with(LogTypes::ERROR)
    );
    assert_eq!(log("log_type error\nlog_type none").types, LogTypes::NONE);
    assert_eq!(log("log_type none\nlog_type all").types, LogTypes::ALL);
    let plain = log("log_timestamp false\nlog_timestamp_format %H:%M # x\nconnection_messages 0");
    assert!(!plain.timestamp && !plain.connection_messages);
    assert_eq!(plain.timestamp_format.as_deref(), Some("%H:%M # x"));
    let origin = Origin {
        files: vec!["a.conf".into()],
        log_types: Some(LogTypes::ALL),
        ..Origin::default()
    };
    let loaded = Config::load(origin, &Tree::of(&[("a.conf", b"log_type error")])).unwrap();
    assert_eq!(loaded.config.log.types, LogTypes::ALL);
}
