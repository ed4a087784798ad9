//! `Connection` over a pipe, against a server that plays a part.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use mqtt_client::{
    Acknowledge, Connection, DeliverQos2, Error, Event, Message, Options, Packet, Properties,
    PropertiesBuf, Property, Publication, QoS, ReasonCode, RequestError, Version,
};
use mqtt_codec::{Connack, Disconnect};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::part::{Part, ack, pipe, publish, suback};
use crate::{end_of, next, options, with_qos};

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

/// A connection up to CONNACK, and the server's end.
async fn connected(options: Options, version: Version) -> (Connection, Part<DuplexStream>) {
    let (client, mut part) = pipe(version);
    let mut connection = Connection::from_stream(client, options.version(version)).unwrap();
    let accepted = async { part.accepts(false, &[]).await };
    let (event, _) = tokio::join!(next(&mut connection), accepted);
    assert!(matches!(event, Event::Connected(_)), "{event:?}");
    (connection, part)
}

fn message_of(event: Event) -> Message {
    match event {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_tells_the_code_as_it_came() {
    for (version, reason, code) in [
        (Version::V311, ReasonCode::NotAuthorized, 5),
        (Version::V5, ReasonCode::NotAuthorized, 135),
    ] {
        let (client, mut part) = pipe(version);
        let mut connection = Connection::from_stream(client, options().version(version)).unwrap();
        part.says(Packet::Connack(Connack::refusal(reason))).await;
        let Error::Refused(refusal) = end_of(&mut connection).await else {
            panic!("refused")
        };
        assert_eq!((refusal.code, refusal.reason), (code, reason));
        assert!(matches!(end_of(&mut connection).await, Error::NotConnected));
    }
}

#[tokio::test]
async fn the_ways_to_lose_a_connection_are_told_apart() {
    let (mut connection, mut part) = connected(options(), Version::V5).await;
    part.says(Packet::Disconnect(Disconnect::new(
        ReasonCode::ServerShuttingDown,
    )))
    .await;
    let error = end_of(&mut connection).await;
    let expected = ReasonCode::ServerShuttingDown;
    assert!(
        matches!(error, Error::Disconnected { reason, .. } if reason == expected),
        "{error}"
    );

    let (mut connection, part) = connected(options(), Version::V5).await;
    drop(part);
    assert!(matches!(end_of(&mut connection).await, Error::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_left() {
    let (mut connection, mut part) = connected(options().keep_alive(10), Version::V5).await;
    let start = tokio::time::Instant::now();
    let error = connection.next_event().await.unwrap_err();
    assert!(matches!(error, Error::KeepAliveExceeded), "{error}");
    // The first ping left after 7.5 s; its answer may take the whole Keep Alive.
    assert_eq!(start.elapsed().as_millis() / 100, 175);
    assert_eq!(part.hears().await, "PINGREQ");
    assert_eq!(
        part.hears().await,
        "PINGREQ",
        "our own silence asks for one"
    );
    part.hears_the_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_waited_for_as_long_as_the_options_say() {
    for (timeout, expected) in [(None, 10), (Some(Duration::from_secs(3)), 3)] {
        let (client, _part) = pipe(Version::V5);
        let options = options().keep_alive(10).connack_timeout(timeout);
        let mut connection = Connection::from_stream(client, options).unwrap();
        let start = tokio::time::Instant::now();
        let error = connection.next_event().await.unwrap_err();
        assert!(matches!(error, Error::ConnackTimeout), "{error}");
        assert_eq!(start.elapsed().as_secs(), expected);
    }
}

#[tokio::test]
async fn a_server_that_breaks_the_protocol_hears_why() {
    let (mut connection, mut part) = connected(options(), Version::V5).await;
    // A PUBLISH with both QoS bits. [MQTT-3.3.1-4]
    part.says_bytes(b"\x36\x05\x00\x01t\x00\x01").await;
    let (error, said) = tokio::join!(end_of(&mut connection), async {
        let said = part.hears().await;
        part.hears_the_end().await;
        drop(part);
        said
    });
    assert_eq!(said.trim(), "DISCONNECT 0x81");
    let malformed = ReasonCode::MalformedPacket;
    assert!(
        matches!(error, Error::Protocol { reason, .. } if reason == malformed),
        "{error}"
    );
}

#[tokio::test]
async fn disconnecting_writes_everything_first() {
    let (mut connection, mut part) = connected(options(), Version::V5).await;
    connection
        .publish(Publication::new("t", "last words"))
        .unwrap();
    let why: PropertiesBuf = [Property::ReasonString("enough")].into_iter().collect();
    let (result, ()) = tokio::join!(
        connection.disconnect(ReasonCode::DisconnectWithWill, why.as_properties()),
        async {
            assert_eq!(part.hears().await, "PUBLISH m0 q0 d0 last words");
            assert_eq!(part.hears().await, "DISCONNECT 0x04 enough");
            part.hears_the_end().await;
            drop(part);
        }
    );
    result.unwrap();
    // What was written is told even now.
    assert!(matches!(next(&mut connection).await, Event::Published(done) if done.outcome.is_ok()));
    assert!(matches!(end_of(&mut connection).await, Error::NotConnected));
}

#[tokio::test(start_paused = true)]
async fn disconnecting_does_not_wait_for_ever() {
    let (mut connection, _part) = connected(options(), Version::V311).await;
    connection
        .publish(Publication::new("t", vec![0; 200_000]))
        .unwrap();
    // The pipe holds 64 KiB and nobody reads.
    let result = connection
        .disconnect(ReasonCode::Success, Properties::EMPTY)
        .await;
    assert!(matches!(result, Err(Error::Lost(error)) if error.kind() == io::ErrorKind::TimedOut));
}

#[tokio::test]
async fn events_survive_being_dropped_while_awaited() {
    let (mut connection, mut part) = connected(options(), Version::V311).await;
    let mut bytes = Vec::new();
    for packet_id in 1..=5 {
        publish(Q1, packet_id, b"payload").encode(Version::V311, &mut bytes);
    }
    let mut seen = Vec::new();
    for byte in bytes {
        part.says_bytes(&[byte]).await;
        // Polled once and dropped, whatever it was about.
        tokio::select! {
            biased;
            event = connection.next_event() => seen.push(message_of(event.unwrap())),
            () = std::future::ready(()) => {}
        }
    }
    let ids: Vec<_> = seen
        .iter()
        .filter_map(Message::packet_id)
        .map(|id| id.get())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

/// Counts the writes that pass through.
struct Counting {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn what_came_together_is_answered_together() {
    let (stream, mut part) = pipe(Version::V311);
    let writes = Arc::new(AtomicUsize::new(0));
    let stream = Counting {
        stream,
        writes: Arc::clone(&writes),
    };
    let mut connection = Connection::from_stream(stream, options().version(Version::V311)).unwrap();
    tokio::join!(next(&mut connection), async {
        part.accepts(false, &[]).await
    });
    let before = writes.load(Ordering::Relaxed);
    let mut bytes = Vec::new();
    for packet_id in 1..=500 {
        publish(Q1, packet_id, b"x").encode(Version::V311, &mut bytes);
    }
    part.says_bytes(&bytes).await;
    for packet_id in 1..=500 {
        let message = message_of(next(&mut connection).await);
        assert_eq!(message.packet_id().unwrap().get(), packet_id);
    }
    connection.flush().await.unwrap();
    for packet_id in 1..=500 {
        assert_eq!(part.hears().await, format!("PUBACK m{packet_id}"));
    }
    let writes = writes.load(Ordering::Relaxed) - before;
    assert!(writes <= 2, "{writes} writes for 500 acknowledgements");
}

#[tokio::test]
async fn a_message_larger_than_the_read_buffer_arrives_whole() {
    let (mut connection, mut part) = connected(options(), Version::V5).await;
    let payload: Vec<u8> = (0..3_000_000_u32)
        .map(|index| index.to_le_bytes()[1])
        .collect();
    let (event, ()) = tokio::join!(next(&mut connection), part.says(publish(Q0, 0, &payload)));
    assert_eq!(message_of(event).payload()[..], payload);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_reads_the_server_waits_and_is_not_blamed() {
    let (mut connection, mut part) = connected(options().keep_alive(10), Version::V311).await;
    part.says(publish(Q0, 0, b"waits")).await;
    connection.set_reading(false);
    let idle = tokio::time::timeout(Duration::from_secs(100), connection.next_event()).await;
    assert!(idle.is_err(), "nothing is told, and nothing ends: {idle:?}");
    assert_eq!(part.hears().await, "PINGREQ");
    connection.set_reading(true);
    assert_eq!(
        message_of(next(&mut connection).await).payload()[..],
        *b"waits"
    );
}

#[tokio::test]
async fn a_qos_2_message_can_wait_for_its_release() {
    let options = options().deliver_qos2(DeliverQos2::OnRelease);
    let (mut connection, mut part) = connected(options, Version::V5).await;
    part.says(publish(Q2, 1, b"first")).await;
    part.says(publish(Q2, 1, b"first, repeated")).await;
    part.says(publish(Q1, 2, b"second")).await;
    assert_eq!(
        message_of(next(&mut connection).await).payload()[..],
        *b"second"
    );
    part.says(Packet::Pubrel(ack(1))).await;
    assert_eq!(
        message_of(next(&mut connection).await).payload()[..],
        *b"first"
    );
    connection.flush().await.unwrap();
    for expected in ["PUBREC m1", "PUBREC m1", "PUBACK m2", "PUBCOMP m1"] {
        assert_eq!(part.hears().await, expected);
    }
}

#[tokio::test]
async fn a_program_can_acknowledge_by_hand() {
    let options = options().acknowledge(Acknowledge::ByHand);
    let (mut connection, mut part) = connected(options, Version::V5).await;
    part.says(publish(Q1, 1, b"")).await;
    part.says(publish(Q1, 2, b"")).await;
    let first = message_of(next(&mut connection).await).packet_id().unwrap();
    let second = message_of(next(&mut connection).await).packet_id().unwrap();
    connection.acknowledge(second, ReasonCode::Success).unwrap();
    connection.acknowledge(first, ReasonCode::Success).unwrap();
    connection.flush().await.unwrap();
    assert_eq!(part.hears().await, "PUBACK m1");
    assert_eq!(part.hears().await, "PUBACK m2");
}

#[tokio::test]
async fn answers_to_requests_come_as_events() {
    let (mut connection, mut part) = connected(options(), Version::V5).await;
    let filters = [("a", with_qos(Q1)), ("b", with_qos(Q2))];
    let packet_id = connection.subscribe(&filters, Properties::EMPTY).unwrap();
    let (event, ()) = tokio::join!(next(&mut connection), async {
        assert_eq!(part.hears().await, "SUBSCRIBE m1 a b");
        part.says(suback(1, &[1, 0x87])).await;
    });
    let Event::Subscribed(answer) = event else {
        panic!("{event:?}")
    };
    assert_eq!(answer.packet_id, packet_id);
    assert_eq!(
        answer.reasons,
        [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized]
    );
}

#[tokio::test]
async fn without_a_connection_requests_are_refused() {
    let mut connection = Connection::new(options());
    let subscribed = connection.subscribe(&[("a", with_qos(Q0))], Properties::EMPTY);
    assert_eq!(subscribed, Err(RequestError::NotConnected));
    let published = connection.publish(Publication::new("t", ""));
    assert_eq!(published, Err(RequestError::NotConnected));
    assert!(matches!(connection.flush().await, Err(Error::NotConnected)));
    let left = connection
        .disconnect(ReasonCode::Success, Properties::EMPTY)
        .await;
    assert!(matches!(left, Err(Error::NotConnected)));
    assert!(matches!(end_of(&mut connection).await, Error::NotConnected));
}

#[tokio::test]
async fn the_last_words_of_a_server_are_heard_even_if_it_takes_no_more() {
    let (mut connection, mut part) = connected(options(), Version::V5).await;
    part.says(Packet::Disconnect(Disconnect::new(
        ReasonCode::QuotaExceeded,
    )))
    .await;
    drop(part);
    connection
        .publish(Publication::new("t", "cannot be written"))
        .unwrap();
    let error = end_of(&mut connection).await;
    let expected = ReasonCode::QuotaExceeded;
    assert!(
        matches!(error, Error::Disconnected { reason, .. } if reason == expected),
        "{error}"
    );
    // The message is told to be lost.
    let lost = Err(RequestError::NotConnected);
    assert!(matches!(next(&mut connection).await, Event::Published(done) if done.outcome == lost));
}

#[tokio::test(start_paused = true)]
async fn a_program_that_was_away_does_not_blame_the_server() {
    let (mut connection, mut part) = connected(options().keep_alive(10), Version::V311).await;
    let idle = Duration::from_secs(11);
    assert!(
        tokio::time::timeout(idle, connection.next_event())
            .await
            .is_err()
    );
    assert_eq!(part.hears().await, "PINGREQ");
    part.says(Packet::Pingresp).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let second = Duration::from_secs(1);
    let event = tokio::time::timeout(second, connection.next_event()).await;
    assert!(event.is_err(), "{event:?}");
}
