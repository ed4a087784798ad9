//! What is wrong, refused, or has no effect, and how that is said.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::super::options::{self, ConfigOption};
use super::super::testing::{config, errors, load, load_tree, notices};
use super::super::*;

/// A file, and what one of its errors has to say.
const KINDS: &[(&str, &str)] = &[
    ("port", "Empty 'port' value in configuration"),
    ("port x", "'port' value not a number"),
    ("port 99999999999", "'port' value out of range"),
    ("port 65536", "Invalid 'port' value (65536)"),
    ("listener", "Empty 'listener' value in configuration"),
    (
        "listener 0",
        "A listener with port 0 must provide a Unix socket path",
    ),
    ("listener 0 /run/my socket", "may not contain spaces"),
    ("log_dest foo", "Invalid 'log_dest' value (foo)"),
    (
        "log_dest file",
        "Empty \"log_dest file\" value in configuration",
    ),
    (
        "log_dest file a\nlog_dest file b",
        "Duplicate \"log_dest file\" value",
    ),
    ("log_type loud", "Invalid 'log_type' value (loud)"),
    ("max_packet_size 19", "Invalid 'max_packet_size' value (19)"),
    (
        "max_inflight_messages 65536",
        "Invalid 'max_inflight_messages' value (65536)",
    ),
    (
        "retain_expiry_interval 0",
        "Invalid 'retain_expiry_interval' value (0)",
    ),
    (
        "persistent_client_expiration 5x",
        "Invalid persistent_client_expiration duration in configuration",
    ),
    ("user a\u{1}b", "Malformed UTF-8 in configuration"),
    ("shards 65", "Invalid 'shards' value (65)"),
    ("shards 0", "allowed is a whole number from 1 to 64"),
    (
        "max_topic_alias 5",
        "The 'max_topic_alias' option requires a listener to be defined",
    ),
    (
        "port 1\naccept_protocol_versions 4",
        "requires a listener to be defined first",
    ),
    (
        "listener 1\naccept_protocol_versions 9",
        "Invalid 'accept_protocol_versions' value (9)",
    ),
    (
        "topic a",
        "The 'topic' option requires a bridge to be defined first",
    ),
    (
        "plugin_opt_file x",
        "The 'plugin_opt_file' option requires plugin/global_plugin/plugin_load to be \
         defined first",
    ),
    (
        "plugin /p\nplugin_opt_\u{1b}[2J x",
        "Unknown configuration variable 'plugin_opt_\\u{1b}[2J'",
    ),
    (
        "plugin /p\nplugin_opt_ab x",
        "Invalid 'plugin_opt_' config option",
    ),
    ("listener 1\nplugin_use a", "Invalid 'plugin_use' value (a)"),
    ("connection a\nconnection a", "Duplicate bridge name 'a'"),
    ("connection a\naddress h:0", "Invalid 'address' value (h:0)"),
    (
        "connection a\naddress h\naddresses i",
        "Duplicate 'addresses' value in configuration",
    ),
    (
        "connection a\naddress h",
        "Invalid bridge configuration: no topics defined",
    ),
    (
        "connection a\ntopic t",
        "Invalid bridge configuration: no remote addresses defined",
    ),
    (
        "connection a\nstart_type manual",
        "Invalid 'start_type' value (manual)",
    ),
    (
        "connection a\nbridge_psk ab",
        "Invalid bridge configuration: missing bridge_identity",
    ),
    (
        "connection a\nbridge_identity i",
        "Invalid bridge configuration: missing bridge_psk",
    ),
    (
        "connection a\nlocal_clientid i\nconnection b\nlocal_clientid i",
        "Bridge local_clientid 'i' is not unique.",
    ),
    ("listener 1\nmount_point a/#", "Invalid mount_point 'a/#'."),
    (
        "listener 1\ncertfile c",
        "Both certfile and keyfile must be provided to enable a TLS listener",
    ),
    (
        "listener 1\ncafile c",
        "cafile specified without certfile and keyfile",
    ),
    (
        "listener 1\nenable_proxy_protocol 2\nuse_subject_as_username true",
        "use_subject_as_username cannot be used with `enable_proxy_protocol 2`.",
    ),
    (
        "listener 1883\nlistener 1883",
        "the listener of a.conf:1 has the same address",
    ),
    ("include_dir /none", "Unable to open include_dir '/none'"),
    (
        "port\t1883",
        "Unknown configuration variable 'port\\t1883' (a space parts",
    ),
    (
        " # x",
        "Unknown configuration variable '#' (a comment begins in the first column",
    ),
    ("Port 1", "(did you mean \"port\"?)"),
    (
        "quite-unlike-anything 1",
        "(remove the line; --explain all lists the options)",
    ),
    ("user a\0\n", "a.conf:1: a NUL byte ends the file"),
];

