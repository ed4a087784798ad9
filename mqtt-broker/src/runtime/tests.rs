//! Tests of the whole runtime, over real sockets: clients that speak MQTT by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod writer;

use super::*;
use crate::engine::event::Event;
use crate::engine::limits::ListenerSettings;

/// Long enough for the slowest machine; a test that gets here has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// Keeps what the runtime tells.
#[derive(Default)]
pub(super) struct Told(Mutex<Vec<String>>);

impl Told {
    fn count(&self, begin: &str) -> usize {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.starts_with(begin))
            .count()
    }
}

impl Observer for Told {
    fn event(&self, _event: &Event<'_>, _peer: Option<&PeerAddress>) {}

    fn runtime_event(&self, event: &RuntimeEvent<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

fn settings() -> Settings {
    let listener = ListenerSettings {
        allow_anonymous: true,
        ..ListenerSettings::default()
    };
    Settings {
        listeners: vec![listener],
        max_queued_messages: None,
        max_queued_messages_connected: None,
        ..Settings::default()
    }
}

/// A running broker, and whom to ask what it told.
struct Broker {
    runtime: Runtime,
    address: SocketAddr,
    told: Arc<Told>,
}

fn start(shards: u16, limits: ConnectionLimits) -> Broker {
    start_on(shards, limits, None)
}

fn start_on(
    shards: u16,
    limits: ConnectionLimits,
    store: Option<(Database, Vec<SavedSession>)>,
) -> Broker {
    let told = Arc::new(Told::default());
    let host = Some("127.0.0.1".into());
    let bind = Bind::Tcp {
        host,
        port: 0,
        family: None,
    };
    let listeners = Listeners::open(&[ListenAddress { number: 0, bind }], &*told).unwrap();
    let address = listeners.addresses().next().unwrap();
    let runtime = start_with(shards, limits, listeners, &told, store);
    Broker {
        runtime,
        address,
        told,
    }
}

fn start_with(
    shards: u16,
    limits: ConnectionLimits,
    listeners: Listeners,
    told: &Arc<Told>,
    store: Option<(Database, Vec<SavedSession>)>,
) -> Runtime {
    Runtime::start(RuntimeConfig {
        clock: Clock::start(),
        commons: Arc::new(Commons::new(shards, [7; 32])),
        settings: Arc::new(Settings {
            durable: store.is_some(),
            ..settings()
        }),
        listeners,
        limits,
        observer: Arc::<Told>::clone(told),
        verdict_threads: 1,
        verdicts_waiting_max: 10,
        store,
    })
    .unwrap()
}

impl Broker {
    fn client(&self, client_id: &str) -> Client<TcpStream> {
        let mut client = self.socket();
        client.send(&connect(4, client_id));
        client.expect(0x20);
        client
    }

    fn socket(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client(stream)
    }
}

/// A client's end.
struct Client<S>(S);

impl<S: Read + Write> Client<S> {
    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The next packet: first byte and body; `None` at the end of the connection.
    fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut byte = [0];
        if self.0.read(&mut byte).unwrap() == 0 {
            return None;
        }
        let first = byte[0];
        let (mut length, mut shift) = (0, 0);
        loop {
            self.0.read_exact(&mut byte).unwrap();
            length |= usize::from(byte[0] & 127) << shift;
            shift += 7;
            if byte[0] < 128 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Some((first, body))
    }

    /// The body of the next packet, which begins with this byte.
    fn expect(&mut self, first: u8) -> Vec<u8> {
        let packet = self.receive();
        assert!(
            packet.as_ref().is_some_and(|packet| packet.0 == first),
            "{first:x}: {packet:x?}"
        );
        packet.unwrap().1
    }

    fn subscribe(&mut self, filter: &str) {
        self.send(&subscribe(filter));
        self.expect(0x90);
    }

    /// Waits until the broker has handled all that was sent.
    fn ping(&mut self) {
        self.send(&[0xc0, 0]);
        self.expect(0xd0);
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    while length > 127 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [
        &u16::try_from(text.len()).unwrap().to_be_bytes(),
        text.as_bytes(),
    ]
    .concat()
}

fn connect(level: u8, client_id: &str) -> Vec<u8> {
    let head = [0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 0];
    let properties: &[u8] = if level == 5 { &[0] } else { &[] };
    packet(0x10, &[&head, properties, &text(client_id)].concat())
}

fn subscribe(filter: &str) -> Vec<u8> {
    packet(0x82, &[vec![0, 1], text(filter), vec![0]].concat())
}

fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    packet(0x30, &[&text(topic), payload].concat())
}

#[test]
fn each_publishers_order_is_kept_on_its_way_to_other_shards() {
    const EACH: u32 = 5_000;
    let broker = start(3, ConnectionLimits::default());
    let mut subscribers: Vec<_> = (0..4)
        .map(|number| {
            let mut client = broker.client(&format!("subscriber {number}"));
            client.subscribe("order/#");
            client
        })
        .collect();
    std::thread::scope(|scope| {
        for publisher in 0..6_u32 {
            let mut client = broker.client(&format!("publisher {publisher}"));
            scope.spawn(move || {
                for number in 0..EACH {
                    let payload = [publisher.to_be_bytes(), number.to_be_bytes()].concat();
                    client.send(&publish("order/of", &payload));
                    // Not faster than it is delivered, or QoS 0 may be dropped.
                    if number % 100 == 0 {
                        client.ping();
                    }
                }
                client.ping();
            });
        }
        for client in &mut subscribers {
            scope.spawn(|| {
                let mut next = [0; 6];
                for _ in 0..6 * EACH {
                    let body = client.expect(0x30);
                    let number =
                        |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
                    let publisher = &mut next[number(10) as usize];
                    assert_eq!(number(14), *publisher);
                    *publisher += 1;
                }
            });
        }
    });
    broker.runtime.stop().unwrap();
}

#[test]
fn packets_cut_anywhere_arrive_whole() {
    let broker = start(2, ConnectionLimits::default());
    for size in [1, 2, 7, 130, 4_096, 9_999] {
        let mut client = broker.client("cut");
        let mut stream = subscribe("cut");
        let payloads: Vec<Vec<u8>> = (1..14_u8).map(|n| vec![n; usize::from(n) * 110]).collect();
        payloads
            .iter()
            .for_each(|payload| stream.extend(publish("cut", payload)));
        assert!(stream.len() > 10_000);
        for part in stream.chunks(size) {
            client.send(part);
        }
        client.expect(0x90);
        for payload in payloads {
            assert_eq!(client.expect(0x30)[5..], payload, "parts of {size}");
        }
    }
    broker.runtime.stop().unwrap();
}

#[test]
fn a_client_that_moves_to_another_shard_brings_its_bytes_along() {
    let broker = start(4, ConnectionLimits::default());
    for number in 0..40 {
        let (client_id, mut client) = (format!("mover {number}"), broker.socket());
        let topic = format!("moved/{number}");
        let payload = vec![number; 100_000];
        let all = [
            connect(4, &client_id),
            subscribe(&topic),
            publish(&topic, &payload),
        ]
        .concat();
        client.send(&all);
        client.send(&[0xc0, 0]);
        client.expect(0x20);
        client.expect(0x90);
        assert_eq!(client.expect(0x30)[2 + topic.len()..], payload);
        client.expect(0xd0);
    }
    broker.runtime.stop().unwrap();
}

#[test]
fn who_reads_nothing_holds_neither_others_up_nor_memory() {
    const MESSAGES: usize = 1_000;
    let broker = start(2, ConnectionLimits::default());
    let mut slow = broker.client("slow");
    slow.subscribe("much");
    let mut quick = broker.client("quick");
    quick.subscribe("much");
    let payload = vec![1; 60_000];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = broker.client("publisher");
            for _ in 0..MESSAGES {
                publisher.send(&publish("much", &payload));
                publisher.ping();
            }
        });
        (0..MESSAGES).for_each(|_| assert_eq!(quick.expect(0x30).len(), 6 + payload.len()));
    });
    // What the kernel and the queue held for it comes, and then what is new.
    slow.send(&[0xc0, 0]);
    let received = std::iter::from_fn(|| slow.receive()).take_while(|(first, _)| *first != 0xd0);
    let received = received.count();
    assert!((1..MESSAGES / 2).contains(&received), "{received} messages");
    slow.ping();
    broker.runtime.stop().unwrap();
}

