//! Raw bytes on a TCP connection, for what no well-behaved client would send.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::broker::Broker;
use crate::deadline::PATIENCE;

/// A connection to a broker without any idea of the protocol but where a packet ends.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
}

/// One packet as it came: first byte and what follows the remaining length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Type in the upper four bits, flags in the lower.
    pub first: u8,
    /// Variable header and payload.
    pub body: Vec<u8>,
}

impl Packet {
    /// Whether it is of this type: 2 CONNACK, 3 PUBLISH, 9 SUBACK, 13 PINGRESP, 14 DISCONNECT ...
    pub fn is_type(&self, number: u8) -> bool {
        self.first >> 4 == number
    }

    /// A byte of the body.
    pub fn byte(&self, index: usize) -> Option<u8> {
        self.body.get(index).copied()
    }
}

impl Wire {
    /// Connects to the broker's port.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn open(broker: &Broker) -> Self {
        Self::to(&broker.address())
    }

    /// Connects to `host:port`.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn to(address: &str) -> Self {
        Self::attempt(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects to `host:port`, where a broker may be down.
    ///
    /// # Errors
    /// What the system says when nobody listens there.
    pub fn attempt(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket takes a time-out");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket takes a time-out");
        stream
            .set_nodelay(true)
            .expect("a socket takes TCP_NODELAY");
        Ok(Self { stream })
    }

    /// Connects and says CONNECT; returns once the broker has accepted it.
    ///
    /// # Panics
    /// When it is refused.
    pub fn greeted(broker: &Broker, connect: &[u8]) -> Self {
        let mut wire = Self::open(broker);
        wire.send(connect);
        let connack = wire.packet().expect("an answer to CONNECT");
        assert!(
            connack.is_type(2) && connack.byte(1) == Some(0),
            "CONNACK with 0: {connack:02x?}"
        );
        wire
    }

    /// Another handle of the same connection, for a thread that reads while this one writes.
    ///
    /// # Panics
    /// When the process is out of descriptors.
    #[must_use]
    pub fn split(&self) -> Self {
        Self {
            stream: self.stream.try_clone().expect("a descriptor"),
        }
    }

    /// Sends bytes. A broker that has closed already is the business of what is read next.
    ///
    /// # Panics
    /// When the broker does not take them before patience is over.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!waited, "the broker does not read for {PATIENCE:?}");
        }
    }

    /// Sends bytes written in hexadecimal, blanks allowed.
    pub fn send_hex(&mut self, hex: &str) {
        self.send(&bytes_of_hex(hex));
    }

    /// The next packet, or nothing when the broker has closed the connection.
    ///
    /// # Panics
    /// When neither comes before patience is over.
    pub fn packet(&mut self) -> Option<Packet> {
        let first = self.byte()?;
        let mut length = 0_usize;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.fill(&mut body).then_some(Packet { first, body })
    }

    /// Whether nothing has come, not even the end, that was not taken.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn is_silent(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket");
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Packets up to the first of this type, which is the last one returned.
    ///
    /// # Panics
    /// When the connection closes before.
    pub fn packets_until(&mut self, number: u8) -> Vec<Packet> {
        let mut packets = Vec::new();
        loop {
            let packet = self.packet();
            let packet = packet.unwrap_or_else(|| {
                panic!("closed before a packet of type {number} came; got {packets:02x?}")
            });
            let last = packet.is_type(number);
            packets.push(packet);
            if last {
                return packets;
            }
        }
    }

    /// Demands that these bytes, in hexadecimal, come next.
    ///
    /// # Panics
    /// When others come, or none.
    pub fn expect_hex(&mut self, hex: &str) {
        let expected = bytes_of_hex(hex);
        let mut bytes = vec![0; expected.len()];
        assert!(self.fill(&mut bytes), "closed where {hex} was expected");
        assert_eq!(hex_of_bytes(&bytes), hex_of_bytes(&expected));
    }

    /// Everything up to the end of the connection.
    ///
    /// # Panics
    /// When the broker does not close it before patience is over.
    pub fn rest(&mut self) -> Vec<Packet> {
        std::iter::from_fn(|| self.packet()).collect()
    }

    /// Demands that the broker closes the connection without another byte.
    ///
    /// # Panics
    /// When it sends something, or keeps it open.
    pub fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(
            rest.is_empty(),
            "closed without a word expected, got {rest:02x?}"
        );
    }

    /// Ends the sending half: the broker sees the end of the stream.
    pub fn hang_up(&mut self) {
        // Closed by the other side already is as good.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.fill(&mut byte).then(|| u8::from_be_bytes(byte))
    }

    /// Fills `bytes`; false at the end of the connection, however the other side brought it about.
    fn fill(&mut self, bytes: &mut [u8]) -> bool {
        match self.stream.read_exact(bytes) {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the broker neither answered nor closed within {PATIENCE:?}")
            }
            Err(_) => false,
        }
    }
}

/// `10 0e 00` as bytes.
///
/// # Panics
/// When it is not hexadecimal.
pub fn bytes_of_hex(hex: &str) -> Vec<u8> {
    let digit = |character: char| character.to_digit(16).expect("hexadecimal digits");
    let digits: Vec<u32> = hex
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(digit)
        .collect();
    let pairs = digits.chunks_exact(2);
    assert!(
        pairs.remainder().is_empty(),
        "an even number of digits: {hex}"
    );
    let byte = |pair: &[u32]| pair.iter().fold(0, |value, digit| value * 16 + digit);
    pairs
        .map(|pair| u8::try_from(byte(pair)).expect("two digits are a byte"))
        .collect()
}

/// Bytes as `10 0e 00`.
pub fn hex_of_bytes(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}
