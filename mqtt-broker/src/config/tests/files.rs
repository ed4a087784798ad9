//! Several files, included ones, and the real file system.

use std::path::Path;

use mqtt_codec::QoS;

use super::super::testing::load_tree;
use super::super::*;

#[test]
fn included_files_come_in_mosquittos_order_and_begin_with_nothing() {
    let files: &[(&str, &[u8])] = &[
        ("m.conf", b"listener 1883\ninclude_dir d\nmax_qos 1\n"),
        ("d/b.conf", b"user b\n"),
        ("d/B.conf", b"user B\n"),
        ("d/a.conf", b"user a\n"),
        ("d/A.conf", b"user A\n"),
        ("d/01.conf", b"user 01\nlistener 1884\nmax_qos 0\n"),
        ("d/00.conf", b"user 00\n"),
        ("d/.conf", b"bad 1\n"),
        ("d/x.txt", b"bad 2\n"),
        ("d/x.CONF", b"bad 3\n"),
    ];
    let loaded = load_tree(&["m.conf"], files).unwrap();
    let order: Vec<_> = loaded
        .notices
        .iter()
        .map(|notice| notice.text.as_str())
        .collect();
    let expected =
        ["00", "01", "A", "a", "B", "b"].map(|name| format!("Loading config file 'd/{name}.conf'"));
    assert_eq!(order, expected);
    assert_eq!(loaded.config.start.user, "b");
    // `max_qos 1` belongs to the listener before the include, not to the one within.
    assert_eq!(loaded.config.listeners[0].max_qos, QoS::AtLeastOnce);
    assert_eq!(loaded.config.listeners[1].max_qos, QoS::AtMostOnce);

    let files: &[(&str, &[u8])] = &[
        ("m.conf", b"listener 1883\ninclude_dir d\nbad\n"),
        ("d/a.conf", b"\nmax_topic_alias 5\ninclude_dir d\n"),
    ];
    let lines: Vec<_> = load_tree(&["m.conf"], files)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    let places: Vec<_> = lines
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        ["d/a.conf:2", "d/a.conf:3", "m.conf:3"],
        "{lines:#?}"
    );
    let only_main = "The include_dir option is only valid in the main configuration file";
    assert!(lines[1].contains(only_main), "{lines:#?}");
}

#[test]
fn several_files_add_up_and_missing_ones_are_named() {
    let loaded = load_tree(
        &["a", "b"],
        &[("a", b"listener 1\nuser x"), ("b", b"user y\nlistener 2")],
    );
    let config = loaded.unwrap().config;
    assert_eq!(
        (config.listeners.len(), config.start.user.as_str()),
        (2, "y")
    );
    let text = load_tree(&["a", "none", "d"], &[("a", b"bad"), ("d/a", b"")]).unwrap_err();
    let text = text.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[1].starts_with("Unable to open config file 'none': "),
        "{text}"
    );
    assert_eq!(lines[2], "Config file 'd' is a directory");
}

#[test]
fn the_configuration_of_debian_is_taken_as_it_is() {
    let files: &[(&str, &[u8])] = &[
        (
            "m.conf",
            b"pid_file /run/mosquitto/mosquitto.pid\n\npersistence true\n\
              persistence_location /var/lib/mosquitto/\n\n\
              log_dest file /var/log/mosquitto/mosquitto.log\n\ninclude_dir /etc/conf.d\n",
        ),
        ("/etc/conf.d/README", b"text"),
    ];
    let loaded = load_tree(&["m.conf"], files).unwrap();
    assert_eq!(loaded.notices, []);
    let keep = loaded.config.start.keep;
    assert_eq!(keep.persistence, Some(true));
    assert_eq!(
        keep.location.as_deref(),
        Some(Path::new("/var/lib/mosquitto/"))
    );
}

#[test]
fn the_real_file_system_is_read_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.conf");
    std::fs::write(&path, "user x").unwrap();
    assert_eq!(Disk.read(&path).unwrap(), b"user x");
    assert_eq!(Disk.list(directory.path()).unwrap(), ["a.conf"]);
    let error = Disk.read(directory.path()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::IsADirectory);
    assert!(Disk.read(Path::new("/dev/zero")).is_err());
    std::fs::File::create(&path)
        .unwrap()
        .set_len(FILE_BYTES_MAX + 1)
        .unwrap();
    assert!(Disk.read(&path).is_err());
}