#[test]
fn the_reason_of_a_disconnect_arrives_though_the_client_goes_on_sending() {
    let broker = start(1, ConnectionLimits::default());
    for _ in 0..20 {
        let mut client = broker.socket();
        client.send(&connect(5, "talker"));
        client.expect(0x20);
        let illegal = packet(0x36, &text("qos 3"));
        client.send(&[illegal, publish("t", &vec![0; 200_000])].concat());
        assert_eq!(client.expect(0xe0)[0], 0x81);
        assert_eq!(client.receive(), None);
    }
    broker.runtime.stop().unwrap();
}

#[test]
fn connections_above_the_limit_are_closed_and_places_are_free_again_at_once() {
    let limits = ConnectionLimits {
        global: None,
        listeners: vec![Some(2)],
    };
    let broker = start(2, limits);
    let _first = broker.client("first");
    for _ in 0..50 {
        let mut second = broker.client("second");
        assert_eq!(broker.socket().receive(), None);
        second.send(&[0xe0, 0]);
        assert_eq!(second.receive(), None);
    }
    assert_eq!(broker.told.count("ConnectionDenied"), 50);
    broker
        .runtime
        .apply(&Arc::new(settings()), &ConnectionLimits::default())
        .unwrap();
    let _second = broker.client("second");
    let _third = broker.client("third");
    broker.runtime.stop().unwrap();
}

