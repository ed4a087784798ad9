//! The handle that a program holds, and may clone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mqtt_codec::{PacketId, Properties, PropertiesBuf, ReasonCode, SubscriptionOptions};
use mqtt_session::client::Publication;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Acknowledgement, Answer, ClientError, Connected, Connection, Error, Event, Options, Reconnect,
};

use super::command::{Command, Responder, Subscribe, Unsubscribe};
use super::link::Link;
use super::messages::{Messages, Subscription};

/// Requests between the handles and the task; more of them wait with their callers.
const COMMANDS_MAX: usize = 64;

/// How a client stands.
#[derive(Debug, Clone)]
pub enum State {
    /// The server has accepted us, on these terms.
    Connected(Arc<Connected>),
    /// The connection was lost for this cause, and the client tries to get another.
    Reconnecting(Arc<Error>),
    /// The client has ended; [`Error::NotConnected`] if the program wanted it so.
    Ended(Arc<Error>),
}

/// A client. Clones share the connection; when all of them and all streams of messages are gone,
/// it disconnects.
///
/// After a loss it connects again as the [options](Options::reconnect) say. If the server still has
/// the session, everything goes on where it was; else the client subscribes again and publishes
/// again what was not acknowledged, so that messages of QoS 2 may then come twice. Keep the session
/// with [`Options::clean_start`] and a Session Expiry Interval to avoid that.
///
/// ```no_run
/// use mqtt_client::{Address, Client, Options, Properties, Publication, QoS, ReasonCode, SubscriptionOptions};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (client, mut messages) = Client::connect(Options::new(Address::tcp("localhost", 1883))).await?;
///     client.subscribe(&[("greetings/#", SubscriptionOptions::default())], Properties::EMPTY).await?;
///     client.publish(Publication::new("greetings/world", "hello").qos(QoS::AtLeastOnce)).await?;
///     if let Some(message) = messages.next().await {
///         println!("{}: {} bytes", message.topic(), message.payload().len());
///     }
///     client.disconnect(ReasonCode::Success, Properties::EMPTY).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<State>,
}

/// The answer to a message, to be awaited; dropping it changes nothing.
#[derive(Debug)]
pub struct Receipt {
    answer: oneshot::Receiver<Result<Acknowledgement, ClientError>>,
    state: watch::Receiver<State>,
}

impl Client {
    /// Connects. The first attempt must succeed; later ones are made as the options say.
    ///
    /// Returns the client and the stream of those messages that no
    /// [subscription of its own](Self::subscribe_stream) takes. Take them: when
    /// [so many](Options::message_capacity) wait, the client stops reading from the server, answers
    /// to what it publishes included. Who wants none drops the stream.
    ///
    /// # Errors
    /// Why the server could not be reached, or did not accept us.
    pub async fn connect(mut options: Options) -> Result<(Self, Messages), Error> {
        check(&options)?;
        options.settings.resume = true;
        let mut connection = Connection::new(options);
        connection.dial().await?;
        Self::start(connection).await
    }

    /// Connects over a stream that stands already. When that ends, so does the client.
    ///
    /// # Errors
    /// Why the server did not accept us.
    pub async fn from_stream(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        options: Options,
    ) -> Result<(Self, Messages), Error> {
        check(&options)?;
        let options = options.reconnect(Reconnect::Never);
        Self::start(Connection::from_stream(stream, options)?).await
    }

    async fn start(mut connection: Connection) -> Result<(Self, Messages), Error> {
        let connected = loop {
            if let Event::Connected(connected) = connection.next_event().await? {
                break connected;
            }
        };
        let (commands, commands_of) = mpsc::channel(COMMANDS_MAX);
        let (messages, messages_of) = mpsc::channel(connection.options().message_capacity);
        let (state, state_of) = watch::channel(State::Connected(Arc::new(connected)));
        // Its end is heard through all three channels.
        tokio::spawn(Link::new(connection, commands_of, messages, state).run());
        let client = Self {
            commands,
            state: state_of.clone(),
        };
        Ok((client, Messages::new(messages_of, state_of)))
    }

    /// Publishes a message and waits for its end: QoS 0 until it is written, QoS 1 and 2 until the
    /// server has answered. While the queue is full it waits too. Once it was polled, dropping the
    /// future does not take the message back.
    ///
    /// # Errors
    /// [`ClientError`]. A refusal by the server is an answer: look at its reason.
    pub async fn publish(
        &self,
        publication: Publication<'_>,
    ) -> Result<Acknowledgement, ClientError> {
        self.enqueue(publication).await?.await
    }

