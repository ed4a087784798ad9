//! Whether anything is kept, where, and who said so: one case for each row of the table in
//! `docs/durability.md`, and what happens when the folder cannot be used.

use std::fs;

use mqtt_tests::{Broker, Outcome, Program, Setup, Tool};

/// A case: lines of the configuration, words of the command line, `$STATE_DIRECTORY`, and what the broker says
/// after "starting" with the file that it makes, if it makes one.
struct Case {
    lines: &'static str,
    arguments: &'static [&'static str],
    state: Option<&'static str>,
    says: &'static str,
    file: Option<&'static str>,
}

const OFF: &str = "Durability: off (memory only). ";

const fn case(lines: &'static str, says: &'static str, file: &'static str) -> Case {
    Case {
        lines,
        arguments: &[],
        state: None,
        says,
        file: Some(file),
    }
}

const fn memory(lines: &'static str, says: &'static str) -> Case {
    Case {
        lines,
        arguments: &[],
        state: None,
        says,
        file: None,
    }
}

impl Case {
    const fn with_state(mut self, state: &'static str) -> Self {
        self.state = Some(state);
        self
    }

    const fn with_arguments(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    /// A broker that runs so, with `here/` in its folder as the current one.
    fn start(&self) -> Broker {
        let mut setup = Setup::new();
        let here = setup.path("here");
        fs::create_dir(&here).expect("a folder for temporary files");
        let broker = Program::Broker.path().into_os_string();
        let launcher = ["env".into(), "-C".into(), here.into_os_string(), broker];
        setup = setup.launcher(launcher).listening(self.lines);
        for word in self.arguments {
            setup = setup.argument(*word);
        }
        if let Some(state) = self.state {
            setup = setup.variable("STATE_DIRECTORY", state);
        }
        setup.start()
    }
}

/// The line after the one that says that it starts.
fn second_line(log: &str) -> &str {
    let mut lines = log.lines().skip_while(|line| !line.ends_with(" starting"));
    let line = lines.nth(1).unwrap_or_default();
    line.split_once(": ").map_or("", |(_, text)| text)
}

const ROWS: &[Case] = &[
    // 1: said in so many words.
    case(
        "durability full\npersistence_location {folder}/a",
        "Durability: full in {folder}/a/mosquitto.db (durability).",
        "a/mosquitto.db",
    )
    .with_state("{folder}/b"),
    case(
        "durability normal",
        "Durability: normal in {folder}/b/mosquitto.db (durability).",
        "b/mosquitto.db",
    )
    .with_state("{folder}/b"),
    case(
        "durability full\npersistence_file other.db",
        "Durability: full in other.db (durability).",
        "here/other.db",
    ),
    memory(
        "durability off\npersistence true\npersistence_location {folder}/a",
        "Durability: off (memory only; durability off). ",
    ),
    case(
        "durability off\npersistence_location {folder}/a",
        "Durability: normal in {folder}/a/mosquitto.db (durability).",
        "a/mosquitto.db",
    )
    .with_arguments(&["--durability", "normal"]),
    // 2: the original's word for it.
    case(
        "persistence true\npersistence_location {folder}/a",
        "Durability: full in {folder}/a/mosquitto.db (persistence).",
        "a/mosquitto.db",
    )
    .with_state("{folder}/b"),
    case(
        "persistence true",
        "Durability: full in {folder}/b/mosquitto.db (persistence).",
        "b/mosquitto.db",
    )
    .with_state("{folder}/b"),
    case(
        "persistence true",
        "Durability: full in mosquitto.db (persistence).",
        "here/mosquitto.db",
    ),
    // 3: refused in so many words.
    memory(
        "persistence false\npersistence_location {folder}/a",
        "Durability: off (memory only; persistence false). ",
    )
    .with_state("{folder}/b"),
    // 4 and 5: a place is named, by the administrator or by the service manager.
    case(
        "persistence_location {folder}/a",
        "Durability: full in {folder}/a/mosquitto.db (persistence_location).",
        "a/mosquitto.db",
    )
    .with_state("{folder}/b"),
    case(
        "",
        "Durability: full in {folder}/b/mosquitto.db (STATE_DIRECTORY).",
        "b/mosquitto.db",
    )
    .with_state("{folder}/b:{folder}/c"),
    // 6: nobody said anything.
    memory("", OFF),
];

#[test]
fn the_first_row_that_holds_says_whether_and_where_things_are_kept() {
    for row in ROWS {
        let broker = row.start();
        let folder = broker.path("").to_string_lossy().into_owned();
        let says = row.says.replace("{folder}", folder.trim_end_matches('/'));
        let log = broker.log();
        let line = second_line(&log);
        let lines = row.lines;
        assert!(line.starts_with(&says), "{lines:?}: {line:?}, not {says:?}");
        for file in [
            "a/mosquitto.db",
            "b/mosquitto.db",
            "here/mosquitto.db",
            "here/other.db",
        ] {
            let expected = row.file == Some(file);
            assert_eq!(
                broker.path(file).exists(),
                expected,
                "{file} with {lines:?}"
            );
        }
        assert_eq!(broker.terminate(), Some(0));
    }
}

/// A broker whose store is to lie below a file.
fn start_below_a_file(lines: &str, state: bool) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let config = folder.path().join("broker.conf");
    let below = config.join("store");
    let lines = lines.replace("{below}", &below.to_string_lossy());
    let lines = format!("listener 0 127.0.0.1\nuser root\nallow_anonymous true\n{lines}\n");
    fs::write(&config, lines).expect("a temporary file takes text");
    let mut broker = Tool::broker().arg("-c").arg(&config);
    if state {
        broker = broker.env("STATE_DIRECTORY", &below);
    }
    broker.run()
}

#[test]
fn where_keeping_was_ordered_a_folder_that_cannot_be_used_ends_the_start() {
    for (lines, state) in [
        ("durability full\npersistence_location {below}", false),
        ("durability normal", true),
        ("persistence true\npersistence_location {below}", false),
        ("persistence true", true),
    ] {
        let outcome = start_below_a_file(lines, state).ended_with(1);
        let said = outcome.to_string();
        let reason = said.find("/broker.conf/store/mosquitto.db cannot be used: ");
        let end = said.find("Error: Couldn't open database.");
        assert!(reason.is_some() && reason < end, "{lines:?}: {said}");
    }
}

#[test]
fn where_keeping_is_an_offer_the_broker_warns_and_runs_from_memory() {
    for (lines, state) in [
        ("persistence_location {folder}/broker.conf/store", None),
        ("", Some("{folder}/broker.conf/store")),
    ] {
        let mut setup = Setup::new().listening(&format!("allow_anonymous true\n{lines}"));
        if let Some(state) = state {
            setup = setup.variable("STATE_DIRECTORY", state);
        }
        let broker = setup.start();
        let warning = broker.wait_for_log("Warning: the store ");
        assert!(warning.contains("cannot be used: "), "{warning}");
        broker.wait_for_log("Durability: off (memory only; as the store cannot be used). ");
        let retained = ["-q", "1", "-r", "-t", "kept", "-m", "it"];
        let _ = Tool::publish(&broker).args(retained).run().succeeded();
        let back = ["-t", "kept", "-C", "1"];
        let back = Tool::subscribe(&broker).args(back).run().succeeded();
        assert_eq!(back.text(), "it\n");
        assert_eq!(broker.terminate(), Some(0));
    }
}
