//! Connects, publishes, waits for the answers, disconnects.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use mqtt_cli::exit::{self, Complaints};
use mqtt_client::{
    Connection, Error, Event, Publication, Published, QoS, ReasonCode, RequestError,
};
use tokio::io::AsyncRead;

use crate::lines::Lines;
use crate::payload::Payload;
use crate::plan::Plan;

/// Time between a lost connection and the next attempt, as the original has it.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// Time for a farewell after `--max-time` is over.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Does what the plan says and returns the exit code. `input` is read only for `-l`.
pub(crate) async fn run(
    plan: Plan,
    input: impl AsyncRead + Unpin,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> u8 {
    let complaints = Complaints::new(stderr, plan.quiet);
    let payload = plan.payload.clone();
    let connection = Connection::new(plan.options.clone());
    let (strict, max_time) = (plan.strict, plan.max_time.unwrap_or(Duration::MAX));
    let mut publisher = Publisher {
        plan,
        connection,
        stdout,
        complaints,
        lost: 0,
        first_refusal: None,
    };
    let work = publisher.work(payload, input);
    let outcome = tokio::time::timeout(max_time, work).await;
    publisher.flush_output();
    match outcome {
        Ok(Err(exit_code)) => exit_code,
        Ok(Ok(())) => publisher
            .first_refusal
            .filter(|_| strict)
            .unwrap_or(exit::SUCCESS),
        Err(_) => publisher.give_up().await,
    }
}

/// A method's `Err` is an exit code, and its reason was told.
struct Publisher<'a> {
    plan: Plan,
    connection: Connection,
    stdout: &'a mut dyn Write,
    complaints: Complaints<'a>,
    /// QoS 0 messages that were given to a connection which then broke.
    lost: u64,
    /// The first reason code of 0x80 or more that a message was answered with.
    first_refusal: Option<u8>,
}

