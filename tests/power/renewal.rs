//! Power cuts in starts that put a new file in the place of an old one: of a damaged store that is
//! salvaged, of a `mosquitto.db` that is taken over. Whatever was lost, the next start comes to what a
//! start without a cut comes to, and the old files are kept as they were.
//!
//! `MQTT_POWER_CUTS` and `MQTT_POWER_SEED` as for the loop.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use mqtt_tests::{
    Broker, Level, Signal, Tool, Wire, connect, listing, publish, subscribe, wait_until,
};

use crate::dark::{Disk, WATCHED, ended_broker, take_trace};
use crate::rng::{Rng, fresh_seed, number_from};

/// Cuts at each scene.
const CUTS: u64 = 12;
const PAGE: usize = 4096;
const FILE: &str = "mosquitto.db";
const JOURNAL: &str = "mosquitto.db-wal";

fn config() -> String {
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\nlog_dest stderr\nlog_type all\n\
         shards 1\npersistence true\npersistence_location {{folder}}/{WATCHED}/store\nsys_interval 0\n"
    )
}

/// Files that a start finds.
type Files = Vec<(String, Vec<u8>)>;

/// Names in a folder that begin so.
fn beginning(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(begin));
    named.map(|entry| entry.path()).collect()
}

struct Stage {
    broker: Broker,
    store: PathBuf,
    /// What lies there before the first start.
    files: Files,
}

impl Stage {
    fn new() -> Self {
        let broker = ended_broker();
        Self {
            store: broker.path(WATCHED).join("store"),
            broker,
            files: Files::new(),
        }
    }

    fn lay_out(&self) {
        if self.store.exists() {
            fs::remove_dir_all(&self.store).expect("a temporary folder");
        }
        fs::create_dir(&self.store).expect("a temporary folder");
        for (name, bytes) in &self.files {
            fs::write(self.store.join(name), bytes).expect("a temporary file");
        }
    }

    /// A start on this disk; the call in which the power went, if it did.
    fn start(&mut self, disk: Disk) -> Option<String> {
        let _ = take_trace(&self.broker);
        self.broker.set_variables(disk.traced().variables());
        let status = match self.broker.attempt_start(&config()) {
            Ok(()) => {
                // It may be cut meanwhile.
                self.broker.signal(Signal::SIGKILL);
                wait_until("the broker ends", || self.broker.ended())
            }
            Err(status) => status,
        };
        let log = self.broker.log();
        let signal = status.signal();
        assert_eq!(signal, Some(Signal::SIGKILL as i32), "{status}:\n{log}");
        let trace = take_trace(&self.broker);
        let call = trace.iter().find_map(|line| line.strip_suffix(" cut"));
        call.map(ToOwned::to_owned)
    }

    /// A start without a cut, and an orderly end.
    fn whole_start(&mut self, when: &str) {
        self.broker.set_variables(Disk::new(0).traced().variables());
        if let Err(status) = self.broker.attempt_start(&config()) {
            panic!("{when}: {status}\n{}", self.broker.log());
        }
        self.broker.signal(Signal::SIGTERM);
        assert_eq!(self.broker.wait_for_exit(), Some(0), "{when}");
    }

    /// Everything that is in the store after such a start. Times are left out, since a store that is
    /// taken over now has those of now.
    fn outcome(&mut self, when: &str) -> String {
        self.whole_start(when);
        let file = self.store.join(FILE);
        let tool = |word| Tool::broker().args(["store", word]).arg(&file).run();
        let _ = tool("check").succeeded();
        without_times(&tool("dump").succeeded().text())
    }

    /// Cuts the power in such starts, twice now and then, and looks at what the next one comes to.
    /// `check` looks at the old files and says what is wrong with them.
    fn run(&mut self, cuts: u64, what: &str, check: impl Fn(&Self) -> Result<(), String>) {
        let seed = number_from("MQTT_POWER_SEED", fresh_seed);
        eprintln!("{what}: {cuts} cuts, MQTT_POWER_SEED={seed}");
        let mut rng = Rng::new(seed);
        self.lay_out();
        let _ = take_trace(&self.broker);
        let expected = self.outcome(what);
        check(self).expect("the old files are kept");
        let said = self.broker.log();
        let calls = take_trace(&self.broker).len();
        let mut done = 0;
        while done < cuts {
            self.lay_out();
            let mut when = format!("{what}, seed {seed}, after {done} cuts");
            for _ in 0..rng.pick(&[1, 1, 2, 3]) {
                let number = 1 + rng.below(calls) as u64;
                let disk = Disk::new(rng.below(usize::MAX) as u64).cut(number, "");
                if let Some(call) = self.start(disk) {
                    done += 1;
                    when.push_str(&format!(", {call} ({number})"));
                }
            }
            let found = self.outcome(&when);
            assert!(
                found == expected,
                "{when}:\n{found}\ninstead of\n{expected}\n{said}"
            );
            if let Err(wrong) = check(self) {
                panic!("{when}: {wrong}");
            }
        }
    }

