//! A client of `mqtt-client`, and before it a server that a test plays by hand.

use std::time::Duration;

use mqtt_client::{Address, Connection, Error, Event, Options, Properties, ReasonCode};
use mqtt_tests::{PATIENCE, hex_of_bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// CONNACK of 3.x: accepted, no session was present.
pub(crate) const ACCEPTED_3: [u8; 4] = [0x20, 2, 0, 0];
/// CONNACK of 5.0: accepted, no session was present, no properties.
pub(crate) const ACCEPTED: [u8; 5] = [0x20, 3, 0, 0, 0];
/// CONNACK of 5.0: accepted, the session goes on.
pub(crate) const RESUMED: [u8; 5] = [0x20, 3, 1, 0, 0];
/// PINGREQ.
pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];

/// CONNACK of 5.0 that accepts with these properties.
pub(crate) fn accepted_with(properties: &[u8]) -> Vec<u8> {
    let block = u8::try_from(properties.len()).expect("a short block");
    [&[0x20, 3 + block, 0, 0, block], properties].concat()
}

/// Both ends of a connection. The client runs while the server listens or waits.
pub(crate) struct Stage {
    pub(crate) client: Connection,
    listener: TcpListener,
    /// The server's end of the present connection.
    server: Option<TcpStream>,
    /// What the client told and no test has asked for yet.
    told: Vec<Event>,
    /// Why the client says that the connection has ended.
    end: Option<Error>,
}

