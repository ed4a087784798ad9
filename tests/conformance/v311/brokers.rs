//! The broker that tests share while they run, and those with a configuration of their own.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use mqtt_tests::{Broker, Program, Setup, Tool};

/// The broker of this test and of those that run beside it: anybody may come in.
///
/// It lives as long as somebody holds it. A `OnceLock` would never drop it, and its process would
/// go on running after the tests. Client ids and topics of a test are its own.
pub(super) fn shared() -> Arc<Broker> {
    static RUNNING: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Broker::start("allow_anonymous true"));
        *running = Arc::downgrade(&started);
        started
    })
}

/// A broker that knows one user, `alice` with the password `secret`, and nobody else.
pub(super) fn with_login() -> Broker {
    let setup = Setup::new();
    let _ = Tool::passwd()
        .args(["-b", "-c"])
        .arg(setup.path("passwords"))
        .args(["alice", "secret"])
        .run()
        .succeeded();
    setup
        .listening("allow_anonymous false\npassword_file {folder}/passwords")
        .start()
}

/// A broker that anybody may come in to, with these lines in its configuration.
pub(super) fn with(lines: &str) -> Broker {
    // Built before, so that no time limit of a test runs while the compiler does.
    let _ = Program::Broker.path();
    Broker::start(&format!("allow_anonymous true\n{lines}"))
}
