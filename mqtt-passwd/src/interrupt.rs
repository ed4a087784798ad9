//! SIGINT and SIGTERM: never in the middle of replacing a file, and never with echo left off.
//!
//! Both signals are blocked in all threads and taken by one that waits for them, so nothing here
//! runs inside a signal handler.

use std::io::{Stdin, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use nix::unistd::Pid;

use crate::failure::Failure;

static STATE: Mutex<State> = Mutex::new(State::Working);

enum State {
    Working,
    /// At a prompt; holds what the terminal was like, if it is one.
    Prompting(Option<Termios>),
}

/// Call first, before any other thread is started.
pub(crate) fn watch() -> Result<(), Failure> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    let cannot = |error| Failure::error(format!("Unable to watch for signals. {error}."));
    signals
        .thread_block()
        .map_err(|error| cannot(error.desc().to_owned()))?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Ok(signal) = signals.wait() {
                end_by(signal);
            }
        })
        .map_err(|error| cannot(crate::failure::reason(&error)))?;
    Ok(())
}

/// Waits for a replacement under way, leaves the terminal as it was and ends the program: with 0
/// at a prompt, as the original does, else as shells expect of an ended program.
fn end_by(signal: Signal) {
    let mut state = lock();
    let exit_code = match &*state {
        State::Prompting(terminal) => {
            if let Some(terminal) = terminal {
                wait_for_the_reader();
                restore(terminal);
                // The line of the prompt; if stdout is gone, so is the line.
                let _ = std::io::stdout().write_all(b"\n");
            }
            0
        }
        State::Working => 128 + signal as i32,
    };
    *state = State::Working;
    std::process::exit(exit_code)
}

/// Ctrl-C was typed while the terminal passed it on as a character: the signal it stands for goes to
/// the program, and with it the end.
pub(crate) fn interrupt() -> ! {
    // Whoever may not signal itself ends without restoring more than its own terminal.
    let _ = signal::kill(Pid::this(), Signal::SIGINT);
    loop {
        std::thread::park();
    }
}

/// The reader of a password sets the terminal up right behind the prompt. Restoring it before that
/// would be in vain, so the end waits a moment for it.
fn wait_for_the_reader() {
    for _ in 0..100 {
        let set_up = termios::tcgetattr(std::io::stdin())
            .is_ok_and(|now| !now.local_flags.contains(LocalFlags::ISIG));
        if set_up {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// While this lives, no signal ends the program.
#[must_use]
pub(crate) struct Uninterrupted(#[expect(dead_code, reason = "held, not read")] Held);

type Held = MutexGuard<'static, State>;

pub(crate) fn hold_off() -> Uninterrupted {
    Uninterrupted(lock())
}

/// While this lives, the program asks for a password; a terminal does not echo.
#[must_use]
pub(crate) struct Prompting {
    pub(crate) is_terminal: bool,
}

impl Prompting {
    pub(crate) fn begin(stdin: &Stdin) -> Self {
        let mut state = lock();
        let terminal = termios::tcgetattr(stdin).ok();
        if let Some(before) = &terminal {
            let mut silent = before.clone();
            silent.local_flags.remove(LocalFlags::ECHO);
            // A terminal that keeps echoing is still the one to ask; as the original does.
            let _ = termios::tcsetattr(stdin, SetArg::TCSANOW, &silent);
        }
        let is_terminal = terminal.is_some();
        *state = State::Prompting(terminal);
        Self { is_terminal }
    }
}

impl Drop for Prompting {
    fn drop(&mut self) {
        let mut state = lock();
        if let State::Prompting(Some(terminal)) = &*state {
            restore(terminal);
        }
        *state = State::Working;
    }
}

fn restore(terminal: &Termios) {
    // Without the terminal there is nothing to restore.
    let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, terminal);
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
