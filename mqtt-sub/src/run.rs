//! Connects, subscribes, prints what comes, and connects again when the connection is lost.

use std::future::ready;
use std::io::Write;
use std::time::Duration;

use mqtt_cli::exit::{self, Complaints};
use mqtt_cli::format::{LocalTime, Printed};
use mqtt_client::{
    Answer, Connection, Error, Event, Message, PacketId, Publication, QoS, ReasonCode, RequestError,
};
use tokio::time::Instant;

use crate::filter::Verdict;
use crate::plan::Plan;
use crate::signals::Signals;

/// Time between a lost connection and the next attempt, as the original has it.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// What `--message-rate` counts over.
const RATE_INTERVAL: Duration = Duration::from_secs(1);

/// Does what the plan says and returns the exit code.
pub(crate) async fn run(plan: Plan, stdout: &mut dyn Write, stderr: &mut dyn Write) -> u8 {
    let mut complaints = Complaints::new(stderr, plan.quiet);
    let mut signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            complaints.say(&format!("Error: {}", exit::os_text(&error)));
            return exit::FAILURE;
        }
    };
    let limit = plan
        .max_time
        .and_then(|time| Instant::now().checked_add(time));
    let mut subscriber = Subscriber {
        connection: Connection::new(plan.options.clone()),
        plan,
        stdout,
        complaints,
        was_connected: false,
        deadline: None,
        is_finishing: false,
        first_refusal: None,
        received: 0,
    };
    let stop = tokio::select! {
        stop = subscriber.work() => stop,
        () = signals.next() => Stop::Interrupted,
        () = sleep_until(limit) => Stop::TimedOut,
    };
    tokio::select! {
        exit_code = subscriber.end(stop) => exit_code,
        // A server that does not take the good-bye need not be waited for.
        () = signals.next() => exit::FAILURE,
    }
}

/// Why the program ends.
enum Stop {
    /// What was asked for is done.
    Done,
    /// A signal.
    Interrupted,
    /// `-W` is over.
    Timeout,
    /// `--max-time` is over.
    TimedOut,
    /// Nobody reads standard output any more.
    OutputClosed,
    /// Something went wrong and was told; the exit code.
    Failed(u8),
}

struct Subscriber<'a> {
    plan: Plan,
    connection: Connection,
    stdout: &'a mut dyn Write,
    complaints: Complaints<'a>,
    /// The server has accepted us at least once.
    was_connected: bool,
    /// When `-W` is over; it begins with the first connection.
    deadline: Option<Instant>,
    /// All messages were received; only acknowledgements of what was cleared are waited for.
    is_finishing: bool,
    /// The first reason code of 0x80 or more that a subscription was answered with.
    first_refusal: Option<u8>,
    /// Messages since `--message-rate` was last told.
    received: u64,
}