#[test]
fn five_errors_of_one_file_are_reported_at_once() {
    let text = "# five errors\n\
                listener 1883\n\
                max_inflght_messages 10\n\
                max_qos 3\n\
                allow_anonymous yes\n\
                \n\
                pid_file /a\n\
                pid_file /b\n\
                acl_file /etc/acl\n";
    let lines = errors(text);
    let expected = [
        "a.conf:3: option \"max_inflght_messages\": Unknown configuration variable \
         'max_inflght_messages' (did you mean \"max_inflight_messages\"?)",
        "a.conf:4: option \"max_qos\": Invalid 'max_qos' value (3); allowed is a whole number \
         from 0 to 2",
        "a.conf:5: option \"allow_anonymous\": Invalid 'allow_anonymous' value (yes); allowed is \
         true or false",
        "a.conf:8: option \"pid_file\": Duplicate 'pid_file' value in configuration, first given \
         at a.conf:7 (remove one)",
        "a.conf:9: option \"acl_file\": this release has no access control lists",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
}

#[test]
fn each_kind_of_error_keeps_the_words_of_the_original() {
    for (text, expected) in KINDS {
        let lines = errors(text);
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{text:?}: {lines:#?}"
        );
        assert!(
            lines.iter().all(|line| line.starts_with("a.conf:")),
            "{lines:#?}"
        );
    }
}

#[test]
fn what_would_let_somebody_in_or_lose_something_is_refused() {
    for text in [
        "acl_file a",
        "psk_file a",
        "listener 1\nprotocol websockets",
        "listener 1\nprotocol http_api",
        "listener 1\nwebsockets_origin a",
        "listener 1\nmount_point a/",
        "listener 1\ncertfile a\nkeyfile b",
        "listener 1\nrequire_certificate true",
        "listener 1\ncrlfile a",
        "listener 1\npsk_hint a",
        "listener 1\nuse_identity_as_username true",
        "listener 1\nenable_proxy_protocol 1",
        "listener 1\nproxy_protocol_v2_require_tls true",
        "plugin a",
        "auth_plugin a",
        "global_plugin a",
        "plugin_load a b\nlistener 1\nplugin_use a",
        "connection a\naddress b\ntopic #",
    ] {
        let lines = errors(text);
        assert!(!lines.is_empty(), "{text}");
        assert!(
            lines.iter().all(|line| line.contains("this release")),
            "{text}: {lines:#?}"
        );
    }
    for text in [
        "persistence false",
        "retained_persistence 1",
        "durability off",
        "durability full",
        "on_corruption refuse",
        "persistence_location /var/lib/x",
        "listener 1\nprotocol mqtt",
        "listener 1\nrequire_certificate false",
        "enable_control_api false",
        "check_retain_source 0",
        "set_tcp_nodelay true",
        "log_dest none",
    ] {
        assert_eq!(notices(text), [""; 0], "{text}");
    }
}

#[test]
fn what_has_no_effect_is_said_once_with_its_place() {
    let text = "\nmemory_limit 5\nmemory_limit 6\nlog_dest topic";
    let texts = notices(text);
    assert_eq!(texts.len(), 2, "{texts:#?}");
    assert!(texts[0].starts_with("a.conf:2: option \"memory_limit\" has no effect yet: "));
    assert!(texts[1].starts_with("a.conf:4: option \"log_dest topic\" has no effect yet: "));
    let loaded = load("autosave_interval 5\nretry_interval 9").unwrap();
    let said: Vec<_> = loaded
        .notices
        .iter()
        .map(|n| (n.level, n.text.as_str()))
        .collect();
    assert_eq!(said[0].0, Level::Notice);
    assert!(
        said[0]
            .1
            .starts_with("a.conf:1: option \"autosave_interval\" has no effect: ")
    );
    let gone = "Warning: The 'retry_interval' option is no longer available.";
    assert_eq!(said[1], (Level::Warning, gone));
}

#[test]
fn deprecated_options_are_named_word_for_word() {
    for (text, hint) in [
        (
            "allow_duplicate_messages true",
            " The behaviour will default to true.",
        ),
        (
            "auto_id_prefix a",
            " Please use 'listener_auto_id_prefix' instead.",
        ),
        ("bind_address localhost", " Please use 'listener' instead."),
        ("clientid_prefixes a", ""),
        (
            "per_listener_settings false",
            " Please see the documentation for how to achieve the same effect.",
        ),
        ("port 1883", " Please use 'listener' instead."),
    ] {
        let option = text.split(' ').next().unwrap();
        let expected = format!(
            "The '{option}' option is now deprecated and will be removed in version 3.0.{hint}"
        );
        assert_eq!(notices(text), [expected]);
    }
}

#[test]
fn unknown_versions_are_warned_of() {
    let loaded = load("listener 1883\naccept_protocol_versions 4, 6 5").unwrap();
    let versions = ProtocolVersions {
        v31: false,
        v311: true,
        v5: true,
    };
    assert_eq!(
        loaded.config.listeners[0].accept_protocol_versions,
        versions
    );
    assert_eq!(
        loaded.notices[0].text,
        "a.conf:2: option \"accept_protocol_versions\": \"6\" is no version and is ignored"
    );
}

#[test]
fn a_second_line_replaces_adds_or_is_an_error() {
    assert_eq!(config("user a\nuser b").start.user, "b");
    assert_eq!(
        config("max_queued_messages 1\nmax_queued_messages 2")
            .rules
            .max_queued_messages,
        { NonZeroU32::new(2) }
    );
    // Each listener has its own.
    assert_eq!(
        errors("listener 1\nbind_interface a\nlistener 2\nbind_interface b"),
        [""; 0]
    );
    for text in [
        "listener 1\nbind_interface a\nbind_interface b",
        "bind_address a\nlistener 1\nbind_address b",
        "log_timestamp_format a\nlog_timestamp_format b",
        "auto_id_prefix a\nauto_id_prefix b",
        "persistence_location a\npersistence_location b",
    ] {
        let lines = errors(text);
        assert!(
            lines.len() == 1 && lines[0].contains("Duplicate '"),
            "{text}: {lines:?}"
        );
    }
}

#[test]
fn errors_without_end_are_counted() {
    let text = "x\n".repeat(5_000);
    let errors = load(&text).unwrap_err();
    assert_eq!(errors.iter().count(), 100);
    assert!(errors.to_string().ends_with("\nand 4900 more errors"));
}

#[test]
fn passwords_and_keys_are_not_shown() {
    let long = "s".repeat(70_000);
    for text in [
        format!("connection a\nremote_password {long}"),
        "connection a\nbridge_psk secret".to_owned(),
        "listener 1\ntls_engine_kpass_sha1 secret".to_owned(),
    ] {
        let lines = errors(&text).join("\n");
        assert!(
            !lines.contains("ssssssss") && !lines.contains("secret"),
            "{lines}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let place = "a.conf:";
        if let Err(errors) = load_tree(&["a.conf"], &[("a.conf", &bytes)]) {
            prop_assert!(errors.to_string().lines().all(|line| line.starts_with(place)));
        }
    }

    #[test]
    fn any_value_of_any_option_is_read_or_refused_in_one_line_an_error(
        lines in prop::collection::vec(
            (prop::sample::select(every_name()), "[ -~\u{0}-\u{ff}]{0,30}"),
            0..12,
        ),
    ) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name} {value}")).collect();
        if let Err(errors) = load(&lines.join("\n")) {
            for error in errors.iter() {
                let text = error.to_string();
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
}

fn every_name() -> Vec<&'static str> {
    options::all().flat_map(ConfigOption::names).collect()
}