#[test]
fn who_does_not_take_part_in_the_end_is_dropped() {
    let broker = start(1, ConnectionLimits::default());
    let mut stubborn = broker.client("stubborn");
    stubborn.send(&[0xe0, 0]);
    assert_eq!(stubborn.receive(), None);
    // Our end stays open; once the socket is gone over there, the system says so.
    let sent = std::iter::from_fn(|| {
        std::thread::sleep(Duration::from_millis(50));
        stubborn.0.write_all(&[0; 100]).ok()
    });
    let sent = sent.take(600).count();
    assert!((5..600).contains(&sent), "{sent} times 50 ms");
    broker.runtime.stop().unwrap();
}

#[test]
fn an_accepted_socket_sends_at_once() {
    let told = Told::default();
    let bind = Bind::Loopback { port: 0 };
    let listeners = Listeners::open(&[ListenAddress { number: 0, bind }], &told).unwrap();
    let poll = Poll::new().unwrap();
    let quota = Arc::new(Quota::new(1, &ConnectionLimits::default()));
    let mut acceptor = accept::Acceptor::new(&listeners, poll.registry(), quota).unwrap();
    let _clients: Vec<_> = listeners
        .addresses()
        .map(|address| TcpStream::connect(address).unwrap())
        .collect();
    let (mut events, mut accepted) = (mio::Events::with_capacity(8), Vec::new());
    let mut poll = poll;
    while accepted.len() < listeners.addresses().count() {
        poll.poll(&mut events, Some(DEADLINE)).unwrap();
        assert!(!events.is_empty());
        events
            .iter()
            .for_each(|event| assert!(acceptor.note_ready(event.token())));
        acceptor.accept(Clock::start().now().instant, &told, &mut accepted);
    }
    for accepted in accepted {
        assert!(accepted.socket.tcp_nodelay().unwrap() && accepted.socket.nonblocking().unwrap());
    }
}