impl Stage {
    /// A client with these options, 5.0 and no keep alive unless they say otherwise.
    pub(crate) async fn new(options: impl FnOnce(Options) -> Options) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let address = Address::tcp("127.0.0.1", port);
        let client = Connection::new(options(
            Options::new(address).client_id("client").keep_alive(0),
        ));
        Self {
            client,
            listener,
            server: None,
            told: Vec::new(),
            end: None,
        }
    }

    /// The same, accepted with this CONNACK.
    pub(crate) async fn connected(
        options: impl FnOnce(Options) -> Options,
        connack: impl AsRef<[u8]>,
    ) -> Self {
        let mut stage = Self::new(options).await;
        stage.connect(connack).await;
        stage
    }

    /// The client tries to begin a connection; it has refused its own options, or says CONNECT.
    pub(crate) async fn dial(&mut self) -> Result<(), Error> {
        self.client.dial().await
    }

    /// A new connection, up to CONNECT, which is returned. A connection before it is cut.
    pub(crate) async fn open(&mut self) -> Vec<u8> {
        self.server = None;
        self.end = None;
        self.client.close();
        let dialled = tokio::join!(self.client.dial(), self.listener.accept());
        dialled.0.expect("the listener listens");
        self.server = Some(dialled.1.expect("the client comes").0);
        self.hear().await
    }

    /// A new connection that the server accepts with this CONNACK; returns CONNECT.
    pub(crate) async fn connect(&mut self, connack: impl AsRef<[u8]>) -> Vec<u8> {
        let connect = self.open().await;
        assert!(
            connect.starts_with(&[0x10]),
            "CONNECT comes first: {connect:02x?}"
        );
        self.say(connack).await;
        let event = self.event().await;
        assert!(matches!(event, Event::Connected(_)), "{event:?}");
        connect
    }

    /// The server sends bytes.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let server = self.server.as_mut().expect("a connection");
        let sent = server.write_all(bytes.as_ref()).await;
        sent.expect("the client is there");
    }

    /// The client's next packet.
    pub(crate) async fn hear(&mut self) -> Vec<u8> {
        let packet = self.packet_within(PATIENCE).await;
        packet.expect("the client says something in time")
    }

    /// Demands that the client's next packets are these.
    pub(crate) async fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let expected = bytes.as_ref();
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            heard.extend(self.hear().await);
        }
        assert_eq!(hex_of_bytes(&heard), hex_of_bytes(expected));
    }

    /// Demands that the client says nothing for this long.
    pub(crate) async fn expect_silence(&mut self, length: Duration) {
        let packet = self.packet_within(length).await;
        assert_eq!(packet, None, "nothing is said within {length:?}");
    }

    /// The client's next packet, if it comes in time.
    async fn packet_within(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let server = self.server.as_mut().expect("a connection");
        let reading = read_packet(server);
        tokio::pin!(reading);
        let timeout = tokio::time::sleep(patience);
        tokio::pin!(timeout);
        loop {
            tokio::select! {
                biased;
                packet = &mut reading => return Some(packet),
                event = self.client.next_event(), if self.end.is_none() => match event {
                    Ok(event) => self.told.push(event),
                    Err(error) => self.end = Some(error),
                },
                () = &mut timeout => return None,
            }
        }
    }

    /// The next thing that the client tells its program.
    pub(crate) async fn event(&mut self) -> Event {
        if !self.told.is_empty() {
            return self.told.remove(0);
        }
        let event = tokio::time::timeout(PATIENCE, self.client.next_event()).await;
        let event = event.expect("the client tells something in time");
        event.expect("the connection stands")
    }

    /// The next message: its topic and its payload.
    pub(crate) async fn message(&mut self) -> (String, String) {
        let event = self.event().await;
        let Event::Message(message) = event else {
            panic!("a message expected: {event:?}");
        };
        let payload = String::from_utf8_lossy(message.payload()).into_owned();
        (message.topic().to_owned(), payload)
    }

    /// Demands that the client ends the connection, after it has said just this; returns why.
    pub(crate) async fn expect_end(&mut self, said: impl AsRef<[u8]>) -> Error {
        let mut server = self.server.take().expect("a connection");
        let mut rest = Vec::new();
        let reading = async {
            // A client that goes with our bytes unread resets the connection: an end as well.
            let _ = server.read_to_end(&mut rest).await;
            drop(server);
        };
        let ending = async {
            if let Some(error) = self.end.take() {
                return error;
            }
            loop {
                match self.client.next_event().await {
                    Ok(event) => self.told.push(event),
                    Err(error) => return error,
                }
            }
        };
        let both = async { tokio::join!(reading, ending).1 };
        let error = tokio::time::timeout(PATIENCE, both).await;
        let error = error.expect("the client ends the connection in time");
        assert_eq!(hex_of_bytes(&rest), hex_of_bytes(said.as_ref()), "{error}");
        error
    }

    /// Demands DISCONNECT with this code, and that the program hears of the same code.
    pub(crate) async fn expect_refusal(&mut self, code: u8) {
        let error = self.expect_end([0xe0, 1, code]).await;
        let told = matches!(&error, Error::Protocol { reason, .. } if reason.as_u8() == code);
        assert!(told, "{code:#04x}: {error:?}");
    }

    /// The program ends the connection with this reason: DISCONNECT says so, and nothing follows.
    pub(crate) async fn expect_disconnect(&mut self, reason: ReasonCode) {
        let mut server = self.server.take().expect("a connection");
        let mut rest = Vec::new();
        let (ended, read) = tokio::join!(
            self.client.disconnect(reason, Properties::EMPTY),
            async move {
                let read = server.read_to_end(&mut rest).await;
                read.map(|_| rest)
            }
        );
        ended.expect("DISCONNECT is written");
        assert_eq!(read.expect("the client closes"), [0xe0, 1, reason.as_u8()]);
    }

    /// Demands that this CONNACK is taken for a broken protocol: the client goes without a word,
    /// since nothing may be said before an accepting CONNACK.
    pub(crate) async fn expect_bad_connack(&mut self, connack: &[u8], code: u8) {
        self.open().await;
        self.say(connack).await;
        let error = self.expect_end([]).await;
        let told = matches!(&error, Error::Protocol { reason, .. } if reason.as_u8() == code);
        assert!(told, "{code:#04x} for {connack:02x?}: {error:?}");
    }
}

/// Reads one packet, header and all.
async fn read_packet(server: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![server.read_u8().await.expect("the client says more")];
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let byte = server.read_u8().await.expect("a remaining length");
        packet.push(byte);
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    let read = server.read_exact(&mut body).await;
    read.expect("a whole packet");
    packet.extend(body);
    packet
}
