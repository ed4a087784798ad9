//! A connection and the session on it: moves bytes, reads the clock, decides nothing.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mqtt_codec::{Decoded, PacketId, PacketType, Properties, ReasonCode, SubscriptionOptions};
use mqtt_session::client::{ClientSession, Failure, Publication, Taken};
use mqtt_session::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::Sleep;

use crate::delivery::{Delivery, Owned};
use crate::dial::dial;
use crate::stream::Stream;
use crate::{Connected, Error, Event, Options, PublishId, Published, RequestError};

/// Bytes read at a time, and room kept for it.
const READ_BYTES: usize = 32 * 1024;

/// Room made at a time for a packet larger than that; what its header claims is not believed.
const GROWTH_BYTES_MAX: usize = 1024 * 1024;

/// With so many bytes that the server does not take, nothing more is read from it.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;

/// Patience with a server that shall read our DISCONNECT.
const GOODBYE_WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Patience with a server that shall close after our DISCONNECT.
const GOODBYE_CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// One connection at a time, and the session that outlives it. No task, no channel: everything
/// happens within the calls, so that events and [traces](Options::trace) keep their order.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use mqtt_client::{Address, Connection, Event, Options, Properties, Publication, QoS, ReasonCode};
///
/// let mut connection = Connection::new(Options::new(Address::tcp("localhost", 1883)));
/// connection.dial().await?;
/// loop {
///     match connection.next_event().await? {
///         Event::Connected(_) => {
///             connection.publish(Publication::new("a/b", "hello").qos(QoS::AtLeastOnce))?;
///         }
///         Event::Published(_) => break,
///         _ => {}
///     }
/// }
/// connection.disconnect(ReasonCode::Success, Properties::EMPTY).await?;
/// # Ok(())
/// # }
/// ```
pub struct Connection {
    options: Options,
    session: ClientSession,
    stream: Option<Stream>,
    input: BytesMut,
    /// Bytes that the packet at the front of `input` still lacks, at least.
    wanted: usize,
    delivery: Delivery,
    reading: bool,
    clock: Clock,
    timer: Option<Pin<Box<Sleep>>>,
    goodbye: Option<Goodbye>,
}

/// The end of a connection that we chose: the last bytes leave, then the server closes.
struct Goodbye {
    /// What the program will hear; `None` if it wanted the end itself.
    error: Option<Error>,
    patience: Pin<Box<Sleep>>,
    said: bool,
}

/// Time since the connection object was made.
struct Clock {
    start: tokio::time::Instant,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }

    fn now(&self) -> Instant {
        let millis = self.start.elapsed().as_millis();
        Instant::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    fn at(&self, instant: Instant) -> tokio::time::Instant {
        self.start + Duration::from_millis(instant.as_millis())
    }
}

