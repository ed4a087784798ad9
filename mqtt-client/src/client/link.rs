//! The task behind the handles: its state, and what it does with commands and events.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mqtt_codec::{PacketId, PropertiesBuf, ReasonCode};
use mqtt_session::backoff::Backoff;
use tokio::sync::{mpsc, watch};

use crate::{
    Acknowledgement, Answer, ClientError, Connected, Connection, Error, Event, Message, PublishId,
    Published, Reconnect, RequestError,
};

use super::command::{Command, Responder, Subscribe, Unsubscribe};
use super::handle::State;
use super::subscriptions::Subscriptions;

/// Requests that may wait for an answer or a connection; those of the handles, for their own
/// ones are bounded by what was granted.
const REQUESTS_MAX: usize = 512;

pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) commands: mpsc::Receiver<Command>,
    /// All handles are gone.
    pub(super) is_forsaken: bool,
    pub(super) messages: mpsc::Sender<Message>,
    state: watch::Sender<State>,
    /// Who waits for which message; ids count upwards, so it is a queue with gaps.
    published: VecDeque<(PublishId, Option<Responder<Acknowledgement>>)>,
    asked: HashMap<PacketId, Request>,
    /// Requests for the next connection.
    unasked: VecDeque<Request>,
    subscriptions: Subscriptions,
    /// Messages for which a stream had no room, first to last.
    pub(super) undelivered: VecDeque<(mpsc::Sender<Message>, Message)>,
    /// None: no second connection.
    pub(super) backoff: Option<Backoff>,
}

/// What was, or is to be, asked of the server.
enum Request {
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
}

/// A wish to disconnect.
pub(super) struct Farewell {
    pub(super) reason: ReasonCode,
    pub(super) properties: PropertiesBuf,
    pub(super) answer: Option<Responder<()>>,
}

/// How a time online, or off, comes to its end.
pub(super) enum End {
    /// The connection is gone.
    Lost(Error),
    /// The program wants no more.
    Farewell(Farewell),
}

impl Link {
    pub(super) fn new(
        connection: Connection,
        commands: mpsc::Receiver<Command>,
        messages: mpsc::Sender<Message>,
        state: watch::Sender<State>,
    ) -> Self {
        let backoff = match connection.options().reconnect {
            Reconnect::Never => None,
            Reconnect::Every(delay) => Some(Backoff::fixed(delay)),
            Reconnect::BackOff { first, longest } => {
                Some(Backoff::new(first, longest, rand::random()))
            }
        };
        Self {
            connection,
            commands,
            is_forsaken: false,
            messages,
            state,
            published: VecDeque::new(),
            asked: HashMap::new(),
            unasked: VecDeque::new(),
            subscriptions: Subscriptions::default(),
            undelivered: VecDeque::new(),
            backoff,
        }
    }

    /// Lives until the program or the connection has ended for good.
    pub(super) async fn run(mut self) {
        let mut end = self.online().await;
        while let End::Lost(error) = end {
            self.handle_lost();
            end = match self.offline(error).await {
                Ok(()) => self.online().await,
                Err(End::Lost(error)) => return self.finish(error),
                Err(farewell) => farewell,
            };
        }
        if let End::Farewell(farewell) = end {
            self.say_farewell(farewell).await;
        }
    }

    async fn say_farewell(mut self, farewell: Farewell) {
        let Farewell {
            reason,
            properties,
            answer,
        } = farewell;
        let result = self
            .connection
            .disconnect(reason, properties.as_properties())
            .await;
        self.tell_outcomes();
        self.finish(Error::NotConnected);
        if let Some(answer) = answer {
            // Who does not wait for it does not want it.
            let _ = answer.send(result.map_err(|error| ClientError::Ended(Arc::new(error))));
        }
    }

    /// Writes down why, and then lets go of everything: whoever waits finds the reason there.
    fn finish(self, error: Error) {
        self.state.send_replace(State::Ended(Arc::new(error)));
    }

    /// Whether the task can do something about one more command.
    pub(super) fn has_room(&self) -> bool {
        !self.is_forsaken
            && self.asked.len() + self.unasked.len() < REQUESTS_MAX
            && (!self.connection.is_connected() || self.connection.has_room())
    }

    /// Whether nobody is left to be served.
    pub(super) fn is_over(&self) -> bool {
        self.is_forsaken && self.messages.is_closed() && !self.subscriptions.has_readers()
    }

    /// Carries out a command; a wish to disconnect is handed back.
    pub(super) fn handle_command(&mut self, command: Command) -> Option<Farewell> {
        match command {
            Command::Publish(publication, answer) => {
                match self.connection.publish(publication.as_publication()) {
                    Ok(id) => self.published.push_back((id, Some(answer))),
                    Err(error) => respond(answer, Err(error)),
                }
            }
            Command::Subscribe(request) => self.ask(Request::Subscribe(request)),
            Command::Unsubscribe(request) => self.ask(Request::Unsubscribe(request)),
            Command::Acknowledge(packet_id, reason, answer) => {
                respond(answer, self.connection.acknowledge(packet_id, reason));
            }
            Command::Disconnect(reason, properties, answer) => {
                return Some(Farewell {
                    reason,
                    properties,
                    answer: Some(answer),
                });
            }
        }
        None
    }