#[test]
fn the_end_is_heard_by_all_clients_and_by_nobody_afterwards() {
    let broker = start(2, ConnectionLimits::default());
    let mut clients: Vec<_> = (0..10)
        .map(|number| broker.client(&format!("client {number}")))
        .collect();
    let mut five = broker.socket();
    five.send(&connect(5, "five"));
    five.expect(0x20);
    let mut silent = broker.socket();
    broker.runtime.stop().unwrap();
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.receive(), None));
    assert_eq!(five.expect(0xe0)[0], 0x8b);
    assert_eq!(silent.receive(), None);
    assert!(TcpStream::connect(broker.address).is_err());
}

#[test]
fn a_link_is_a_client_that_no_listener_counts() {
    let broker = start(
        2,
        ConnectionLimits {
            global: Some(0),
            listeners: Vec::new(),
        },
    );
    let host = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let mut clients: Vec<_> = (0..4)
        .map(|_| {
            let link = host.block_on(async { broker.runtime.link().unwrap().into_std().unwrap() });
            link.set_nonblocking(false).unwrap();
            link.set_read_timeout(Some(DEADLINE)).unwrap();
            Client(link)
        })
        .collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&connect(4, &format!("link {number}")));
        client.expect(0x20);
        client.subscribe("to all");
    }
    clients[0].send(&publish("to all", b"1"));
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.expect(0x30)[8..], *b"1"));
    assert_eq!(broker.told.count("NewConnection"), 0);
    broker.runtime.stop().unwrap();
}

#[test]
fn a_unix_socket_serves_its_group_and_leaves_no_path_behind() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.sock");
    // As a broker that was killed leaves it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let told = Arc::new(Told::default());
    let bind = Bind::Unix { path: path.clone() };
    let listeners = Listeners::open(&[ListenAddress { number: 0, bind }], &*told).unwrap();
    let runtime = start_with(2, ConnectionLimits::default(), listeners, &told, None);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o770
    );
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut client = Client(stream);
    client.send(&connect(4, "unix"));
    client.expect(0x20);
    runtime.stop().unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    let bind = Bind::Unix { path: path.clone() };
    let refused = Listeners::open(&[ListenAddress { number: 0, bind }], &*told).unwrap_err();
    assert!(
        matches!(refused, ListenError::NotASocket { .. }),
        "{refused}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

/// What the child process of the next test is told by.
const PORT: &str = "MQTT_TEST_SHEDDING_PORT";

#[test]
fn without_descriptors_connections_are_closed_instead_of_waiting() {
    const THIS: &str =
        "runtime::tests::without_descriptors_connections_are_closed_instead_of_waiting";
    if std::env::var_os(PORT).is_some() {
        return serve_with_few_descriptors();
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", THIS, "--nocapture"])
        .env(PORT, "")
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let address = lines
        .find_map(|line| line.unwrap().parse::<SocketAddr>().ok())
        .unwrap();
    let connect_to = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Client(stream)
    };
    let mut served = Vec::new();
    for number in 0..300 {
        let mut client = connect_to();
        // It may be reset while the CONNECT is on its way.
        let _ = client.0.write_all(&connect(4, &format!("client {number}")));
        let mut first = [0];
        if client.0.read(&mut first).is_ok_and(|read| read == 1) {
            client.0.read_exact(&mut [0; 3]).unwrap();
            served.push(client);
        }
    }
    assert!((10..200).contains(&served.len()), "{} served", served.len());
    served.iter_mut().for_each(Client::ping);
    served.truncate(5);
    let mut late = loop {
        let mut client = connect_to();
        let _ = client.0.write_all(&connect(4, "late"));
        if client.0.read_exact(&mut [0; 4]).is_ok() {
            break client;
        }
    };
    late.ping();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Serves until standard input ends, with room for some 80 connections.
fn serve_with_few_descriptors() {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, 100, 100).unwrap();
    let broker = start(2, ConnectionLimits::default());
    eprintln!("{}", broker.address);
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    // Told once for each shard in some seconds, not for each connection.
    assert!((1..20).contains(&broker.told.count("OutOfDescriptors")));
    broker.runtime.stop().unwrap();
}
