//! The loop: start, a moment of traffic, SIGKILL; at the end everything acknowledged must be there.

use std::env;
use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use mqtt_client::{QoS, Version};
use mqtt_tests::{Broker, Deadline, PATIENCE, Setup, wait_until};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::actor::{Actor, LOOK};
use crate::changer::Changer;
use crate::check;
use crate::publisher::{self, Publisher};
use crate::rng::Rng;
use crate::subscriber::{Habit, Subscriber};
use crate::world::{Phase, World};
use crate::{reuse, watcher};

const ROUNDS: usize = 25;
/// From the broker's readiness to its death.
const LIFE_MILLIS: (usize, usize) = (20, 700);
const BOTH: &[QoS] = &[QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Name, version, QoS, messages under way at a time.
const PUBLISHERS: [(&str, Version, &[QoS], u16); 4] = [
    ("one", Version::V311, &[QoS::AtLeastOnce], 2),
    ("two", Version::V5, &[QoS::ExactlyOnce], 3),
    ("both", Version::V311, BOTH, 10),
    ("both5", Version::V5, BOTH, 15),
];

/// Name, version, QoS, habit.
const SUBSCRIBERS: [(&str, Version, QoS, Habit); 6] = [
    ("stays1", Version::V5, QoS::AtLeastOnce, Habit::Stays),
    ("stays2", Version::V311, QoS::ExactlyOnce, Habit::Stays),
    ("visits1", Version::V311, QoS::AtLeastOnce, Habit::Visits),
    ("visits2", Version::V5, QoS::ExactlyOnce, Habit::Visits),
    ("away1", Version::V5, QoS::AtLeastOnce, Habit::Away),
    ("away2", Version::V311, QoS::ExactlyOnce, Habit::Away),
];

/// Members of the shared group; as above.
const MEMBERS: [(&str, Version, QoS, Habit); 3] = [
    ("member1", Version::V5, QoS::ExactlyOnce, Habit::Stays),
    ("member2", Version::V311, QoS::AtLeastOnce, Habit::Visits),
    ("member3", Version::V5, QoS::ExactlyOnce, Habit::Visits),
];

fn number_from(variable: &str, default: impl FnOnce() -> u64) -> u64 {
    env::var(variable).map_or_else(
        |_| default(),
        |text| text.parse().expect("a number in the environment"),
    )
}

#[expect(clippy::disallowed_methods, reason = "another seed for each run")]
fn fresh_seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.expect("a clock after 1970");
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}

fn config(shards: usize) -> String {
    let shards = match env::var_os("MQTT_CRASH_PLAIN") {
        Some(_) => String::new(),
        None => format!("shards {shards}\n"),
    };
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\n{shards}\
         log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\n\
         persistence true\npersistence_location {{folder}}/\n\
         max_queued_messages 0\nmax_queued_bytes 0\n"
    )
}

/// Everybody, running.
struct Cast {
    runtime: Runtime,
    tasks: Vec<JoinHandle<()>>,
    thread: thread::JoinHandle<()>,
    members: Vec<String>,
}

fn cast(world: &Arc<World>, rng: &mut Rng) -> Cast {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let enter = runtime.enter();
    let mut tasks = Vec::new();
    for (name, version, qos, window) in PUBLISHERS {
        let actor = Actor::new(world, rng.fork(), name, version, window);
        tasks.push(runtime.spawn(Publisher::new(actor, qos).run()));
    }
    let plain: &[&str] = &["storm/#", "end"];
    let shared: &[&str] = &["$share/group/storm/#", "end"];
    for (all, filters) in [(&SUBSCRIBERS[..], plain), (&MEMBERS[..], shared)] {
        for (name, version, qos, habit) in all {
            let actor = Actor::new(world, rng.fork(), name, *version, 20);
            tasks.push(runtime.spawn(Subscriber::new(actor, *habit, filters, *qos).run()));
        }
    }
    for (name, version) in [("changer3", Version::V311), ("changer5", Version::V5)] {
        let actor = Actor::new(world, rng.fork(), name, version, 20);
        tasks.push(runtime.spawn(Changer::new(actor).run()));
    }
    tasks.push(runtime.spawn(watcher::run(Actor::clean(world, rng.fork(), "watcher"))));
    drop(enter);
    let own = Arc::clone(world);
    Cast {
        thread: thread::spawn(move || reuse::run(&own)),
        members: MEMBERS.map(|(name, ..)| name.to_owned()).to_vec(),
        runtime,
        tasks,
    }
}