    /// Hands a message over and waits no longer than that takes; the receipt waits for its end.
    /// Messages are published in the order in which they were handed over.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub async fn enqueue(&self, publication: Publication<'_>) -> Result<Receipt, ClientError> {
        let (responder, answer) = oneshot::channel();
        self.send(Command::Publish(publication.into(), responder))
            .await?;
        Ok(Receipt {
            answer,
            state: self.state.clone(),
        })
    }

    /// Subscribes, and waits for what the server grants: a code for each filter. Messages come on
    /// the common stream, perhaps earlier than the answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscribe(
        &self,
        filters: &[(&str, SubscriptionOptions)],
        properties: Properties<'_>,
    ) -> Result<Answer, ClientError> {
        let filters = filters
            .iter()
            .map(|(filter, options)| ((*filter).to_owned(), *options));
        let (filters, properties) = (filters.collect(), owned(properties));
        self.ask(|answer| {
            let answer = Some(answer);
            Command::Subscribe(Subscribe {
                filters,
                properties,
                route: None,
                answer,
            })
        })
        .await
    }

    /// Subscribes to one filter, whose messages come on a stream of their own and no longer on the
    /// common one. A message that several such filters match comes on each of their streams. Drop
    /// the stream to unsubscribe.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscribe_stream(
        &self,
        filter: &str,
        options: SubscriptionOptions,
    ) -> Result<Subscription, ClientError> {
        let (route, messages) = mpsc::channel(COMMANDS_MAX);
        let filters = vec![(filter.to_owned(), options)];
        let answer = self
            .ask(|answer| {
                Command::Subscribe(Subscribe {
                    filters,
                    properties: PropertiesBuf::new(),
                    route: Some(route),
                    answer: Some(answer),
                })
            })
            .await?;
        Ok(Subscription::new(messages, &answer))
    }

    /// Ends subscriptions, and waits for the answer: a code for each filter, none in 3.x.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn unsubscribe(
        &self,
        filters: &[&str],
        properties: Properties<'_>,
    ) -> Result<Answer, ClientError> {
        let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
        let properties = owned(properties);
        self.ask(|answer| {
            Command::Unsubscribe(Unsubscribe {
                filters,
                properties,
                answer: Some(answer),
            })
        })
        .await
    }

    /// Acknowledges a message, for programs that do so [by hand](crate::Acknowledge::ByHand).
    ///
    /// # Errors
    /// [`RequestError::UnknownPacketId`](crate::RequestError::UnknownPacketId) if the connection
    /// that brought the message is gone; the message then comes again.
    pub async fn acknowledge(
        &self,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> Result<(), ClientError> {
        self.ask(|answer| Command::Acknowledge(packet_id, reason, answer))
            .await
    }

    /// Says DISCONNECT after everything handed over before, and ends the client. Messages that the
    /// server has not acknowledged yet may be lost: wait for their receipts first.
    ///
    /// # Errors
    /// [`ClientError::Ended`] if the DISCONNECT could not be sent, for there was no connection.
    pub async fn disconnect(
        &self,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), ClientError> {
        let properties = owned(properties);
        self.ask(|answer| Command::Disconnect(reason, properties, answer))
            .await
    }

    /// How the client stands now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until that has changed since this was last called on this handle. When the client has
    /// ended, answers at once.
    pub async fn state_changed(&mut self) -> State {
        // An error says that the task, and with it all change, has ended.
        let _ = self.state.changed().await;
        self.state.borrow_and_update().clone()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(Responder<T>) -> Command,
    ) -> Result<T, ClientError> {
        let (responder, answer) = oneshot::channel();
        self.send(command(responder)).await?;
        answer.await.unwrap_or_else(|_| Err(ended(&self.state)))
    }

    async fn send(&self, command: Command) -> Result<(), ClientError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| ended(&self.state))
    }
}

impl Future for Receipt {
    type Output = Result<Acknowledgement, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|_| Err(ended(&self.state))))
    }
}

/// The task is gone; why, it has written down before.
fn ended(state: &watch::Receiver<State>) -> ClientError {
    match &*state.borrow() {
        State::Ended(error) => ClientError::Ended(Arc::clone(error)),
        State::Connected(_) | State::Reconnecting(_) => {
            ClientError::Ended(Arc::new(Error::NotConnected))
        }
    }
}

/// AUTH needs a dialogue that only [`Connection`] offers.
fn check(options: &Options) -> Result<(), Error> {
    let properties = options.settings.connect_properties.as_properties();
    if properties.authentication_method().is_some() {
        return Err(Error::InvalidOptions(
            "enhanced authentication needs a Connection",
        ));
    }
    Ok(())
}

fn owned(properties: Properties<'_>) -> PropertiesBuf {
    let mut owned = PropertiesBuf::new();
    owned.extend_from(properties);
    owned
}
