//! What waits to be written to the server, and who hears of it.

use mqtt_codec::{Packet, Version};

use super::settings::{Direction, Trace};

/// With so many bytes unwritten nothing more is published; acknowledgements still are.
pub(super) const FULL_BYTES: usize = 256 * 1024;

/// A buffer that once grew beyond this is given back when it runs empty.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Encoded packets in order. Positions count bytes since the connection was opened.
pub(super) struct Output {
    version: Version,
    bytes: Vec<u8>,
    /// How much of `bytes` was written.
    start: usize,
    /// Position of the end of `bytes`.
    end: u64,
    trace: Option<Trace>,
}

impl Output {
    pub(super) fn new(version: Version, trace: Option<Trace>) -> Self {
        Self {
            version,
            bytes: Vec::new(),
            start: 0,
            end: 0,
            trace,
        }
    }

    /// Encodes a packet. The caller has compared its size with the limits.
    pub(super) fn send(&mut self, packet: &Packet<'_>) {
        self.trace(Direction::Sent, packet);
        let before = self.bytes.len();
        packet.encode(self.version, &mut self.bytes);
        self.end = self.end.saturating_add((self.bytes.len() - before) as u64);
    }

    #[inline]
    pub(super) fn trace(&self, direction: Direction, packet: &Packet<'_>) {
        if let Some(trace) = &self.trace {
            trace(direction, packet);
        }
    }

    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() - self.start >= FULL_BYTES
    }

    /// The position up to which packets were encoded.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The position up to which bytes were written.
    pub(super) fn written(&self) -> u64 {
        self.end.saturating_sub(self.pending().len() as u64)
    }

    /// So many more bytes were written.
    pub(super) fn advance(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.empty();
        } else if self.start >= FULL_BYTES {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// A new connection starts with nothing.
    pub(super) fn reset(&mut self) {
        self.empty();
        self.end = 0;
    }

    fn empty(&mut self) {
        self.start = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
    }
}
