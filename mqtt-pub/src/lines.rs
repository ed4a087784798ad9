//! Messages from the lines of a stream.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::payload::MESSAGE_BYTES_MAX;

/// Bytes asked for at a time.
const READ_BYTES: usize = 64 * 1024;

/// Takes a stream apart into lines, without their LF. A CR stays, and a NUL ends the message, as
/// with the original; a last line needs no LF.
pub(crate) struct Lines<R> {
    input: R,
    buffer: BytesMut,
    /// Bytes at the front of the buffer that hold no LF.
    searched: usize,
    is_ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            buffer: BytesMut::new(),
            searched: 0,
            is_ended: false,
        }
    }

    /// The next line that is there already.
    pub(crate) fn next_line(&mut self) -> Option<Bytes> {
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let line = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let mut line = self.buffer.split_to(self.searched + end + 1);
                line.truncate(line.len() - 1);
                line
            }
            None if self.is_ended && !self.buffer.is_empty() => self.buffer.split(),
            None => {
                self.searched = self.buffer.len();
                return None;
            }
        };
        self.searched = 0;
        let mut line = line.freeze();
        if let Some(end) = line.iter().position(|byte| *byte == 0) {
            line.truncate(end);
        }
        Some(line)
    }

    /// Reads more. Cancel safe.
    ///
    /// # Errors
    /// Those of the stream, and a line that is too long for a message.
    pub(crate) async fn read(&mut self) -> io::Result<()> {
        if self.buffer.len() > MESSAGE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.buffer.reserve(READ_BYTES);
        self.is_ended = self.input.read_buf(&mut self.buffer).await? == 0;
        Ok(())
    }

    /// Whether the stream has ended; lines may still be there.
    pub(crate) const fn is_ended(&self) -> bool {
        self.is_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn lines_are_cut_at_lf_and_nul_only() {
        let mut lines = Lines::new(&b"one\r\n\ntwo\0cut\nlast"[..]);
        assert_eq!(lines.next_line(), None);
        let mut found = Vec::new();
        while !lines.is_ended() {
            lines.read().await.unwrap();
            found.extend(std::iter::from_fn(|| lines.next_line()));
        }
        assert_eq!(found, [&b"one\r"[..], b"", b"two", b"last"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_empty_stream_has_no_lines() {
        let mut lines = Lines::new(&b""[..]);
        lines.read().await.unwrap();
        assert!(lines.is_ended());
        assert_eq!(lines.next_line(), None);
    }
}