    /// Sends a request, or keeps it for the next connection.
    fn ask(&mut self, request: Request) {
        if !self.connection.is_connected() {
            self.unasked.push_back(request);
            return;
        }
        let sent = match &request {
            Request::Subscribe(Subscribe {
                filters,
                properties,
                ..
            }) => {
                let filters: Vec<_> = filters
                    .iter()
                    .map(|(filter, options)| (filter.as_str(), *options))
                    .collect();
                self.connection
                    .subscribe(&filters, properties.as_properties())
            }
            Request::Unsubscribe(Unsubscribe {
                filters,
                properties,
                ..
            }) => {
                let filters: Vec<_> = filters.iter().map(String::as_str).collect();
                self.connection
                    .unsubscribe(&filters, properties.as_properties())
            }
        };
        match sent {
            Ok(packet_id) => {
                self.asked.insert(packet_id, request);
            }
            // There was no room for it now; what the server answers makes some.
            Err(RequestError::TooManyRequests) => self.unasked.push_back(request),
            Err(error) => request.respond(Err(error)),
        }
    }

    pub(super) fn handle_event(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.deliver(message),
            Event::Published(published) => self.handle_published(published),
            Event::Connected(connected) => self.handle_connected(connected),
            Event::Subscribed(answer) => {
                if let Some(Request::Subscribe(request)) = self.asked.remove(&answer.packet_id) {
                    self.subscriptions.handle_answer(&request, &answer.reasons);
                    Request::Subscribe(request).respond(Ok(answer));
                }
                self.ask_more();
            }
            Event::Unsubscribed(answer) => {
                if let Some(Request::Unsubscribe(request)) = self.asked.remove(&answer.packet_id) {
                    for filter in &request.filters {
                        self.subscriptions.remove(filter);
                    }
                    Request::Unsubscribe(request).respond(Ok(answer));
                }
                self.ask_more();
            }
            // No method was named, so the session has refused any AUTH.
            Event::Authenticate { .. } => {}
        }
    }

    fn handle_connected(&mut self, connected: Connected) {
        if let Some(backoff) = &mut self.backoff {
            backoff.reset();
        }
        if !connected.session_present && self.connection.options().resubscribe {
            // Before anything asked later, which may change it.
            for request in self.subscriptions.restore().into_iter().rev() {
                self.unasked.push_front(Request::Subscribe(request));
            }
        }
        self.state
            .send_replace(State::Connected(Arc::new(connected)));
        self.ask_more();
    }

    /// Asks what could not be asked before, until there is no room.
    fn ask_more(&mut self) {
        for _ in 0..self.unasked.len() {
            if self.asked.len() >= REQUESTS_MAX {
                return;
            }
            if let Some(request) = self.unasked.pop_front() {
                self.ask(request);
            }
        }
    }

    fn handle_published(&mut self, published: Published) {
        let place = self
            .published
            .binary_search_by_key(&published.id, |(id, _)| *id);
        let waiter = place.ok().and_then(|place| self.published.get_mut(place));
        if let Some(answer) = waiter.and_then(|(_, answer)| answer.take()) {
            respond(answer, published.outcome);
        }
        while matches!(self.published.front(), Some((_, None))) {
            self.published.pop_front();
        }
    }

    /// The connection is gone: what was asked on it is asked again on the next one.
    fn handle_lost(&mut self) {
        self.tell_outcomes();
        let mut asked: Vec<_> = self.asked.drain().collect();
        asked.sort_unstable_by_key(|(packet_id, _)| *packet_id);
        for (_, request) in asked.into_iter().rev() {
            // What the client does by itself is decided anew.
            if request.is_awaited() {
                self.unasked.push_front(request);
            }
        }
    }

    fn tell_outcomes(&mut self) {
        while let Some(published) = self.connection.next_outcome() {
            self.handle_published(published);
        }
    }

    pub(super) fn tell_reconnecting(&self, error: Arc<Error>) {
        self.state.send_replace(State::Reconnecting(error));
    }

    /// Hands a message to its streams. If one is full, reading stops until it has room again.
    fn deliver(&mut self, message: Message) {
        let routes = self.subscriptions.routes(message.topic());
        let mut forsaken = Vec::new();
        if routes.is_empty() {
            // A program that dropped the stream wants no messages.
            if let Err(mpsc::error::TrySendError::Full(message)) = self.messages.try_send(message) {
                self.undelivered.push_back((self.messages.clone(), message));
            }
        } else {
            for (filter, route) in routes {
                match route.try_send(message.clone()) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(message)) => {
                        self.undelivered.push_back((route.clone(), message));
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => forsaken.push(filter.to_owned()),
                }
            }
        }
        for filter in forsaken {
            self.subscriptions.remove(&filter);
            self.ask(Request::Unsubscribe(Unsubscribe {
                filters: vec![filter],
                properties: PropertiesBuf::new(),
                answer: None,
            }));
        }
        self.connection.set_reading(self.undelivered.is_empty());
    }

    /// A stream has room for the first of the messages that wait, or is no longer read.
    pub(super) fn handle_room(
        &mut self,
        permit: Result<mpsc::OwnedPermit<Message>, mpsc::error::SendError<()>>,
    ) {
        if let (Some((_, message)), Ok(permit)) = (self.undelivered.pop_front(), permit) {
            permit.send(message);
        }
        self.connection.set_reading(self.undelivered.is_empty());
    }
}

impl Request {
    fn is_awaited(&self) -> bool {
        match self {
            Self::Subscribe(request) => request.answer.is_some(),
            Self::Unsubscribe(request) => request.answer.is_some(),
        }
    }

    fn respond(self, result: Result<Answer, RequestError>) {
        let answer = match self {
            Self::Subscribe(request) => request.answer,
            Self::Unsubscribe(request) => request.answer,
        };
        if let Some(answer) = answer {
            respond(answer, result);
        }
    }
}

/// Answers somebody who may have stopped waiting, which is no fault.
fn respond<T>(answer: Responder<T>, result: Result<T, RequestError>) {
    let _ = answer.send(result.map_err(ClientError::Request));
}