impl Publisher<'_> {
    async fn work(&mut self, payload: Payload, input: impl AsyncRead + Unpin) -> Result<(), u8> {
        if let Err(error) = self.connection.dial().await {
            return Err(self.complaints.first_connection(&error, self.plan.version));
        }
        while !matches!(self.next_event().await?, Event::Connected(_)) {}
        match payload {
            Payload::Whole(payload) => self.publish_whole(&payload).await?,
            Payload::Lines => self.publish_lines(Lines::new(input)).await?,
        }
        if self.lost > 0 {
            let lost = self.lost;
            self.complaints
                .say(&format!("Warning: {lost} messages at QoS 0 were lost."));
        }
        // Everything was answered: a server that is gone by now has missed nothing.
        let properties = self.plan.disconnect_properties.as_properties();
        let _ = self
            .connection
            .disconnect(ReasonCode::Success, properties)
            .await;
        Ok(())
    }

    /// Publishes one message as often as asked, each after the answer to the one before.
    async fn publish_whole(&mut self, payload: &Bytes) -> Result<(), u8> {
        for number in 0..self.plan.repeat {
            if number > 0 {
                self.serve(self.plan.repeat_delay).await?;
            }
            if let Err(error) = self.publish(payload.clone()) {
                return Err(self.refuse_request(&error));
            }
            loop {
                if let Event::Published(published) = self.next_event().await? {
                    self.handle_published(&published)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Keeps the connection alive for a while.
    async fn serve(&mut self, time: Duration) -> Result<(), u8> {
        let end = tokio::time::Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.next_event()).await {
            event?;
        }
        Ok(())
    }

    /// Publishes lines as they come, and at their end waits until all are acknowledged, over as
    /// many connections as that takes.
    async fn publish_lines(&mut self, mut lines: Lines<impl AsyncRead + Unpin>) -> Result<(), u8> {
        let mut held_back = None;
        loop {
            self.publish_ready(&mut lines, &mut held_back)?;
            let is_read = held_back.is_none() && lines.is_ended();
            if is_read && self.connection.unfinished() == 0 {
                return Ok(());
            }
            self.flush_output();
            let wants_lines =
                !is_read && self.connection.is_connected() && self.connection.has_room();
            tokio::select! {
                event = self.connection.next_event() => match event {
                    Ok(Event::Published(published)) => self.handle_published(&published)?,
                    Ok(_) => {}
                    Err(error) => self.reconnect(&error).await?,
                },
                read = lines.read(), if wants_lines => {
                    read.map_err(|error| self.refuse_input(&error))?;
                }
            }
        }
    }

    /// Publishes the lines that are there, until the client has enough of them.
    fn publish_ready(
        &mut self,
        lines: &mut Lines<impl AsyncRead + Unpin>,
        held_back: &mut Option<Bytes>,
    ) -> Result<(), u8> {
        while self.connection.is_connected() && self.connection.has_room() {
            let Some(line) = held_back.take().or_else(|| lines.next_line()) else {
                break;
            };
            match self.publish(line.clone()) {
                Ok(()) => {}
                Err(RequestError::QueueFull | RequestError::NotConnected) => {
                    *held_back = Some(line);
                    break;
                }
                Err(error) => return Err(self.refuse_request(&error)),
            }
        }
        Ok(())
    }

    fn publish(&mut self, payload: Bytes) -> Result<(), RequestError> {
        let retain_available = self
            .connection
            .connected()
            .is_none_or(|connected| connected.retain_available);
        let publication = Publication::new(&self.plan.topic, payload)
            .qos(self.plan.qos)
            .retain(self.plan.retain && retain_available)
            .properties(self.plan.publish_properties.as_properties());
        self.connection.publish(publication).map(drop)
    }

    async fn next_event(&mut self) -> Result<Event, u8> {
        self.flush_output();
        self.connection
            .next_event()
            .await
            .map_err(|error| self.fail(&error))
    }

    fn handle_published(&mut self, published: &Published) -> Result<(), u8> {
        match &published.outcome {
            Ok(answer) if answer.reason.is_error() => {
                self.first_refusal.get_or_insert(answer.reason.as_u8());
                let id = published.packet_id.map_or(0, mqtt_client::PacketId::get);
                let name = answer.reason.name();
                self.complaints
                    .say(&format!("Warning: Publish {id} failed: {name}."));
                if let Some(text) = answer.properties.as_properties().reason_string() {
                    self.complaints.say(text);
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(RequestError::NotConnected) if self.plan.qos == QoS::AtMostOnce => {
                self.lost += 1;
                Ok(())
            }
            Err(error) => Err(self.refuse_request(error)),
        }
    }

    /// After the end of a connection with `-l`: another one, unless that would end alike.
    async fn reconnect(&mut self, error: &Error) -> Result<(), u8> {
        if matches!(error, Error::Refused(_) | Error::Protocol { .. }) {
            return Err(self.fail(error));
        }
        loop {
            tokio::time::sleep(RECONNECT_DELAY).await;
            if self.connection.dial().await.is_ok() {
                return Ok(());
            }
        }
    }

    fn fail(&mut self, error: &Error) -> u8 {
        let exit_code = self.complaints.connection(error, self.plan.version);
        if let Error::Refused(refusal) = error {
            // The original tells the end of the network loop too.
            self.complaints.say(match refusal.code {
                1..=5 => "Error: The connection was refused",
                _ => "Error: A network protocol error occurred when communicating with the broker",
            });
        }
        exit_code
    }

    fn refuse_request(&mut self, error: &RequestError) -> u8 {
        let by_lines = matches!(self.plan.payload, Payload::Lines);
        let (text, exit_code) = match error {
            RequestError::QosNotSupported { .. } => (
                "Error: Message QoS not supported on broker, try a lower QoS.",
                if by_lines {
                    exit::QOS_NOT_SUPPORTED
                } else {
                    exit::CONNECTION_LOST
                },
            ),
            RequestError::PacketTooLarge { .. } => (
                "Error: Message payload is too large.",
                exit::CONNECTION_LOST,
            ),
            RequestError::NotConnected => (
                "Error: Client not connected when trying to publish.",
                exit::NO_CONNECTION,
            ),
            RequestError::TopicInvalid => (
                "Error: Invalid input. Does your topic contain '+' or '#'?",
                exit::INVALID_INPUT,
            ),
            _ => (
                "Error: Protocol error when communicating with broker.",
                exit::PROTOCOL,
            ),
        };
        self.complaints.say(text);
        if exit_code == exit::QOS_NOT_SUPPORTED {
            self.complaints
                .say("Error: Requested QoS not supported on server");
        }
        exit_code
    }

    fn refuse_input(&mut self, error: &io::Error) -> u8 {
        if error.kind() == io::ErrorKind::FileTooLarge {
            self.complaints.say("Error: Message payload is too large.");
            return exit::PAYLOAD_TOO_LARGE;
        }
        self.complaints
            .say(&format!("Error: {}", exit::os_text(error)));
        exit::FAILURE
    }

    /// `--max-time` is over.
    async fn give_up(&mut self) -> u8 {
        let unfinished = self.connection.unfinished();
        self.complaints.say("Timed out");
        if unfinished > 0 {
            self.complaints.say(&format!(
                "Error: {unfinished} messages were not acknowledged."
            ));
        }
        let properties = self.plan.disconnect_properties.as_properties();
        let farewell = self.connection.disconnect(ReasonCode::Success, properties);
        // The exit code tells enough; the farewell is a courtesy.
        let _ = tokio::time::timeout(FAREWELL_TIME, farewell).await;
        self.flush_output();
        exit::TIMED_OUT
    }

    /// Nobody has to read the lines of `-d`.
    fn flush_output(&mut self) {
        let _ = self.plan.output.flush_to(self.stdout);
    }
}
