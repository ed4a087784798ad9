//! One connection and its session, for programs that want to drive it themselves.

use std::io;
use std::pin::Pin;

use bytes::BytesMut;
use mqtt_codec::{PacketId, Properties, ReasonCode, SubscriptionOptions};
use mqtt_session::client::{ClientSession, Publication};
use mqtt_session::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use crate::delivery::Delivery;
use crate::dial::dial;
use crate::driver::Clock;
use crate::goodbye::{Goodbye, WRITE_PATIENCE};
use crate::stream::Stream;
use crate::{Connected, Error, Event, Options, PublishId, Published, RequestError};

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
    pub(crate) options: Options,
    pub(crate) session: ClientSession,
    pub(crate) stream: Option<Stream>,
    pub(crate) input: BytesMut,
    /// Bytes that the packet at the front of `input` still lacks, at least.
    pub(crate) wanted: usize,
    pub(crate) delivery: Delivery,
    pub(crate) reading: bool,
    pub(crate) clock: Clock,
    /// When it was last looked at.
    pub(crate) now: Instant,
    /// Writing failed; what the server said before is still read.
    pub(crate) broken: Option<io::Error>,
    /// The stream has bytes in a buffer of its own.
    pub(crate) unflushed: bool,
    pub(crate) timer: Option<Pin<Box<Sleep>>>,
    pub(crate) goodbye: Option<Goodbye>,
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
            delivery: Delivery::new(&options),
            reading: true,
            clock: Clock::new(),
            now: Instant::default(),
            broken: None,
            unflushed: false,
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

    /// Sends AUTH (MQTT 5, 4.12): Continue Authentication as the answer to
    /// [`Event::Authenticate`], or Re-authenticate once connected, with the method of CONNECT.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`], [`RequestError::NotVersion5`],
    /// [`RequestError::AuthenticationInvalid`], [`RequestError::PacketTooLarge`].
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
    /// [`Error::Lost`] if DISCONNECT could not be written, [`Error::NotConnected`]. With
    /// [`Error::InvalidDisconnect`] nothing was said, and the connection stands.
    pub async fn disconnect(
        &mut self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), Error> {
        let said = self
            .session
            .disconnect(self.clock.now(), reason, properties);
        match said {
            Ok(()) => {}
            Err(RequestError::NotConnected) => {
                self.close();
                return Err(Error::NotConnected);
            }
            Err(error) => return Err(Error::InvalidDisconnect(error)),
        }
        self.say_goodbye(None, WRITE_PATIENCE);
        std::future::poll_fn(|cx| self.poll_goodbye(cx)).await
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
        self.broken = None;
        self.unflushed = false;
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
