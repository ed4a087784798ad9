//! A server that plays a part: says and expects packets, one by one.

use mqtt_client::{
    Packet, PacketId, Properties, PropertiesBuf, Property, QoS, ReasonCode, TopicName, Version,
};
use mqtt_codec::{
    Ack, Connack, Decoded, Limits, Publish, Sender, Suback, Unsuback, decode, decode_connect,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

use crate::soon;

/// The server's end of one connection.
pub(crate) struct Part<S> {
    pub(crate) stream: S,
    version: Version,
    input: Vec<u8>,
}

/// A pipe, and the server's end of it.
pub(crate) fn pipe(version: Version) -> (DuplexStream, Part<DuplexStream>) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    (client, Part::new(server, version))
}

/// The next connection to a listener.
pub(crate) async fn accept(listener: &TcpListener, version: Version) -> Part<TcpStream> {
    Part::new(soon(listener.accept()).await.unwrap().0, version)
}

impl<S: AsyncReadExt + AsyncWriteExt + Unpin> Part<S> {
    fn new(stream: S, version: Version) -> Self {
        Self {
            stream,
            version,
            input: Vec::new(),
        }
    }

    /// The next packet as a line that shows what tests look at.
    pub(crate) async fn hears(&mut self) -> String {
        loop {
            if let Some((line, consumed)) = self.first_line() {
                self.input.drain(..consumed);
                return line;
            }
            let count = soon(self.stream.read_buf(&mut self.input)).await.unwrap();
            assert!(count > 0, "the client closed where a packet was expected");
        }
    }

    /// Nothing more comes but the end.
    pub(crate) async fn hears_the_end(&mut self) {
        let mut rest = std::mem::take(&mut self.input);
        soon(self.stream.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty(), "{rest:02x?}");
    }

    pub(crate) async fn says(&mut self, packet: Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes);
        self.says_bytes(&bytes).await;
    }

    pub(crate) async fn says_bytes(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Takes CONNECT, whose line is returned, and accepts it.
    pub(crate) async fn accepts(&mut self, session_present: bool, said: &[Property<'_>]) -> String {
        let connect = self.hears().await;
        let said: PropertiesBuf = said.iter().copied().collect();
        self.says(Packet::Connack(Connack {
            session_present,
            reason: ReasonCode::Success,
            properties: said.as_properties(),
        }))
        .await;
        connect
    }

    fn first_line(&self) -> Option<(String, usize)> {
        let limits = Limits::default();
        let decoded = match self.input.first() {
            Some(0x10) => decode_connect(&self.input, &limits)
                .unwrap()
                .map(Packet::Connect),
            Some(_) => decode(&self.input, self.version, Sender::Client, &limits).unwrap(),
            None => return None,
        };
        match decoded {
            Decoded::Packet { packet, consumed } => Some((line(&packet), consumed)),
            Decoded::Incomplete(_) => None,
        }
    }
}

fn line(packet: &Packet<'_>) -> String {
    let name = packet.packet_type().name();
    match packet {
        Packet::Connect(connect) => {
            format!(
                "CONNECT {} clean {}",
                connect.client_id, connect.clean_start
            )
        }
        Packet::Publish(publish) => {
            let packet_id = publish.packet_id.map_or(0, PacketId::get);
            let payload = String::from_utf8_lossy(publish.payload);
            format!(
                "PUBLISH m{packet_id} q{} d{} {payload}",
                publish.qos,
                u8::from(publish.dup)
            )
        }
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            format!("{name} m{}", ack.packet_id)
        }
        Packet::Subscribe(subscribe) => {
            let filters: Vec<_> = subscribe.filters.iter().map(|(filter, _)| filter).collect();
            format!("SUBSCRIBE m{} {}", subscribe.packet_id, filters.join(" "))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<_> = unsubscribe.filters.iter().collect();
            format!(
                "UNSUBSCRIBE m{} {}",
                unsubscribe.packet_id,
                filters.join(" ")
            )
        }
        Packet::Disconnect(disconnect) => {
            let why = disconnect.properties.reason_string().unwrap_or_default();
            format!("DISCONNECT {:#04x} {why}", disconnect.reason.as_u8())
        }
        _ => name.to_owned(),
    }
}

pub(crate) fn publish(qos: QoS, packet_id: u16, payload: &[u8]) -> Packet<'_> {
    publish_to("t", qos, packet_id, payload)
}

pub(crate) fn publish_to<'a>(
    topic: &'a str,
    qos: QoS,
    packet_id: u16,
    payload: &'a [u8],
) -> Packet<'a> {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::parse(topic).unwrap()),
        packet_id: PacketId::new(packet_id),
        properties: Properties::EMPTY,
        payload,
    })
}

pub(crate) fn ack(packet_id: u16) -> Ack<'static> {
    Ack::new(PacketId::new(packet_id).unwrap())
}

pub(crate) fn suback(packet_id: u16, reasons: &[u8]) -> Packet<'_> {
    let packet_id = PacketId::new(packet_id).unwrap();
    Packet::Suback(Suback {
        packet_id,
        properties: Properties::EMPTY,
        reasons,
    })
}

pub(crate) fn unsuback(packet_id: u16, reasons: &[u8]) -> Packet<'_> {
    let packet_id = PacketId::new(packet_id).unwrap();
    Packet::Unsuback(Unsuback {
        packet_id,
        properties: Properties::EMPTY,
        reasons,
    })
}
