//! Streams of messages, as the program reads them.

use std::sync::Arc;

use mqtt_codec::ReasonCode;
use tokio::sync::{mpsc, watch};

use crate::{Answer, Error, Message};

use super::handle::State;

/// The messages of a client that no stream of its own takes.
#[derive(Debug)]
pub struct Messages {
    messages: mpsc::Receiver<Message>,
    state: watch::Receiver<State>,
}

/// The messages of one filter.
#[derive(Debug)]
pub struct Subscription {
    messages: mpsc::Receiver<Message>,
    granted: ReasonCode,
}

impl Messages {
    pub(super) fn new(messages: mpsc::Receiver<Message>, state: watch::Receiver<State>) -> Self {
        Self { messages, state }
    }

    /// Waits for the next message; `None` when the client has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// Why the client has ended, once it has; [`Error::NotConnected`] if the program wanted it so.
    #[must_use]
    pub fn end(&self) -> Option<Arc<Error>> {
        match &*self.state.borrow() {
            State::Ended(error) => Some(Arc::clone(error)),
            State::Connected(_) | State::Reconnecting(_) => None,
        }
    }
}

impl Subscription {
    pub(super) fn new(messages: mpsc::Receiver<Message>, answer: &Answer) -> Self {
        let granted = answer
            .reasons
            .first()
            .copied()
            .unwrap_or(ReasonCode::UnspecifiedError);
        Self { messages, granted }
    }

    /// What the server granted; with a code of 0x80 or more no message will come.
    #[must_use]
    pub fn granted(&self) -> ReasonCode {
        self.granted
    }

    /// Waits for the next message; `None` when the client has ended, or the server refuses the
    /// subscription. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}