impl Subscriber<'_> {
    async fn work(&mut self) -> Stop {
        self.plan.output.append(|out| self.plan.printer.begin(out));
        if let Err(error) = self.connection.dial().await {
            return Stop::Failed(self.complaints.first_connection(&error, self.plan.version));
        }
        self.deadline = self.plan.timeout.map(|time| Instant::now() + time);
        let mut next_rate = self
            .plan
            .message_rate
            .then(|| Instant::now() + RATE_INTERVAL);
        loop {
            let step = match self.ready_event().await {
                Some(event) => self.handle(event).await,
                // Nothing more is at hand: what was printed has to be seen before waiting.
                None if self.flush().is_err() => Err(Stop::OutputClosed),
                None => tokio::select! {
                    event = self.connection.next_event() => self.handle(event).await,
                    () = sleep_until(self.deadline) => Err(Stop::Timeout),
                    () = sleep_until(next_rate) => {
                        next_rate = next_rate.map(|time| time + RATE_INTERVAL);
                        self.tell_rate();
                        Ok(())
                    }
                },
            };
            if let Err(stop) = step {
                return stop;
            }
            if self.plan.output.is_worth_writing() && self.flush().is_err() {
                return Stop::OutputClosed;
            }
        }
    }

    /// An event that is there without waiting, unless something else is due.
    async fn ready_event(&mut self) -> Option<Result<Event, Error>> {
        if self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            return None;
        }
        tokio::select! {
            biased;
            event = self.connection.next_event() => Some(event),
            () = ready(()) => None,
        }
    }

    async fn handle(&mut self, event: Result<Event, Error>) -> Result<(), Stop> {
        match event {
            Ok(Event::Connected(_)) => self.subscribe(),
            Ok(Event::Subscribed(answer)) => self.handle_subscribed(&answer),
            Ok(Event::Message(message)) => self.handle_message(&message),
            Ok(_) => self.finish_if_done(),
            Err(error) => self.reconnect(error).await,
        }
    }

    /// Asks for everything again on every connection, as the original does.
    fn subscribe(&mut self) -> Result<(), Stop> {
        self.was_connected = true;
        let plan = &self.plan;
        let filters: Vec<_> = plan
            .filters
            .iter()
            .map(|filter| (filter.as_str(), plan.subscription))
            .collect();
        if !filters.is_empty() {
            let properties = plan.subscribe_properties.as_properties();
            if let Err(error) = self.connection.subscribe(&filters, properties) {
                return Err(self.refuse_request(&error));
            }
        }
        for filter in &self.plan.unsubscribe {
            let properties = self.plan.unsubscribe_properties.as_properties();
            if let Err(error) = self.connection.unsubscribe(&[filter], properties) {
                return Err(self.refuse_request(&error));
            }
        }
        Ok(())
    }

    fn handle_subscribed(&mut self, answer: &Answer) -> Result<(), Stop> {
        let codes: Vec<u8> = answer.reasons.iter().map(|reason| reason.as_u8()).collect();
        if self.plan.debug && !self.plan.quiet {
            let granted: Vec<_> = codes.iter().map(ToString::to_string).collect();
            let line = format!(
                "Subscribed (mid: {}): {}\n",
                answer.packet_id,
                granted.join(", ")
            );
            self.plan
                .output
                .append(|out| out.extend_from_slice(line.as_bytes()));
        }
        let mut refusals = codes
            .iter()
            .filter(|code| **code >= ReasonCode::UnspecifiedError.as_u8());
        self.first_refusal = self
            .first_refusal
            .or_else(|| refusals.clone().next().copied());
        if refusals.by_ref().count() == codes.len() {
            self.complaints
                .say("All subscription requests were denied.");
            return Err(Stop::Done);
        }
        if self.plan.strict && self.first_refusal.is_some() {
            return Err(Stop::Done);
        }
        self.tell_ready()?;
        if self.plan.exit_after_suback {
            Err(Stop::Done)
        } else {
            Ok(())
        }
    }

    /// Writes the file of `--ready-file`, once.
    fn tell_ready(&mut self) -> Result<(), Stop> {
        let Some(file) = self.plan.ready_file.take() else {
            return Ok(());
        };
        std::fs::write(&file, "ready\n").map_err(|error| {
            let (file, cause) = (file.display(), exit::os_text(&error));
            self.complaints
                .say(&format!("Error: Unable to write file \"{file}\": {cause}."));
            Stop::Failed(exit::FAILURE)
        })
    }

    fn handle_message(&mut self, message: &Message) -> Result<(), Stop> {
        self.received += 1;
        if self.is_finishing {
            return Ok(());
        }
        let dice = || rand::random_range(0.0..100.0);
        match self.plan.filter.judge(message, dice) {
            Verdict::Ignore => Ok(()),
            Verdict::Stop => {
                self.is_finishing = true;
                self.finish_if_done()
            }
            Verdict::Take {
                print,
                clear,
                is_last,
            } => {
                if clear {
                    self.clear(message.topic())?;
                }
                if print && !self.plan.message_rate {
                    self.print(message);
                }
                // The rate has no end but a signal or -W.
                self.is_finishing = is_last && !self.plan.message_rate;
                self.finish_if_done()
            }
        }
    }

    /// Makes the server forget the retained message of a topic.
    fn clear(&mut self, topic: &str) -> Result<(), Stop> {
        let nothing = Publication::new(topic, "")
            .qos(QoS::AtLeastOnce)
            .retain(true);
        match self.connection.publish(nothing) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refuse_request(&error)),
        }
    }

    fn print(&mut self, message: &Message) {
        let printed = Printed {
            topic: message.topic(),
            payload: message.payload(),
            qos: message.qos(),
            retain: message.retain(),
            packet_id: message.packet_id().map_or(0, PacketId::get),
            properties: message.properties(),
            clock: LocalTime::now,
        };
        let (printer, complaints) = (&mut self.plan.printer, &mut self.complaints);
        self.plan
            .output
            .append(|out| printer.print(&printed, out, &mut |line| complaints.say(line)));
    }

    /// The original never ends when it has cleared something; here the answers to that are awaited.
    fn finish_if_done(&self) -> Result<(), Stop> {
        if self.is_finishing && self.connection.unfinished() == 0 {
            Err(Stop::Done)
        } else {
            Ok(())
        }
    }

    fn tell_rate(&mut self) {
        let line = format!("{} msgs/s\n", std::mem::take(&mut self.received));
        self.plan
            .output
            .append(|out| out.extend_from_slice(line.as_bytes()));
    }

    /// Tries again for ever and without a word, unless the server does not want us.
    async fn reconnect(&mut self, error: Error) -> Result<(), Stop> {
        let gives_up = !self.was_connected && self.plan.gives_up_first_connection;
        if gives_up || matches!(error, Error::Refused(_) | Error::Protocol { .. }) {
            return Err(Stop::Failed(
                self.complaints.connection(&error, self.plan.version),
            ));
        }
        let deadline = self.deadline;
        tokio::select! {
            () = self.dial_until_connected() => Ok(()),
            () = sleep_until(deadline) => Err(Stop::Timeout),
        }
    }

    async fn dial_until_connected(&mut self) {
        loop {
            // The lines of -d and messages so far need not wait for the next connection.
            let _ = self.flush();
            tokio::time::sleep(RECONNECT_DELAY).await;
            if self.connection.dial().await.is_ok() {
                return;
            }
        }
    }

    fn refuse_request(&mut self, error: &RequestError) -> Stop {
        let (text, exit_code) = match error {
            RequestError::PacketTooLarge { .. } => (
                "Error: Packet larger than supported by the server".to_owned(),
                exit::TOO_LARGE,
            ),
            RequestError::SubscriptionNotSupported(reason) => {
                (format!("Error: {}", reason.name()), exit::NOT_SUPPORTED)
            }
            error => (format!("Error: {error}"), exit::FAILURE),
        };
        self.complaints.say(&text);
        Stop::Failed(exit_code)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.plan.output.flush_to(self.stdout)
    }

    /// Says good-bye to the server as the reason demands, and finds the exit code.
    async fn end(&mut self, stop: Stop) -> u8 {
        let (reason, exit_code) = match stop {
            Stop::Failed(exit_code) => (None, exit_code),
            Stop::Done => {
                let refusal = self.first_refusal.filter(|_| self.plan.strict);
                (Some(ReasonCode::Success), refusal.unwrap_or(exit::SUCCESS))
            }
            Stop::OutputClosed => (Some(ReasonCode::Success), exit::SUCCESS),
            Stop::Interrupted | Stop::Timeout if !self.was_connected => {
                (None, exit::NEVER_CONNECTED)
            }
            Stop::Interrupted => (Some(ReasonCode::DisconnectWithWill), exit::SUCCESS),
            Stop::Timeout | Stop::TimedOut => {
                self.complaints.say("Timed out");
                (Some(ReasonCode::DisconnectWithWill), exit::TIMED_OUT)
            }
        };
        if let Some(reason) = reason {
            let properties = self.plan.disconnect_properties.as_properties();
            // A server that is gone by now has nothing to be told.
            let _ = self.connection.disconnect(reason, properties).await;
        }
        // Nor has a standard output that is gone.
        let _ = self.flush();
        exit_code
    }
}

/// Never, if there is no time.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
