//! Moves bytes between a socket and the session, and reads the clock; decides nothing.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use mqtt_codec::{Decoded, PacketType};
use mqtt_session::client::{Failure, Taken};
use mqtt_session::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWrite};

use crate::delivery::Owned;
use crate::goodbye::CLOSE_PATIENCE;
use crate::{Connection, Error, Event};

/// Bytes read at a time, and room kept for it.
const READ_BYTES: usize = 32 * 1024;

/// Room made at a time for a packet larger than that; what its header claims is not believed.
const GROWTH_BYTES_MAX: usize = 1024 * 1024;

/// With so many bytes that the server does not take, nothing more is read from it.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;

/// Time since the connection object was made.
pub(crate) struct Clock {
    start: tokio::time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        let millis = self.start.elapsed().as_millis();
        Instant::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    pub(crate) fn at(&self, instant: Instant) -> tokio::time::Instant {
        self.start + Duration::from_millis(instant.as_millis())
    }
}

impl Connection {
    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        if self.goodbye.is_some() {
            return self
                .poll_goodbye(cx)
                .map(|result| Err(result.err().unwrap_or(Error::NotConnected)));
        }
        let mut has_looked = false;
        loop {
            if let Some(published) = self.next_outcome() {
                return Poll::Ready(Ok(Event::Published(published)));
            }
            if self.stream.is_none() {
                return Poll::Ready(Err(Error::NotConnected));
            }
            if self.may_read() {
                // Many packets of one read share one look at the clock.
                match self.next_packet(self.now) {
                    Ok(Some(event)) => return Poll::Ready(Ok(event)),
                    Ok(None) => {}
                    Err(failure) => return self.end(failure, cx),
                }
            }
            self.now = self.clock.now();
            let now = self.now;
            if !self.reading {
                self.session.handle_reading_resumed(now);
            }
            // A program that was away for long did not read either. What came in meanwhile is
            // looked at before the server is judged.
            let is_due = self
                .session
                .next_deadline()
                .is_some_and(|deadline| deadline <= now);
            if is_due && !has_looked && self.may_read() {
                has_looked = true;
                if let Poll::Ready(Ok(1..)) = self.poll_read(cx) {
                    continue;
                }
            }
            if let Err(failure) = self.session.handle_tick(now) {
                return self.end(failure, cx);
            }
            // Only now, when all that came in is dealt with: one write answers it all.
            match self.poll_write(now, cx) {
                Poll::Ready(Ok(true)) => continue,
                Poll::Ready(Ok(false)) | Poll::Pending => {}
                // The server may have said why before it closed: that is read first.
                Poll::Ready(Err(error)) => self.broken = Some(error),
            }
            if self.may_read() || self.broken.is_some() {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(1..)) => continue,
                    Poll::Ready(Ok(0)) => return self.lose(None),
                    Poll::Ready(Err(error)) => return self.lose(Some(error)),
                    Poll::Pending if self.broken.is_some() => return self.lose(None),
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

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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
    pub(crate) fn poll_write(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(false));
        };
        let output = self.session.output();
        if self.broken.is_some() || (output.is_empty() && !self.unflushed) {
            return Poll::Ready(Ok(false));
        }
        let count = if output.is_empty() {
            0
        } else {
            match ready!(Pin::new(&mut *stream).poll_write(cx, output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => count,
            }
        };
        // For streams with a buffer of their own; on a socket this does nothing.
        self.unflushed = match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(result) => result.map(|()| false)?,
            Poll::Pending => true,
        };
        if count == 0 {
            return if self.unflushed {
                Poll::Pending
            } else {
                Poll::Ready(Ok(false))
            };
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
            self.say_goodbye(Some(error), CLOSE_PATIENCE);
            return self.poll_event(cx);
        }
        self.close();
        Poll::Ready(Err(error))
    }

    /// The connection is gone: because writing failed before, or with this error, or in silence.
    fn lose(&mut self, error: Option<io::Error>) -> Poll<Result<Event, Error>> {
        let error = self.broken.take().or(error);
        self.close();
        Poll::Ready(Err(error.map_or(Error::Closed, Error::Lost)))
    }
}
