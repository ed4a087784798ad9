//! The task between two connections.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use crate::Error;
use crate::dial::dial;

use super::link::{End, Link};
use super::online::{nobody_left, room};

impl Link {
    /// Waits and dials until a connection stands, serving the handles meanwhile.
    ///
    /// # Errors
    /// How it ended if there shall be no other connection.
    pub(super) async fn offline(&mut self, lost: Error) -> Result<(), End> {
        let mut cause = lost;
        loop {
            if cause.is_permanent() {
                return Err(End::Lost(cause));
            }
            let Some(backoff) = &mut self.backoff else {
                return Err(End::Lost(cause));
            };
            let delay = backoff.next_delay();
            self.tell_reconnecting(Arc::new(cause));
            self.meanwhile(tokio::time::sleep(delay)).await?;
            let options = self.connection.options().clone();
            let attempt = self.meanwhile(async move { dial(&options).await }).await?;
            match attempt.and_then(|stream| self.connection.attach(stream)) {
                Ok(()) => return Ok(()),
                Err(error) => cause = error,
            }
        }
    }

    /// Serves the handles, as far as that can be done without a connection, until `work` is done.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        loop {
            if self.is_over() {
                return Err(End::Farewell(nobody_left()));
            }
            let has_room = self.has_room();
            let is_backed_up = !self.undelivered.is_empty();
            tokio::select! {
                done = &mut work => return Ok(done),
                command = self.commands.recv(), if has_room => match command {
                    None => self.is_forsaken = true,
                    Some(command) => {
                        if let Some(farewell) = self.handle_command(command) {
                            return Err(End::Farewell(farewell));
                        }
                    }
                },
                permit = room(&self.undelivered), if is_backed_up => self.handle_room(permit),
                () = self.messages.closed(), if self.is_forsaken && !self.messages.is_closed() => {}
            }
        }
    }
}
