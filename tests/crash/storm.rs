//! Everybody at once, around a broker that dies: who takes part, and what has to be true at the end.

use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;

use mqtt_client::{QoS, Version};
use mqtt_tests::{Broker, Deadline, PATIENCE, wait_until};
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

/// How much is published at a time, and how large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Each publisher's messages under way at a time are so many times its own number.
    pub(crate) windows: u16,
    /// Messages of one burst, at most.
    pub(crate) burst: usize,
    /// Bytes of a large message.
    pub(crate) large: usize,
    /// One message in so many is a large one.
    pub(crate) large_one_in: usize,
}

impl Load {
    /// What a house with some sensors does.
    pub(crate) const USUAL: Self = Self {
        windows: 1,
        burst: 4,
        large: 20_000,
        large_one_in: 60,
    };
}

/// The whole configuration of a broker that keeps and never drops, with these lines in it.
pub(crate) fn config_with(lines: &str) -> String {
    format!(
        "listener {{port}} 127.0.0.1\nuser root\nallow_anonymous true\n\
         log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\n\
         persistence true\nmax_queued_messages 0\nmax_queued_bytes 0\n{lines}"
    )
}

/// A broker with everybody around it.
pub(crate) struct Storm {
    pub(crate) world: Arc<World>,
    pub(crate) broker: Broker,
    runtime: Runtime,
    tasks: Vec<JoinHandle<()>>,
    thread: thread::JoinHandle<()>,
}

impl Storm {
    /// Waits until all are connected and subscribed, and lets them go.
    pub(crate) fn gather(broker: Broker, load: Load, rng: &mut Rng) -> Self {
        let world = Arc::new(World::new(broker.port()));
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let tasks = cast(&world, &runtime, load, rng);
        let own = Arc::clone(&world);
        let storm = Self {
            thread: thread::spawn(move || reuse::run(&own)),
            world,
            broker,
            runtime,
            tasks,
        };
        wait_until("all clients are subscribed", || {
            (storm.world.ready() >= Self::actors()).then_some(())
        });
        storm.world.enter(Phase::Storm);
        storm
    }

    /// Those who report when they are set up.
    fn actors() -> usize {
        Self::publishers() + SUBSCRIBERS.len() + MEMBERS.len() + 3
    }

    fn publishers() -> usize {
        PUBLISHERS.len() + 1
    }

    /// Demands that nobody has complained.
    pub(crate) fn assert_sound(&self, when: &str) {
        if self.world.lenient {
            return;
        }
        let failures = self.world.failures();
        let mut said = String::new();
        for failure in &failures {
            writeln!(said, "  {failure}").expect("text takes text");
        }
        let port = self.broker.port();
        assert!(failures.is_empty(), "{when}, on port {port}:\n{said}");
    }

    /// Lets everything be acknowledged and taken, and holds what came against what was sent.
    pub(crate) fn calm_down(self, what_happened: &str, when: &str) {
        self.world.enter(Phase::Quiet);
        self.settle();
        self.world.enter(Phase::Over);
        let Self {
            world,
            broker,
            runtime,
            tasks,
            thread,
        } = self;
        runtime.block_on(async {
            for task in tasks {
                task.await.expect("an actor ends well");
            }
        });
        thread.join().expect("the publisher of one id ends well");
        for (name, _, qos, _) in SUBSCRIBERS {
            check::subscriber(&world, name, qos == QoS::ExactlyOnce);
        }
        report(&world, what_happened);
        let failures = world.failures();
        let port = broker.port();
        assert!(
            failures.is_empty() || world.lenient,
            "{when}, at the end, on port {port}:\n  {}",
            failures.join("\n  ")
        );
    }

    /// Waits until everything is acknowledged, taken and seen.
    fn settle(&self) {
        let Self { world, runtime, .. } = self;
        let done = Self::actors() + Self::publishers() + 2;
        wait_until("everything is acknowledged", || {
            (world.ready() >= done).then_some(())
        });
        let enter = runtime.enter();
        let closing = Actor::new(world, Rng::new(0), "closing", Version::V5, 1);
        let mut looking = Actor::clean(world, Rng::new(0), "last look");
        drop(enter);
        runtime.block_on(publisher::publish_once(closing, "end"));
        runtime.block_on(async {
            looking.connect().await.expect("a broker that stays");
            // What it misses it says itself.
            let _ = watcher::look(&mut looking).await;
        });
        // The end was queued behind everything else.
        let mut takers = SUBSCRIBERS.iter().chain(&MEMBERS);
        let (mut deadline, mut came) = (Deadline::after(PATIENCE), 0);
        while !takers.all(|(name, ..)| world.has_arrived(name, "end")) && !deadline.is_over() {
            self.assert_sound("in the end");
            thread::sleep(LOOK);
            takers = SUBSCRIBERS.iter().chain(&MEMBERS);
            // As long as something comes, a slow disk is no fault.
            if std::mem::replace(&mut came, world.count_arrived()) != came {
                deadline = Deadline::after(PATIENCE);
            }
        }
        for (name, ..) in SUBSCRIBERS.iter().chain(&MEMBERS) {
            if !world.has_arrived(name, "end") {
                world.fail(format!("{name}: the last message has not come"));
            }
        }
        let members = MEMBERS.map(|(name, ..)| name.to_owned());
        let mut missing = check::missing_in_group(world, &members);
        while !missing.is_empty() && !deadline.is_over() {
            thread::sleep(LOOK);
            missing = check::missing_in_group(world, &members);
        }
        if !missing.is_empty() {
            let some: Vec<_> = missing.iter().take(8).collect();
            world.add("messages missing in the group", missing.len());
            world.fail(format!("group: {} missing: {some:?}", missing.len()));
        }
    }
}

/// Sets everybody going.
fn cast(world: &Arc<World>, runtime: &Runtime, load: Load, rng: &mut Rng) -> Vec<JoinHandle<()>> {
    let _enter = runtime.enter();
    let mut tasks = Vec::new();
    for (name, version, qos, window) in PUBLISHERS {
        let window = window.saturating_mul(load.windows);
        let actor = Actor::new(world, rng.fork(), name, version, window);
        tasks.push(runtime.spawn(Publisher::new(actor, qos, load).run()));
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
    tasks
}

fn report(world: &World, what_happened: &str) {
    let published: u64 = world.progress().values().map(|p| p.sent).sum();
    let takers = SUBSCRIBERS.iter().chain(&MEMBERS);
    let taken: usize = takers
        .map(|(name, ..)| world.arrivals(name).values().map(Vec::len).sum::<usize>())
        .sum();
    eprintln!("{what_happened}, {published} messages acknowledged, {taken} taken by subscribers");
    for (what, count) in world.notes() {
        eprintln!("{count} {what}");
    }
}
