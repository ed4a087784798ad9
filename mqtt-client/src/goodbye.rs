//! The end of a connection that we chose.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Sleep;

use crate::{Connection, Error};

/// Patience with a server that shall read our DISCONNECT.
pub(crate) const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Patience with a server that shall close after it.
pub(crate) const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The last bytes leave, then the server closes.
pub(crate) struct Goodbye {
    /// What the program will hear; `None` if it wanted the end itself.
    error: Option<Error>,
    patience: Pin<Box<Sleep>>,
    said: bool,
}

impl Connection {
    pub(crate) fn say_goodbye(&mut self, error: Option<Error>, patience: Duration) {
        self.wanted = 0;
        let patience = Box::pin(tokio::time::sleep(patience));
        self.goodbye = Some(Goodbye {
            error,
            patience,
            said: false,
        });
    }

    /// Writes the rest, shuts the write side, and reads until the server closes: closing at once
    /// with input unread would reset the connection and could lose what we said last.
    pub(crate) fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
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
                let shut = match &mut self.stream {
                    Some(stream) => Pin::new(stream).poll_shutdown(cx),
                    None => Poll::Ready(Ok(())),
                };
                if let Poll::Ready(result) = shut {
                    // What could not be shut down will be closed.
                    is_over = result.is_err();
                    goodbye.said = true;
                    goodbye
                        .patience
                        .as_mut()
                        .reset(self.clock.at(now + CLOSE_PATIENCE));
                }
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
}
