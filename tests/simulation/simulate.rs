//! Runs simulated worlds by the thousand, or one with all that happens in it.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use mqtt_tests::simulation::{Counts, Failure, Run, run};

const USAGE: &str = "usage: simulate [--seed N | --seeds FROM..TO] [--steps M] [--threads N] [--real-store] [--trace]";

struct Args {
    from: u64,
    to: u64,
    steps: u64,
    threads: u64,
    real_store: bool,
    trace: bool,
}

fn main() -> ExitCode {
    let Some(args) = parse(std::env::args().skip(1)) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    std::panic::set_hook(Box::new(|_| {}));
    let (next, done) = (AtomicU64::new(args.from), AtomicU64::new(0));
    let sum = Mutex::new(Counts::default());
    let failures: Mutex<Vec<Failure>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| work(&args, (&next, &done), &sum, &failures));
        }
    });
    let failures = failures.into_inner().expect("no thread panics");
    say(&sum.into_inner().expect("no thread panics").to_string());
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    say(&format!("{} worlds failed", failures.len()));
    ExitCode::FAILURE
}

fn work(
    args: &Args,
    (next, done): (&AtomicU64, &AtomicU64),
    sum: &Mutex<Counts>,
    failures: &Mutex<Vec<Failure>>,
) {
    let mut own = Counts::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= args.to {
            break;
        }
        let run_of = |seed| Run {
            seed,
            steps: args.steps,
            real_store: args.real_store,
            trace: args.trace,
        };
        match run(run_of(seed)) {
            Ok(outcome) => own.add(&outcome.counts),
            Err(failure) => {
                say(&failure.to_string());
                failures.lock().expect("no thread panics").push(failure);
            }
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(50_000) {
            say(&format!("{done} worlds"));
        }
    }
    sum.lock().expect("no thread panics").add(&own);
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Args> {
    let mut args = Args {
        from: 0,
        to: 1,
        steps: 300,
        threads: 1,
        real_store: false,
        trace: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => {
                args.from = words.next()?.parse().ok()?;
                args.to = args.from + 1;
            }
            "--seeds" => {
                let range = words.next()?;
                let (from, to) = range.split_once("..")?;
                (args.from, args.to) = (from.parse().ok()?, to.parse().ok()?);
            }
            "--steps" => args.steps = words.next()?.parse().ok()?,
            "--threads" => args.threads = words.next()?.parse().ok()?,
            "--real-store" => args.real_store = true,
            "--trace" => args.trace = true,
            _ => return None,
        }
    }
    Some(args)
}

fn say(text: &str) {
    // Who reads this may stop reading.
    let _closed = writeln!(std::io::stdout().lock(), "{text}");
}
