//! Prints the packets of a captured byte stream, from a file or standard input.
//!
//! `sniff [--server] [FILE]`: without `--server` the bytes are what a client sent, and begin with
//! CONNECT; with it, what a server answered in 5.0. It stops where the bytes are no packet.

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
};

use mqtt_codec::{Decoded, Limits, Packet, Sender, Version, decode, decode_connect};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut sender, mut bytes, mut file) = (Sender::Client, Vec::new(), None);
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--server" => sender = Sender::Server,
            _ => file = Some(word),
        }
    }
    match file {
        Some(path) => bytes = fs::read(path)?,
        None => drop(io::stdin().read_to_end(&mut bytes)?),
    }
    print_packets(&bytes, sender, &mut io::stdout().lock())
}

fn print_packets(bytes: &[u8], sender: Sender, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (mut rest, limits) = (bytes, Limits::default());
    // Only a client tells its version.
    let mut version = if sender == Sender::Server {
        Some(Version::V5)
    } else {
        None
    };
    while !rest.is_empty() {
        let decoded = match version {
            Some(version) => decode(rest, version, sender, &limits)?,
            None => decode_connect(rest, &limits)?.map(Packet::Connect),
        };
        let Decoded::Packet { packet, consumed } = decoded else {
            writeln!(out, "{} bytes of an incomplete packet", rest.len())?;
            break;
        };
        if let Packet::Connect(connect) = packet {
            version = Some(connect.version);
        }
        writeln!(out, "{:>8} {packet:?}", bytes.len() - rest.len())?;
        rest = rest.get(consumed..).unwrap_or_default();
    }
    Ok(())
}
