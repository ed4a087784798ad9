//! The task while there is a connection.

use tokio::sync::mpsc;

use mqtt_codec::{PropertiesBuf, ReasonCode};

use crate::Message;

use super::link::{End, Farewell, Link};

impl Link {
    /// Serves handles and server until the connection is lost or no longer wanted.
    pub(super) async fn online(&mut self) -> End {
        loop {
            if self.is_over() {
                return End::Farewell(nobody_left());
            }
            let has_room = self.has_room();
            let is_backed_up = !self.undelivered.is_empty();
            tokio::select! {
                // Commands first: what they write then leaves with one write.
                biased;
                command = self.commands.recv(), if has_room => match command {
                    None => self.is_forsaken = true,
                    Some(command) => {
                        if let Some(farewell) = self.handle_commands(command) {
                            return End::Farewell(farewell);
                        }
                    }
                },
                permit = room(&self.undelivered), if is_backed_up => self.handle_room(permit),
                event = self.connection.next_event() => match event {
                    Ok(event) => self.handle_event(event),
                    Err(error) => return End::Lost(error),
                },
                () = self.messages.closed(), if self.is_forsaken && !self.messages.is_closed() => {}
            }
        }
    }

    /// Carries out a command and all that wait behind it, as far as there is room.
    fn handle_commands(&mut self, first: super::command::Command) -> Option<Farewell> {
        let mut next = Some(first);
        while let Some(command) = next {
            if let Some(farewell) = self.handle_command(command) {
                return Some(farewell);
            }
            next = if self.has_room() {
                self.commands.try_recv().ok()
            } else {
                None
            };
        }
        None
    }
}

/// All handles and streams were dropped: a normal end.
pub(super) fn nobody_left() -> Farewell {
    Farewell {
        reason: ReasonCode::Success,
        properties: PropertiesBuf::new(),
        answer: None,
    }
}

/// Waits for room in the stream of the first message that waits for it.
pub(super) async fn room(
    undelivered: &std::collections::VecDeque<(mpsc::Sender<Message>, Message)>,
) -> Result<mpsc::OwnedPermit<Message>, mpsc::error::SendError<()>> {
    match undelivered.front() {
        Some((stream, _)) => stream.clone().reserve_owned().await,
        None => std::future::pending().await,
    }
}