fn assert_sound(world: &World, broker: &Broker, when: &str) {
    let failures = world.failures();
    let mut said = String::new();
    for failure in &failures {
        writeln!(said, "  {failure}").expect("text takes text");
    }
    assert!(
        failures.is_empty(),
        "{when}, on port {}:\n{said}",
        broker.port()
    );
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let rounds = number_from("MQTT_CRASH_ROUNDS", || ROUNDS as u64);
    let seed = number_from("MQTT_CRASH_SEED", fresh_seed);
    eprintln!("MQTT_CRASH_ROUNDS={rounds} MQTT_CRASH_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut broker = Setup::new().config(&config(rng.pick(&[1, 2, 4]))).start();
    let world = Arc::new(World::new(broker.port()));
    let cast = cast(&world, &mut rng);
    let (publishers, takers) = (PUBLISHERS.len() + 1, SUBSCRIBERS.len() + MEMBERS.len());
    let set_up = publishers + takers + 3;
    wait_until("all clients are subscribed", || {
        (world.ready() >= set_up).then_some(())
    });
    world.enter(Phase::Storm);
    for round in 1..=rounds {
        thread::sleep(rng.millis(LIFE_MILLIS.0, LIFE_MILLIS.1));
        world.set_up(false);
        broker.kill();
        broker.start_again(&config(rng.pick(&[1, 2, 4])));
        world.set_up(true);
        assert_sound(&world, &broker, &format!("seed {seed}, round {round}"));
    }
    world.enter(Phase::Quiet);
    settle(&world, &broker, &cast, set_up + publishers + 2);
    world.enter(Phase::Over);
    cast.runtime.block_on(async {
        for task in cast.tasks {
            task.await.expect("an actor ends well");
        }
    });
    cast.thread
        .join()
        .expect("the publisher of one id ends well");
    for (name, _, qos, _) in SUBSCRIBERS {
        check::subscriber(&world, name, qos == QoS::ExactlyOnce);
    }
    report(&world, rounds);
    assert_sound(&world, &broker, &format!("seed {seed}, at the end"));
}

/// Waits until everything is acknowledged, taken and seen.
fn settle(world: &Arc<World>, broker: &Broker, cast: &Cast, done: usize) {
    wait_until("everything is acknowledged", || {
        (world.ready() >= done).then_some(())
    });
    let enter = cast.runtime.enter();
    let closing = Actor::new(world, Rng::new(0), "closing", Version::V5, 1);
    let mut looking = Actor::clean(world, Rng::new(0), "last look");
    drop(enter);
    cast.runtime
        .block_on(publisher::publish_once(closing, "end"));
    cast.runtime.block_on(async {
        looking.connect().await.expect("a broker that stays");
        watcher::look(&mut looking)
            .await
            .expect("a broker that stays");
    });
    // The end was queued behind everything else.
    let mut takers = SUBSCRIBERS.iter().chain(&MEMBERS);
    let deadline = Deadline::after(PATIENCE);
    while !takers.all(|(name, ..)| world.has_arrived(name, "end")) && !deadline.is_over() {
        assert_sound(world, broker, "in the end");
        thread::sleep(LOOK);
        takers = SUBSCRIBERS.iter().chain(&MEMBERS);
    }
    for (name, ..) in SUBSCRIBERS.iter().chain(&MEMBERS) {
        if !world.has_arrived(name, "end") {
            world.fail(format!("{name}: the last message has not come"));
        }
    }
    let mut missing = check::missing_in_group(world, &cast.members);
    while !missing.is_empty() && !deadline.is_over() {
        thread::sleep(LOOK);
        missing = check::missing_in_group(world, &cast.members);
    }
    if !missing.is_empty() {
        let some: Vec<_> = missing.iter().take(8).collect();
        world.fail(format!("group: {} missing: {some:?}", missing.len()));
    }
}

fn report(world: &World, rounds: u64) {
    let published: u64 = world.progress().values().map(|p| p.sent).sum();
    let takers = SUBSCRIBERS.iter().chain(&MEMBERS);
    let taken: usize = takers
        .map(|(name, ..)| world.arrivals(name).values().map(Vec::len).sum::<usize>())
        .sum();
    eprintln!("{rounds} kills, {published} messages acknowledged, {taken} taken by subscribers");
    for (what, count) in world.notes() {
        eprintln!("{count} {what}");
    }
}