    /// A folder has the old files, and nothing of the work is left.
    fn check_salvaged(&self) -> Result<(), String> {
        let folders = beginning(&self.store, "damaged-");
        let has = |folder: &Path, name: &str, bytes: &[u8]| {
            let found = fs::read(folder.join(name)).unwrap_or_default();
            // A load may have added to the journal before it met the damage, and what it added was cut off.
            if name == JOURNAL {
                found.starts_with(bytes)
            } else {
                found == bytes
            }
        };
        let kept = folders.iter().any(|folder| {
            let mut old = self
                .files
                .iter()
                .filter(|(name, _)| [FILE, JOURNAL].contains(&&name[..]));
            old.all(|(name, bytes)| has(folder, name, bytes))
        });
        let left = [
            beginning(&self.store, "mosquitto.db-damaged"),
            beginning(&self.store, "mosquitto.db-salvaged"),
        ];
        match (kept, left.concat()) {
            (true, left) if left.is_empty() => Ok(()),
            (kept, left) => Err(format!("kept {kept} in {folders:?}, left {left:?}")),
        }
    }

    /// The original has its new name, and nothing of the work is left.
    fn check_taken_over(&self) -> Result<(), String> {
        let mut originals = beginning(&self.store, "mosquitto.db.");
        originals.retain(|path| {
            !path.ends_with("mosquitto.db.lock") && !path.ends_with("mosquitto.db.reserve")
        });
        let kept: Vec<Vec<u8>> = originals
            .iter()
            .map(|path| fs::read(path).expect("a file"))
            .collect();
        let bytes: Vec<Vec<u8>> = self.files.iter().map(|(_, bytes)| bytes.clone()).collect();
        let is_original = |path: &PathBuf| path.to_string_lossy().contains(".original-");
        (kept == bytes && originals.iter().all(is_original))
            .then_some(())
            .ok_or_else(|| format!("{originals:?}"))
    }
}

fn cuts() -> u64 {
    number_from("MQTT_POWER_CUTS", || CUTS)
}

/// Numbers of ten digits and more are times.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() < 10 { &digits } else { "TIME" });
        digits.clear();
        out.push(letter);
    }
    out
}

/// Leaves sessions, retained messages and messages, some of them in the journal alone. `ends` says how.
fn fill(stage: &mut Stage, ends: Signal) {
    stage.broker.set_variables(Vec::new());
    stage.broker.start_again(&config());
    let mut keepers: Vec<Wire> = [b'a', b'b']
        .map(|letter| {
            let mut packet = connect(Level::V4, "keeper-x");
            *packet.last_mut().expect("a name") = letter;
            // Clean session 0.
            *packet.get_mut(9).expect("flags") = 0;
            let mut wire = Wire::greeted(&stage.broker, &packet);
            wire.send(&subscribe(1, "jobs/#", 1));
            wire.packets_until(9);
            wire
        })
        .into();
    // One stays and acknowledges nothing.
    let _stays = keepers.pop();
    drop(keepers);
    let mut publisher = Wire::greeted(&stage.broker, &connect(Level::V4, "publisher"));
    for number in 1..=40_u16 {
        if number == 20 && ends == Signal::SIGKILL {
            stage.broker.signal(Signal::SIGUSR1);
        }
        let mut packet = publish(&format!("jobs/{number}"), &[b'x'; 700], Some(number));
        // Some are retained.
        *packet.first_mut().expect("a PUBLISH") |= u8::from(number % 4 == 0);
        publisher.send(&packet);
        publisher.packets_until(4);
    }
    match ends {
        Signal::SIGKILL => stage.broker.kill(),
        ends => {
            stage.broker.signal(ends);
            assert_eq!(stage.broker.wait_for_exit(), Some(0));
        }
    }
    stage.files = listing(&stage.store);
    // The next one makes the others anew.
    stage.files.retain(|(name, _)| {
        ![".lock", "-shm", ".reserve"]
            .iter()
            .any(|end| name.ends_with(end))
    });
}

/// Zeroes a page of the file, counted from 0; whether there is one.
fn zero(stage: &mut Stage, page: usize) -> bool {
    let mut file = stage.files.iter_mut().filter(|(name, _)| name == FILE);
    let (_, bytes) = file.next().expect("a store");
    let Some(page) = bytes.get_mut(page * PAGE..(page + 1) * PAGE) else {
        return false;
    };
    page.fill(0);
    true
}

#[test]
fn a_salvage_that_is_cut_goes_on_at_the_next_start() {
    let mut stage = Stage::new();
    fill(&mut stage, Signal::SIGTERM);
    assert!(zero(&mut stage, 0));
    stage.run(cuts(), "salvage", Stage::check_salvaged);
}

#[test]
fn a_salvage_of_a_store_with_a_journal_is_cut_where_the_damage_is_met_late() {
    let mut stage = Stage::new();
    fill(&mut stage, Signal::SIGKILL);
    let sound = stage.files.clone();
    let mut met = Vec::new();
    for page in 1.. {
        stage.files.clone_from(&sound);
        if !zero(&mut stage, page) {
            break;
        }
        stage.lay_out();
        stage.whole_start("a damaged store");
        if stage.broker.log().contains("Saved of the damaged store") {
            met.push(page);
        }
    }
    assert!(met.len() > 2, "pages {met:?} are met by a start");
    let cuts = cuts().div_ceil(met.len() as u64);
    for page in met {
        stage.files.clone_from(&sound);
        zero(&mut stage, page);
        stage.run(cuts, &format!("page {page}"), Stage::check_salvaged);
    }
}

#[test]
fn a_mosquitto_db_that_is_taken_over_is_taken_over_whatever_is_cut() {
    let mut stage = Stage::new();
    for name in ["debian-2.0.11", "v4", "v6"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/mosquitto-db/{name}.db"));
        stage.files = vec![(
            FILE.to_owned(),
            fs::read(path).expect("it is with the tests"),
        )];
        stage.run(cuts().div_ceil(3), name, Stage::check_taken_over);
    }
}