impl Connection {
    /// Makes a session without a connection. Needs a tokio runtime with time enabled.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            session: ClientSession::new(options.settings.clone()),
            stream: None,
            input: BytesMut::new(),
            wanted: 0,
            delivery: Delivery::new(options.deliver_qos2),
            reading: true,
            clock: Clock::new(),
            timer: None,
            goodbye: None,
            options,
        }
    }

    /// Makes a session on a stream that stands already; CONNECT is ready to be written.
    ///
    /// # Errors
    /// [`Error::InvalidOptions`] if no CONNECT can be made of them.
    pub fn from_stream(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        options: Options,
    ) -> Result<Self, Error> {
        let mut connection = Self::new(options);
        connection.attach(Stream::Given(Box::new(stream)))?;
        Ok(connection)
    }

    /// Connects to the address of the options: one attempt. CONNECT is then ready to be written,
    /// and [`Event::Connected`] tells when the server has accepted it. After the end of a
    /// connection, the next one goes on with the same session. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Lookup`], [`Error::Dial`], [`Error::DialTimeout`], [`Error::Unsupported`],
    /// [`Error::InvalidOptions`].
    pub async fn dial(&mut self) -> Result<(), Error> {
        self.close();
        let stream = dial(&self.options).await?;
        self.attach(stream)
    }

    /// Starts on a new stream.
    pub(crate) fn attach(&mut self, stream: Stream) -> Result<(), Error> {
        self.close();
        match self.session.handle_opened(self.clock.now()) {
            Ok(()) => {}
            Err(RequestError::InvalidSettings(fault)) => return Err(Error::InvalidOptions(fault)),
            Err(_) => return Err(Error::InvalidOptions("CONNECT cannot be written")),
        }
        self.stream = Some(stream);
        Ok(())
    }

    /// The options that it was made with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Waits for the next thing to happen. All reading, writing and pinging is done in here, so
    /// keep calling it. Cancel safe.
    ///
    /// # Errors
    /// The connection has ended; [`Self::dial`] makes a new one. [`Error::NotConnected`] if there
    /// is none.
    pub async fn next_event(&mut self) -> Result<Event, Error> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The end of a message that is known already.
    pub(crate) fn next_outcome(&mut self) -> Option<Published> {
        self.session.next_outcome().map(Published::from)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        if self.goodbye.is_some() {
            return self
                .poll_goodbye(cx)
                .map(|result| Err(result.err().unwrap_or(Error::NotConnected)));
        }
        loop {
            let now = self.clock.now();
            if !self.reading {
                self.session.handle_reading_resumed(now);
            }
            if let Some(published) = self.next_outcome() {
                return Poll::Ready(Ok(Event::Published(published)));
            }
            if self.stream.is_none() {
                return Poll::Ready(Err(Error::NotConnected));
            }
            if self.may_read() {
                match self.next_packet(now) {
                    Ok(Some(event)) => return Poll::Ready(Ok(event)),
                    Ok(None) => {}
                    Err(failure) => return self.end(failure, cx),
                }
            }
            if let Err(failure) = self.session.handle_tick(now) {
                return self.end(failure, cx);
            }
            // Only now, when all that came in is dealt with: one write answers it all.
            match self.poll_write(now, cx) {
                Poll::Ready(Ok(true)) => continue,
                Poll::Ready(Ok(false)) | Poll::Pending => {}
                Poll::Ready(Err(error)) => return self.lose(error),
            }
            if self.may_read() {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(0)) => {
                        self.close();
                        return Poll::Ready(Err(Error::Closed));
                    }
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Ready(Err(error)) => return self.lose(error),
                    Poll::Pending => {}
                }
            }
            if self.poll_timer(now, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Takes packets from the input until one means something to the program.
    fn next_packet(&mut self, now: Instant) -> Result<Option<Event>, Failure> {
        while !self.input.is_empty() {
            let header = match self.session.peek(now, &self.input)? {
                Decoded::Packet { packet, .. } => packet,
                Decoded::Incomplete(more) => {
                    self.wanted = more.get();
                    return Ok(None);
                }
            };
            let missing = header.packet_len().saturating_sub(self.input.len());
            if missing > 0 {
                self.wanted = missing;
                return Ok(None);
            }
            self.wanted = 0;
            // A message shares the buffer; everything else is looked at in place.
            let frame = if header.packet_type == PacketType::Publish {
                self.input.split_to(header.packet_len()).freeze()
            } else {
                Bytes::new()
            };
            let bytes: &[u8] = if frame.is_empty() {
                &self.input
            } else {
                &frame
            };
            let (consumed, owned) = match self.session.handle_bytes(now, bytes)? {
                Taken::Packet { consumed, event } => (
                    consumed,
                    event.and_then(|told| self.delivery.take(told, &frame)),
                ),
                Taken::Incomplete(_) => return Ok(None),
            };
            if frame.is_empty() {
                self.input.advance(consumed);
            }
            match owned {
                None => {}
                Some(Owned::Event(event)) => return Ok(Some(event)),
                Some(Owned::Connected) => {
                    if let Some(connected) = self.session.connected().cloned() {
                        self.delivery.handle_connected(&connected);
                        return Ok(Some(Event::Connected(connected)));
                    }
                }
            }
        }
        Ok(None)
    }

    fn may_read(&self) -> bool {
        self.reading && self.session.output().len() < UNWRITTEN_BYTES_MAX
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        let room = self.wanted.clamp(READ_BYTES, GROWTH_BYTES_MAX);
        if self.input.capacity() - self.input.len() < room.min(self.wanted.max(READ_BYTES / 8)) {
            self.input.reserve(room);
        }
        pin!(stream.read_buf(&mut self.input)).poll(cx)
    }

    /// Writes once, if there is anything; true if some of it left.
    fn poll_write(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(false));
        };
        let output = self.session.output();
        if output.is_empty() {
            return Poll::Ready(Ok(false));
        }
        let count = match Pin::new(&mut *stream).poll_write(cx, output) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(result) => result?,
            Poll::Pending => return Poll::Pending,
        };
        // For streams with a buffer of their own; on a socket this does nothing.
        if let Poll::Ready(Err(error)) = Pin::new(stream).poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        self.session.handle_written(now, count);
        Poll::Ready(Ok(true))
    }

    /// Ready when the session's deadline has come. With traffic that moves at every packet, so the
    /// timer is moved only when it fires early or would fire late.
    fn poll_timer(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.session.next_deadline() else {
            return Poll::Pending;
        };
        // While nobody reads, the silence of the server, long past, is looked at once a second.
        let deadline = if self.reading {
            deadline
        } else {
            deadline.max(now + Duration::from_secs(1))
        };
        let deadline = self.clock.at(deadline);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// The session has ended the connection; if it has something to say, it is said first.
    fn end(&mut self, failure: Failure, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        let says_why = matches!(failure, Failure::Protocol { .. });
        let error = Error::from(failure);
        if says_why && !self.session.output().is_empty() {
            self.say_goodbye(Some(error), GOODBYE_CLOSE_PATIENCE);
            return self.poll_event(cx);
        }
        self.close();
        Poll::Ready(Err(error))
    }

    fn lose(&mut self, error: io::Error) -> Poll<Result<Event, Error>> {
        self.close();
        Poll::Ready(Err(Error::Lost(error)))
    }

    /// Publishes a message. Never waits: the bytes leave in [`Self::next_event`], and
    /// [`Event::Published`] tells the end. QoS 0 needs a connection on which the server accepted
    /// us; QoS 1 and 2 wait for one if need be.
    ///
    /// # Errors
    /// [`RequestError`]: the message was not taken.
    pub fn publish(&mut self, publication: Publication<'_>) -> Result<PublishId, RequestError> {
        self.session.publish(self.clock.now(), &publication)
    }

    /// Subscribes to all filters with one packet; [`Event::Subscribed`] has the answer.
    ///
    /// # Errors
    /// [`RequestError`]: nothing was sent.
    pub fn subscribe(
        &mut self,
        filters: &[(&str, SubscriptionOptions)],
        properties: Properties<'_>,
    ) -> Result<PacketId, RequestError> {
        self.session
            .subscribe(self.clock.now(), filters.iter().copied(), properties)
    }

    /// Ends subscriptions with one packet; [`Event::Unsubscribed`] has the answer.
    ///
    /// # Errors
    /// [`RequestError`]: nothing was sent.
    pub fn unsubscribe(
        &mut self,
        filters: &[&str],
        properties: Properties<'_>,
    ) -> Result<PacketId, RequestError> {
        self.session
            .unsubscribe(self.clock.now(), filters.iter().copied(), properties)
    }

    /// Acknowledges a message, for programs that do so [by hand](crate::Acknowledge::ByHand). Answers go out
    /// in the order in which the messages came.
    ///
    /// # Errors
    /// [`RequestError::UnknownPacketId`] if nothing is owed for it on this connection.
    pub fn acknowledge(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> Result<(), RequestError> {
        self.session
            .acknowledge(self.clock.now(), packet_id, reason)
    }

    /// Sends AUTH (MQTT 5, 4.12).
    ///
    /// # Errors
    /// [`RequestError::NotConnected`], [`RequestError::NotVersion5`].
    pub fn authenticate(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), RequestError> {
        self.session
            .authenticate(self.clock.now(), reason, properties)
    }

    /// Writes all that is waiting for the socket, then DISCONNECT, and waits for the server to
    /// close, shortly. Messages that come in meanwhile are dropped. Without CONNACK it just closes.
    ///
    /// # Errors
    /// [`Error::Lost`] if DISCONNECT could not be written, [`Error::NotConnected`].
    pub async fn disconnect(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), Error> {
        if self
            .session
            .disconnect(self.clock.now(), reason, properties)
            .is_err()
        {
            self.close();
            return Err(Error::NotConnected);
        }
        self.say_goodbye(None, GOODBYE_WRITE_PATIENCE);
        std::future::poll_fn(|cx| self.poll_goodbye(cx)).await
    }

    fn say_goodbye(&mut self, error: Option<Error>, patience: Duration) {
        let patience = Box::pin(tokio::time::sleep(patience));
        self.goodbye = Some(Goodbye {
            error,
            patience,
            said: false,
        });
    }

    /// Writes the rest, shuts the write side, and reads until the server closes: closing at once
    /// with input unread would reset the connection and could lose what we said last.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let now = self.clock.now();
        let written = loop {
            match self.poll_write(now, cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => break Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        let Some(goodbye) = &mut self.goodbye else {
            return Poll::Ready(Ok(()));
        };
        let mut outcome = Ok(());
        let mut is_over = false;
        match written {
            Poll::Ready(Ok(())) if !goodbye.said => {
                if let Some(stream) = &mut self.stream {
                    // What could not be shut down will be closed.
                    is_over = matches!(Pin::new(stream).poll_shutdown(cx), Poll::Ready(Err(_)));
                }
                goodbye.said = true;
                let patience = tokio::time::Instant::now() + GOODBYE_CLOSE_PATIENCE;
                goodbye.patience.as_mut().reset(patience);
            }
            Poll::Ready(Err(error)) => {
                outcome = Err(Error::Lost(error));
                is_over = true;
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        let said = goodbye.said;
        if goodbye.patience.as_mut().poll(cx).is_ready() {
            if !said {
                outcome = Err(Error::Lost(io::ErrorKind::TimedOut.into()));
            }
            is_over = true;
        }
        while !is_over {
            self.input.clear();
            match self.poll_read(cx) {
                Poll::Ready(Ok(0) | Err(_)) => is_over = said,
                Poll::Ready(Ok(_)) => continue,
                Poll::Pending => {}
            }
            if !is_over {
                return Poll::Pending;
            }
        }
        let error = self.goodbye.take().and_then(|goodbye| goodbye.error);
        self.close();
        Poll::Ready(error.map_or(outcome, Err))
    }

    /// Writes all that was encoded so far, without reading.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::NotConnected`].
    pub async fn flush(&mut self) -> Result<(), Error> {
        if self.stream.is_none() {
            return Err(Error::NotConnected);
        }
        let now = self.clock.now();
        loop {
            match std::future::poll_fn(|cx| self.poll_write(now, cx)).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.close();
                    return Err(Error::Lost(error));
                }
            }
        }
    }

    /// Drops the connection without a DISCONNECT, so that the server publishes the will.
    pub fn close(&mut self) {
        self.stream = None;
        self.goodbye = None;
        self.timer = None;
        self.input.clear();
        self.wanted = 0;
        self.session.handle_closed();
    }

    /// Whether the server has accepted us on the present connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected().is_some()
    }

    /// The terms of the present connection, from CONNACK on.
    #[must_use]
    pub fn connected(&self) -> Option<&Connected> {
        self.session.connected()
    }

    /// The client id: given, or assigned by the server.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.session.client_id()
    }

    /// Whether a message would be taken. While not, prepare no more of them; the next
    /// [`Event::Published`] is the time to ask again.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.session.has_room()
    }

    /// Messages published that [`Event::Published`] has not told of yet.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.session.unfinished()
    }

    /// Back-pressure: while `reading` is false, [`Self::next_event`] reads nothing and tells of
    /// nothing that came in. It still writes and pings. The silence of a server that is not listened
    /// to is not held against it.
    pub fn set_reading(&mut self, reading: bool) {
        if reading && !self.reading {
            self.session.handle_reading_resumed(self.clock.now());
        }
        self.reading = reading;
    }
}
